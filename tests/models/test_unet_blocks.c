/* Blocks of the U-Net against their definitions, and the two layouts of qkv. */
#include <criterion/criterion.h>

#include "nn_check.h"
#include "unet_priv.h"

#define GROUPS 4

static const gr_unet_config base = {.size = sizeof base,
	.model_channels = 8,
	.norm_groups = GROUPS};

/* Every parameter N(0, 0.3^2), so that nothing is zero. */
static gr_module *draw(gr_module *root)
{
	cr_assert_eq(gr_module_init(root, gr_key_seed(1)), GR_OK, "%s", gr_error_message());
	bool recording = gr_set_recording(false);
	for (int64_t i = 0; i < gr_module_param_count(root); i++) {
		gr_tensor *p = gr_module_param(root, i);
		gr_tensor *v = nn_normal((uint64_t)i, GR_F64, gr_tensor_ndim(p), gr_tensor_dims(p));
		cr_assert_eq(gr_param_update(p, gr_mul_s(v, 0.3)), GR_OK);
	}
	gr_set_recording(recording);
	return root;
}

static gr_module *new_root(void)
{
	gr_module *root = gr_module_new();
	cr_assert_eq(gr_module_set_dtype(root, GR_F64), GR_OK);
	return root;
}

/* GN(x) w + b by means and variances; w, b [C] or [N,C]. */
static gr_tensor *group_norm(gr_tensor *x, gr_tensor *w, gr_tensor *b)
{
	const int64_t *d = gr_tensor_dims(x);
	gr_tensor *g = gr_reshape(x, GR_DIMS(d[0], GROUPS, d[1] / GROUPS * d[2] * d[3]));
	gr_tensor *centred = gr_sub(g, gr_mean(g, GR_AXES(2), true));
	gr_tensor *variance = gr_mean(gr_square(centred), GR_AXES(2), true);
	gr_tensor *y = gr_reshape(gr_mul(centred, gr_rsqrt(gr_add_s(variance, 1e-5))), 4, d);
	return gr_muladd(y, gr_reshape(w, GR_DIMS(-1, d[1], 1, 1)),
		gr_reshape(b, GR_DIMS(-1, d[1], 1, 1)));
}

static gr_tensor *conv(const gr_module *m, const char *name, gr_tensor *x, int64_t pad)
{
	char key[64];
	snprintf(key, sizeof key, "r.%s.weight", name);
	gr_tensor *w = gr_module_find(m, key);
	snprintf(key, sizeof key, "r.%s.bias", name);
	return gr_conv2d_bias(x, w, gr_module_find(m, key), GR_OPTS(gr_conv_opts, .pad = pad));
}

static gr_tensor *resample(gr_tensor *x, unet_resample how)
{
	return how == UNET_UP  ? gr_upsample_nearest2d(x, 2)
		: how == UNET_DOWN ? gr_avg_pool2d(x, 2)
						   : x;
}

/* models.md, 1.4, line by line. */
static gr_tensor *res_by_definition(const gr_module *m, gr_tensor *x, gr_tensor *emb, int64_t out,
	unet_resample how, bool scale_shift)
{
	gr_tensor *a = gr_silu(group_norm(x, gr_module_find(m, "r.in_layers.0.weight"),
		gr_module_find(m, "r.in_layers.0.bias")));
	a = conv(m, "in_layers.2", resample(a, how), 1);
	x = resample(x, how);
	gr_tensor *e = gr_matmul(emb, gr_transpose(gr_module_find(m, "r.emb_layers.1.weight"), 0, 1));
	e = gr_add(e, gr_module_find(m, "r.emb_layers.1.bias"));
	e = gr_reshape(e, GR_DIMS(gr_tensor_dim(e, 0), -1, 1, 1));
	gr_tensor *w = gr_module_find(m, "r.out_layers.0.weight");
	gr_tensor *b = gr_module_find(m, "r.out_layers.0.bias");
	if (scale_shift)
		a = gr_muladd(group_norm(a, w, b), gr_add_s(gr_slice(e, 1, 0, out, 1), 1.0),
			gr_slice(e, 1, out, 2 * out, 1));
	else
		a = group_norm(gr_add(a, e), w, b);
	a = conv(m, "out_layers.3", gr_silu(a), 1);
	if (gr_tensor_dim(x, 1) != out)
		x = conv(m, "skip_connection", x, 0);
	return gr_add(x, a);
}

Test(unet_blocks, residual)
{
	for (int i = 0; i < 12; i++) {
		const unet_resample how = (unet_resample)(i % 3);
		const int64_t in = 8, out = (i / 3) % 2 == 0 ? 8 : 12;
		gr_unet_config config = base;
		config.use_scale_shift_norm = i >= 6;
		gr_module *root = new_root();
		unet_res *b = gr__unet_res_new(root, "r", &config, in, out, how);
		draw(root);
		cr_assert_eq(gr_module_param_count(root), in == out ? 10 : 12);
		gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, in, 4, 6));
		unet_pass pass = {.emb = nn_normal(3, GR_F64, GR_DIMS(2, 32))};
		gr_tensor *want =
			res_by_definition(root, x, pass.emb, out, how, config.use_scale_shift_norm);
		double distance = nn_distance(gr__unet_res_forward(b, x, &pass), want);
		cr_assert_lt(distance, 1e-12, "case %d: %g", i, distance);
		gr_module_free(root);
	}
}

/* Row h 3d + p d + j of the legacy qkv is row p C + h d + j of the new one (p = q, k, v). */
Test(unet_blocks, attention_orders)
{
	enum { C = 12, HEADS = 3, D = C / HEADS };
	gr_unet_config config = base;
	gr_module *old_root = new_root(), *new_order_root = new_root();
	unet_attention *legacy = gr__unet_attention_new(old_root, "r", &config, C, HEADS);
	config.use_new_attention_order = true;
	unet_attention *modern = gr__unet_attention_new(new_order_root, "r", &config, C, HEADS);
	draw(old_root);
	draw(new_order_root);
	int64_t from[3 * C];
	for (int64_t p = 0; p < 3; p++)
		for (int64_t h = 0; h < HEADS; h++)
			for (int64_t j = 0; j < D; j++)
				from[p * C + h * D + j] = h * 3 * D + p * D + j;
	gr_tensor *index = gr_from(GR_I64, from, GR_DIMS(3 * C));
	const char *names[] = {"r.qkv.weight", "r.qkv.bias"};
	for (int i = 0; i < 2; i++) {
		gr_tensor *rows = gr_gather(gr_module_find(old_root, names[i]), 0, index);
		cr_assert_eq(gr_param_update(gr_module_find(new_order_root, names[i]), rows), GR_OK);
	}
	gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, C, 3, 4));
	gr_tensor *y = gr__unet_attention_forward(legacy, x);
	cr_assert_lt(nn_distance(gr__unet_attention_forward(modern, x), y), 1e-13);
	cr_assert_gt(nn_distance(y, x), 0.01); /* the attention does something */
	gr_module_free(old_root);
	gr_module_free(new_order_root);
}
