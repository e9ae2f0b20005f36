/* Vision transformers of DINO and DINOv2: published sizes, the reference's numbers, options. */
#include <criterion/criterion.h>

#include "golden.h"
#include "gradus/vit.h"
#include "nn_check.h"

#define V2(d, n, h) \
	{ \
		.img_size = 518, .patch_size = 14, .embed_dim = (d), .depth = (n), .num_heads = (h), \
		.init_values = 1.0 \
	}

Test(vit, published_sizes)
{
	static const struct {
		const char *name;
		gr_vit_config config;
		int64_t numbers;
	} published[] = {
		{"dinov2 s/14", V2(384, 12, 6), 22056576},
		{"dinov2 b/14", V2(768, 12, 12), 86580480},
		{"dinov2 l/14", V2(1024, 24, 16), 304368640},
		{"dinov2 g/14",
			{.img_size = 518,
				.patch_size = 14,
				.embed_dim = 1536,
				.depth = 40,
				.num_heads = 24,
				.ffn_layer = GR_VIT_FFN_SWIGLU,
				.init_values = 1.0},
			1136480768},
		{"dino s/16", {.embed_dim = 384, .num_heads = 6, .no_mask_token = true}, 21665664},
		{"dino b/16", {.embed_dim = 768, .no_mask_token = true}, 85798656},
	};
	for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
		for (int registers = 0; registers < 2; registers++) {
			gr_vit_config c = published[i].config;
			c.num_register_tokens = 4 * registers;
			gr_vit *v = gr_vit_new(&c);
			cr_assert_not_null(v, "%s: %s", published[i].name, gr_error_message());
			const int64_t expected = published[i].numbers + 4 * registers * c.embed_dim;
			cr_assert_eq(gr_module_size(gr_vit_module(v)), expected, "%s has %lld",
				published[i].name, (long long)gr_module_size(gr_vit_module(v)));
			gr_vit_free(v);
		}
	}
}

static gr_tensor *golden_vit(void *model, const gr_archive *io, gr_tensor *x)
{
	(void)io;
	return gr_vit_forward(model, x);
}

Test(vit, golden)
{
	gr_json_doc *doc = golden_config("dinov2_vit");
	if (doc == NULL)
		return;
	gr_vit_config c;
	cr_assert_eq(gr_vit_config_from_json(&c, gr_json_root(doc)), GR_OK, "%s", gr_error_message());
	gr_json_free(doc);
	gr_vit *v = gr_vit_new(&c);
	gr_archive *io = NULL;
	cr_assert_eq(golden_load_pt(gr_vit_module(v), golden_path("dinov2_vit", "weights.pt")), GR_OK,
		"%s", gr_error_message());
	cr_assert_eq(gr_npz_read(&io, golden_path("dinov2_vit", "io.npz")), GR_OK);
	const golden_keys keys = {"x", "y", "r", "grad_x"};
	double y_error, grad_error;
	cr_assert_eq(golden_compare(io, golden_vit, v, &keys, &y_error, &grad_error), GR_OK, "%s",
		gr_error_message());
	gr_tensor *cls = NULL;
	gr_vit_forward_with(v, gr_archive_find(io, "x"), GR_OPTS(gr_vit_forward_opts, .cls = &cls));
	const double cls_error = nn_distance(cls, gr_archive_find(io, "cls"));
	printf("vit golden: output %.2e, class %.2e, gradient %.2e\n", y_error, cls_error, grad_error);
	cr_assert_lt(y_error, 1e-4);
	cr_assert_lt(cls_error, 1e-4);
	cr_assert_lt(grad_error, 1e-3);
	gr_archive_free(io);
	gr_vit_free(v);
}

/* Small networks; `variant` bits: 1 registers, 2 SwiGLU, 4 layer scales, 8 antialias without
 * offset, 16 no biases, 32 chunks. */
static gr_vit *small_vit(unsigned variant, gr_dtype dtype)
{
	const bool bare = (variant & 16) != 0;
	gr_vit *v = gr_vit_new(GR_OPTS(gr_vit_config, .img_size = 6, .patch_size = 2, .in_chans = 2,
		.embed_dim = 8, .depth = 2, .num_heads = 2, .mlp_ratio = 2.0,
		.ffn_layer = (variant & 2) != 0 ? GR_VIT_FFN_SWIGLU : GR_VIT_FFN_MLP,
		.init_values = (variant & 4) != 0 ? 0.5 : 0.0,
		.num_register_tokens = (variant & 1) != 0 ? 3 : 0,
		.interpolate_offset = (variant & 8) != 0 ? -1.0 : 0.0,
		.interpolate_antialias = (variant & 8) != 0, .no_qkv_bias = bare, .no_proj_bias = bare,
		.no_ffn_bias = bare, .block_chunks = (variant & 32) != 0 ? 2 : 0, .dtype = dtype));
	cr_assert_not_null(v, "%s", gr_error_message());
	gr_module *m = gr_vit_module(v);
	cr_assert_eq(gr_module_init(m, gr_key_seed(1)), GR_OK);
	for (int64_t i = 0; i < gr_module_param_count(m); i++) {
		gr_tensor *p = gr_module_param(m, i);
		bool recording = gr_set_recording(false);
		gr_tensor *noise = nn_normal((uint64_t)i, dtype, gr_tensor_ndim(p), gr_tensor_dims(p));
		cr_assert_eq(gr_param_update(p, gr_axpby(p, 1.0, noise, 0.1)), GR_OK);
		gr_set_recording(recording);
	}
	return v;
}

static gr_tensor *forward(const void *v, gr_tensor *x)
{
	return gr_vit_forward(v, x);
}

Test(vit, gradient_of_every_option)
{
	static const unsigned variants[] = {0, 1, 2, 4, 8, 16, 32, 15};
	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
		gr_vit *v = small_vit(variants[i], GR_F64);
		gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(2, 2, 4, 10));
		cr_assert(gr_is_same_shape(forward(v, x), gr_zeros(GR_F64, GR_DIMS(2, 10, 8))));
		double error = nn_gradient_error(NULL, forward, v, x);
		cr_assert_lt(error, 1e-6, "variant %u: %g", variants[i], error);
		gr_vit_free(v);
	}
}

/* Parameters too; the mask token is never touched and asks for no gradient. */
Test(vit, gradient_of_parameters)
{
	gr_vit *v = small_vit(5, GR_F64);
	gr_module *m = gr_vit_module(v);
	gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(2, 2, 4, 6));
	enum { PARAMS_MAX = 64 };
	gr_tensor *w[PARAMS_MAX], *grad[PARAMS_MAX];
	int n = 0;
	for (int64_t i = 0; i < gr_module_param_count(m); i++) {
		cr_assert_lt(n, PARAMS_MAX);
		gr_tensor *p = gr_module_param(m, i);
		if (gr_is_tracked(p))
			w[n++] = p;
	}
	cr_assert_eq(n, gr_module_param_count(m) - 1);
	gr_tensor *y = forward(v, x);
	cr_assert_eq(gr_grad(grad, gr_sumsq(y, GR_ALL_AXES, false), n, w, NULL), GR_OK, "%s",
		gr_error_message());
	for (int i = 0; i < n; i++)
		cr_assert(gr_is_same_shape(grad[i], w[i]));
	gr_vit_free(v);
}

Test(vit, tokens_and_names)
{
	gr_vit *v = small_vit(1 | 2 | 4 | 32, GR_F32);
	static const char *const names[] = {"blocks.0.0.ls1.gamma", "blocks.1.1.mlp.w12.weight",
		"blocks.1.1.mlp.w3.bias", "register_tokens", "mask_token"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		cr_assert_not_null(gr_module_find_handle(gr_vit_module(v), names[i]), "%s", names[i]);
	/* 2/3 of 16, rounded up to a multiple of 8. */
	cr_assert_eq(gr_tensor_dim(gr_module_find(gr_vit_module(v), names[1]), 0), 32);
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(2, 2, 6, 6)), *cls = NULL, *registers = NULL;
	gr_tensor *y = gr_vit_forward_with(v, x,
		GR_OPTS(gr_vit_forward_opts, .cls = &cls, .registers = &registers));
	cr_assert(gr_is_same_shape(cls, gr_zeros(GR_F32, GR_DIMS(2, 8))));
	cr_assert(gr_is_same_shape(registers, gr_zeros(GR_F32, GR_DIMS(2, 3, 8))));
	cr_assert(nn_same_bits(y, gr_vit_forward(v, x)));
	gr_vit_free(v);
}

/* At the size of the table nothing is resampled, so the rules agree; elsewhere they do not. */
Test(vit, rules_of_resampling)
{
	gr_vit *offset = small_vit(0, GR_F32), *antialias = small_vit(8, GR_F32);
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(1, 2, 6, 6));
	cr_assert(nn_same_bits(forward(offset, x), forward(antialias, x)));
	x = nn_normal(3, GR_F32, GR_DIMS(1, 2, 4, 4));
	cr_assert_gt(nn_distance(forward(offset, x), forward(antialias, x)), 1e-4);
	gr_vit_free(offset);
	gr_vit_free(antialias);
}

Test(vit, sample_does_not_depend_on_its_batch_or_on_threads)
{
	gr_vit *v = small_vit(5, GR_F32);
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(3, 2, 8, 6));
	gr_tensor *y = forward(v, x);
	for (int64_t i = 0; i < 3; i++)
		cr_assert(
			nn_same_bits(forward(v, gr_slice(x, 0, i, i + 1, 1)), gr_slice(y, 0, i, i + 1, 1)));
	cr_assert_eq(gr_set_threads(2), GR_OK);
	cr_assert(nn_same_bits(forward(v, x), y));
	gr_vit_free(v);
}

Test(vit, refuses_what_does_not_fit)
{
	static const gr_vit_config bad[] = {
		{.embed_dim = 10, .num_heads = 3},
		{.img_size = 8},
		{.depth = 200},
		{.mlp_ratio = -1.0},
		{.block_chunks = 13},
		{.num_register_tokens = -1},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		cr_assert_null(gr_vit_new(&bad[i]));
		cr_assert_eq(gr_error_code(), GR_EARG);
		gr_error_clear();
	}
	gr_vit *v = small_vit(0, GR_F32);
	cr_assert_null(forward(v, nn_normal(1, GR_F32, GR_DIMS(1, 2, 5, 6))));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_vit_free(v);
}
