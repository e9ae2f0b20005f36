/* U-Nets with other walks: stages run again give the same bits, and second derivatives are right. */
#include <criterion/criterion.h>
#include <math.h>

#include "gradus/derivative.h"
#include "gradus/unet.h"
#include "nn_check.h"

#define MAX_PARAMS 256

/* Zero-initialised weights are drawn, too, or most of the network would not reach the output. */
static gr_unet *net_new(const gr_unet_config *config)
{
	gr_unet *u = gr_unet_new(config);
	cr_assert_not_null(u, "%s", gr_error_message());
	gr_module *m = gr_unet_module(u);
	gr_status status = gr_module_init(m, gr_key_seed(1));
	bool recording = gr_set_recording(false);
	for (int64_t i = 0; i < gr_module_param_count(m) && status == GR_OK; i++) {
		gr_tensor *p = gr_module_param(m, i);
		gr_tensor *noise =
			nn_normal((uint64_t)i, gr_module_dtype(m), gr_tensor_ndim(p), gr_tensor_dims(p));
		status = gr_param_update(p, gr_axpby(p, 1.0, noise, 0.05));
	}
	gr_set_recording(recording);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	return u;
}

static gr_unet *adm(gr_dtype dtype)
{
	return net_new(GR_OPTS(gr_unet_config, .model_channels = 8, .num_levels = 2,
		.channel_mult = {1, 2}, .num_res_blocks = 1, .num_attention = 1, .attention_ds = {2},
		.num_heads = 2, .norm_groups = 4, .use_scale_shift_norm = true, .resblock_updown = true,
		.dropout = 0.25, .dtype = dtype));
}

static gr_unet *latent(gr_dtype dtype)
{
	return net_new(GR_OPTS(gr_unet_config, .model_channels = 8, .num_levels = 2,
		.channel_mult = {1, 2}, .num_res_blocks = 1, .num_attention = 1, .attention_ds = {1},
		.num_heads = 2, .norm_groups = 4, .use_spatial_transformer = true, .context_dim = 6,
		.dropout = 0.25, .dtype = dtype));
}

/* --- stages run again --------------------------------------------------------------------------- */

/* The output, the gradients to the input and to the context, then to the parameters. */
static int gradients(gr_unet *u, bool recompute, gr_tensor **out)
{
	gr_module *m = gr_unet_module(u);
	gr_dtype dtype = gr_module_dtype(m);
	const gr_key key = gr_key_seed(5);
	const bool has_context = gr_unet_get_config(u)->context_dim > 0;
	gr_tensor *x[MAX_PARAMS], *t = gr_arange(dtype, 2, 3.0, 250.5);
	int n = 0;
	x[n++] = gr_watch(nn_normal(3, dtype, GR_DIMS(2, 3, 8, 4)));
	gr_tensor *context = has_context ? gr_watch(nn_normal(4, dtype, GR_DIMS(2, 5, 6))) : NULL;
	if (has_context)
		x[n++] = context;
	for (int64_t i = 0; i < gr_module_param_count(m); i++)
		x[n++] = gr_module_param(m, i);
	gr_unet_set_recompute(u, recompute);
	gr_scope_begin(); /* the graph alone holds what it needs */
	gr_tensor *y;
	{
		const gr_key local = key;
		gr_unet_forward_opts opts = {.size = sizeof opts,
			.dropout_key = &local,
			.context = context};
		y = gr_escape(gr_unet_forward_with(u, x[0], t, NULL, &opts));
	}
	gr_scope_end();
	cr_assert_not_null(y, "%s", gr_error_message());
	out[0] = y;
	gr_tensor *r = nn_normal(6, dtype, gr_tensor_ndim(y), gr_tensor_dims(y));
	gr_status status = gr_grad(out + 1, y, n, x, GR_OPTS(gr_grad_opts, .cotangent = r));
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	return n + 1;
}

Test(unet_derivative, recomputed_gradients_are_the_same_bits)
{
	for (int i = 0; i < 4; i++) {
		gr_dtype dtype = i % 2 == 0 ? GR_F32 : GR_F64;
		gr_unet *u = i < 2 ? adm(dtype) : latent(dtype);
		gr_tensor *plain[MAX_PARAMS + 1], *again[MAX_PARAMS + 1];
		int n = gradients(u, false, plain);
		cr_assert_eq(gradients(u, true, again), n);
		for (int k = 0; k < n; k++)
			cr_expect(nn_same_bits(plain[k], again[k]), "network %d, result %d", i, k);
		gr_unet_free(u);
	}
}

Test(unet_derivative, recomputing_holds_less_and_allocates_nothing_more)
{
	gr_unet *u = adm(GR_F32);
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(2, 3, 16, 16)),
			  *t = gr_arange(GR_F32, 2, 3.0, 250.5);
	gr_module *m = gr_unet_module(u);
	uint64_t held[2], system = 0;
	for (int step = 0; step < 6; step++) {
		gr_tensor *params[MAX_PARAMS], *grads[MAX_PARAMS];
		int n = (int)gr_module_param_count(m);
		for (int i = 0; i < n; i++)
			params[i] = gr_module_param(m, i);
		if (step == 4) /* the pool has what both kinds of step want */
			system = gr_memory_stats().system_allocs;
		gr_unet_set_recompute(u, step % 2 == 1);
		gr_scope_begin();
		uint64_t before = gr_memory_stats().bytes_in_use;
		gr_tensor *y = gr_sumsq(gr_unet_forward(u, x, t, NULL), GR_ALL_AXES, false);
		held[step % 2] = gr_memory_stats().bytes_in_use - before;
		gr_status status = gr_grad(grads, y, n, params, NULL);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		gr_scope_end();
	}
	cr_expect(2 * held[1] < held[0], "%llu bytes, plain %llu", (unsigned long long)held[1],
		(unsigned long long)held[0]);
	cr_expect_eq(gr_memory_stats().system_allocs, system);
	gr_unet_free(u);
}

/* --- second derivatives ------------------------------------------------------------------------- */

static gr_tensor *energy(const gr_unet *u, gr_tensor *x)
{
	gr_tensor *t = gr_arange(GR_F64, gr_tensor_dim(x, 0), 3.0, 250.5);
	return gr_sumsq(gr_unet_forward(u, x, t, NULL), GR_ALL_AXES, false);
}

static gr_tensor *gradient_at(const gr_unet *u, gr_tensor *x)
{
	gr_tensor *g, *leaf = gr_watch(x);
	return gr_grad(&g, energy(u, leaf), 1, &leaf, NULL) == GR_OK ? g : NULL;
}

/* H v against (4 D(h/2) - D(h)) / 3, D a central difference of gradients along v. */
static double product_error(gr_unet *u, gr_tensor *x, bool recompute)
{
	gr_unet_set_recompute(u, recompute);
	gr_tensor *v = nn_normal(7, GR_F64, gr_tensor_ndim(x), gr_tensor_dims(x));
	gr_tensor *leaf = gr_watch(x), *hv, *d[2];
	gr_status status = gr_hvp(&hv, energy(u, leaf), 1, &leaf, &v, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	for (int k = 0; k < 2; k++) {
		double h = k == 0 ? 1e-3 : 5e-4;
		gr_tensor *up = gradient_at(u, gr_axpby(x, 1.0, v, h));
		d[k] = gr_mul_s(gr_sub(up, gradient_at(u, gr_axpby(x, 1.0, v, -h))), 0.5 / h);
	}
	return nn_distance(hv, gr_axpby(d[1], 4.0 / 3.0, d[0], -1.0 / 3.0));
}

Test(unet_derivative, hessian_products_through_adm)
{
	gr_unet *u = adm(GR_F64);
	gr_module_set_trainable(gr_unet_module(u), false);
	gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(2, 3, 8, 8));
	for (int k = 0; k < 2; k++) {
		double error = product_error(u, x, k == 1);
		printf("Hessian product of a U-Net%s: %.2e\n", k == 1 ? ", recomputed" : "", error);
		cr_expect(error < 1e-6, "%g", error);
	}
	gr_unet_free(u);
}

/* A tangent against a difference, and against the gradient by the dot identity. */
Test(unet_derivative, tangents_through_adm)
{
	gr_unet *u = adm(GR_F64);
	gr_module_set_trainable(gr_unet_module(u), false);
	gr_tensor *x = gr_watch(nn_normal(3, GR_F64, GR_DIMS(2, 3, 8, 8))), *dy[2], *g;
	gr_tensor *v = nn_normal(7, GR_F64, gr_tensor_ndim(x), gr_tensor_dims(x));
	for (int k = 0; k < 2; k++) {
		gr_unet_set_recompute(u, k == 1);
		gr_tensor *y = energy(u, x);
		gr_status status = gr_jvp(&dy[k], 1, &y, 1, &x, &v, NULL);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		status = gr_grad(&g, y, 1, &x, NULL);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		double along = gr_item(gr_sum(gr_mul(g, v), GR_ALL_AXES, false));
		cr_expect_float_eq(gr_item(dy[k]) / along, 1.0, 1e-11);
	}
	cr_expect(nn_same_bits(dy[0], dy[1]));
	gr_unet_free(u);
}
