/* SiT and DiT: published sizes, the reference's numbers, options, start, batches. */
#include <criterion/criterion.h>

#include <math.h>

#include "golden.h"
#include "gradus/sit.h"
#include "nn_check.h"

/* Numbers without the position table; the projectors are those of REPA (width 2048, to 768). */
Test(sit, published_sizes)
{
	static const struct {
		const char *name;
		int64_t hidden, depth, heads, numbers, projector;
	} published[] = {
		{"s/2", 384, 12, 6, 32858896, 6558464},
		{"b/2", 768, 12, 12, 130303504, 7344896},
		{"l/2", 1024, 24, 16, 457824272, 7869184},
		{"xl/2", 1152, 28, 16, 674816272, 8131328},
	};
	for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
		gr_sit_config c = {.size = sizeof c,
			.hidden_size = published[i].hidden,
			.depth = published[i].depth,
			.num_heads = published[i].heads};
		for (int repa = 0; repa < 2; repa++) {
			c.num_projectors = repa;
			c.z_dims[0] = 768;
			gr_sit *s = gr_sit_new(&c);
			cr_assert_not_null(s, "%s: %s", published[i].name, gr_error_message());
			const int64_t numbers = gr_module_size(gr_sit_module(s)) - 256 * published[i].hidden;
			cr_assert_eq(numbers, published[i].numbers + repa * published[i].projector,
				"%s has %lld", published[i].name, (long long)numbers);
			gr_sit_free(s);
		}
	}
}

static gr_tensor *golden_sit(void *model, const gr_archive *io, gr_tensor *x)
{
	return gr_sit_forward(model, x, gr_archive_find(io, "t"), gr_archive_find(io, "labels"));
}

Test(sit, golden)
{
	gr_json_doc *doc = golden_config("sit_repa");
	if (doc == NULL)
		return;
	gr_sit_config c;
	cr_assert_eq(gr_sit_config_from_json(&c, gr_json_root(doc)), GR_OK, "%s", gr_error_message());
	gr_json_free(doc);
	gr_sit *s = gr_sit_new(&c);
	gr_archive *io = NULL;
	cr_assert_eq(golden_load_pt(gr_sit_module(s), golden_path("sit_repa", "weights.pt")), GR_OK,
		"%s", gr_error_message());
	cr_assert_eq(gr_npz_read(&io, golden_path("sit_repa", "io.npz")), GR_OK);
	const golden_keys keys = {"x", "y", "r", "grad_x"};
	double y_error, grad_error;
	cr_assert_eq(golden_compare(io, golden_sit, s, &keys, &y_error, &grad_error), GR_OK, "%s",
		gr_error_message());
	gr_tensor *projected = NULL;
	gr_sit_forward_with(s, gr_archive_find(io, "x"), gr_archive_find(io, "t"),
		gr_archive_find(io, "labels"), GR_OPTS(gr_sit_forward_opts, .projected = &projected));
	const double projected_error = nn_distance(projected, gr_archive_find(io, "projected"));
	printf("sit golden: output %.2e, projected %.2e, gradient %.2e\n", y_error, projected_error,
		grad_error);
	cr_assert_lt(y_error, 1e-4);
	cr_assert_lt(projected_error, 1e-4);
	cr_assert_lt(grad_error, 1e-3);
	gr_archive_free(io);
	gr_sit_free(s);
}

/* Small networks; `variant` bits: 1 norms of q and k, 2 learned variance, 4 as a DiT, 8 no label for
 * "no class", 16 two projectors. Weights that start at zero are drawn, too. */
static gr_sit *small_sit(unsigned variant, gr_dtype dtype)
{
	gr_sit *s = gr_sit_new(GR_OPTS(gr_sit_config, .input_size = 4, .in_channels = 2,
		.hidden_size = 8, .depth = 2, .num_heads = 2, .mlp_ratio = 2.0, .num_classes = 3,
		.class_dropout_prob = (variant & 8) != 0 ? -1.0 : 0.0, .encoder_depth = 1,
		.num_projectors = (variant & 16) != 0 ? 2 : 0, .z_dims = {3, 5}, .projector_dim = 6,
		.qk_norm = (variant & 1) != 0, .learn_sigma = (variant & 2) != 0,
		.is_dit = (variant & 4) != 0, .dtype = dtype));
	cr_assert_not_null(s, "%s", gr_error_message());
	gr_module *m = gr_sit_module(s);
	cr_assert_eq(gr_module_init(m, gr_key_seed(variant)), GR_OK);
	for (int64_t i = 0; i < gr_module_param_count(m); i++) {
		gr_tensor *p = gr_module_param(m, i);
		bool recording = gr_set_recording(false);
		gr_tensor *noise = nn_normal((uint64_t)i, dtype, gr_tensor_ndim(p), gr_tensor_dims(p));
		cr_assert_eq(gr_param_update(p, gr_axpby(p, 1.0, noise, 0.1)), GR_OK);
		gr_set_recording(recording);
	}
	return s;
}

static gr_tensor *small_forward(const void *s, gr_tensor *x)
{
	const int64_t n = gr_tensor_dim(x, 0);
	return gr_sit_forward(s, x, gr_arange(gr_tensor_dtype(x), n, 0.2, 0.3),
		gr_arange(GR_I64, n, 0.0, 1.0));
}

Test(sit, gradient_of_every_option)
{
	static const unsigned variants[] = {0, 1, 2, 6, 8};
	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
		gr_sit *s = small_sit(variants[i], GR_F64);
		gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(2, 2, 4, 4));
		cr_assert_eq(gr_tensor_dim(small_forward(s, x), 1), variants[i] == 6 ? 4 : 2);
		double error = nn_gradient_error(NULL, small_forward, s, x);
		cr_assert_lt(error, 1e-6, "variant %u: %g", variants[i], error);
		gr_sit_free(s);
	}
}

/* A fresh network: gates are zero, so blocks change nothing and the output is zero. */
Test(sit, starts_as_patches_and_positions)
{
	gr_sit *s = gr_sit_new(GR_OPTS(gr_sit_config, .input_size = 8, .hidden_size = 16, .depth = 3,
		.num_heads = 2, .encoder_depth = 2));
	gr_module *m = gr_sit_module(s);
	cr_assert_eq(gr_module_init(m, gr_key_seed(1)), GR_OK);
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(2, 4, 8, 8)), *hidden = NULL;
	gr_tensor *t = gr_arange(GR_F32, 2, 0.2, 0.3), *label = gr_arange(GR_I64, 2, 999.0, 1.0);
	gr_tensor *y =
		gr_sit_forward_with(s, x, t, label, GR_OPTS(gr_sit_forward_opts, .hidden = &hidden));
	cr_assert_eq(gr_item(gr_max(gr_abs(y), GR_ALL_AXES, false)), 0.0);
	gr_tensor *w = gr_module_find(m, "x_embedder.proj.weight");
	gr_tensor *p = gr_conv2d(x, w, GR_OPTS(gr_conv_opts, .stride = 2));
	p = gr_transpose(gr_reshape(p, GR_DIMS(2, 16, 16)), 1, 2);
	p = gr_add(p, gr_module_find(m, "pos_embed"));
	cr_assert_lt(nn_distance(hidden, p), 1e-6);
	gr_sit_free(s);
}

/* Every projector sees the same tokens; the branch changes nothing. */
Test(sit, projectors)
{
	gr_sit *s = small_sit(16, GR_F32);
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(2, 2, 4, 4)), *projected[2] = {NULL};
	gr_tensor *y = gr_sit_forward_with(s, x, gr_arange(GR_F32, 2, 0.2, 0.3),
		gr_arange(GR_I64, 2, 0.0, 1.0), GR_OPTS(gr_sit_forward_opts, .projected = projected));
	cr_assert(nn_same_bits(y, small_forward(s, x)));
	cr_assert(gr_is_same_shape(projected[0], gr_zeros(GR_F32, GR_DIMS(2, 4, 3))));
	cr_assert(gr_is_same_shape(projected[1], gr_zeros(GR_F32, GR_DIMS(2, 4, 5))));
	gr_sit_free(s);
}

Test(sit, sample_does_not_depend_on_its_batch_or_on_threads)
{
	gr_sit *s = small_sit(1, GR_F32);
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(3, 2, 4, 4));
	gr_tensor *t = gr_arange(GR_F32, 3, 0.2, 0.3), *label = gr_arange(GR_I64, 3, 0.0, 1.0);
	gr_tensor *y = gr_sit_forward(s, x, t, label);
	for (int64_t i = 0; i < 3; i++)
		cr_assert(nn_same_bits(gr_sit_forward(s, gr_slice(x, 0, i, i + 1, 1),
								   gr_slice(t, 0, i, i + 1, 1), gr_slice(label, 0, i, i + 1, 1)),
			gr_slice(y, 0, i, i + 1, 1)));
	cr_assert_eq(gr_set_threads(2), GR_OK);
	cr_assert(nn_same_bits(gr_sit_forward(s, x, t, label), y));
	gr_sit_free(s);
}

static void expect_no_sit(const gr_sit_config *c)
{
	cr_assert_null(gr_sit_new(c));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
}

Test(sit, refuses_what_does_not_fit)
{
	expect_no_sit(NULL);
	expect_no_sit(GR_OPTS(gr_sit_config, .hidden_size = 18, .num_heads = 3));
	expect_no_sit(GR_OPTS(gr_sit_config, .hidden_size = 16, .num_heads = 3));
	expect_no_sit(GR_OPTS(gr_sit_config, .input_size = 33));
	expect_no_sit(GR_OPTS(gr_sit_config, .decoder_hidden_size = 768));
	expect_no_sit(
		GR_OPTS(gr_sit_config, .depth = 4, .num_projectors = 1, .z_dims = {8}, .encoder_depth = 5));
	gr_sit *s = small_sit(8, GR_F32);
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(1, 2, 4, 4)), *t = gr_zeros(GR_F32, GR_DIMS(1));
	gr_tensor *three = gr_arange(GR_I64, 1, 3.0, 1.0);
	cr_assert_null(gr_sit_forward(s, x, t, three)); /* labels 0..2 only */
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_assert_null(gr_sit_forward(s, nn_normal(1, GR_F32, GR_DIMS(1, 2, 6, 6)), t, three));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_sit_free(s);
}
