/*
 * What the generated suite cannot express of linear algebra and Fourier transforms: identities,
 * equal eigenvalues, refusals, batches.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "gradus/ops.h"

static void expect_error(gr_tensor *t, gr_status code, const char *text)
{
	cr_expect_null(t);
	cr_expect_eq(gr_error_code(), code, "%s: code %d", text, gr_error_code());
	cr_expect(strstr(gr_error_message(), text) != NULL, "\"%s\" is not in \"%s\"", text,
		gr_error_message());
	gr_error_clear();
}

static gr_tensor *noise(uint64_t seed, int ndim, const int64_t *dims)
{
	return gr_random_normal(gr_key_seed(seed), GR_F64, ndim, dims);
}

static double distance(gr_tensor *a, gr_tensor *b)
{
	gr_tensor *d = gr_max(gr_abs(gr_sub(a, b)), GR_ALL_AXES, false);

	cr_assert_not_null(d, "%s", gr_error_message());
	return gr_item(d);
}

static gr_tensor *turned(gr_tensor *t)
{
	return gr_transpose(t, -2, -1);
}

static gr_tensor *identity(int64_t n)
{
	gr_tensor *i = gr_arange(GR_F64, n, 0.0, 1.0);
	return gr_eq(i, gr_unsqueeze(i, 1));
}

/* The posterior mean of a linear Gaussian problem, three ways. */
Test(ops_linalg, solves_agree)
{
	gr_tensor *B = noise(1, GR_DIMS(2, 6, 6)), *b = noise(2, GR_DIMS(2, 6, 3));
	gr_tensor *A = gr_add(gr_matmul(B, turned(B)), identity(6)), *vectors = NULL;
	gr_tensor *x = gr_solve(A, b);
	cr_expect_lt(distance(gr_matmul(A, x), b), 1e-12);
	cr_expect_lt(distance(gr_cholesky_solve(gr_cholesky(A), b), x), 1e-12);
	gr_tensor *w = gr_eigh(A, &vectors);
	gr_tensor *inverse = gr_matmul(gr_div(vectors, gr_unsqueeze(w, -2)), turned(vectors));
	cr_expect_lt(distance(gr_matmul(inverse, b), x), 1e-12);
}

/* d log det A / dA = A^-1, by the factor's diagonal and by the eigenvalues. */
Test(ops_linalg, gradient_of_the_log_determinant)
{
	gr_tensor *B = noise(3, GR_DIMS(4, 4)), *g[2];
	gr_tensor *A = gr_watch(gr_add(gr_matmul(B, turned(B)), identity(4)));
	gr_tensor *diagonal = gr_sum(gr_mul(gr_cholesky(A), identity(4)), GR_AXES(1), false);
	gr_tensor *y[] = {
		gr_mul_s(gr_sum(gr_log(diagonal), GR_ALL_AXES, false), 2.0),
		gr_sum(gr_log(gr_eigh(A, NULL)), GR_ALL_AXES, false),
	};
	cr_expect_lt(distance(y[0], y[1]), 1e-12);
	for (int i = 0; i < 2; i++) {
		gr_status status = gr_grad(&g[i], y[i], 1, &A, NULL);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		cr_expect_lt(distance(g[i], gr_solve(A, identity(4))), 1e-12);
	}
}

/* The sum of the eigenvalues is the trace, also where all are equal. */
Test(ops_linalg, equal_eigenvalues_have_gradients_through_values)
{
	gr_tensor *A = gr_watch(identity(3)), *g;
	gr_status status = gr_grad(&g, gr_sum(gr_eigh(A, NULL), GR_ALL_AXES, false), 1, &A, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_expect_lt(distance(g, identity(3)), 1e-15);
	status = gr_grad(&g, gr_sum(gr_svd(A, NULL, NULL), GR_ALL_AXES, false), 1, &A, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_expect_lt(distance(g, identity(3)), 1e-15);
}

Test(ops_linalg, singular_vectors_rebuild_the_matrix)
{
	gr_tensor *A = noise(4, GR_DIMS(3, 7, 4)), *u = NULL, *v = NULL;
	gr_tensor *s = gr_svd(A, &u, &v);
	cr_expect_lt(distance(gr_matmul(gr_mul(u, gr_unsqueeze(s, -2)), turned(v)), A), 1e-13);
}

Test(ops_linalg, transforms_and_inverses)
{
	gr_tensor *x = noise(5, GR_DIMS(2, 6, 7)), *z = noise(6, GR_DIMS(3, 5, 6, 2));
	cr_expect_lt(distance(gr_irfft(gr_rfft(x), 7), x), 1e-14);
	cr_expect_lt(distance(gr_irfft2(gr_rfft2(x), 7), x), 1e-14);
	cr_expect_lt(distance(gr_ifft(gr_fft(z, 1), 1), z), 1e-14);
	cr_expect_lt(distance(gr_ifft2(gr_fft2(z)), z), 1e-14);
}

/* Blur by a spectrum is circular convolution. */
Test(ops_linalg, a_product_of_spectra_is_a_convolution)
{
	gr_tensor *x = noise(7, GR_DIMS(9)), *k = noise(8, GR_DIMS(9));
	gr_tensor *y = gr_irfft(gr_complex_mul(gr_rfft(x), gr_rfft(k)), 9);
	for (int64_t i = 0; i < 9; i++) {
		double sum = 0.0;
		for (int64_t j = 0; j < 9; j++)
			sum += gr_tensor_at(x, &j) * gr_tensor_at(k, &(int64_t){(i - j + 9) % 9});
		cr_expect(fabs(gr_tensor_at(y, &i) - sum) < 1e-13);
	}
	gr_tensor *z = noise(9, GR_DIMS(4, 2)), *zz = gr_complex_mul(z, gr_complex_conj(z));
	cr_expect_lt(distance(gr_slice(zz, 1, 0, 1, 1), gr_sumsq(z, GR_AXES(1), true)), 1e-14);
}

Test(ops_linalg, messages)
{
	gr_tensor *a = gr_zeros(GR_F64, GR_DIMS(3, 3)), *b = gr_zeros(GR_F64, GR_DIMS(2, 3));
	expect_error(gr_cholesky(a), GR_ENUMERIC, "not positive definite (a f64 [3,3])");
	expect_error(gr_cholesky(b), GR_ESHAPE, "2 by 3, not square");
	expect_error(gr_solve(a, b), GR_ESHAPE, "dim 0 is 3 in a and 2 in b");
	expect_error(gr_solve(a, turned(b)), GR_ENUMERIC, "singular");
	expect_error(gr_triangular_solve(a, turned(b), false, false), GR_ENUMERIC, "zero on its");
	expect_error(gr_eigh(gr_full(GR_F64, GR_DIMS(2, 2), NAN), NULL), GR_ENUMERIC, "not finite");
	expect_error(gr_svd(gr_zeros(GR_F64, GR_DIMS(3)), NULL, NULL), GR_ESHAPE, "[...,N,K]");
	expect_error(gr_cholesky_solve(NULL, b), GR_EARG, "cholesky_solve: operand 0 is NULL");
	expect_error(gr_fft(a, 0), GR_ESHAPE, "last dim of 2");
	expect_error(gr_fft(gr_zeros(GR_F64, GR_DIMS(3, 2)), 1), GR_EARG, "axis 1");
	expect_error(gr_fft(gr_zeros(GR_F64, GR_DIMS(0, 2)), 0), GR_ESHAPE, "lines of 0");
	expect_error(gr_rfft(gr_zeros(GR_I64, GR_DIMS(3))), GR_EDTYPE, "rfft");
	expect_error(gr_rfft_adjoint(gr_zeros(GR_F64, GR_DIMS(3, 2)), 7), GR_ESHAPE, "4 coefficients");
	expect_error(gr_irfft(gr_zeros(GR_F64, GR_DIMS(3, 2)), 8), GR_ESHAPE, "[...,5,2]");
	expect_error(gr_complex_mul(a, a), GR_ESHAPE, "last dim of 2");
}
