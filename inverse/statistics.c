/*
 * Statistics of results (see gradus/statistics.h). The Frechet distance takes the square root of
 * the product by symmetric matrices: Tr (C C')^(1/2) = sum sqrt(eigenvalues of R C' R), R R = C,
 * eigenvalues that rounding makes negative counted as 0.
 */
#include "gradus/statistics.h"

#include <math.h>
#include <stdlib.h>

#include "gradus/ops.h"

#define DRAWS 2000

/* --- intervals --- */

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The q-quantile of n sorted numbers, between neighbours linearly. */
static double quantile(const double *sorted, int64_t n, double q)
{
	double at = q * (double)(n - 1);
	int64_t i = (int64_t)at;
	double part = at - (double)i;
	return i + 1 < n ? (1.0 - part) * sorted[i] + part * sorted[i + 1] : sorted[n - 1];
}

gr_status gr_summarize(gr_summary *out, const double *value, int64_t n, gr_key key)
{
	if (!out || !value || n < 1)
		return gr_error_set(GR_EARG, "summarize: no values");
	double *kept = gr_alloc(((size_t)n + DRAWS) * sizeof(*kept));
	if (!kept)
		return gr_error_code();
	double *means = kept + n;
	int64_t m = 0;
	double sum = 0.0;
	for (int64_t i = 0; i < n; i++)
		if (!isnan(value[i])) {
			kept[m++] = value[i];
			sum += value[i];
		}
	if (m == 0) {
		gr_free(kept);
		return gr_error_set(GR_EARG, "summarize: all %lld values are NaN", (long long)n);
	}
	for (int64_t d = 0; d < DRAWS; d++) {
		gr_key draw = gr_key_fold(key, (uint64_t)d);
		double total = 0.0;
		for (int64_t i = 0; i < m; i++)
			total += kept[(int64_t)(gr_key_uniform(draw, (uint64_t)i) * (double)m)];
		means[d] = total / (double)m;
	}
	qsort(means, DRAWS, sizeof(*means), ascending);
	*out =
		(gr_summary){sum / (double)m, quantile(means, DRAWS, 0.025), quantile(means, DRAWS, 0.975)};
	gr_free(kept);
	return GR_OK;
}

gr_status gr_summarize_samples(gr_summary out[3], const double *value, int64_t n, int64_t k,
	bool larger, gr_key key)
{
	if (!out || !value || n < 1 || k < 1)
		return gr_error_set(GR_EARG, "summarize: %lld measurements of %lld samples", (long long)n,
			(long long)k);
	double *rows = gr_alloc(3 * (size_t)n * sizeof(*rows));
	if (!rows)
		return gr_error_code();
	for (int64_t i = 0; i < n; i++) {
		const double *v = value + i * k;
		double least = v[0];
		double most = v[0];
		double sum = 0.0;
		for (int64_t j = 0; j < k; j++) {
			least = fmin(least, v[j]);
			most = fmax(most, v[j]);
			sum += v[j];
		}
		rows[i] = larger ? most : least;
		rows[n + i] = sum / (double)k;
		rows[2 * n + i] = larger ? least : most;
	}
	gr_status status = GR_OK;
	for (int r = 0; r < 3 && !status; r++)
		status = gr_summarize(&out[r], rows + r * n, n, key);
	gr_free(rows);
	return status;
}

#define EXACT_PAIRS 14
#define SIGN_DRAWS 20000

gr_status gr_paired_test(double *p, const double *difference, int64_t n, gr_key key)
{
	if (!p || !difference || n < 1)
		return gr_error_set(GR_EARG, "paired test: no pairs");
	double *kept = gr_alloc((size_t)n * sizeof(*kept));
	if (!kept)
		return gr_error_code();
	int64_t m = 0;
	double seen = 0.0;
	for (int64_t i = 0; i < n; i++)
		if (!isnan(difference[i])) {
			kept[m++] = difference[i];
			seen += difference[i];
		}
	bool exact = m <= EXACT_PAIRS;
	int64_t draws = exact ? (int64_t)1 << m : SIGN_DRAWS;
	int64_t far = 0;
	for (int64_t d = 0; d < draws; d++) {
		gr_key draw = gr_key_fold(key, (uint64_t)d);
		double total = 0.0;
		for (int64_t i = 0; i < m; i++) {
			bool flip = exact ? (d >> i & 1) != 0 : gr_key_uniform(draw, (uint64_t)i) < 0.5;
			total += flip ? -kept[i] : kept[i];
		}
		/* Equal up to the rounding of sums counts as equal. */
		far += fabs(total) >= fabs(seen) * (1.0 - 1e-12);
	}
	gr_free(kept);
	if (m == 0)
		return gr_error_set(GR_EARG, "paired test: all %lld differences are NaN", (long long)n);
	*p = exact ? (double)far / (double)draws : (double)(far + 1) / (double)(draws + 1);
	return GR_OK;
}

/* --- one number from tensors --- */

/* Take the number of a scalar expression, and end the scope in which it was made. */
static gr_status finish(double *out, gr_tensor *value, bool recording)
{
	if (value)
		*out = gr_item(value);
	gr_status status = gr_scope_end();
	gr_set_recording(recording);
	return status;
}

static gr_status check_rows(const char *what, const gr_tensor *t, int ndim)
{
	char is[96];
	if (t && gr_tensor_ndim(t) >= 2 && (ndim == 0 || gr_tensor_ndim(t) == ndim) &&
		gr_tensor_dim(t, 0) >= 2 && gr_tensor_size(t) > 0)
		return GR_OK;
	if (!t)
		return gr_failed() ? gr_error_code() : gr_error_set(GR_EARG, "%s: a tensor is NULL", what);
	return gr_error_set(GR_ESHAPE, "%s: given %s, expected two rows or more", what,
		gr_tensor_describe(t, is, sizeof(is)));
}

/* [K,...] -> [K,D] in double. */
static gr_tensor *rows_of(const gr_tensor *t)
{
	gr_tensor *wide = gr_cast((gr_tensor *)(uintptr_t)t, GR_F64);
	return gr_reshape(wide, GR_DIMS(gr_tensor_dim(t, 0), -1));
}

gr_status gr_relative_l2(double *out, const gr_tensor *x, const gr_tensor *reference)
{
	char a[96];
	char b[96];
	if (!x || !reference)
		return gr_failed() ? gr_error_code() : gr_error_set(GR_EARG, "relative L2: NULL");
	if (!gr_is_same_shape(x, reference) || gr_tensor_ndim(x) < 3)
		return gr_error_set(GR_ESHAPE, "relative L2: x is %s, the reference %s, expected [N,C,...]",
			gr_tensor_describe(x, a, sizeof(a)), gr_tensor_describe(reference, b, sizeof(b)));
	bool recording = gr_set_recording(false);
	gr_scope_begin();
	int64_t N = gr_tensor_dim(x, 0);
	int64_t C = gr_tensor_dim(x, 1);
	gr_tensor *r = gr_reshape(rows_of(reference), GR_DIMS(N, C, -1));
	gr_tensor *d = gr_sub(gr_reshape(rows_of(x), GR_DIMS(N, C, -1)), r);
	gr_tensor *each = gr_div(gr_norm(d, GR_AXES(2), false), gr_norm(r, GR_AXES(2), false));
	gr_tensor *mean = gr_mean(each, GR_AXES(1), false);
	gr_status status = mean ? gr_tensor_to_f64(mean, out) : gr_error_code();
	gr_status ended = gr_scope_end();
	gr_set_recording(recording);
	return status ? status : ended;
}

/* Cosines of all pairs [K,K]. */
static gr_tensor *cosines(const gr_tensor *features)
{
	gr_tensor *f = rows_of(features);
	f = gr_div(f, gr_norm(f, GR_AXES(1), true));
	return gr_matmul(f, gr_transpose(f, 0, 1));
}

gr_status gr_pairwise_cosine(double *out, const gr_tensor *features)
{
	gr_status status = check_rows("pairwise cosine", features, 2);
	if (status)
		return status;
	double K = (double)gr_tensor_dim(features, 0);
	bool recording = gr_set_recording(false);
	gr_scope_begin();
	gr_tensor *sum = gr_sum(cosines(features), GR_ALL_AXES, false);
	return finish(out, gr_affine(sum, 1.0 / (K * (K - 1.0)), -1.0 / (K - 1.0)), recording);
}

gr_status gr_vendi(double *out, const gr_tensor *features)
{
	gr_status status = check_rows("vendi", features, 2);
	if (status)
		return status;
	double K = (double)gr_tensor_dim(features, 0);
	bool recording = gr_set_recording(false);
	gr_scope_begin();
	gr_tensor *l = gr_clamp(gr_eigh(gr_mul_s(cosines(features), 1.0 / K), NULL), 1e-300, INFINITY);
	return finish(out, gr_exp(gr_neg(gr_sum(gr_mul(l, gr_log(l)), GR_ALL_AXES, false))), recording);
}

/* Rows less their mean. */
static gr_tensor *centred(gr_tensor *rows)
{
	return gr_sub(rows, gr_mean(rows, GR_AXES(0), true));
}

gr_status gr_sample_variance(double *out, const gr_tensor *samples)
{
	gr_status status = check_rows("sample variance", samples, 0);
	if (status)
		return status;
	double K = (double)gr_tensor_dim(samples, 0);
	bool recording = gr_set_recording(false);
	gr_scope_begin();
	gr_tensor *square = gr_mean(gr_square(centred(rows_of(samples))), GR_ALL_AXES, false);
	return finish(out, gr_mul_s(square, K / (K - 1.0)), recording);
}

/* Of entry i of all samples: ends of the central interval. line [K] is scratch. */
static void interval(double ends[2], double *line, const double *samples, int64_t K, int64_t D,
	int64_t i, double level)
{
	for (int64_t k = 0; k < K; k++)
		line[k] = samples[k * D + i];
	qsort(line, (size_t)K, sizeof(*line), ascending);
	ends[0] = quantile(line, K, 0.5 - 0.5 * level);
	ends[1] = quantile(line, K, 0.5 + 0.5 * level);
}

gr_status gr_coverage_of(double *out, const gr_tensor *samples, const gr_tensor *truths,
	double level)
{
	gr_status status = check_rows("coverage", samples, 0);
	if (status)
		return status;
	int64_t K = gr_tensor_dim(samples, 0);
	int64_t D = gr_tensor_size(samples) / K;
	int64_t L = gr_tensor_size(truths) / D;
	if (L < 1 || gr_tensor_size(truths) != L * D || !(level > 0.0 && level < 1.0))
		return gr_error_set(GR_ESHAPE,
			"coverage: %lld entries in a sample, %lld in the truth; level %g", (long long)D,
			(long long)gr_tensor_size(truths), level);
	double *v = gr_alloc((size_t)(K * D + L * D + K) * sizeof(*v));
	double *t = v ? v + K * D : NULL;
	int64_t inside = 0;
	status = v ? gr_tensor_to_f64(samples, v) : gr_error_code();
	status = status ? status : gr_tensor_to_f64(truths, t);
	for (int64_t i = 0; i < D && !status; i++) {
		double ends[2];
		interval(ends, t + L * D, v, K, D, i, level);
		for (int64_t l = 0; l < L; l++)
			inside += t[l * D + i] >= ends[0] && t[l * D + i] <= ends[1];
	}
	if (!status)
		*out = (double)inside / (double)(L * D);
	gr_free(v);
	return status;
}

gr_status gr_coverage(double *out, const gr_tensor *samples, const gr_tensor *truth, double level)
{
	int64_t K = samples ? gr_tensor_dim(samples, 0) : 0;
	if (K > 0 && gr_tensor_size(truth) != gr_tensor_size(samples) / K)
		return gr_error_set(GR_ESHAPE, "coverage: %lld entries in a sample, %lld in the truth",
			(long long)(gr_tensor_size(samples) / K), (long long)gr_tensor_size(truth));
	return gr_coverage_of(out, samples, truth, level);
}

gr_tensor *gr_sorted_projections(const gr_tensor *samples, int64_t projections, gr_key key)
{
	if (check_rows("sliced Wasserstein", samples, 0))
		return NULL;
	if (projections < 1) {
		gr_error_set(GR_EARG, "sliced Wasserstein: %lld projections", (long long)projections);
		return NULL;
	}
	bool recording = gr_set_recording(false);
	gr_tensor *x = rows_of(samples);
	gr_tensor *u = gr_random_normal(key, GR_F64, GR_DIMS(projections, gr_tensor_dim(x, 1)));
	u = gr_div(u, gr_norm(u, GR_AXES(1), true));
	gr_tensor *sorted = gr_sort(gr_matmul(u, gr_transpose(x, 0, 1)), 1, false, NULL);
	gr_set_recording(recording);
	return sorted;
}

gr_status gr_sliced_wasserstein(double *out, const gr_tensor *a, const gr_tensor *b,
	int64_t projections, gr_key key)
{
	if (a && b && !gr_is_same_shape(a, b))
		return gr_error_set(GR_ESHAPE,
			"sliced Wasserstein: %lld and %lld rows of %lld and %lld numbers, expected as many",
			(long long)gr_tensor_dim(a, 0), (long long)gr_tensor_dim(b, 0),
			(long long)gr_tensor_size(a), (long long)gr_tensor_size(b));
	bool recording = gr_set_recording(false);
	gr_scope_begin();
	gr_tensor *p = gr_sorted_projections(a, projections, key);
	gr_tensor *q = p ? gr_sorted_projections(b, projections, key) : NULL;
	return finish(out, gr_sqrt(gr_mean(gr_square(gr_sub(p, q)), GR_ALL_AXES, false)), recording);
}

static gr_tensor *covariance(gr_tensor *rows)
{
	gr_tensor *d = centred(rows);
	double n = (double)gr_tensor_dim(rows, 0);
	return gr_mul_s(gr_matmul(gr_transpose(d, 0, 1), d), 1.0 / (n - 1.0));
}

/* Square roots of what is above 0. */
static gr_tensor *root(gr_tensor *l)
{
	return gr_sqrt(gr_clamp(l, 0.0, INFINITY));
}

gr_status gr_frechet(double *out, const gr_tensor *a, const gr_tensor *b)
{
	gr_status status = check_rows("frechet", a, 2);
	status = status ? status : check_rows("frechet", b, 2);
	if (status)
		return status;
	if (gr_tensor_dim(a, 1) != gr_tensor_dim(b, 1))
		return gr_error_set(GR_ESHAPE, "frechet: features of %lld and of %lld numbers",
			(long long)gr_tensor_dim(a, 1), (long long)gr_tensor_dim(b, 1));
	bool recording = gr_set_recording(false);
	gr_scope_begin();
	gr_tensor *x = rows_of(a);
	gr_tensor *y = rows_of(b);
	gr_tensor *shift = gr_sub(gr_mean(x, GR_AXES(0), false), gr_mean(y, GR_AXES(0), false));
	gr_tensor *vectors = NULL;
	gr_tensor *s = root(gr_eigh(covariance(x), &vectors));
	gr_tensor *R = gr_matmul(gr_mul(vectors, s), gr_transpose(vectors, 0, 1));
	gr_tensor *both = root(gr_eigh(gr_matmul(gr_matmul(R, covariance(y)), R), NULL));
	double n = (double)gr_tensor_dim(a, 0);
	double m = (double)gr_tensor_dim(b, 0);
	gr_tensor *traces = gr_axpby(gr_sum(gr_square(centred(x)), GR_ALL_AXES, false), 1.0 / (n - 1.0),
		gr_sum(gr_square(centred(y)), GR_ALL_AXES, false), 1.0 / (m - 1.0));
	gr_tensor *value = gr_add(gr_sum(gr_square(shift), GR_ALL_AXES, false), traces);
	return finish(out, gr_axpby(value, 1.0, gr_sum(both, GR_ALL_AXES, false), -2.0), recording);
}
