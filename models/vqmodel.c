/*
 * VQModel: encoder and decoder of vae_coder.c around two 1x1 convolutions and a codebook.
 *
 *	h = quant_conv(encoder(x))
 *	q = h + stop_gradient(nearest code - h)
 *	x_hat = decoder(post_quant_conv(q))
 *
 * Squared distances are |h|^2 + |e|^2 - 2 <h, e>, for so many vectors at a time that their table
 * stays small.
 */
#include "gradus/vqmodel.h"

#include "block.h"
#include "gradus/ops.h"
#include "vae_priv.h"

/* Distances at a time. */
#define TABLE_MAX ((int64_t)1 << 22)

struct gr_vqmodel {
	gr_vqmodel_config config;
	gr_module *root;
	vae_coder *encoder, *decoder;
	gr_conv *quant, *post_quant;
	gr_param *codes; /* [n_embed, embed_dim] */
};

static const option options[] = {
	VAE_CODER_OPTIONS(gr_vqmodel_config),
	{"n_embed", OPTION_COUNT, offsetof(gr_vqmodel_config, n_embed), 0, NULL},
	{"embed_dim", OPTION_COUNT, offsetof(gr_vqmodel_config, embed_dim), 0, NULL},
};

static const option_table table = {"vqmodel", options, sizeof options / sizeof *options};

gr_status gr_vqmodel_config_from_json(gr_vqmodel_config *out, const gr_json *object)
{
	gr_vqmodel_config c = {.size = sizeof c};
	gr_status status = gr__options_read(&table, object, &c);
	if (status == GR_OK && out != NULL)
		*out = c;
	return status;
}

static gr_status check_config(gr_vqmodel_config *c)
{
	gr_status status = gr__vae_coder_check(&c->coder, "vqmodel");
	if (status != GR_OK)
		return status;
	if (!c->coder.single_z)
		return gr_error_set(GR_EARG,
			"vqmodel: its encoder has no log-variances; hint: double_z = false");
	if (c->embed_dim == 0)
		c->embed_dim = c->coder.z_channels;
	if (c->embed_dim < 1 || c->n_embed < 1)
		return gr_error_set(GR_EARG, "vqmodel: n_embed %lld, embed_dim %lld: both must be positive",
			(long long)c->n_embed, (long long)c->embed_dim);
	return GR_OK;
}

static gr_status build(gr_vqmodel *v)
{
	const gr_vqmodel_config *c = &v->config;
	const int64_t z = c->coder.z_channels, e = c->embed_dim;
	v->encoder = gr__vae_encoder_new(v->root, &c->coder);
	v->decoder = gr__vae_decoder_new(v->root, &c->coder);
	v->codes = gr_module_add_param(v->root, "quantize.embedding.weight",
		GR_OPTS(gr_param_opts, .init = GR_INIT_UNIFORM, .scale = 1.0 / (double)c->n_embed),
		GR_DIMS(c->n_embed, e));
	v->quant = gr_conv_new(v->root, "quant_conv",
		GR_OPTS(gr_conv_layer_opts, .in = z, .out = e, .kernel = 1));
	v->post_quant = gr_conv_new(v->root, "post_quant_conv",
		GR_OPTS(gr_conv_layer_opts, .in = e, .out = z, .kernel = 1));
	return gr_module_status(v->root);
}

gr_vqmodel *gr_vqmodel_new(const gr_vqmodel_config *config)
{
	if (config == NULL) {
		gr_error_set(GR_EARG, "vqmodel: a configuration is required");
		return NULL;
	}
	gr_vqmodel_config filled = *config;
	if (check_config(&filled) != GR_OK)
		return NULL;
	gr_vqmodel *v = gr_alloc(sizeof *v);
	if (v == NULL)
		return NULL;
	*v = (gr_vqmodel){.config = filled, .root = gr_module_new()};
	if (v->root == NULL || gr_module_set_dtype(v->root, filled.dtype) != GR_OK ||
		build(v) != GR_OK) {
		gr_vqmodel_free(v);
		return NULL;
	}
	return v;
}

void gr_vqmodel_free(gr_vqmodel *v)
{
	if (v == NULL)
		return;
	gr_module_free(v->root);
	gr_free(v);
}

gr_module *gr_vqmodel_module(gr_vqmodel *v)
{
	return v == NULL ? NULL : v->root;
}

const gr_vqmodel_config *gr_vqmodel_get_config(const gr_vqmodel *v)
{
	return v == NULL ? NULL : &v->config;
}

gr_tensor *gr_vqmodel_encode(const gr_vqmodel *v, gr_tensor *x)
{
	if (v == NULL || x == NULL)
		return NULL;
	gr_scope_begin();
	return gr__block_leave(gr_conv_forward(v->quant, gr__vae_coder_forward(v->encoder, x)));
}

/* Numbers of the codes nearest to rows [P,E]: i64 [P]. */
static gr_tensor *nearest(gr_tensor *rows, gr_tensor *codes)
{
	const int64_t count = gr_tensor_dim(rows, 0);
	gr_tensor *index = gr_empty(GR_I64, GR_DIMS(count));
	int64_t *out = gr_tensor_data(index);
	int64_t step = TABLE_MAX / gr_tensor_dim(codes, 0);
	if (step < 1)
		step = 1;
	gr_tensor *size = gr_sumsq(codes, GR_AXES(1), false); /* [K] */
	gr_tensor *across = gr_transpose(codes, 0, 1);
	for (int64_t first = 0; first < count && out != NULL; first += step) {
		gr_scope_begin();
		gr_tensor *h = gr_slice(rows, 0, first, first + step, 1); /* [S,E] */
		gr_tensor *d = gr_add(gr_sumsq(h, GR_AXES(1), true), size);
		d = gr_axpby(d, -1.0, gr_matmul(h, across), 2.0); /* [S,K], minus the distances */
		gr_tensor *best = gr_argmax(d, 1);
		const int64_t *from = gr_estimating() ? NULL : gr_tensor_data_const(best);
		for (int64_t i = 0; from != NULL && i < gr_tensor_size(best); i++)
			out[first + i] = from[i];
		if (gr_scope_end() != GR_OK)
			return NULL;
	}
	return index;
}

gr_tensor *gr_vqmodel_quantize(const gr_vqmodel *v, gr_tensor *h, gr_tensor **index)
{
	if (v == NULL || h == NULL || gr__vae_check_input("vqmodel", h, v->config.embed_dim) != GR_OK)
		return NULL;
	const int64_t n = gr_tensor_dim(h, 0), e = gr_tensor_dim(h, 1);
	const int64_t height = gr_tensor_dim(h, 2), width = gr_tensor_dim(h, 3);
	gr_scope_begin();
	const bool recording = gr_set_recording(false);
	gr_tensor *codes = gr_param_tensor(v->codes);
	gr_tensor *rows = gr_reshape(gr_permute(h, (const int[]){0, 2, 3, 1}), GR_DIMS(-1, e));
	gr_tensor *found = rows == NULL || codes == NULL ? NULL : nearest(rows, codes);
	gr_tensor *q = gr_reshape(gr_gather(codes, 0, found), GR_DIMS(n, height, width, e));
	gr_tensor *change = gr_sub(gr_permute(q, (const int[]){0, 3, 1, 2}), h);
	gr_set_recording(recording);
	if (index != NULL)
		*index = gr_escape(found);
	return gr__block_leave(gr_add(h, change));
}

gr_tensor *gr_vqmodel_decode(const gr_vqmodel *v, gr_tensor *h, bool not_quantized)
{
	if (v == NULL || h == NULL || gr__vae_check_input("vqmodel", h, v->config.embed_dim) != GR_OK)
		return NULL;
	gr_scope_begin();
	if (!not_quantized)
		h = gr_vqmodel_quantize(v, h, NULL);
	return gr__block_leave(gr__vae_coder_forward(v->decoder, gr_conv_forward(v->post_quant, h)));
}
