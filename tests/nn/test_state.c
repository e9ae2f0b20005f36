/* Parameters to and from archives: round trips, strictness, prefixes. */
#include <criterion/criterion.h>

#include <stdio.h>
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

/* The part of a key before the first dot is the layer; three keys fill "a.weight" by rows. */
static bool place_rows(const void *map, const char *key, gr_key_place *place)
{
	(void)map;
	if (strncmp(key, "skip.", 5) == 0)
		return false;
	snprintf(place->name, sizeof place->name, "%s", key);
	if (strncmp(key, "row", 3) == 0) {
		snprintf(place->name, sizeof place->name, "a.weight");
		place->part = key[3] - '0';
		place->parts = 4;
	}
	return true;
}

static gr_archive *rows(int count)
{
	gr_archive *a = gr_archive_new();
	gr_status status = GR_OK;
	for (int i = 0; i < count && status == GR_OK; i++) {
		char name[16];
		snprintf(name, sizeof name, "row%d", i);
		status = gr_archive_add(a, name, gr_full(GR_F64, GR_DIMS(1, 3), i));
	}
	if (status == GR_OK)
		status = gr_archive_add(a, "a.bias", gr_zeros(GR_F32, GR_DIMS(4)));
	if (status == GR_OK)
		status = gr_archive_add(a, "b.weight", gr_zeros(GR_F32, GR_DIMS(2, 4)));
	if (status == GR_OK)
		status = gr_archive_add(a, "b.bias", gr_zeros(GR_F32, GR_DIMS(2)));
	if (status == GR_OK)
		status = gr_archive_add(a, "skip.me", gr_zeros(GR_F32, GR_DIMS(2)));
	cr_assert_eq(status, GR_OK);
	return a;
}

Test(state, places_keys)
{
	const gr_load_opts opts = {.size = sizeof opts, .place = place_rows};
	gr_module *m = two_layers(1);
	gr_archive *a = rows(4);
	gr_status status = gr_module_load(m, a, &opts);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	for (int64_t i = 0; i < 4; i++)
		cr_assert(
			gr_tensor_at(gr_module_find(m, "a.weight"), (const int64_t[]){i, 2}) == (double)i);
	gr_archive_free(a);
	a = rows(3);
	status = gr_module_load(m, a, &opts);
	cr_assert_eq(status, GR_EFORMAT);
	cr_assert_not_null(strstr(gr_error_message(), "missing a.weight (part 4 of 4)"), "%s",
		gr_error_message());
	gr_error_clear();
	status = gr_archive_add(a, "row3", gr_zeros(GR_F32, GR_DIMS(2, 3)));
	cr_assert_eq(status, GR_OK);
	status = gr_archive_add(a, "a.weight", gr_zeros(GR_F32, GR_DIMS(4, 3)));
	cr_assert_eq(status, GR_OK);
	status = gr_module_load(m, a, &opts);
	cr_assert_eq(status, GR_EFORMAT);
	cr_assert_not_null(strstr(gr_error_message(), "doubled a.weight"), "%s", gr_error_message());
	cr_assert_not_null(strstr(gr_error_message(), "a.weight f32[2,3] as one of 4 for [4,3]"), "%s",
		gr_error_message());
	gr_error_clear();
	gr_archive_free(a);
	gr_module_free(m);
}

/* A convolution of one tap is a product: its trailing dims of 1 make no difference. Counters and
 * positions that no parameter bears are no weights. */
Test(state, trailing_ones_and_buffers)
{
	gr_module *m = two_layers(1);
	gr_archive *a = gr_archive_new();
	gr_status status = gr_archive_add(a, "a.weight", gr_full(GR_F32, GR_DIMS(4, 3, 1, 1), 5.0));
	if (status == GR_OK)
		status = gr_archive_add(a, "a.bias", gr_zeros(GR_F32, GR_DIMS(4)));
	if (status == GR_OK)
		status = gr_archive_add(a, "b.weight", gr_zeros(GR_F32, GR_DIMS(2, 4)));
	if (status == GR_OK)
		status = gr_archive_add(a, "b.bias", gr_zeros(GR_F32, GR_DIMS(2)));
	if (status == GR_OK)
		status = gr_archive_add(a, "b.num_batches_tracked", gr_scalar(GR_I64, 7.0));
	if (status == GR_OK)
		status = gr_module_load(m, a, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	const gr_tensor *w = gr_module_find(m, "a.weight");
	cr_assert_eq(gr_tensor_ndim(w), 2);
	cr_assert(gr_tensor_at(w, (const int64_t[]){3, 2}) == 5.0);
	gr_archive_free(a);
	gr_module_free(m);
}

/* The error shows the first names of a kind, the report all of them. */
Test(state, reports_every_name)
{
	char text[4000] = "";
	gr_module *m = two_layers(1);
	gr_archive *a = gr_archive_new();
	for (int i = 0; i < 30; i++) {
		char name[24];
		snprintf(name, sizeof name, "extra.%d", i);
		gr_status status = gr_archive_add(a, name, gr_zeros(GR_F32, GR_DIMS(1)));
		cr_assert_eq(status, GR_OK);
	}
	gr_load_opts opts = {.size = sizeof opts, .report = fmemopen(text, sizeof text, "w")};
	gr_status status = gr_module_load(m, a, &opts);
	fclose(opts.report);
	cr_assert_eq(status, GR_EFORMAT);
	cr_assert_not_null(strstr(gr_error_message(), "and 22 more"), "%s", gr_error_message());
	gr_error_clear();
	cr_assert_not_null(strstr(text, "missing a.weight\n"));
	cr_assert_not_null(strstr(text, "unexpected extra.29\n"));
	gr_archive_free(a);
	gr_module_free(m);
}
