/*
 * Convolutions and residual blocks of EDM's networks.
 *
 * A convolution may double or halve the image on its way: up is the transposed convolution of
 * stride 2 with the filter 4 f, down the convolution of stride 2 with f, both channel by channel
 * with (length - 1) / 2 zeros around, f the outer product of the filter with itself, of sum 1. The
 * weights come after it. Fused and down, they come before: padded by both amounts, and the filter
 * without padding. [1,1] doubles pixels and takes means of 2 x 2.
 *
 * Residual block, in -> out (S = SiLU, GN = group norm, e = Linear(emb), c the skip scale):
 *
 *	a = conv0(S(GN(x)))                                conv0 resamples
 *	adaptive: a = S(GN(a) (1 + s) + t), (s | t) = e;   else: a = S(GN(a + e))
 *	y = c (skip(x) + conv1(dropout(a)))
 *	with attention: y = c (y + proj(attention(qkv(GN(y)))))
 *
 * In a neural operator conv0 and conv1 are spectral, and resample by their frequencies.
 *
 * Channels of qkv: head h owns [3dh, 3dh + 3d), in it channel 3i + p is channel i of q, k or v.
 */
#include <math.h>

#include "block.h"
#include "edm_priv.h"
#include "gradus/ops.h"

struct edm_conv {
	gr_conv *conv;         /* NULL: resampling alone, or */
	gr_spectral *spectral; /* both at once */
	edm_resample resample;
	bool fused;
	gr_dtype dtype;
	int length;
	double filter[GR_EDM_MAX_FILTER];
};

struct edm_block {
	gr_groupnorm *norm[3]; /* the third NULL without attention */
	edm_conv *conv[2], *qkv, *proj;
	edm_conv *skip; /* NULL: identity */
	gr_linear *affine;
	int64_t out, heads;
	bool adaptive;
	double scale;
};

static bool is_song(const gr_edm_config *c)
{
	return c->model_type != GR_EDM_DHARIWAL;
}

/* The initial law of a convolution's weight, and its scale. */
static gr_init_rule rule_of(const gr_edm_config *c, edm_init init, double *scale)
{
	*scale = 1.0;
	if (!is_song(c))
		return init == EDM_INIT_ZERO ? GR_INIT_ZEROS : GR_INIT_DEFAULT;
	if (init != EDM_INIT)
		*scale = init == EDM_INIT_ZERO ? 1e-5 : sqrt(0.2);
	return GR_INIT_XAVIER_UNIFORM;
}

edm_conv *gr__edm_conv_new(gr_module *parent, const char *name, const gr_edm_config *config,
	int64_t in, int64_t out, int64_t kernel, edm_resample resample, bool fused, edm_init init)
{
	edm_conv *c = gr_module_alloc(parent, sizeof *c);
	if (c == NULL)
		return NULL;
	*c = (edm_conv){.resample = resample,
		.fused = fused,
		.dtype = config->dtype,
		.length = config->filter_length};
	double sum = 0.0, scale;
	for (int i = 0; i < c->length; i++)
		sum += config->resample_filter[i];
	for (int i = 0; i < c->length; i++)
		c->filter[i] = config->resample_filter[i] / sum;
	if (kernel == 0)
		return c;
	const gr_init_rule rule = rule_of(config, init, &scale);
	c->conv = gr_conv_new(parent, name,
		GR_OPTS(gr_conv_layer_opts, .in = in, .out = out, .kernel = kernel,
			.pad = fused ? kernel / 2 + (c->length - 1) / 2 : 0, .init = rule,
			.init_scale = scale));
	return c->conv == NULL ? NULL : c;
}

/* The 3 x 3 convolution of a block, or what stands in its place in a neural operator. */
static edm_conv *block_conv(gr_module *m, const char *name, const gr_edm_config *c, int64_t in,
	int64_t out, int64_t resolution, edm_resample resample, edm_init init)
{
	if (c->model_type != GR_EDM_UNO)
		return gr__edm_conv_new(m, name, c, in, out, 3, resample, false, init);
	edm_conv *k = gr_module_alloc(m, sizeof *k);
	if (k == NULL)
		return NULL;
	*k = (edm_conv){.resample = resample};
	k->spectral = gr_spectral_new(m, name,
		GR_OPTS(gr_spectral_opts, .in = in, .out = out, .modes = resolution / 2,
			.init_scale = init == EDM_INIT_ZERO ? 1e-5 : 1.0));
	return k->spectral == NULL ? NULL : k;
}

/* f scaled to the given sum: [1,1,L,L] */
static gr_tensor *filter_tensor(const edm_conv *c, double sum)
{
	gr_tensor *f = gr_empty(GR_F64, GR_DIMS(1, 1, c->length, c->length));
	double *data = gr_tensor_data(f);
	for (int i = 0; data != NULL && i < c->length; i++)
		for (int k = 0; k < c->length; k++)
			data[i * c->length + k] = sum * c->filter[i] * c->filter[k];
	return gr_cast(f, c->dtype);
}

/* Twice or half the size, channel by channel. */
static gr_tensor *resample(const edm_conv *c, gr_tensor *x)
{
	if (c->resample == EDM_SAME || x == NULL)
		return x;
	const bool up = c->resample == EDM_UP;
	if (c->length == 2 && c->filter[0] == c->filter[1])
		return up ? gr_upsample_nearest2d(x, 2) : gr_avg_pool2d(x, 2);
	const int64_t n = gr_tensor_dim(x, 0), channels = gr_tensor_dim(x, 1);
	const int64_t pad = c->fused ? 0 : (c->length - 1) / 2;
	const gr_conv_opts opts = {.size = sizeof opts, .stride = 2, .pad = pad};
	x = gr_reshape(x, GR_DIMS(n * channels, 1, gr_tensor_dim(x, 2), gr_tensor_dim(x, 3)));
	gr_tensor *y = up ? gr_conv_transpose2d(x, filter_tensor(c, 4.0), NULL, &opts)
					  : gr_conv2d(x, filter_tensor(c, 1.0), &opts);
	return y == NULL
		? NULL
		: gr_reshape(y, GR_DIMS(n, channels, gr_tensor_dim(y, 2), gr_tensor_dim(y, 3)));
}

gr_tensor *gr__edm_conv_forward(const edm_conv *c, gr_tensor *x)
{
	if (c == NULL || x == NULL)
		return NULL;
	if (c->spectral != NULL) {
		const int64_t h = gr_tensor_dim(x, 2), w = gr_tensor_dim(x, 3);
		if (c->resample == EDM_SAME)
			return gr_spectral_forward(c->spectral, x, h, w);
		return c->resample == EDM_UP ? gr_spectral_forward(c->spectral, x, 2 * h, 2 * w)
									 : gr_spectral_forward(c->spectral, x, h / 2, w / 2);
	}
	gr_scope_begin();
	gr_tensor *y;
	if (c->conv == NULL)
		y = resample(c, x);
	else if (c->fused)
		y = resample(c, gr_conv_forward(c->conv, x));
	else
		y = gr_conv_forward(c->conv, resample(c, x));
	return gr__block_leave(y);
}

gr_groupnorm *gr__edm_norm_new(gr_module *parent, const char *name, const gr_edm_config *config,
	int64_t channels, bool silu)
{
	return gr_groupnorm_new(parent, name,
		GR_OPTS(gr_groupnorm_opts, .channels = channels,
			.groups = channels >= 128 ? 32 : channels / 4, .eps = is_song(config) ? 1e-6 : 1e-5,
			.silu = silu));
}

gr_linear *gr__edm_linear_new(gr_module *parent, const char *name, const gr_edm_config *config,
	int64_t in, int64_t out, bool bias)
{
	return gr_linear_new(parent, name,
		GR_OPTS(gr_linear_opts, .in = in, .out = out, .no_bias = !bias,
			.init = is_song(config) ? GR_INIT_XAVIER_UNIFORM : GR_INIT_DEFAULT));
}

static void build_attention(edm_block *b, gr_module *m, const gr_edm_config *c, int64_t width)
{
	b->heads = is_song(c) ? 1 : width / EDM_HEAD_CHANNELS;
	b->norm[2] = gr__edm_norm_new(m, "norm2", c, width, false);
	b->qkv =
		gr__edm_conv_new(m, "qkv", c, width, 3 * width, 1, EDM_SAME, false, EDM_INIT_ATTENTION);
	b->proj = gr__edm_conv_new(m, "proj", c, width, width, 1, EDM_SAME, false, EDM_INIT_ZERO);
}

edm_block *gr__edm_block_new(gr_module *parent, const char *name, const gr_edm_config *config,
	int64_t in, int64_t out, int64_t resolution, edm_resample resample, bool attention)
{
	gr_module *m = gr_module_child(parent, name);
	edm_block *b = gr_module_alloc(m, sizeof *b);
	if (b == NULL)
		return NULL;
	*b = (edm_block){.out = out, .adaptive = !is_song(config)};
	b->scale = is_song(config) ? sqrt(0.5) : 1.0;
	b->norm[0] = gr__edm_norm_new(m, "norm0", config, in, true);
	b->conv[0] = block_conv(m, "conv0", config, in, out, resolution, resample, EDM_INIT);
	b->affine = gr__edm_linear_new(m, "affine", config,
		config->model_channels * config->channel_mult_emb, b->adaptive ? 2 * out : out, true);
	b->norm[1] = gr__edm_norm_new(m, "norm1", config, out, true);
	b->conv[1] = block_conv(m, "conv1", config, out, out, resolution, EDM_SAME, EDM_INIT_ZERO);
	if (in != out || resample != EDM_SAME)
		b->skip = gr__edm_conv_new(m, "skip", config, in, out, is_song(config) || in != out ? 1 : 0,
			resample, false, EDM_INIT);
	if (attention && (is_song(config) || out >= EDM_HEAD_CHANNELS)) /* narrower ones have no head */
		build_attention(b, m, config, out);
	return gr_module_status(m) == GR_OK ? b : NULL;
}

static gr_tensor *attend(const edm_block *b, gr_tensor *x)
{
	if (x == NULL)
		return NULL;
	const int64_t n = gr_tensor_dim(x, 0), c = b->out;
	const int64_t h = gr_tensor_dim(x, 2), w = gr_tensor_dim(x, 3);
	gr_scope_begin();
	gr_tensor *qkv = gr__edm_conv_forward(b->qkv, gr_groupnorm_forward(b->norm[2], x)), *part[3];
	qkv = gr_reshape(qkv, GR_DIMS(n, b->heads, c / b->heads, 3, h * w));
	for (int i = 0; i < 3; i++) {
		part[i] = gr_squeeze(gr_slice(qkv, 3, i, i + 1, 1), 3); /* [N,heads,d,T] */
		part[i] = gr_transpose(part[i], 2, 3);
	}
	gr_tensor *y = gr_attention(part[0], part[1], part[2], 0.0);
	y = gr_reshape(gr_transpose(y, 2, 3), GR_DIMS(n, c, h, w));
	return gr__block_leave(gr_add(gr__edm_conv_forward(b->proj, y), x));
}

/* c y, or y itself. */
static gr_tensor *scaled(const edm_block *b, gr_tensor *y)
{
	return b->scale == 1.0 ? y : gr_mul_s(y, b->scale);
}

gr_tensor *gr__edm_block_forward(const edm_block *b, gr_tensor *x, edm_pass *pass)
{
	if (b == NULL || x == NULL)
		return NULL;
	gr_scope_begin();
	gr_tensor *a = gr__edm_conv_forward(b->conv[0], gr_groupnorm_forward(b->norm[0], x));
	gr_tensor *e = gr_linear_forward(b->affine, pass->emb); /* [N,2 out] or [N,out] */
	if (b->adaptive) {
		a = gr_groupnorm_modulate(b->norm[1], a, gr_slice(e, 1, 0, b->out, 1),
			gr_slice(e, 1, b->out, 2 * b->out, 1));
	} else {
		e = gr_unsqueeze(gr_unsqueeze(e, 2), 3);
		a = gr_groupnorm_forward(b->norm[1], gr_add(a, e));
	}
	if (pass->dropout_key != NULL)
		a = gr_dropout(a, pass->dropout, gr_key_fold(*pass->dropout_key, pass->site++));
	a = gr__edm_conv_forward(b->conv[1], a);
	gr_tensor *y = scaled(b, gr_add(a, b->skip == NULL ? x : gr__edm_conv_forward(b->skip, x)));
	if (b->heads > 0)
		y = scaled(b, attend(b, y));
	return gr__block_leave(y);
}
