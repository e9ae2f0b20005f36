/*
 * References of Fourier transforms (the sum itself) and of linear algebra: elimination, and
 * Jacobi's rotations for eigenvalues and singular values.
 */
#include "reference.h"

#include <math.h>
#include <stdlib.h>

#include "attr.h"

static int64_t size_of(const gr_ref_tensor *t)
{
	int64_t size = 1;

	for (int i = 0; i < t->ndim; i++)
		size *= t->dims[i];
	return size;
}

/* --- Fourier transforms -------------------------------------------------------------------- */

/* out[.., k, ..] = scale sum_j in[.., j, ..] exp(sign 2 pi i jk / n), complex lines, one dim. */
static void transform(int axis, double sign, double scale, const gr_ref_tensor *in, double *out)
{
	int64_t n = in->dims[axis], inner = 1;

	for (int d = axis + 1; d < in->ndim - 1; d++)
		inner *= in->dims[d];
	for (int64_t o = 0; o < size_of(in) / 2; o++) {
		int64_t k = o / inner % n, line = o / inner / n;
		double re = 0.0, im = 0.0;
		for (int64_t j = 0; j < n; j++) {
			const double *x = &in->data[2 * ((line * n + j) * inner + o % inner)];
			double angle = sign * 2.0 * acos(-1.0) * (double)(j * k % n) / (double)n;
			re += x[0] * cos(angle) - x[1] * sin(angle);
			im += x[0] * sin(angle) + x[1] * cos(angle);
		}
		out[2 * o] = scale * re;
		out[2 * o + 1] = scale * im;
	}
}

static void ref_fft(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	const gr_fft_attr *a = attr;

	(void)nin;
	transform((int)(a->axis < 0 ? a->axis + in->ndim - 1 : a->axis), a->inverse ? 1.0 : -1.0,
		a->scale, in, out->data);
}

static void ref_ifft(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t axis = ((const gr_fft_attr *)attr)->axis;
	int at = (int)(axis < 0 ? axis + in->ndim - 1 : axis);

	(void)nin;
	transform(at, 1.0, 1.0 / (double)in->dims[at], in, out->data);
}

/* Along both of the dims before the last. */
static void transform2(double sign, bool scaled, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int last = in->ndim - 2;
	double h = scaled ? (double)in->dims[last - 1] : 1.0;
	double w = scaled ? (double)in->dims[last] : 1.0;
	gr_ref_tensor half = *out;

	half.data = calloc((size_t)size_of(in) + 1, sizeof(double));
	if (half.data != NULL) {
		transform(last, sign, 1.0 / w, in, half.data);
		transform(last - 1, sign, 1.0 / h, &half, out->data);
	}
	free(half.data);
}

static void ref_fft2(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)attr, (void)nin;
	transform2(-1.0, false, in, out);
}

static void ref_ifft2(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)attr, (void)nin;
	transform2(1.0, true, in, out);
}

static void ref_rfft(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t n = in->dims[in->ndim - 1], half = n / 2 + 1;

	(void)nin;
	for (int64_t o = 0; o < size_of(out); o++) {
		int64_t k = o / 2 % half;
		double sum = 0.0;
		for (int64_t j = 0; j < n; j++) {
			double angle = 2.0 * acos(-1.0) * (double)(j * k % n) / (double)n;
			sum += in->data[o / 2 / half * n + j] * (o % 2 == 0 ? cos(angle) : -sin(angle));
		}
		out->data[o] = ((const gr_fft_attr *)attr)->scale * sum;
	}
}

/* x_j = scale Re sum_k c_k y_k exp(2 pi i jk / n); `twice`: c_k = 2 where the conjugate is absent. */
static void half_back(double scale, bool twice, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t n = out->dims[out->ndim - 1], half = n / 2 + 1;

	for (int64_t o = 0; o < size_of(out); o++) {
		double sum = 0.0;
		for (int64_t k = 0; k < half; k++) {
			const double *y = &in->data[2 * (o / n * half + k)];
			double angle = 2.0 * acos(-1.0) * (double)(o % n * k % n) / (double)n;
			double c = twice && k > 0 && 2 * k < n ? 2.0 : 1.0;
			sum += c * (y[0] * cos(angle) - y[1] * sin(angle));
		}
		out->data[o] = scale * sum;
	}
}

static void ref_rfft_adjoint(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)nin;
	half_back(((const gr_fft_attr *)attr)->scale, false, in, out);
}

static void ref_irfft(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)attr, (void)nin;
	half_back(1.0 / (double)out->dims[out->ndim - 1], true, in, out);
}

static void ref_rfft2(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	gr_fft_attr plain = {.scale = 1.0};
	gr_ref_tensor half = *out;

	(void)attr, (void)nin;
	half.data = calloc((size_t)size_of(out) + 1, sizeof(double));
	if (half.data != NULL) {
		ref_rfft(&plain, 1, in, &half);
		transform(out->ndim - 3, -1.0, 1.0, &half, out->data);
	}
	free(half.data);
}

static void ref_irfft2(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	gr_ref_tensor half = *in;

	(void)attr, (void)nin;
	half.data = calloc((size_t)size_of(in) + 1, sizeof(double));
	if (half.data != NULL) {
		transform(in->ndim - 3, 1.0, 1.0 / (double)in->dims[in->ndim - 3], in, half.data);
		half_back(1.0 / (double)out->dims[out->ndim - 1], true, &half, out);
	}
	free(half.data);
}

static void ref_complex_mul(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)attr, (void)nin;
	for (int64_t o = 0; o < size_of(out); o += 2) {
		const double *a = &in[0].data[o % size_of(&in[0])], *b = &in[1].data[o % size_of(&in[1])];
		out->data[o] = a[0] * b[0] - a[1] * b[1];
		out->data[o + 1] = a[0] * b[1] + a[1] * b[0];
	}
}

static void ref_complex_conj(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)attr, (void)nin;
	for (int64_t o = 0; o < size_of(out); o++)
		out->data[o] = o % 2 == 0 ? in->data[o] : -in->data[o];
}

/* --- solves -------------------------------------------------------------------------------- */

/* Matrices in t's batch. */
static int64_t batch_of(const gr_ref_tensor *t)
{
	int64_t each = t->dims[t->ndim - 2] * t->dims[t->ndim - 1];
	return each > 0 ? size_of(t) / each : 0;
}

static double symmetric(const double *a, int64_t n, int64_t i, int64_t j)
{
	return (a[i * n + j] + a[j * n + i]) / 2.0;
}

static void ref_cholesky(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t n = in->dims[in->ndim - 1];

	(void)attr, (void)nin;
	for (int64_t b = 0; b < batch_of(in); b++) {
		const double *a = in->data + b * n * n;
		double *l = out->data + b * n * n;
		for (int64_t i = 0; i < n; i++) {
			for (int64_t j = 0; j <= i; j++) {
				double sum = symmetric(a, n, i, j);
				for (int64_t k = 0; k < j; k++)
					sum -= l[i * n + k] * l[j * n + k];
				l[i * n + j] = i == j ? sqrt(sum) : sum / l[j * n + j];
			}
		}
	}
}

/* x with m x = b by elimination, the pivot being the largest; m [n,n] and x [n,k] are overwritten. */
static void eliminate(double *m, double *x, int64_t n, int64_t k)
{
	for (int64_t c = 0; c < n; c++) {
		int64_t best = c;
		for (int64_t r = c; r < n; r++)
			best = fabs(m[r * n + c]) > fabs(m[best * n + c]) ? r : best;
		for (int64_t j = 0; j < n + k; j++) {
			double *p = j < n ? &m[c * n + j] : &x[c * k + j - n];
			double *q = j < n ? &m[best * n + j] : &x[best * k + j - n];
			double swap = *p;
			*p = *q;
			*q = swap;
		}
		for (int64_t r = 0; r < n; r++) {
			double factor = r == c ? 0.0 : m[r * n + c] / m[c * n + c];
			for (int64_t j = 0; j < n; j++)
				m[r * n + j] -= factor * m[c * n + j];
			for (int64_t j = 0; j < k; j++)
				x[r * k + j] -= factor * x[c * k + j];
		}
	}
	for (int64_t i = 0; i < n * k; i++)
		x[i] /= m[i / k * n + i / k];
}

/* Element (i, j) of the matrix to solve with: a whole one, or a triangle of it. */
static double solved(const double *a, int64_t n, int64_t i, int64_t j, const gr_solve_attr *s,
	bool triangle)
{
	int64_t r = s->transpose ? j : i, c = s->transpose ? i : j;
	return triangle && (s->upper ? c < r : c > r) ? 0.0 : a[r * n + c];
}

static void solve_with(const gr_solve_attr *s, bool triangle, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	int64_t n = in[0].dims[in[0].ndim - 1], k = in[1].dims[in[1].ndim - 1];
	double m[81];

	for (int64_t b = 0; b < batch_of(&in[0]); b++) {
		for (int64_t i = 0; i < n * n; i++)
			m[i] = solved(in[0].data + b * n * n, n, i / n, i % n, s, triangle);
		for (int64_t i = 0; i < n * k; i++)
			out->data[b * n * k + i] = in[1].data[b * n * k + i];
		eliminate(m, out->data + b * n * k, n, k);
	}
}

static void ref_triangular_solve(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	(void)nin;
	solve_with(attr, true, in, out);
}

static void ref_solve(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)nin;
	solve_with(attr, false, in, out);
}

static void ref_cholesky_solve(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	gr_solve_attr lower = {0, 0}, transposed = {0, 1};
	gr_ref_tensor second[2] = {in[0], *out};

	(void)attr, (void)nin;
	solve_with(&lower, true, in, out);
	solve_with(&transposed, true, second, out);
}

/* --- eigenvalues --------------------------------------------------------------------------- */

/* Columns of v [n,k] get the sign that makes the entry of largest magnitude positive. */
static double sign_of_column(const double *v, int64_t n, int64_t k, int64_t c)
{
	double best = 0.0;

	for (int64_t i = 0; i < n; i++)
		best = fabs(v[i * k + c]) > fabs(best) ? v[i * k + c] : best;
	return best < 0.0 ? -1.0 : 1.0;
}

/* s [n,n] -> diagonal, by rotations; v's columns become its vectors. */
static void jacobi(double *s, double *v, int64_t n)
{
	for (int64_t i = 0; i < n * n; i++)
		v[i] = i / n == i % n ? 1.0 : 0.0;
	for (int64_t turn = 0; turn < 60 * n * n; turn++) {
		int64_t p = turn / n % n, q = turn % n;
		if (p >= q || s[p * n + q] == 0.0)
			continue;
		double angle = 0.5 * atan2(2.0 * s[p * n + q], s[q * n + q] - s[p * n + p]);
		double c = cos(angle), d = sin(angle);
		for (int64_t i = 0; i < n; i++) {
			double a = s[i * n + p], b = s[i * n + q];
			s[i * n + p] = c * a - d * b;
			s[i * n + q] = d * a + c * b;
			a = v[i * n + p], b = v[i * n + q];
			v[i * n + p] = c * a - d * b;
			v[i * n + q] = d * a + c * b;
		}
		for (int64_t i = 0; i < n; i++) {
			double a = s[p * n + i], b = s[q * n + i];
			s[p * n + i] = c * a - d * b;
			s[q * n + i] = d * a + c * b;
		}
	}
}

/* Places of the diagonal's values in rising order. */
static void ranks(const double *s, int64_t n, int64_t *order)
{
	for (int64_t i = 0; i < n; i++) {
		int64_t rank = 0;
		for (int64_t j = 0; j < n; j++)
			rank += s[j * n + j] < s[i * n + i] || (s[j * n + j] == s[i * n + i] && j < i);
		order[rank] = i;
	}
}

static void ref_eigh(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t n = in->dims[in->ndim - 1], order[9];
	double s[81], v[81];

	(void)attr, (void)nin;
	for (int64_t b = 0; b < batch_of(in); b++) {
		for (int64_t i = 0; i < n * n; i++)
			s[i] = symmetric(in->data + b * n * n, n, i / n, i % n);
		jacobi(s, v, n);
		ranks(s, n, order);
		for (int64_t i = 0; i < n * n; i++) {
			int64_t from = order[i % n];
			out[0].data[b * n + i % n] = s[from * n + from];
			out[1].data[b * n * n + i] = v[i / n * n + from] * sign_of_column(v, n, n, from);
		}
	}
}

/* From the eigenvectors v of a^T a: s = |a v|, u = a v / s. */
static void ref_svd(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t m = in->dims[in->ndim - 2], n = in->dims[in->ndim - 1], order[9];
	int64_t k = m < n ? m : n;
	double s[81], v[81];

	(void)attr, (void)nin;
	for (int64_t b = 0; b < batch_of(in); b++) {
		const double *a = in->data + b * m * n;
		double *u = out[0].data + b * m * k;
		for (int64_t i = 0; i < n * n; i++) {
			s[i] = 0.0;
			for (int64_t r = 0; r < m; r++)
				s[i] += a[r * n + i / n] * a[r * n + i % n];
		}
		jacobi(s, v, n);
		ranks(s, n, order);
		for (int64_t c = 0; c < k; c++) {
			int64_t from = order[n - 1 - c];
			double length = 0.0;
			for (int64_t r = 0; r < m; r++) {
				u[r * k + c] = 0.0;
				for (int64_t j = 0; j < n; j++)
					u[r * k + c] += a[r * n + j] * v[j * n + from];
				length = hypot(length, u[r * k + c]);
			}
			double sign = sign_of_column(u, m, k, c);
			out[1].data[b * k + c] = length;
			for (int64_t r = 0; r < m; r++)
				u[r * k + c] *= sign / length;
			for (int64_t j = 0; j < n; j++)
				out[2].data[(b * n + j) * k + c] = sign * v[j * n + from];
		}
	}
}

const gr_ref gr_refs_linalg[] = {
	{"fft", ref_fft},
	{"ifft", ref_ifft},
	{"fft2", ref_fft2},
	{"ifft2", ref_ifft2},
	{"rfft", ref_rfft},
	{"irfft", ref_irfft},
	{"rfft2", ref_rfft2},
	{"irfft2", ref_irfft2},
	{"rfft_adjoint", ref_rfft_adjoint},
	{"complex_mul", ref_complex_mul},
	{"complex_conj", ref_complex_conj},
	{"cholesky", ref_cholesky},
	{"triangular_solve", ref_triangular_solve},
	{"solve", ref_solve},
	{"cholesky_solve", ref_cholesky_solve},
	{"eigh", ref_eigh},
	{"svd", ref_svd},
	{NULL, NULL},
};
