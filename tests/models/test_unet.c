/* The ADM U-Net: published sizes, the reference's numbers, independence of batch and threads. */
#include <criterion/criterion.h>

#include <math.h>

#include "golden.h"
#include "gradus/unet.h"
#include "nn_check.h"

#define ADM_OPTIONS \
	.num_head_channels = 64, .use_scale_shift_norm = true, .resblock_updown = true, \
	.out_channels = 6

/* guided-diffusion model card: parameters and tensors of the public checkpoints. */
static const struct {
	const char *name;
	gr_unet_config config;
	int64_t numbers, tensors;
} published[] = {
	{"ffhq 256",
		{.model_channels = 128,
			.num_res_blocks = 1,
			.num_levels = 6,
			.channel_mult = {1, 1, 2, 2, 4, 4},
			.num_attention = 1,
			.attention_ds = {16},
			ADM_OPTIONS},
		93563910, 362},
	{"imagenet 256",
		{.model_channels = 256,
			.num_res_blocks = 2,
			.num_levels = 6,
			.channel_mult = {1, 1, 2, 2, 4, 4},
			.num_attention = 3,
			.attention_ds = {8, 16, 32},
			ADM_OPTIONS},
		552814086, 566},
	{"imagenet 256, classes",
		{.model_channels = 256,
			.num_res_blocks = 2,
			.num_levels = 6,
			.channel_mult = {1, 1, 2, 2, 4, 4},
			.num_attention = 3,
			.attention_ds = {8, 16, 32},
			.num_classes = 1000,
			ADM_OPTIONS},
		553838086, 567},
	{"imagenet 512, classes",
		{.model_channels = 256,
			.num_res_blocks = 2,
			.num_levels = 7,
			.channel_mult = {0.5, 1, 1, 2, 2, 4, 4},
			.num_attention = 3,
			.attention_ds = {16, 32, 64},
			.num_classes = 1000,
			ADM_OPTIONS},
		558997638, 645},
	{"imagenet 128, classes",
		{.model_channels = 256,
			.num_res_blocks = 2,
			.num_levels = 5,
			.channel_mult = {1, 1, 2, 3, 4},
			.num_attention = 3,
			.attention_ds = {4, 8, 16},
			.num_classes = 1000,
			.num_heads = 4,
			.use_scale_shift_norm = true,
			.resblock_updown = true,
			.out_channels = 6},
		421529606, 493},
	{"imagenet 64, classes",
		{.model_channels = 192,
			.num_res_blocks = 3,
			.num_levels = 4,
			.channel_mult = {1, 2, 3, 4},
			.num_attention = 3,
			.attention_ds = {2, 4, 8},
			.num_classes = 1000,
			.use_new_attention_order = true,
			.dropout = 0.1,
			ADM_OPTIONS},
		295904454, 541},
};

Test(unet, published_sizes)
{
	for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
		gr_unet *u = gr_unet_new(&published[i].config);
		cr_assert_not_null(u, "%s: %s", published[i].name, gr_error_message());
		cr_assert_eq(gr_module_size(gr_unet_module(u)), published[i].numbers, "%s has %lld",
			published[i].name, (long long)gr_module_size(gr_unet_module(u)));
		cr_assert_eq(gr_module_param_count(gr_unet_module(u)), published[i].tensors);
		gr_unet_free(u);
	}
}

/* Every convention at once: names, order, epsilons, attention layout (legacy), embedding. */
static gr_tensor *golden_unet(void *model, const gr_archive *io, gr_tensor *x)
{
	return gr_unet_forward(model, x, gr_archive_find(io, "t"), NULL);
}

Test(unet, golden)
{
	const char *path = golden_path("adm_unet", "weights.pt");
	if (path == NULL)
		return;
	gr_unet *u = gr_unet_new(GR_OPTS(gr_unet_config, .image_size = 32, .model_channels = 32,
		.out_channels = 6, .num_res_blocks = 1, .num_attention = 2, .attention_ds = {2, 4},
		.num_levels = 3, .channel_mult = {1, 2, 2}, .num_head_channels = 16,
		.use_scale_shift_norm = true, .resblock_updown = true));
	cr_assert_eq(golden_load_pt(gr_unet_module(u), path), GR_OK, "%s", gr_error_message());
	gr_archive *io = NULL;
	cr_assert_eq(gr_npz_read(&io, golden_path("adm_unet", "io.npz")), GR_OK, "%s",
		gr_error_message());
	double y_error, grad_error;
	const golden_keys keys = {"x", "y", "r", "grad_x"};
	cr_assert_eq(golden_compare(io, golden_unet, u, &keys, &y_error, &grad_error), GR_OK, "%s",
		gr_error_message());
	printf("unet golden: output %.2e, gradient %.2e\n", y_error, grad_error);
	cr_assert_lt(y_error, 1e-4);
	cr_assert_lt(grad_error, 1e-3);
	gr_archive_free(io);
	gr_unet_free(u);
}

/* Small networks; `variant` bits: 1 scale-shift, 2 resampling blocks, 4 new order, 8 classes, 16
 * without convolutions in resampling. Zero-initialised weights are drawn, too, or most of the
 * network would not reach the output. */
static gr_unet *small_unet(unsigned variant, gr_dtype dtype)
{
	gr_unet *u = gr_unet_new(GR_OPTS(gr_unet_config, .model_channels = 8, .num_levels = 2,
		.channel_mult = {1, 2}, .num_res_blocks = 1, .num_attention = 1, .attention_ds = {2},
		.num_heads = 2, .norm_groups = 4, .use_scale_shift_norm = (variant & 1) != 0,
		.resblock_updown = (variant & 2) != 0, .use_new_attention_order = (variant & 4) != 0,
		.num_classes = (variant & 8) != 0 ? 5 : 0, .no_conv_resample = (variant & 16) != 0,
		.dropout = 0.25, .dtype = dtype));
	cr_assert_not_null(u, "%s", gr_error_message());
	gr_module *m = gr_unet_module(u);
	cr_assert_eq(gr_module_init(m, gr_key_seed(variant)), GR_OK);
	for (int64_t i = 0; i < gr_module_param_count(m); i++) {
		gr_tensor *p = gr_module_param(m, i);
		bool recording = gr_set_recording(false);
		gr_tensor *noise = nn_normal((uint64_t)i, dtype, gr_tensor_ndim(p), gr_tensor_dims(p));
		cr_assert_eq(gr_param_update(p, gr_axpby(p, 1.0, noise, 0.05)), GR_OK);
		gr_set_recording(recording);
	}
	return u;
}

static gr_tensor *times(int64_t n, gr_dtype dtype)
{
	return gr_arange(dtype, n, 3.0, 250.5);
}

static gr_tensor *labels(const gr_unet *u, int64_t n)
{
	return gr_unet_get_config(u)->num_classes > 0 ? gr_arange(GR_I64, n, 0.0, 1.0) : NULL;
}

static gr_tensor *small_forward(const void *u, gr_tensor *x)
{
	const int64_t n = gr_tensor_dim(x, 0);
	return gr_unet_forward(u, x, times(n, gr_tensor_dtype(x)), labels(u, n));
}

Test(unet, gradient_of_every_option)
{
	static const unsigned variants[] = {0, 1, 2, 3, 4, 8, 16};
	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
		gr_unet *u = small_unet(variants[i], GR_F64);
		gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(2, 3, 8, 4));
		double error = nn_gradient_error(NULL, small_forward, u, x);
		cr_assert_lt(error, 1e-6, "variant %u: %g", variants[i], error);
		gr_unet_free(u);
	}
}

/* Parameters too, one variant: every tensor's gradient along a random direction. */
Test(unet, gradient_of_parameters)
{
	gr_unet *u = gr_unet_new(GR_OPTS(gr_unet_config, .model_channels = 4, .num_levels = 1,
		.channel_mult = {1}, .num_res_blocks = 1, .norm_groups = 2, .num_classes = 3,
		.use_scale_shift_norm = true, .dtype = GR_F64));
	gr_module *m = gr_unet_module(u);
	cr_assert_eq(gr_module_init(m, gr_key_seed(1)), GR_OK);
	cr_assert_eq(gr_param_update(gr_module_find(m, "out.2.weight"),
					 nn_normal(5, GR_F64, GR_DIMS(3, 4, 3, 3))),
		GR_OK);
	gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(2, 3, 4, 4));
	double error = nn_gradient_error(m, small_forward, u, x);
	cr_assert_lt(error, 1e-6, "%g", error);
	gr_unet_free(u);
}

/* Output and input gradient of sum(y r), r a function of the sample alone. */
static gr_tensor *run_both(const gr_unet *u, gr_tensor *x, gr_tensor *t, gr_tensor *r,
	gr_tensor **grad)
{
	x = gr_watch(x);
	gr_tensor *y = gr_unet_forward(u, x, t, NULL);
	cr_assert_eq(gr_grad(grad, y, 1, &x, GR_OPTS(gr_grad_opts, .cotangent = r)), GR_OK, "%s",
		gr_error_message());
	return y;
}

static gr_unet *batch_unet(void)
{
	gr_unet *u = gr_unet_new(GR_OPTS(gr_unet_config, .model_channels = 32, .num_levels = 2,
		.channel_mult = {1, 2}, .num_res_blocks = 1, .num_attention = 1, .attention_ds = {2},
		.num_heads = 2, .use_scale_shift_norm = true));
	gr_module *m = gr_unet_module(u);
	cr_assert_eq(gr_module_init(m, gr_key_seed(4)), GR_OK);
	for (int64_t i = 0; i < gr_module_param_count(m); i++) {
		gr_tensor *p = gr_module_param(m, i);
		bool recording = gr_set_recording(false);
		gr_tensor *noise = nn_normal((uint64_t)i, GR_F32, gr_tensor_ndim(p), gr_tensor_dims(p));
		cr_assert_eq(gr_param_update(p, gr_axpby(p, 1.0, noise, 0.05)), GR_OK);
		gr_set_recording(recording);
	}
	return u;
}

Test(unet, sample_does_not_depend_on_its_batch)
{
	gr_unet *u = batch_unet();
	cr_assert_eq(gr_module_set_trainable(gr_unet_module(u), false), GR_OK);
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(3, 3, 16, 16));
	gr_tensor *r = nn_normal(4, GR_F32, GR_DIMS(3, 3, 16, 16));
	gr_tensor *t = times(3, GR_F32), *grad, *own_grad;
	gr_tensor *y = run_both(u, x, t, r, &grad);
	for (int64_t i = 0; i < 3; i++) {
		gr_tensor *own = run_both(u, gr_slice(x, 0, i, i + 1, 1), gr_slice(t, 0, i, i + 1, 1),
			gr_slice(r, 0, i, i + 1, 1), &own_grad);
		cr_assert(nn_same_bits(own, gr_slice(y, 0, i, i + 1, 1)), "output %d", (int)i);
		cr_assert(nn_same_bits(own_grad, gr_slice(grad, 0, i, i + 1, 1)), "gradient %d", (int)i);
	}
	gr_unet_free(u);
}

Test(unet, result_does_not_depend_on_threads)
{
	gr_unet *u = batch_unet();
	gr_module *m = gr_unet_module(u);
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(3, 3, 16, 16));
	gr_tensor *t = times(3, GR_F32), *y[2],
			  *w = gr_module_find(m, "input_blocks.1.0.in_layers.2.weight");
	gr_tensor *grad[2];
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(gr_set_threads(i + 1), GR_OK);
		y[i] = gr_unet_forward(u, x, t, NULL);
		cr_assert_eq(gr_grad(&grad[i], gr_sumsq(y[i], GR_ALL_AXES, false), 1, &w, NULL), GR_OK);
	}
	cr_assert(nn_same_bits(y[0], y[1]));
	cr_assert(nn_same_bits(grad[0], grad[1]));
	gr_unet_free(u);
}

Test(unet, starts_at_zero_and_frozen_records_nothing)
{
	gr_unet *u = gr_unet_new(GR_OPTS(gr_unet_config, .model_channels = 32, .num_levels = 2,
		.channel_mult = {1, 2}, .num_res_blocks = 1));
	cr_assert_eq(gr_module_init(gr_unet_module(u), gr_key_seed(1)), GR_OK);
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(1, 3, 8, 8)), *t = times(1, GR_F32);
	gr_tensor *y = gr_unet_forward(u, x, t, NULL);
	cr_assert(gr_is_tracked(y));
	cr_assert_eq(gr_item(gr_max(gr_abs(y), GR_ALL_AXES, false)), 0.0);
	cr_assert_eq(gr_module_set_trainable(gr_unet_module(u), false), GR_OK);
	cr_assert_not(gr_is_tracked(gr_unet_forward(u, x, t, NULL)));
	gr_unet_free(u);
}

Test(unet, save_and_load)
{
	gr_unet *from = batch_unet();
	gr_unet *to = gr_unet_new(gr_unet_get_config(from));
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_module_save(gr_unet_module(from), a, GR_F32), GR_OK);
	cr_assert_eq(gr_module_load(gr_unet_module(to), a, NULL), GR_OK);
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(1, 3, 16, 16)), *t = times(1, GR_F32);
	cr_assert(nn_same_bits(gr_unet_forward(from, x, t, NULL), gr_unet_forward(to, x, t, NULL)));
	gr_archive_free(a);
	gr_unet_free(from);
	gr_unet_free(to);
}

/* Plain gradient descent on one batch: the network can learn it. */
Test(unet, overfits_one_batch)
{
	gr_unet *u = gr_unet_new(GR_OPTS(gr_unet_config, .model_channels = 32, .num_levels = 2,
		.channel_mult = {1, 2}, .num_res_blocks = 1, .num_attention = 1, .attention_ds = {2},
		.use_scale_shift_norm = true));
	gr_module *m = gr_unet_module(u);
	cr_assert_eq(gr_module_init(m, gr_key_seed(1)), GR_OK);
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(2, 3, 8, 8)), *t = times(2, GR_F32);
	gr_tensor *target = nn_normal(4, GR_F32, GR_DIMS(2, 3, 8, 8));
	enum { PARAMS_MAX = 256, STEPS = 60 };
	gr_tensor *w[PARAMS_MAX], *grad[PARAMS_MAX];
	const int n = (int)gr_module_param_count(m);
	cr_assert_leq(n, PARAMS_MAX);
	for (int i = 0; i < n; i++)
		w[i] = gr_module_param(m, i);
	double first = 0.0, last = 0.0;
	for (int step = 0; step < STEPS; step++) {
		gr_scope_begin();
		gr_tensor *d = gr_sub(gr_unet_forward(u, x, t, NULL), target);
		gr_tensor *loss = gr_mean(gr_square(d), GR_ALL_AXES, false);
		last = gr_item(loss);
		first = step == 0 ? last : first;
		cr_assert_eq(gr_grad(grad, loss, n, w, NULL), GR_OK, "%s", gr_error_message());
		bool recording = gr_set_recording(false);
		for (int i = 0; i < n; i++)
			cr_assert_eq(gr_param_update(w[i], gr_axpby(w[i], 1.0, grad[i], -0.2)), GR_OK);
		gr_set_recording(recording);
		gr_scope_end();
	}
	printf("unet overfit: loss %.4f -> %.4f in %d steps\n", first, last, STEPS);
	cr_assert_lt(last, 0.5 * first);
	gr_unet_free(u);
}

/* The n-th allocation of building, drawing, evaluating and differentiating fails: a clean error,
 * and nothing left over. Steps of 7 keep the test short. */
Test(unet, survives_lack_of_memory)
{
	gr_memory_trim();
	for (uint64_t n = 1; n < 100000; n += 7) {
		const uint64_t before = gr_memory_stats().bytes_in_use;
		gr_memory_fail_at(n);
		gr_unet *u = gr_unet_new(GR_OPTS(gr_unet_config, .model_channels = 4, .num_levels = 1,
			.channel_mult = {1}, .num_res_blocks = 1, .norm_groups = 2));
		gr_tensor *grad = NULL;
		gr_scope_begin();
		if (u != NULL && gr_module_init(gr_unet_module(u), gr_key_seed(1)) == GR_OK) {
			gr_tensor *x = gr_watch(gr_zeros(GR_F32, GR_DIMS(1, 3, 4, 4)));
			gr_tensor *y = gr_unet_forward(u, x, times(1, GR_F32), NULL);
			gr_tensor *loss = gr_sum(y, GR_ALL_AXES, false);
			if (loss == NULL || gr_grad(&grad, loss, 1, &x, NULL) != GR_OK)
				grad = NULL;
		}
		gr_scope_end();
		gr_memory_fail_at(0);
		gr_unet_free(u);
		gr_scope_end();
		cr_assert_eq(gr_memory_stats().bytes_in_use, before, "allocation %d leaks", (int)n);
		if (!gr_failed()) {
			cr_assert_not_null(grad);
			return;
		}
		cr_assert_eq(gr_error_code(), GR_EMEM, "%s", gr_error_message());
		gr_error_clear();
	}
	cr_assert_fail("never succeeded");
}

/* After the first steps a sampling or training loop asks the system for nothing. */
Test(unet, steady_state_allocates_nothing)
{
	gr_unet *u = small_unet(3, GR_F32);
	gr_tensor *w = gr_module_param(gr_unet_module(u), 0);
	uint64_t system_allocs = 0;
	for (int step = 0; step < 6; step++) {
		gr_scope_begin();
		gr_tensor *x = nn_normal((uint64_t)step, GR_F32, GR_DIMS(2, 3, 16, 16)), *grad;
		gr_tensor *y = small_forward(u, x);
		cr_assert_eq(gr_grad(&grad, gr_sumsq(y, GR_ALL_AXES, false), 1, &w, NULL), GR_OK);
		gr_scope_end();
		if (step == 1)
			system_allocs = gr_memory_stats().system_allocs;
	}
	cr_assert_eq(gr_memory_stats().system_allocs, system_allocs);
	gr_unet_free(u);
}

Test(unet, dropout_by_key)
{
	gr_unet *u = small_unet(1, GR_F32);
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(2, 3, 8, 8)), *t = times(2, GR_F32), *middle = NULL;
	const gr_key key = gr_key_seed(1), other = gr_key_seed(2);
	gr_tensor *plain =
		gr_unet_forward_with(u, x, t, NULL, GR_OPTS(gr_unet_forward_opts, .middle = &middle));
	cr_assert(gr_is_same_shape(middle, gr_zeros(GR_F32, GR_DIMS(2, 16, 4, 4))));
	gr_tensor *a =
		gr_unet_forward_with(u, x, t, NULL, GR_OPTS(gr_unet_forward_opts, .dropout_key = &key));
	gr_tensor *b =
		gr_unet_forward_with(u, x, t, NULL, GR_OPTS(gr_unet_forward_opts, .dropout_key = &key));
	gr_tensor *c =
		gr_unet_forward_with(u, x, t, NULL, GR_OPTS(gr_unet_forward_opts, .dropout_key = &other));
	cr_assert(nn_same_bits(plain, gr_unet_forward(u, x, t, NULL)));
	cr_assert(nn_same_bits(a, b));
	cr_assert_not(nn_same_bits(a, c));
	cr_assert_not(nn_same_bits(a, plain));
	gr_unet_free(u);
}

Test(unet, refuses_what_does_not_fit)
{
	cr_assert_null(gr_unet_new(GR_OPTS(gr_unet_config, .model_channels = 24)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_assert_null(
		gr_unet_new(GR_OPTS(gr_unet_config, .model_channels = 32, .num_head_channels = 48)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_assert_null(gr_unet_new(NULL));
	gr_error_clear();

	gr_unet *u = small_unet(0, GR_F32);
	gr_tensor *x = gr_zeros(GR_F32, GR_DIMS(1, 3, 8, 8)), *t = times(1, GR_F32);
	cr_assert_null(gr_unet_forward(u, gr_zeros(GR_F32, GR_DIMS(1, 3, 7, 8)), t, NULL));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_assert_null(gr_unet_forward(u, x, times(2, GR_F32), NULL));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_assert_null(gr_unet_forward(u, x, t, gr_arange(GR_I64, 1, 0.0, 1.0)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_unet_free(u);
	u = small_unet(8, GR_F32);
	cr_assert_null(gr_unet_forward(u, x, t, NULL));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_unet_free(u);
}
