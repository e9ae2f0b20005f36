/*
 * AutoencoderKL: encoder and decoder of vae_coder.c around two 1x1 convolutions and a diagonal
 * Gaussian.
 *
 *	moments = quant_conv(encoder(x)) = (mean | logvar)
 *	z = scale_factor (mean + exp(logvar / 2) n)
 *	x_hat = decoder(post_quant_conv(z / scale_factor))
 */
#include "gradus/vae.h"

#include <string.h>

#include "block.h"
#include "diffusers_priv.h"
#include "gradus/ops.h"
#include "vae_priv.h"

struct gr_vae {
	gr_vae_config config;
	gr_module *root;
	vae_coder *encoder, *decoder;
	gr_conv *quant, *post_quant;
};

static const option options[] = {
	VAE_CODER_OPTIONS(gr_vae_config),
	{"embed_dim", OPTION_COUNT, offsetof(gr_vae_config, embed_dim), 0, NULL},
	{"scale_factor", OPTION_REAL, offsetof(gr_vae_config, scale_factor), 0, NULL},
};

static const option_table table = {"vae", options, sizeof options / sizeof *options};

gr_status gr_vae_config_from_json(gr_vae_config *out, const gr_json *object)
{
	gr_vae_config c = {.size = sizeof c};
	gr_status status = gr__diffusers_is(object) ? gr__diffusers_vae(&c, object)
												: gr__options_read(&table, object, &c);
	if (status == GR_OK && out != NULL)
		*out = c;
	return status;
}

static gr_status check_config(gr_vae_config *c)
{
	gr_status status = gr__vae_coder_check(&c->coder, "vae");
	if (status != GR_OK)
		return status;
	if (c->coder.single_z)
		return gr_error_set(GR_EARG,
			"vae: a KL autoencoder needs log-variances; hint: double_z = true");
	if (c->embed_dim == 0)
		c->embed_dim = c->coder.z_channels;
	if (c->scale_factor == 0.0)
		c->scale_factor = 1.0;
	return c->embed_dim > 0
		? GR_OK
		: gr_error_set(GR_EARG, "vae: embed_dim %lld must be positive", (long long)c->embed_dim);
}

static gr_status build(gr_vae *v)
{
	const gr_vae_config *c = &v->config;
	const int64_t z = c->coder.z_channels, e = c->embed_dim;
	v->encoder = gr__vae_encoder_new(v->root, &c->coder);
	v->decoder = gr__vae_decoder_new(v->root, &c->coder);
	v->quant = gr_conv_new(v->root, "quant_conv",
		GR_OPTS(gr_conv_layer_opts, .in = 2 * z, .out = 2 * e, .kernel = 1));
	v->post_quant = gr_conv_new(v->root, "post_quant_conv",
		GR_OPTS(gr_conv_layer_opts, .in = e, .out = z, .kernel = 1));
	return gr_module_status(v->root);
}

gr_vae *gr_vae_new(const gr_vae_config *config)
{
	if (config == NULL) {
		gr_error_set(GR_EARG, "vae: a configuration is required");
		return NULL;
	}
	gr_vae_config filled = *config;
	if (check_config(&filled) != GR_OK)
		return NULL;
	gr_vae *v = gr_alloc(sizeof *v);
	if (v == NULL)
		return NULL;
	*v = (gr_vae){.config = filled, .root = gr_module_new()};
	if (v->root == NULL || gr_module_set_dtype(v->root, filled.dtype) != GR_OK ||
		build(v) != GR_OK) {
		gr_vae_free(v);
		return NULL;
	}
	return v;
}

void gr_vae_free(gr_vae *v)
{
	if (v == NULL)
		return;
	gr_module_free(v->root);
	gr_free(v);
}

gr_module *gr_vae_module(gr_vae *v)
{
	return v == NULL ? NULL : v->root;
}

const gr_vae_config *gr_vae_get_config(const gr_vae *v)
{
	return v == NULL ? NULL : &v->config;
}

gr_tensor *gr_vae_moments(const gr_vae *v, gr_tensor *x)
{
	if (v == NULL || x == NULL)
		return NULL;
	gr_scope_begin();
	return gr__block_leave(gr_conv_forward(v->quant, gr__vae_coder_forward(v->encoder, x)));
}

/* Noise of every sample by its own key: it does not depend on the batch. [N,E,h,w] */
static gr_tensor *draw_noise(const gr_vae *v, const gr_tensor *moments, const gr_key *keys)
{
	const int64_t *dims = gr_tensor_dims(moments);
	const int64_t one[] = {1, v->config.embed_dim, dims[2], dims[3]};
	const int64_t size = one[1] * one[2] * one[3];
	gr_tensor *noise = gr_empty(v->config.dtype, GR_DIMS(dims[0], one[1], one[2], one[3]));
	for (int64_t i = 0; noise != NULL && i < dims[0]; i++) {
		gr_tensor *n = gr_random_normal(keys[i], v->config.dtype, 4, one);
		if (n == NULL)
			return NULL;
		const size_t bytes = (size_t)size * gr_dtype_bytes(v->config.dtype);
		if (!gr_estimating())
			memcpy((char *)gr_tensor_data(noise) + (size_t)i * bytes, gr_tensor_data_const(n),
				bytes);
	}
	return noise;
}

gr_tensor *gr_vae_sample(const gr_vae *v, gr_tensor *moments, const gr_key *keys)
{
	if (v == NULL || moments == NULL ||
		gr__vae_check_input("vae", moments, 2 * v->config.embed_dim) != GR_OK)
		return NULL;
	const int64_t e = v->config.embed_dim;
	gr_scope_begin();
	gr_tensor *z = gr_slice(moments, 1, 0, e, 1);
	if (keys != NULL) {
		gr_tensor *logvar = gr_clamp(gr_slice(moments, 1, e, 2 * e, 1), -30.0, 20.0);
		gr_tensor *std = gr_exp(gr_mul_s(logvar, 0.5));
		z = gr_muladd(std, draw_noise(v, moments, keys), z);
	}
	return gr__block_leave(gr_mul_s(z, v->config.scale_factor));
}

gr_tensor *gr_vae_encode(const gr_vae *v, gr_tensor *x, const gr_key *keys)
{
	if (v == NULL || x == NULL)
		return NULL;
	gr_scope_begin();
	return gr__block_leave(gr_vae_sample(v, gr_vae_moments(v, x), keys));
}

gr_tensor *gr_vae_decode(const gr_vae *v, gr_tensor *z)
{
	if (v == NULL || z == NULL || gr__vae_check_input("vae", z, v->config.embed_dim) != GR_OK)
		return NULL;
	gr_scope_begin();
	if (v->config.scale_factor != 1.0)
		z = gr_mul_s(z, 1.0 / v->config.scale_factor);
	return gr__block_leave(gr__vae_coder_forward(v->decoder, gr_conv_forward(v->post_quant, z)));
}
