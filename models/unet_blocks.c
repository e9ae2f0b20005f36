/*
 * Residual and attention blocks of the ADM U-Net.
 *
 * Residual block, in -> out (S = SiLU, GN = group norm, e = the block's share of the embedding):
 *
 *	a = S(GN(x));  if it resamples: a, x = resample(a), resample(x);  a = conv3x3(a)
 *	e = Linear(emb)                                  emb comes with its SiLU already applied
 *	scale-shift: (s, t) = halves of e, a = S(GN(a) (1 + s) + t);   else: a = S(GN(a + e))
 *	y = skip(x) + conv3x3(dropout(a))                skip: identity, or 1x1 if in != out
 *
 * Attention block: y = x + proj(attention(qkv(GN(x)))) over the T = H W pixels. Channels of qkv:
 * in the legacy order head h owns [3dh, 3dh + 3d), in it q, k, v are runs of d; in the new order
 * q, k, v are thirds of all channels and head h owns [dh, dh + d) of each.
 */
#include "unet_priv.h"

#include "block.h"
#include "gradus/ops.h"

struct unet_res {
	gr_groupnorm *in_norm, *out_norm;
	gr_conv *in_conv, *out_conv;
	gr_conv *skip; /* NULL: identity */
	gr_linear *emb;
	int64_t out;
	unet_resample resample;
	bool scale_shift;
};

struct unet_attention {
	gr_groupnorm *norm;
	gr_conv *qkv, *proj;
	int64_t heads;
	bool new_order;
};

unet_res *gr__unet_res_new(gr_module *parent, const char *name, const gr_unet_config *config,
	int64_t in, int64_t out, unet_resample resample)
{
	gr_module *m = gr_module_child(parent, name);
	unet_res *b = gr_module_alloc(m, sizeof *b);
	if (b == NULL)
		return NULL;
	const int64_t groups = config->norm_groups;
	b->out = out;
	b->resample = resample;
	b->scale_shift = config->use_scale_shift_norm;
	b->in_norm = gr_groupnorm_new(m, "in_layers.0",
		GR_OPTS(gr_groupnorm_opts, .channels = in, .groups = groups, .silu = true));
	b->in_conv = gr_conv_new(m, "in_layers.2", GR_OPTS(gr_conv_layer_opts, .in = in, .out = out));
	b->emb = gr_linear_new(m, "emb_layers.1",
		GR_OPTS(gr_linear_opts, .in = 4 * config->model_channels,
			.out = b->scale_shift ? 2 * out : out));
	b->out_norm = gr_groupnorm_new(m, "out_layers.0",
		GR_OPTS(gr_groupnorm_opts, .channels = out, .groups = groups, .silu = true));
	b->out_conv = gr_conv_new(m, "out_layers.3",
		GR_OPTS(gr_conv_layer_opts, .in = out, .out = out, .init = GR_INIT_ZEROS));
	if (in != out)
		b->skip = gr_conv_new(m, "skip_connection",
			GR_OPTS(gr_conv_layer_opts, .in = in, .out = out, .kernel = 1));
	return gr_module_status(m) == GR_OK ? b : NULL;
}

static gr_tensor *resample(gr_tensor *x, unet_resample how)
{
	switch (how) {
	case UNET_UP: return gr_upsample_nearest2d(x, 2);
	case UNET_DOWN: return gr_avg_pool2d(x, 2);
	case UNET_SAME: break;
	}
	return x;
}

gr_tensor *gr__unet_res_forward(const unet_res *b, gr_tensor *x, unet_pass *pass)
{
	gr_scope_begin();
	gr_tensor *a = gr_groupnorm_forward(b->in_norm, x);
	a = resample(a, b->resample);
	x = resample(x, b->resample);
	a = gr_conv_forward(b->in_conv, a); /* [N,out,H',W'] */

	gr_tensor *e = gr_linear_forward(b->emb, pass->emb); /* [N,2 out] or [N,out] */
	if (b->scale_shift) {
		gr_tensor *scale = gr_slice(e, 1, 0, b->out, 1);
		gr_tensor *shift = gr_slice(e, 1, b->out, 2 * b->out, 1);
		a = gr_groupnorm_modulate(b->out_norm, a, scale, shift);
	} else {
		e = gr_reshape(e, GR_DIMS(gr_tensor_dim(e, 0), b->out, 1, 1));
		a = gr_groupnorm_forward(b->out_norm, gr_add(a, e));
	}
	if (pass->dropout_key != NULL)
		a = gr_dropout(a, pass->dropout, gr_key_fold(*pass->dropout_key, pass->site++));
	a = gr_conv_forward(b->out_conv, a);
	return gr__block_leave(gr_add(b->skip == NULL ? x : gr_conv_forward(b->skip, x), a));
}

unet_attention *gr__unet_attention_new(gr_module *parent, const char *name,
	const gr_unet_config *config, int64_t width, int64_t heads)
{
	gr_module *m = gr_module_child(parent, name);
	unet_attention *b = gr_module_alloc(m, sizeof *b);
	if (b == NULL)
		return NULL;
	b->heads = heads;
	b->new_order = config->use_new_attention_order;
	b->norm = gr_groupnorm_new(m, "norm",
		GR_OPTS(gr_groupnorm_opts, .channels = width, .groups = config->norm_groups));
	b->qkv = gr_conv_new(m, "qkv",
		GR_OPTS(gr_conv_layer_opts, .in = width, .out = 3 * width, .is_1d = true));
	b->proj = gr_conv_new(m, "proj_out",
		GR_OPTS(gr_conv_layer_opts, .in = width, .out = width, .is_1d = true,
			.init = GR_INIT_ZEROS));
	return gr_module_status(m) == GR_OK ? b : NULL;
}

gr_tensor *gr__unet_attention_forward(const unet_attention *b, gr_tensor *x)
{
	if (x == NULL)
		return NULL;
	const int64_t n = gr_tensor_dim(x, 0), c = gr_tensor_dim(x, 1);
	const int64_t h = gr_tensor_dim(x, 2), w = gr_tensor_dim(x, 3);
	const int64_t d = c / b->heads;
	const int axis = b->new_order ? 1 : 2; /* where q, k, v lie side by side */

	gr_scope_begin();
	gr_tensor *qkv = gr_conv_forward(b->qkv, gr_groupnorm_forward(b->norm, x)); /* [N,3C,H,W] */
	qkv = b->new_order ? gr_reshape(qkv, GR_DIMS(n, 3, b->heads, d, h * w))
					   : gr_reshape(qkv, GR_DIMS(n, b->heads, 3, d, h * w));
	gr_tensor *part[3];
	for (int i = 0; i < 3; i++) {
		part[i] = gr_squeeze(gr_slice(qkv, axis, i, i + 1, 1), axis); /* [N,heads,d,T] */
		part[i] = gr_transpose(part[i], 2, 3);                        /* [N,heads,T,d] */
	}
	gr_tensor *y = gr_attention(part[0], part[1], part[2], 0.0);
	y = gr_reshape(gr_transpose(y, 2, 3), GR_DIMS(n, c, h, w));
	return gr__block_leave(gr_add(x, gr_conv_forward(b->proj, y)));
}
