/*
 * A Gaussian prior, x_0 ~ N(m, C), whose prediction is exact: the reference that samplers are
 * tested with. With C = U diag(l) U^T and A = alpha_bar,
 *     x_t ~ N(sqrt(A) m, A C + (1-A) I),
 *     eps = -sqrt(1-A) grad log p(x_t) = U diag(sqrt(1-A) / (A l + 1 - A)) U^T (x_t - sqrt(A) m),
 *     E[x_0 | x_t] = m + U diag(sqrt(A) l / (A l + 1 - A)) U^T (x_t - sqrt(A) m),
 * and the other predictions are sums of the two.
 * The eigenvectors are found once, by cyclic Jacobi rotations (Golub and Van Loan, 8.5).
 */
#include <math.h>
#include <string.h>

#include "constant_priv.h"
#include "prior_priv.h"

typedef struct gaussian {
	int64_t D;          /* C H W */
	gr_constant mean;   /* [1,D] */
	gr_constant basis;  /* U [D,D]; empty when C is diagonal */
	double *eigenvalue; /* [D] */
} gaussian;

static void gaussian_free(void *self)
{
	gaussian *g = self;
	if (!g)
		return;
	gr__constant_clear(&g->mean);
	gr__constant_clear(&g->basis);
	gr_free(g->eigenvalue);
	gr_free(g);
}

/* --- eigenvectors --- */

/* Rotate rows and columns p, q of c so that c[p,q] is 0, and the columns of u with them. */
static void rotate(double *c, double *u, int64_t n, int64_t p, int64_t q)
{
	double theta = (c[q * n + q] - c[p * n + p]) / (2.0 * c[p * n + q]);
	double t = copysign(1.0, theta) / (fabs(theta) + sqrt(theta * theta + 1.0));
	double cosine = 1.0 / sqrt(t * t + 1.0);
	double sine = t * cosine;
	for (int64_t k = 0; k < n; k++) {
		double a = c[k * n + p];
		double b = c[k * n + q];
		c[k * n + p] = cosine * a - sine * b;
		c[k * n + q] = sine * a + cosine * b;
	}
	for (int64_t k = 0; k < n; k++) {
		double a = c[p * n + k];
		double b = c[q * n + k];
		c[p * n + k] = cosine * a - sine * b;
		c[q * n + k] = sine * a + cosine * b;
	}
	for (int64_t k = 0; k < n; k++) {
		double a = u[k * n + p];
		double b = u[k * n + q];
		u[k * n + p] = cosine * a - sine * b;
		u[k * n + q] = sine * a + cosine * b;
	}
}

/* c [n,n] symmetric becomes diagonal, u its eigenvectors as columns. */
static gr_status jacobi(double *c, double *u, int64_t n)
{
	double total = 0.0;
	for (int64_t i = 0; i < n * n; i++)
		total += c[i] * c[i];
	memset(u, 0, (size_t)(n * n) * sizeof(*u));
	for (int64_t i = 0; i < n; i++)
		u[i * n + i] = 1.0;
	for (int sweep = 0; sweep < 60; sweep++) {
		double off = 0.0;
		for (int64_t p = 0; p < n; p++)
			for (int64_t q = p + 1; q < n; q++)
				off += c[p * n + q] * c[p * n + q];
		if (off <= 1e-32 * total)
			return GR_OK;
		for (int64_t p = 0; p < n; p++)
			for (int64_t q = p + 1; q < n; q++)
				if (c[p * n + q] != 0.0)
					rotate(c, u, n, p, q);
	}
	return gr_error_set(GR_ENUMERIC, "prior gaussian: eigenvectors of the covariance not found");
}

/* --- prediction: offset m + U diag(scale) U^T (x_t - sqrt(A) m) --- */

static double offset_of(gr_prediction kind, double A)
{
	switch (kind) {
	case GR_PREDICT_X0: return 1.0;
	case GR_PREDICT_V: return -sqrt(1.0 - A);
	case GR_PREDICT_FLOW: return -1.0;
	default: return 0.0;
	}
}

/* For the eigenvalue l of C. */
static double scale_of(gr_prediction kind, double A, double l)
{
	double a = sqrt(A);
	double b = sqrt(1.0 - A);
	double d = A * l + 1.0 - A;
	switch (kind) {
	case GR_PREDICT_X0: return a * l / d;
	case GR_PREDICT_V: return a * b * (1.0 - l) / d;
	case GR_PREDICT_FLOW: return (b - a * l) / d;
	case GR_PREDICT_SCORE: return -1.0 / d;
	default: return b / d;
	}
}

static gr_status gaussian_predict(void *self, const gr_prior *p, gr_prior_call *call)
{
	const gaussian *g = self;
	gr_tensor *x = call->x_t;
	gr_dtype dtype = gr_tensor_dtype(x);
	int64_t N = gr_tensor_dim(x, 0);
	gr_tensor *scale = gr_empty(GR_F64, GR_DIMS(N, g->D));
	gr_tensor *root = gr_empty(GR_F64, GR_DIMS(N, 1));
	gr_tensor *offset = gr_empty(GR_F64, GR_DIMS(N, 1));
	if (!scale || !root || !offset)
		return gr_error_code();
	double *s = gr_tensor_data(scale);
	double *r = gr_tensor_data(root);
	double *o = gr_tensor_data(offset);
	for (int64_t i = 0; i < N; i++) {
		double A = gr_prior_alpha_bar(p, call->t[i]);
		r[i] = sqrt(A);
		o[i] = offset_of(gr_prior_prediction(p), A);
		for (int64_t d = 0; d < g->D; d++)
			s[i * g->D + d] = scale_of(gr_prior_prediction(p), A, g->eigenvalue[d]);
	}
	gr_tensor *m = gr__constant_get(&g->mean, dtype);
	gr_tensor *e = gr_sub(gr_reshape(x, GR_DIMS(N, g->D)), gr_mul(m, gr_cast(root, dtype)));
	gr_tensor *basis = gr__constant_get(&g->basis, dtype);
	if (basis)
		e = gr_matmul(e, basis);
	e = gr_mul(e, gr_cast(scale, dtype));
	if (basis)
		e = gr_matmul(e, gr_transpose(basis, 0, 1));
	if (offset_of(gr_prior_prediction(p), 0.5) != 0.0)
		e = gr_muladd(m, gr_cast(offset, dtype), e);
	call->prediction = gr_reshape(e, 4, gr_tensor_dims(x));
	return call->prediction ? GR_OK : gr_error_code();
}

/* --- construction --- */

static gr_status read_covariance(gaussian *g, const gr_gaussian_opts *opts)
{
	int64_t D = g->D;
	gr_tensor *work = gr_empty(GR_F64, GR_DIMS(D, D));
	gr_tensor *basis = gr_empty(GR_F64, GR_DIMS(D, D));
	if (!work || !basis)
		return gr_error_code();
	double *c = gr_tensor_data(work);
	gr_status status = gr_tensor_to_f64(opts->covariance, c);
	for (int64_t i = 0; i < D && !status; i++)
		for (int64_t j = 0; j < i; j++)
			if (fabs(c[i * D + j] - c[j * D + i]) >
				1e-9 * (fabs(c[i * D + i]) + fabs(c[j * D + j])))
				return gr_error_set(GR_EARG, "prior gaussian: the covariance is not symmetric");
	if (!status)
		status = jacobi(c, gr_tensor_data(basis), D);
	for (int64_t d = 0; d < D && !status; d++)
		g->eigenvalue[d] = c[d * D + d];
	return status ? status : gr__constant_set(&g->basis, basis);
}

static gr_status read_options(gaussian *g, const gr_gaussian_opts *opts)
{
	const gr_gaussian_opts none = {.size = sizeof(none)};
	if (!opts)
		opts = &none;
	int64_t D = g->D;
	if ((opts->mean && gr_tensor_size(opts->mean) != D) ||
		(opts->variances && gr_tensor_size(opts->variances) != D) ||
		(opts->covariance && gr_tensor_size(opts->covariance) != D * D))
		return gr_error_set(GR_ESHAPE,
			"prior gaussian: mean and variances have C H W = %lld numbers, covariance its square",
			(long long)D);
	g->eigenvalue = gr_alloc((size_t)D * sizeof(*g->eigenvalue));
	if (!g->eigenvalue)
		return gr_error_code();
	gr_tensor *mean =
		opts->mean ? gr_reshape(opts->mean, GR_DIMS(1, D)) : gr_zeros(GR_F64, GR_DIMS(1, D));
	gr_status status = gr__constant_set(&g->mean, mean);
	for (int64_t d = 0; d < D; d++)
		g->eigenvalue[d] = opts->variance != 0.0 ? opts->variance : 1.0;
	if (!status && opts->covariance)
		status = read_covariance(g, opts);
	else if (!status && opts->variances)
		status = gr_tensor_to_f64(opts->variances, g->eigenvalue);
	double largest = 0.0;
	for (int64_t d = 0; d < D; d++)
		largest = fmax(largest, g->eigenvalue[d]);
	for (int64_t d = 0; d < D && !status; d++) {
		/* Rounding may leave a zero eigenvalue slightly negative. */
		if (!(g->eigenvalue[d] >= -1e-10 * largest))
			return gr_error_set(GR_EARG, "prior gaussian: a variance is %g", g->eigenvalue[d]);
		g->eigenvalue[d] = fmax(g->eigenvalue[d], 0.0);
	}
	return status;
}

gr_prior *gr_prior_gaussian_new(const gr_gaussian_opts *gaussian_opts, const gr_prior_opts *opts)
{
	static const gr_prior_table table = {.name = "gaussian",
		.predict = gaussian_predict,
		.free = gaussian_free};
	if (!opts) {
		gr_error_set(GR_EARG, "prior gaussian: channels, height and width are needed");
		return NULL;
	}
	gaussian *g = gr_alloc(sizeof(*g));
	if (!g)
		return NULL;
	g->D = opts->channels * opts->height * opts->width;
	gr_scope_begin();
	gr_status status = g->D > 0 ? read_options(g, gaussian_opts) : GR_OK;
	gr_status ended = gr_scope_end();
	if (status || ended) {
		gaussian_free(g);
		return NULL;
	}
	return gr_prior_new(&table, g, opts);
}
