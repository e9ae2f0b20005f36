/*
 * The SpatialTransformer of latent diffusion's U-Net: transformer blocks on the pixels of a feature
 * map, with cross-attention to a context.
 *
 *	X = tokens(proj_in(GN(x)))                 eps 1e-6; 1x1 conv, or a linear layer on the tokens
 *	each block: X = X + SelfAttention(LN(X));  X = X + CrossAttention(LN(X), context)
 *	            X = X + FF(LN(X)), FF(u) = W2 (a GELU(b)), (a | b) = W1 u
 *	y = x + proj_out(image(X))
 *
 * Both kinds of projection hold the same numbers; the files differ in their shape.
 */
#include "unet_priv.h"

#include "block.h"
#include "gradus/ops.h"

typedef struct transformer_block {
	gr_crossattention *self, *cross;
	gr_mlp *ff;
	gr_layernorm *norm[3];
} transformer_block;

struct unet_transformer {
	gr_groupnorm *norm;
	gr_conv *conv_in, *conv_out; /* NULL: the linear kind */
	gr_linear *linear_in, *linear_out;
	int64_t inner;
	int depth;
	transformer_block block[UNET_TRANSFORMER_DEPTH_MAX];
};

static void build_block(transformer_block *b, gr_module *m, int64_t inner, int64_t heads,
	int64_t context)
{
	static const char *const norms[] = {"norm1", "norm2", "norm3"};
	b->self = gr_crossattention_new(m, "attn1",
		GR_OPTS(gr_crossattention_opts, .dim = inner, .heads = heads));
	b->ff = gr_mlp_new(m, "ff",
		GR_OPTS(gr_mlp_opts, .dim = inner, .gate = GR_GATE_SECOND, .first_name = "net.0.proj",
			.second_name = "net.2"));
	b->cross = gr_crossattention_new(m, "attn2",
		GR_OPTS(gr_crossattention_opts, .dim = inner, .context = context, .heads = heads));
	for (int i = 0; i < 3; i++)
		b->norm[i] = gr_layernorm_new(m, norms[i], GR_OPTS(gr_layernorm_opts, .dim = inner));
}

unet_transformer *gr__unet_transformer_new(gr_module *parent, const char *name,
	const gr_unet_config *config, int64_t width, int64_t heads, int64_t inner)
{
	gr_module *m = gr_module_child(parent, name);
	unet_transformer *b = gr_module_alloc(m, sizeof *b);
	if (b == NULL)
		return NULL;
	*b = (unet_transformer){.inner = inner, .depth = (int)config->transformer_depth};
	b->norm = gr_groupnorm_new(m, "norm",
		GR_OPTS(gr_groupnorm_opts, .channels = width, .groups = config->norm_groups, .eps = 1e-6));
	if (config->use_linear_in_transformer)
		b->linear_in =
			gr_linear_new(m, "proj_in", GR_OPTS(gr_linear_opts, .in = width, .out = inner));
	else
		b->conv_in = gr_conv_new(m, "proj_in",
			GR_OPTS(gr_conv_layer_opts, .in = width, .out = inner, .kernel = 1));
	for (int i = 0; i < b->depth; i++)
		build_block(&b->block[i], gr_module_childf(m, "transformer_blocks.%d", i), inner, heads,
			config->context_dim);
	if (config->use_linear_in_transformer)
		b->linear_out = gr_linear_new(m, "proj_out",
			GR_OPTS(gr_linear_opts, .in = inner, .out = width, .init = GR_INIT_ZEROS));
	else
		b->conv_out = gr_conv_new(m, "proj_out",
			GR_OPTS(gr_conv_layer_opts, .in = inner, .out = width, .kernel = 1,
				.init = GR_INIT_ZEROS));
	return gr_module_status(m) == GR_OK ? b : NULL;
}

/* [N,C,H,W] <-> [N,H W,C] */
static gr_tensor *to_tokens(gr_tensor *x, int64_t n, int64_t c, int64_t pixels)
{
	return gr_transpose(gr_reshape(x, GR_DIMS(n, c, pixels)), 1, 2);
}

static gr_tensor *to_image(gr_tensor *x, int64_t n, int64_t c, int64_t h, int64_t w)
{
	return gr_reshape(gr_transpose(x, 1, 2), GR_DIMS(n, c, h, w));
}

static gr_tensor *apply_block(const void *layer, gr_tensor *x, const void *shared)
{
	const transformer_block *b = layer;
	const unet_pass *pass = shared;
	x = gr_add(gr_crossattention_forward(b->self, gr_layernorm_forward(b->norm[0], x), NULL), x);
	gr_tensor *a = gr_layernorm_forward(b->norm[1], x);
	x = gr_add(gr_crossattention_forward(b->cross, a, pass->context), x);
	return gr_add(gr_mlp_forward(b->ff, gr_layernorm_forward(b->norm[2], x)), x);
}

gr_tensor *gr__unet_transformer_forward(const unet_transformer *b, gr_tensor *x,
	const unet_pass *pass)
{
	if (b == NULL || x == NULL)
		return NULL;
	const int64_t n = gr_tensor_dim(x, 0), c = gr_tensor_dim(x, 1);
	const int64_t height = gr_tensor_dim(x, 2), width = gr_tensor_dim(x, 3);
	gr_scope_begin();
	gr_tensor *h = gr_groupnorm_forward(b->norm, x);
	if (b->conv_in != NULL)
		h = to_tokens(gr_conv_forward(b->conv_in, h), n, b->inner, height * width);
	else
		h = gr_linear_forward(b->linear_in, to_tokens(h, n, c, height * width));
	gr_tensor_retain(h);
	for (int i = 0; i < b->depth; i++)
		h = gr__block_advance(h, apply_block, &b->block[i], pass);
	gr_tensor *y = b->conv_out != NULL
		? gr_conv_forward(b->conv_out, to_image(h, n, b->inner, height, width))
		: to_image(gr_linear_forward(b->linear_out, h), n, c, height, width);
	gr_tensor_release(h);
	return gr__block_leave(gr_add(y, x));
}
