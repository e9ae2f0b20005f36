/* Parameters to and from archives: round trips, strictness, prefixes. */
#include <criterion/criterion.h>

#include <string.h>

#include "nn_check.h"

static gr_module *two_layers(uint64_t key)
{
	gr_module *root = gr_module_new();
	gr_linear_new(root, "a", GR_OPTS(gr_linear_opts, .in = 3, .out = 4));
	gr_linear_new(root, "b", GR_OPTS(gr_linear_opts, .in = 4, .out = 2));
	cr_assert_eq(gr_module_init(root, gr_key_seed(key)), GR_OK);
	return root;
}

Test(state, round_trip)
{
	gr_module *from = two_layers(1), *to = two_layers(2);
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_module_save(from, a, GR_F32), GR_OK);
	cr_assert_eq(gr_archive_count(a), 4);
	cr_assert_eq(gr_module_load(to, a, NULL), GR_OK);
	for (int64_t i = 0; i < 4; i++)
		cr_assert(nn_same_bits(gr_module_param(from, i), gr_module_param(to, i)));
	gr_archive_free(a);

	a = gr_archive_new();
	cr_assert_eq(gr_module_save(from, a, GR_F16), GR_OK);
	cr_assert_eq(gr_tensor_dtype(gr_archive_tensor(a, 0)), GR_F16);
	cr_assert_eq(gr_module_load(to, a, NULL), GR_OK);
	for (int64_t i = 0; i < 4; i++)
		cr_assert_lt(nn_distance(gr_module_param(to, i), gr_module_param(from, i)), 1e-3);
	gr_archive_free(a);
	gr_module_free(from);
	gr_module_free(to);
}

/* The archive is a copy: later updates do not reach it. */
Test(state, saved_values_stay)
{
	gr_module *m = two_layers(1);
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_module_save(m, a, GR_F32), GR_OK);
	cr_assert_eq(gr_module_init(m, gr_key_seed(9)), GR_OK);
	cr_assert_not(nn_same_bits(gr_archive_tensor(a, 0), gr_module_param(m, 0)));
	gr_archive_free(a);
	gr_module_free(m);
}

Test(state, lists_all_that_does_not_fit)
{
	gr_module *m = two_layers(1);
	gr_tensor *before = gr_affine(gr_module_param(m, 0), 1.0, 0.0);
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_archive_add(a, "a.weight", gr_zeros(GR_F32, GR_DIMS(4, 3))), GR_OK);
	cr_assert_eq(gr_archive_add(a, "a.bias", gr_zeros(GR_F32, GR_DIMS(5))), GR_OK);
	cr_assert_eq(gr_archive_add(a, "c.weight", gr_zeros(GR_F32, GR_DIMS(2))), GR_OK);
	cr_assert_eq(gr_module_load(m, a, NULL), GR_EFORMAT);
	const char *parts[] = {"missing b.weight, b.bias", "unexpected c.weight",
		"a.bias f32[5] for [4]"};
	for (int i = 0; i < 3; i++)
		cr_assert(strstr(gr_error_message(), parts[i]) != NULL, "'%s' is not in: %s", parts[i],
			gr_error_message());
	cr_assert(nn_same_bits(before, gr_module_param(m, 0)));
	gr_error_clear();

	/* A wrong shape stays an error when the others are allowed. */
	const gr_load_opts lenient = {.size = sizeof lenient,
		.allow_missing = true,
		.allow_unexpected = true};
	cr_assert_eq(gr_module_load(m, a, &lenient), GR_EFORMAT);
	gr_error_clear();
	gr_archive_free(a);
	gr_module_free(m);
}

Test(state, prefix_and_lenience)
{
	gr_module *m = two_layers(1);
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_archive_add(a, "net.a.weight", gr_full(GR_F64, GR_DIMS(4, 3), 2.0)), GR_OK);
	cr_assert_eq(gr_archive_add(a, "net.extra", gr_zeros(GR_F32, GR_DIMS(1))), GR_OK);
	cr_assert_eq(gr_archive_add(a, "other", gr_zeros(GR_F32, GR_DIMS(1))), GR_OK);
	const gr_load_opts opts = {.size = sizeof opts,
		.prefix = "net.",
		.allow_missing = true,
		.allow_unexpected = true};
	gr_tensor *bias = gr_affine(gr_module_find(m, "a.bias"), 1.0, 0.0);
	cr_assert_eq(gr_module_load(m, a, &opts), GR_OK);
	cr_assert_eq(gr_tensor_at(gr_module_find(m, "a.weight"), (const int64_t[]){3, 2}), 2.0);
	cr_assert(nn_same_bits(bias, gr_module_find(m, "a.bias")));
	gr_archive_free(a);
	gr_module_free(m);
}

Test(state, half_has_a_range)
{
	gr_module *m = gr_module_new();
	gr_module_add_param(m, "w", GR_OPTS(gr_param_opts, .init = GR_INIT_CONSTANT, .scale = 1e6),
		GR_DIMS(2));
	cr_assert_eq(gr_module_init(m, gr_key_seed(0)), GR_OK);
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_module_save(m, a, GR_F16), GR_ENUMERIC);
	gr_error_clear();
	cr_assert_eq(gr_module_save(m, a, GR_BF16), GR_OK);
	gr_archive_free(a);
	gr_module_free(m);
}
