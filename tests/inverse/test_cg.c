/* Conjugate gradients against a direct solution, and each sample for itself. */
#include <criterion/criterion.h>

#include "cg_priv.h"
#include "inverse_check.h"

static gr_tensor *multiply(void *self, gr_tensor *x)
{
	return gr_matmul(x, self); /* rows are samples, the matrix symmetric */
}

static gr_tensor *system_of(int64_t n)
{
	gr_tensor *b = nn_normal(1, GR_F64, GR_DIMS(n, n));
	gr_tensor *eye = gr_zeros(GR_F64, GR_DIMS(n, n));
	for (int64_t i = 0; i < n; i++)
		((double *)gr_tensor_data(eye))[i * n + i] = 0.5;
	return gr_add(gr_matmul(b, gr_transpose(b, 0, 1)), eye);
}

Test(cg, solves)
{
	int64_t n = 12;
	gr_tensor *m = system_of(n);
	gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(5, n));
	gr_tensor *b = multiply(m, x);
	gr_tensor *found = gr__cg_solve(multiply, m, b, GR_OPTS(gr_cg_opts, .tolerance = 1e-13));
	cr_assert_not_null(found, "%s", gr_error_message());
	cr_expect(nn_distance(found, x) < 1e-9);
	for (int64_t i = 0; i < 5; i++) {
		gr_tensor *alone = gr__cg_solve(multiply, m, batch_of(b, i, i + 1),
			GR_OPTS(gr_cg_opts, .tolerance = 1e-13));
		cr_expect(nn_same_bits(alone, batch_of(found, i, i + 1)), "sample %d", (int)i);
	}
	gr_tensor *zero = gr_zeros(GR_F64, GR_DIMS(2, n));
	cr_expect(nn_same_bits(gr__cg_solve(multiply, m, zero, NULL), zero));
}

Test(cg, says_when_it_does_not_converge)
{
	gr_tensor *m = system_of(12);
	gr_tensor *b = nn_normal(2, GR_F64, GR_DIMS(1, 12));
	cr_expect_null(gr__cg_solve(multiply, m, b, GR_OPTS(gr_cg_opts, .iterations = 2)));
	cr_expect_eq(gr_error_code(), GR_ENUMERIC);
	gr_error_clear();
}

/* Two iterations of what was asked for; and a direction of negative curvature ends a sample. */
Test(cg, truncated)
{
	gr_tensor *m = system_of(12);
	gr_tensor *b = nn_normal(2, GR_F64, GR_DIMS(2, 12));
	gr_tensor *x =
		gr__cg_solve(multiply, m, b, GR_OPTS(gr_cg_opts, .iterations = 2, .truncate = true));
	cr_assert_not_null(x, "%s", gr_error_message());
	gr_tensor *r = gr_sub(b, multiply(m, x));
	cr_expect(dot(r, r) < dot(b, b) && dot(r, r) > 1e-6);
	gr_tensor *negative = gr_neg(m);
	x = gr__cg_solve(multiply, negative, b, GR_OPTS(gr_cg_opts, .truncate = true));
	cr_assert_not_null(x, "%s", gr_error_message());
	cr_expect(nn_same_bits(x, gr_zeros(GR_F64, GR_DIMS(2, 12))));
}
