/*
 * Residual and attention blocks of the latent-diffusion autoencoders.
 *
 * Residual block, in -> out (S = SiLU, GN = group norm with eps 1e-6):
 *
 *	a = conv1(S(GN(x)));  a = a + temb_proj(emb)   emb comes with its SiLU, only with embeddings
 *	y = shortcut(x) + conv2(S(GN(a)))              shortcut: identity, or 1x1 if in != out
 *
 * Attention block: y = x + proj_out(attention(q, k, v)), q, k, v each a 1x1 convolution of GN(x),
 * over the T = H W pixels, one head. Its linear kind has the softmax on the keys alone, over pixels:
 * y = to_out((v softmax(k)^T) q), with neither norm nor residual.
 */
#include "vae_priv.h"

#include "block.h"
#include "gradus/ops.h"

#define EPS 1e-6

struct vae_res {
	gr_groupnorm *norm1, *norm2;
	gr_conv *conv1, *conv2;
	gr_linear *emb;    /* NULL: none */
	gr_conv *shortcut; /* NULL: identity */
	int64_t out;
};

struct vae_attention {
	gr_vae_attention kind;
	gr_groupnorm *norm;
	gr_conv *part[3]; /* q, k, v; linear: the first makes all three */
	gr_conv *proj;
};

vae_res *gr__vae_res_new(gr_module *parent, const char *name, int64_t in, int64_t out,
	int64_t groups, int64_t emb)
{
	gr_module *m = gr_module_child(parent, name);
	vae_res *b = gr_module_alloc(m, sizeof *b);
	if (b == NULL)
		return NULL;
	b->out = out;
	b->norm1 = gr_groupnorm_new(m, "norm1",
		GR_OPTS(gr_groupnorm_opts, .channels = in, .groups = groups, .eps = EPS, .silu = true));
	b->conv1 = gr_conv_new(m, "conv1", GR_OPTS(gr_conv_layer_opts, .in = in, .out = out));
	if (emb > 0)
		b->emb = gr_linear_new(m, "temb_proj", GR_OPTS(gr_linear_opts, .in = emb, .out = out));
	b->norm2 = gr_groupnorm_new(m, "norm2",
		GR_OPTS(gr_groupnorm_opts, .channels = out, .groups = groups, .eps = EPS, .silu = true));
	b->conv2 = gr_conv_new(m, "conv2", GR_OPTS(gr_conv_layer_opts, .in = out, .out = out));
	if (in != out)
		b->shortcut = gr_conv_new(m, "nin_shortcut",
			GR_OPTS(gr_conv_layer_opts, .in = in, .out = out, .kernel = 1));
	return gr_module_status(m) == GR_OK ? b : NULL;
}

gr_tensor *gr__vae_res_forward(const vae_res *b, gr_tensor *x, gr_tensor *emb)
{
	if (b == NULL || x == NULL)
		return NULL;
	gr_scope_begin();
	gr_tensor *a = gr_conv_forward(b->conv1, gr_groupnorm_forward(b->norm1, x)); /* [N,out,H,W] */
	if (b->emb != NULL) {
		gr_tensor *e = gr_linear_forward(b->emb, emb); /* [N,out] */
		a = gr_add(a, gr_reshape(e, GR_DIMS(gr_tensor_dim(x, 0), b->out, 1, 1)));
	}
	a = gr_conv_forward(b->conv2, gr_groupnorm_forward(b->norm2, a));
	return gr__block_leave(gr_add(b->shortcut == NULL ? x : gr_conv_forward(b->shortcut, x), a));
}

static void build_vanilla(vae_attention *b, gr_module *m, int64_t width, int64_t groups)
{
	static const char *const names[] = {"q", "k", "v"};
	const gr_conv_layer_opts square = {.size = sizeof square,
		.in = width,
		.out = width,
		.kernel = 1};
	b->norm = gr_groupnorm_new(m, "norm",
		GR_OPTS(gr_groupnorm_opts, .channels = width, .groups = groups, .eps = EPS));
	for (int i = 0; i < 3; i++)
		b->part[i] = gr_conv_new(m, names[i], &square);
	b->proj = gr_conv_new(m, "proj_out", &square);
}

static void build_linear(vae_attention *b, gr_module *m, int64_t width)
{
	b->part[0] = gr_conv_new(m, "to_qkv",
		GR_OPTS(gr_conv_layer_opts, .in = width, .out = 3 * width, .kernel = 1, .no_bias = true));
	b->proj = gr_conv_new(m, "to_out",
		GR_OPTS(gr_conv_layer_opts, .in = width, .out = width, .kernel = 1));
}

vae_attention *gr__vae_attention_new(gr_module *parent, const char *name, int64_t width,
	int64_t groups, gr_vae_attention kind)
{
	if (kind == GR_VAE_ATTENTION_NONE)
		return NULL;
	gr_module *m = gr_module_child(parent, name);
	vae_attention *b = gr_module_alloc(m, sizeof *b);
	if (b == NULL)
		return NULL;
	b->kind = kind;
	if (kind == GR_VAE_ATTENTION_VANILLA)
		build_vanilla(b, m, width, groups);
	else
		build_linear(b, m, width);
	return gr_module_status(m) == GR_OK ? b : NULL;
}

static gr_tensor *vanilla(const vae_attention *b, gr_tensor *x, int64_t n, int64_t c, int64_t t)
{
	gr_tensor *normed = gr_groupnorm_forward(b->norm, x), *part[3];
	for (int i = 0; i < 3; i++) {
		part[i] = gr_reshape(gr_conv_forward(b->part[i], normed), GR_DIMS(n, c, t));
		part[i] = gr_transpose(part[i], 1, 2); /* [N,T,C] */
	}
	return gr_transpose(gr_attention(part[0], part[1], part[2], 0.0), 1, 2); /* [N,C,T] */
}

static gr_tensor *linear(const vae_attention *b, gr_tensor *x, int64_t n, int64_t c, int64_t t)
{
	gr_tensor *qkv = gr_reshape(gr_conv_forward(b->part[0], x), GR_DIMS(n, 3 * c, t)), *part[3];
	for (int i = 0; i < 3; i++)
		part[i] = gr_slice(qkv, 1, i * c, (i + 1) * c, 1); /* [N,C,T] */
	gr_tensor *k = gr_transpose(gr_softmax(part[1]), 1, 2);
	return gr_matmul(gr_matmul(part[2], k), part[0]); /* [N,C,C] [N,C,T] */
}

gr_tensor *gr__vae_attention_forward(const vae_attention *b, gr_tensor *x)
{
	if (b == NULL || x == NULL)
		return NULL;
	const int64_t n = gr_tensor_dim(x, 0), c = gr_tensor_dim(x, 1);
	const int64_t h = gr_tensor_dim(x, 2), w = gr_tensor_dim(x, 3);
	const bool plain = b->kind == GR_VAE_ATTENTION_VANILLA;
	gr_scope_begin();
	gr_tensor *y = plain ? vanilla(b, x, n, c, h * w) : linear(b, x, n, c, h * w);
	y = gr_conv_forward(b->proj, gr_reshape(y, GR_DIMS(n, c, h, w)));
	return gr__block_leave(plain ? gr_add(x, y) : y);
}
