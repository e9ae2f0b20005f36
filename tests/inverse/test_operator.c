/*
 * What every operator promises: an exact adjoint, linearity, derivatives in both directions,
 * independence of the batch; specs and their errors.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/noise.h"
#include "inverse_check.h"

/* Every example of every row of the table: what is added there is covered here. */
static const char *specs[128];
static int spec_count;

static void list_specs(void)
{
	spec_count = 0;
	for (int i = 0; i < gr_operator_count(); i++)
		for (int k = 0; gr_operator_list_example(i, k); k++)
			specs[spec_count++] = gr_operator_list_example(i, k);
}

TestSuite(operator, .init = list_specs);

static const int64_t shapes[][4] = {{1, 3, 32, 32}, {2, 1, 33, 17}, {3, 3, 16, 24}, {1, 1, 5, 7},
	{2, 2, 40, 9}, {4, 3, 8, 8}};

#define COUNT(list) ((int)(sizeof(list) / sizeof(list[0])))

static gr_operator *make(const char *spec, const int64_t *shape)
{
	gr_operator *A = gr_operator_new(spec,
		GR_OPTS(gr_operator_opts, .channels = shape[1], .height = shape[2], .width = shape[3],
			.n = shape[0], .keys = some_keys(7, shape[0])));
	cr_assert_not_null(A, "%s: %s", spec, gr_error_message());
	return A;
}

static gr_tensor *random_y(const gr_operator *A, uint64_t key, gr_dtype dtype, int64_t n)
{
	const int64_t *out = gr_operator_out_dims(A);
	return nn_normal(key, dtype, GR_DIMS(n, out[0], out[1], out[2]));
}

/* <A x, y> = <x, A^T y>, relative to |A x| |y|. */
static double adjoint_error(const gr_operator *A, gr_dtype dtype, const int64_t *shape)
{
	gr_tensor *x = nn_normal(1, dtype, 4, shape);
	gr_tensor *y = random_y(A, 2, dtype, shape[0]);
	gr_tensor *Ax = gr_operator_apply(A, x);
	double left = dot(Ax, y);
	double right = dot(x, gr_operator_adjoint(A, y));
	return fabs(left - right) / sqrt(dot(Ax, Ax) * dot(y, y));
}

Test(operator, adjoint)
{
	for (int s = 0; s < spec_count; s++)
		for (int k = 0; k < COUNT(shapes); k++) {
			gr_scope_begin();
			gr_operator *A = make(specs[s], shapes[k]);
			if (!gr_is_linear_operator(A)) { /* self_test goes through these */
				gr_operator_free(A);
				gr_scope_end();
				continue;
			}
			double wide = adjoint_error(A, GR_F64, shapes[k]);
			double narrow = adjoint_error(A, GR_F32, shapes[k]);
			cr_expect(wide < 1e-12, "%s shape %d: %g", specs[s], k, wide);
			cr_expect(narrow < 1e-5, "%s shape %d f32: %g", specs[s], k, narrow);
			gr_operator_free(A);
			cr_assert_eq(gr_scope_end(), GR_OK, "%s", gr_error_message());
		}
}

/* The self-test that a user's operator goes through, on every row of the table. */
Test(operator, self_test)
{
	for (int s = 0; s < spec_count; s++) {
		gr_scope_begin();
		gr_operator *A = make(specs[s], shapes[1 + s % 4]);
		cr_expect_eq(gr_operator_check(A, gr_key_seed(5)), GR_OK, "%s: %s", specs[s],
			gr_error_message());
		gr_operator_free(A);
		gr_scope_end();
	}
}

Test(operator, linear)
{
	for (int s = 0; s < spec_count; s++)
		for (int k = 0; k < COUNT(shapes); k++) {
			gr_scope_begin();
			gr_operator *A = make(specs[s], shapes[k]);
			if (!gr_is_linear_operator(A)) { /* self_test goes through these */
				gr_operator_free(A);
				gr_scope_end();
				continue;
			}
			gr_tensor *a = nn_normal(1, GR_F64, 4, shapes[k]);
			gr_tensor *b = nn_normal(2, GR_F64, 4, shapes[k]);
			gr_tensor *together = gr_operator_apply(A, gr_axpby(a, 2.5, b, -0.75));
			gr_tensor *apart =
				gr_axpby(gr_operator_apply(A, a), 2.5, gr_operator_apply(A, b), -0.75);
			cr_expect(nn_distance(together, apart) < 1e-13, "%s shape %d", specs[s], k);

			gr_operator_free(A);
			cr_assert_eq(gr_scope_end(), GR_OK, "%s", gr_error_message());
		}
}

/* The gradient of <A x, c> in x is A^T c, and that of <A^T y, d> in y is A d. */
Test(operator, derivative)
{
	for (int s = 0; s < spec_count; s++) {
		const int64_t *shape = shapes[1 + s % 4];
		gr_scope_begin();
		gr_operator *A = make(specs[s], shape);
		if (!gr_is_linear_operator(A)) { /* self_test goes through these */
			gr_operator_free(A);
			gr_scope_end();
			continue;
		}
		gr_tensor *x = gr_watch(nn_normal(1, GR_F64, 4, shape));
		gr_tensor *y = gr_watch(random_y(A, 2, GR_F64, shape[0]));
		gr_tensor *grad;
		gr_status status =
			gr_grad(&grad, gr_operator_apply(A, x), 1, &x, GR_OPTS(gr_grad_opts, .cotangent = y));
		cr_assert_eq(status, GR_OK, "%s: %s", specs[s], gr_error_message());
		cr_expect(nn_distance(grad, gr_operator_adjoint(A, y)) < 1e-13, "%s", specs[s]);
		status =
			gr_grad(&grad, gr_operator_adjoint(A, y), 1, &y, GR_OPTS(gr_grad_opts, .cotangent = x));
		cr_assert_eq(status, GR_OK, "%s: %s", specs[s], gr_error_message());
		cr_expect(nn_distance(grad, gr_operator_apply(A, x)) < 1e-13, "%s", specs[s]);
		gr_operator_free(A);
		cr_assert_eq(gr_scope_end(), GR_OK, "%s", gr_error_message());
	}
}

/* Image i alone, bound to its own key, gives the bits that it gives in the batch. */
Test(operator, batch_does_not_matter)
{
	const int64_t shape[] = {4, 3, 16, 24};
	for (int s = 0; s < spec_count; s++) {
		gr_scope_begin();
		gr_operator *all = make(specs[s], shape);
		gr_tensor *x = nn_normal(1, GR_F32, 4, shape);
		gr_tensor *y = gr_operator_apply(all, x);
		for (int64_t i = 0; i < shape[0]; i++) {
			gr_operator *one = gr_operator_new(specs[s],
				GR_OPTS(gr_operator_opts, .channels = 3, .height = 16, .width = 24, .n = 1,
					.keys = some_keys((uint64_t)(7 + i), 1)));
			gr_tensor *alone = gr_operator_apply(one, batch_of(x, i, i + 1));
			cr_expect(nn_same_bits(alone, batch_of(y, i, i + 1)), "%s image %d", specs[s], (int)i);
			gr_operator_free(one);
		}
		gr_operator_free(all);
		cr_assert_eq(gr_scope_end(), GR_OK, "%s", gr_error_message());
	}
}

Test(operator, support_is_where_something_is_measured)
{
	const int64_t shape[] = {2, 3, 16, 24};
	for (int s = 0; s < spec_count; s++) {
		gr_scope_begin();
		gr_operator *A = make(specs[s], shape);
		gr_tensor *support = gr_operator_support(A, GR_F64);
		bool inpaints = strncmp(specs[s], "inpaint", 7) == 0;
		bool others = strncmp(specs[s], "fourier", 7) == 0 || strncmp(specs[s], "pde", 3) == 0;
		cr_expect_eq(support != NULL, inpaints || others, "%s", specs[s]);
		if (support) {
			gr_tensor *y = gr_operator_apply(A, nn_normal(1, GR_F64, 4, shape));
			cr_expect(nn_same_bits(gr_mul(y, support), y), "%s", specs[s]);
		}
		if (inpaints) {
			gr_tensor *y = gr_operator_apply(A, gr_full(GR_F64, 4, shape, 1.0));
			cr_expect(nn_distance(gr_mul(y, support), y) == 0.0);
			cr_expect_eq(dot(y, y),
				3.0 * dot(support, support) * (gr_tensor_dim(support, 0) == 1 ? 2.0 : 1.0));
		}
		gr_operator_free(A);
		cr_assert_eq(gr_scope_end(), GR_OK, "%s", gr_error_message());
	}
}

Test(operator, parts_and_export)
{
	const int64_t shape[] = {2, 3, 16, 24};
	for (int s = 0; s < spec_count; s++) {
		gr_scope_begin();
		gr_operator *A = make(specs[s], shape);
		gr_archive *archive = gr_archive_new();
		cr_expect_eq(gr_operator_export(A, archive), GR_OK);
		cr_expect_eq(gr_archive_count(archive), gr_operator_part_count(A));
		for (int i = 0; i < gr_operator_part_count(A); i++)
			cr_expect(nn_same_bits(gr_archive_find(archive, gr_operator_part_name(A, i)),
				gr_operator_part(A, i)));
		cr_expect_str_eq(gr_archive_meta(archive, "operator"), gr_operator_name(A));
		cr_expect_null(gr_operator_part(A, gr_operator_part_count(A)));
		gr_archive_free(archive);
		gr_operator_free(A);
		cr_assert_eq(gr_scope_end(), GR_OK, "%s", gr_error_message());
	}
}

Test(operator, table)
{
	cr_assert_geq(gr_operator_count(), 6);
	for (int i = 0; i < gr_operator_count(); i++) {
		if (strcmp(gr_operator_list_name(i), "inpaint_file") == 0)
			continue; /* needs a file: operators/test_inpaint.c */
		cr_expect_not_null(gr_operator_list_example(i, 0), "%s", gr_operator_list_name(i));
		gr_operator *A = gr_operator_new(gr_operator_list_name(i),
			GR_OPTS(gr_operator_opts, .n = 1, .keys = some_keys(1, 1)));
		cr_assert_not_null(A, "%s", gr_error_message());
		cr_expect_str_eq(gr_operator_name(A), gr_operator_list_name(i));
		cr_expect(strlen(gr_operator_list_help(i)) > 0);
		gr_operator_free(A);
	}
	cr_expect_null(gr_operator_list_name(-1));
	cr_expect_null(gr_operator_list_name(gr_operator_count()));
}

Test(operator, wrong_specs)
{
	static const struct {
		const char *spec, *says;
	} wrong[] = {
		{"blur", "one of inpaint_box"},
		{"", "no operator is named ''"},
		{"sr_bicubic:factor", "not option=value"},
		{"sr_bicubic:", "not option=value"},
		{"sr_bicubic:factor=2,", "not option=value"},
		{"sr_bicubic:factor=2.5", "not a positive integer"},
		{"sr_bicubic:factor=0", "not a positive integer"},
		{"sr_bicubic:factor=64", "does not fit"},
		{"sr_bicubic:sigma=1", "no option 'sigma'"},
		{"blur_gauss:sigma=nan", "not a positive number"},
		{"blur_gauss:sigma=1x", "not a positive number"},
		{"blur_gauss:taps=4", "odd"},
		{"inpaint_box:box=40", "does not fit"},
		{"inpaint_box:top=30,left=0", "does not fit"},
		{"inpaint_box:top=-1", "non-negative"},
		{"inpaint_random:missing=1.5", "at most 1"},
		{"inpaint_random", "needs keys"},
		{"inpaint_half:side=up", "left|right|top|bottom"},
		{"inpaint_half:side=lef", "left|right|top|bottom"},
		{"inpaint_free:missing=0.99", "at most 0.95"},
		{"inpaint_box_random:box=30", "does not fit"},
		{"inpaint_file:path=", "a path of 0 bytes"},
	};
	for (int i = 0; i < COUNT(wrong); i++) {
		bool keyed = strchr(wrong[i].spec, ':') != NULL;
		gr_operator *A = gr_operator_new(wrong[i].spec,
			GR_OPTS(gr_operator_opts, .n = keyed ? 1 : 0, .keys = some_keys(1, 1)));
		cr_expect_null(A);
		cr_expect_eq(gr_error_code(), GR_EARG, "%s", wrong[i].spec);
		cr_expect_not_null(strstr(gr_error_message(), wrong[i].says), "%s: %s", wrong[i].spec,
			gr_error_message());
		gr_error_clear();
	}
}

Test(operator, wrong_images)
{
	const int64_t shape[] = {2, 3, 16, 24};
	gr_operator *A = make("inpaint_random", shape);
	cr_expect_null(gr_operator_apply(A, gr_zeros(GR_F32, GR_DIMS(2, 3, 24, 16))));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_expect_null(gr_operator_apply(A, gr_zeros(GR_F32, GR_DIMS(3, 3, 16, 24))));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_expect_null(gr_operator_apply(A, gr_zeros(GR_I64, GR_DIMS(2, 3, 16, 24))));
	cr_expect_eq(gr_error_code(), GR_EDTYPE);
	gr_error_clear();
	cr_expect_null(gr_operator_apply(A, NULL));
	cr_expect(gr_failed());
	gr_error_clear();
	gr_operator_free(A);
	gr_operator_free(NULL);
}

/* The n-th allocation fails, for every n until one call gets through. */
Test(operator, memory_runs_out)
{
	for (int s = 0; s < spec_count; s++)
		for (uint64_t n = 1;; n++) {
			uint64_t live = gr_memory_stats().tensors_live;
			gr_scope_begin();
			gr_memory_fail_at(n);
			gr_operator *A = gr_operator_new(specs[s],
				GR_OPTS(gr_operator_opts, .channels = 3, .height = 8, .width = 8, .n = 2,
					.keys = some_keys(1, 2)));
			gr_memory_fail_at(0);
			bool made = A != NULL;
			cr_expect_eq(gr_error_code(), made ? GR_OK : GR_EMEM, "%s %d: %s", specs[s], (int)n,
				gr_error_message());
			gr_error_clear();
			gr_operator_free(A);
			gr_scope_end();
			cr_expect_eq(gr_memory_stats().tensors_live, live, "%s %d", specs[s], (int)n);
			if (made)
				break;
			cr_assert_lt(n, 200u);
		}
}
