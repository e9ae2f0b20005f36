/*
 * A Hessian product through an ADM U-Net of a real size, in double: 64x64, width 64, mult 1 2 3 4,
 * two residual blocks a level, attention at 16 and 8, stages recomputed. Against differences of
 * gradients.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "gradus/derivative.h"
#include "gradus/unet.h"
#include "nn_check.h"

static gr_unet *network(void)
{
	gr_unet *u = gr_unet_new(GR_OPTS(gr_unet_config, .image_size = 64, .model_channels = 64,
		.num_levels = 4, .channel_mult = {1, 2, 3, 4}, .num_res_blocks = 2, .num_attention = 2,
		.attention_ds = {4, 8}, .num_head_channels = 64, .use_scale_shift_norm = true,
		.resblock_updown = true, .dtype = GR_F64));
	cr_assert_not_null(u, "%s", gr_error_message());
	gr_module *m = gr_unet_module(u);
	gr_status status = gr_module_init(m, gr_key_seed(1));
	bool recording = gr_set_recording(false);
	for (int64_t i = 0; i < gr_module_param_count(m) && status == GR_OK; i++) {
		gr_scope_begin(); /* zero-initialised weights are drawn, too */
		gr_tensor *p = gr_module_param(m, i);
		gr_tensor *noise = nn_normal((uint64_t)i, GR_F64, gr_tensor_ndim(p), gr_tensor_dims(p));
		status = gr_param_update(p, gr_axpby(p, 1.0, noise, 0.01));
		gr_scope_end();
	}
	gr_set_recording(recording);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_module_set_trainable(m, false);
	gr_unet_set_recompute(u, true);
	return u;
}

static gr_tensor *energy(const gr_unet *u, gr_tensor *x)
{
	return gr_sumsq(gr_unet_forward(u, x, gr_full(GR_F64, GR_DIMS(1), 500.0), NULL), GR_ALL_AXES,
		false);
}

static gr_tensor *gradient_at(const gr_unet *u, gr_tensor *x)
{
	gr_tensor *g, *leaf = gr_watch(x);
	return gr_grad(&g, energy(u, leaf), 1, &leaf, NULL) == GR_OK ? g : NULL;
}

Test(hvp, adm_64)
{
	gr_unet *u = network();
	gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(1, 3, 64, 64)),
			  *v = nn_normal(4, GR_F64, GR_DIMS(1, 3, 64, 64));
	gr_tensor *leaf = gr_watch(x), *hv, *d[2];
	gr_status status = gr_hvp(&hv, energy(u, leaf), 1, &leaf, &v, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	for (int k = 0; k < 2; k++) {
		double h = k == 0 ? 1e-3 : 5e-4;
		gr_tensor *up = gradient_at(u, gr_axpby(x, 1.0, v, h));
		d[k] = gr_mul_s(gr_sub(up, gradient_at(u, gr_axpby(x, 1.0, v, -h))), 0.5 / h);
	}
	double error = nn_distance(hv, gr_axpby(d[1], 4.0 / 3.0, d[0], -1.0 / 3.0));
	printf("Hessian product through ADM, 64x64: %.2e from differences\n", error);
	cr_assert(error < 1e-6, "%g", error);
	gr_unet_free(u);
}
