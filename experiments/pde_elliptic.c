/*
 * The equations at rest of pde.h, h = 1 / (s - 1), m = s - 2 nodes inside.
 *
 * Helmholtz: the five-point operator's eigenvectors are products of sines; with S_pq = sin(pi p q h),
 * S S = (m + 1) / 2,
 *
 *	u = (2 / (m + 1))^2 S ((S a S)_pq / (k^2 - 4 / h^2 (sin^2(pi p h / 2) + sin^2(pi q h / 2)))) S
 *
 * Darcy: sum over the four neighbours of (a + a') / 2 (u - u') = h^2 f, symmetric and positive
 * definite, of half-width m when rows are numbered one after the other: L L^T = A in m^4 steps.
 */
#include <math.h>
#include <string.h>

#include "pde.h"

#define PI 3.14159265358979323846

/* out = S x, x and out [m,m] */
static void apply(double *out, const double *S, const double *x, int64_t m)
{
	memset(out, 0, (size_t)(m * m) * sizeof *out);
	for (int64_t i = 0; i < m; i++) {
		for (int64_t k = 0; k < m; k++) {
			for (int64_t j = 0; j < m; j++)
				out[i * m + j] += S[i * m + k] * x[k * m + j];
		}
	}
}

static void transpose(double *x, int64_t m)
{
	for (int64_t i = 0; i < m; i++) {
		for (int64_t j = 0; j < i; j++) {
			const double t = x[i * m + j];
			x[i * m + j] = x[j * m + i];
			x[j * m + i] = t;
		}
	}
}

/* x = S x S by two products; `work` [m,m]. */
static void both_sides(double *x, const double *S, double *work, int64_t m)
{
	apply(work, S, x, m);
	transpose(work, m);
	apply(x, S, work, m);
	transpose(x, m);
}

static gr_status check_side(const char *who, int64_t s)
{
	return s >= 3 && s <= 4096
		? GR_OK
		: gr_error_set(GR_EARG, "%s: a grid of side %lld, expected 3 to 4096", who, (long long)s);
}

gr_status gr__pde_helmholtz(double *u, const double *a, int64_t s, double k2)
{
	gr_status status = check_side("helmholtz", s);
	if (status != GR_OK)
		return status;
	const int64_t m = s - 2;
	const double h = 1.0 / (double)(s - 1);
	double *S = gr_alloc((size_t)(3 * m * m) * sizeof *S);
	if (S == NULL)
		return gr_error_code();
	double *x = S + m * m, *work = x + m * m;
	for (int64_t p = 0; p < m; p++) {
		for (int64_t q = 0; q < m; q++) {
			S[p * m + q] = sin(PI * (double)((p + 1) * (q + 1)) * h);
			x[p * m + q] = a[(p + 1) * s + q + 1];
		}
	}
	both_sides(x, S, work, m);
	for (int64_t p = 0; p < m; p++) {
		for (int64_t q = 0; q < m; q++) {
			const double sp = sin(0.5 * PI * (double)(p + 1) * h);
			const double sq = sin(0.5 * PI * (double)(q + 1) * h);
			x[p * m + q] /= k2 - 4.0 / (h * h) * (sp * sp + sq * sq);
		}
	}
	both_sides(x, S, work, m);
	memset(u, 0, (size_t)(s * s) * sizeof *u);
	for (int64_t i = 0; i < m; i++) {
		for (int64_t j = 0; j < m; j++)
			u[(i + 1) * s + j + 1] = 4.0 * h * h * x[i * m + j];
	}
	gr_free(S);
	return GR_OK;
}

/* The band of A, row by row: entry (r, r - m + k) at band[r (m + 1) + k], 0 <= k <= m. */
static void assemble(double *band, const double *a, int64_t s)
{
	const int64_t m = s - 2;
	for (int64_t r = 0; r < m * m; r++) {
		const int64_t i = r / m, j = r % m;
		const double *c = a + (i + 1) * s + j + 1;
		double *row = band + r * (m + 1);
		memset(row, 0, (size_t)(m + 1) * sizeof *row);
		row[m] = 2.0 * c[0] + 0.5 * (c[1] + c[-1] + c[s] + c[-s]);
		if (i > 0)
			row[0] = -0.5 * (c[0] + c[-s]);
		if (j > 0)
			row[m - 1] -= 0.5 * (c[0] + c[-1]);
	}
}

/* L over A's band; false when A is not positive definite. */
static bool factor(double *band, int64_t n, int64_t m)
{
	for (int64_t r = 0; r < n; r++) {
		double *row = band + r * (m + 1);
		for (int64_t c = r > m ? r - m : 0; c <= r; c++) {
			/* L_rc = (A_rc - sum_k L_rk L_ck) / L_cc over the k that both rows have */
			const double *other = band + c * (m + 1);
			const int64_t first = r > m ? r - m : 0;
			double sum = row[c - r + m];
			for (int64_t k = first; k < c; k++)
				sum -= row[k - r + m] * other[k - c + m];
			if (c < r)
				row[c - r + m] = sum / other[m];
			else if (sum > 0.0)
				row[m] = sqrt(sum);
			else
				return false;
		}
	}
	return true;
}

/* x := A^-1 x */
static void substitute(double *x, const double *band, int64_t n, int64_t m)
{
	for (int64_t r = 0; r < n; r++) {
		const double *row = band + r * (m + 1);
		for (int64_t k = r > m ? r - m : 0; k < r; k++)
			x[r] -= row[k - r + m] * x[k];
		x[r] /= row[m];
	}
	for (int64_t r = n - 1; r >= 0; r--) {
		const double *row = band + r * (m + 1);
		x[r] /= row[m];
		for (int64_t k = r > m ? r - m : 0; k < r; k++)
			x[k] -= row[k - r + m] * x[r];
	}
}

gr_status gr__pde_darcy(double *u, const double *a, const double *f, int64_t s)
{
	gr_status status = check_side("darcy", s);
	if (status != GR_OK)
		return status;
	const int64_t m = s - 2, n = m * m;
	const double h = 1.0 / (double)(s - 1);
	double *band = gr_alloc((size_t)(n * (m + 2)) * sizeof *band);
	if (band == NULL)
		return gr_error_code();
	double *x = band + n * (m + 1);
	for (int64_t r = 0; r < n; r++)
		x[r] = h * h * (f != NULL ? f[(r / m + 1) * s + r % m + 1] : 1.0);
	assemble(band, a, s);
	if (factor(band, n, m)) {
		substitute(x, band, n, m);
		memset(u, 0, (size_t)(s * s) * sizeof *u);
		for (int64_t r = 0; r < n; r++)
			u[(r / m + 1) * s + r % m + 1] = x[r];
	} else {
		status = gr_error_set(GR_ENUMERIC, "darcy: the coefficient is not positive everywhere");
	}
	gr_free(band);
	return status;
}
