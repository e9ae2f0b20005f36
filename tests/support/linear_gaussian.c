/* See linear_gaussian.h. */
#include "linear_gaussian.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/ops.h"

void linear_gaussian_new(linear_gaussian *p, const char *spec, int64_t H, int64_t W,
	double variance, bool full, double sigma)
{
	p->prior = gaussian_prior(1, H, W, variance, full);
	p->A = gr_operator_new(spec, GR_OPTS(gr_operator_opts, .channels = 1, .height = H, .width = W));
	p->sigma = sigma;
	p->D = H * W;
	gaussian_moments(p->mean, p->covariance, p->D, variance, full);
	gr_scope_begin();
	gr_tensor *eye = gr_zeros(GR_F64, GR_DIMS(p->D, 1, H, W));
	for (int64_t i = 0; i < p->D; i++)
		((double *)gr_tensor_data(eye))[i * p->D + i] = 1.0;
	gr_tensor *columns = gr_operator_apply(p->A, eye); /* row i is A e_i */
	p->M = gr_tensor_size(columns) / p->D;
	double *a = malloc((size_t)(p->D * p->M) * sizeof(double));
	gr_tensor_to_f64(columns, a);
	gr_tensor *drawn = nn_normal(7, GR_F64, GR_DIMS(p->D + p->M));
	const double *z = gr_tensor_data_const(drawn);
	for (int64_t j = 0; j < p->M; j++) {
		bool measured = false;
		p->y[j] = 0.0;
		for (int64_t i = 0; i < p->D; i++) {
			p->matrix[j * p->D + i] = a[i * p->M + j];
			measured = measured || a[i * p->M + j] != 0.0;
			p->y[j] += a[i * p->M + j] * (p->mean[i] + sqrt(variance) * z[i]);
		}
		if (measured)
			p->y[j] += sigma * z[p->D + j];
	}
	free(a);
	gr_scope_end();
}

void linear_gaussian_free(linear_gaussian *p)
{
	gr_operator_free(p->A);
	gr_prior_free(p->prior);
}

gr_solver_opts linear_gaussian_opts(const linear_gaussian *p, int64_t n, const char *method,
	const char *respacing)
{
	const int64_t *out = gr_operator_out_dims(p->A);
	gr_tensor *y = gr_empty(GR_F64, GR_DIMS(n, out[0], out[1], out[2]));
	for (int64_t i = 0; i < n; i++)
		memcpy((double *)gr_tensor_data(y) + i * p->M, p->y, (size_t)p->M * sizeof(double));
	return (gr_solver_opts){.size = sizeof(gr_solver_opts),
		.prior = p->prior,
		.n = n,
		.keys = some_keys(1, n),
		.method = method,
		.A = p->A,
		.y = y,
		.sigma = p->sigma,
		.respacing = respacing,
		.no_clip = true,
		.dtype = GR_F64};
}

/* c becomes its inverse. */
static void invert(double *c, int64_t D)
{
	double eye[LG_MAX * LG_MAX] = {0};
	for (int64_t i = 0; i < D; i++)
		eye[i * D + i] = 1.0;
	solve_dense(c, eye, D, D);
	memcpy(c, eye, (size_t)(D * D) * sizeof(double));
}

/* Precisions add up: C^-1 + A / (1 - A) I + H^T H / sigma^2. */
void linear_gaussian_posterior(const linear_gaussian *p, const double *x_t, double alpha_bar,
	double *mean, double *covariance)
{
	int64_t D = p->D;
	double right[LG_MAX] = {0};
	memcpy(covariance, p->covariance, (size_t)(D * D) * sizeof(double));
	invert(covariance, D);
	for (int64_t i = 0; i < D; i++)
		for (int64_t j = 0; j < D; j++)
			right[i] += covariance[i * D + j] * p->mean[j];
	for (int64_t i = 0; i < D && x_t; i++) {
		covariance[i * D + i] += alpha_bar / (1.0 - alpha_bar);
		right[i] += sqrt(alpha_bar) / (1.0 - alpha_bar) * x_t[i];
	}
	for (int64_t k = 0; k < p->M; k++) {
		const double *row = p->matrix + k * D;
		for (int64_t i = 0; i < D; i++) {
			right[i] += row[i] * p->y[k] / (p->sigma * p->sigma);
			for (int64_t j = 0; j < D; j++)
				covariance[i * D + j] += row[i] * row[j] / (p->sigma * p->sigma);
		}
	}
	invert(covariance, D);
	for (int64_t i = 0; i < D; i++) {
		mean[i] = 0.0;
		for (int64_t j = 0; j < D; j++)
			mean[i] += covariance[i * D + j] * right[j];
	}
}

typedef struct watched {
	const linear_gaussian *p;
	int64_t n;
	double *x_t;
	double worst;
} watched;

static int watch_step(const gr_solver_report *r, void *payload)
{
	watched *w = payload;
	int64_t D = w->p->D;
	double mean[LG_MAX];
	double covariance[LG_MAX * LG_MAX];
	double *x0 = malloc((size_t)(w->n * D) * sizeof(double));
	gr_tensor_to_f64(r->x0_hat, x0);
	for (int64_t i = 0; i < w->n; i++) {
		linear_gaussian_posterior(w->p, w->x_t + i * D, r->alpha_bar, mean, covariance);
		for (int64_t d = 0; d < D; d++)
			w->worst = fmax(w->worst, fabs(x0[i * D + d] - mean[d]));
	}
	free(x0);
	gr_tensor_to_f64(r->x, w->x_t);
	return 0;
}

double linear_gaussian_worst_step(const linear_gaussian *p, int64_t n, const char *method,
	const char *respacing)
{
	gr_solver *s;
	watched w = {.p = p, .n = n, .x_t = malloc((size_t)(n * p->D) * sizeof(double))};
	gr_solver_opts opts = linear_gaussian_opts(p, n, method, respacing);
	opts.on_step = watch_step;
	opts.payload = &w;
	gr_status status = gr_solver_new(&s, &opts);
	if (!status)
		status = gr_tensor_to_f64(gr_solver_state(s, 0), w.x_t);
	if (!status)
		status = gr_solver_run(s);
	bool counted = gr_solver_evaluations(s) == gr_solver_steps(s);
	gr_solver_free(s);
	free(w.x_t);
	return status || !counted ? (double)INFINITY : w.worst;
}

double linear_gaussian_moments(const linear_gaussian *p, int64_t n, const char *method,
	const char *respacing, double bias)
{
	int64_t D = p->D;
	double mean[LG_MAX];
	double c[LG_MAX * LG_MAX];
	double is[LG_MAX] = {0};
	double worst = 0.0;
	gr_solver_opts opts = linear_gaussian_opts(p, n, method, respacing);
	gr_tensor *x = gr_solver_solve(&opts);
	if (!x)
		return INFINITY;
	const double *v = gr_tensor_data_const(x);
	linear_gaussian_posterior(p, NULL, 0.0, mean, c);
	for (int64_t k = 0; k < n * D; k++)
		is[k % D] += v[k] / (double)n;
	for (int64_t i = 0; i < D; i++) {
		worst = fmax(worst, fabs(is[i] - mean[i]) / (5.0 * sqrt(c[i * D + i] / (double)n)));
		for (int64_t j = 0; j <= i; j++) {
			double cov = 0.0;
			for (int64_t k = 0; k < n; k++)
				cov += (v[k * D + i] - mean[i]) * (v[k * D + j] - mean[j]) / (double)n;
			double both = c[i * D + i] * c[j * D + j];
			double allowed = 5.0 * sqrt((both + c[i * D + j] * c[i * D + j]) / (double)n);
			worst = fmax(worst, fabs(cov - c[i * D + j]) / (allowed + bias * sqrt(both)));
		}
	}
	return worst;
}

bool linear_gaussian_same_alone(const linear_gaussian *p, const char *method)
{
	gr_solver_opts opts = linear_gaussian_opts(p, 3, method, "8");
	gr_tensor *all = gr_solver_solve(&opts);
	gr_key key = opts.keys[1];
	opts.keys = &key;
	opts.n = 1;
	opts.y = batch_of(opts.y, 1, 2);
	gr_tensor *one = gr_solver_solve(&opts);
	return all && one && nn_same_bits(one, batch_of(all, 1, 2));
}

/* --- coordinates of the singular vectors --- */

void linear_gaussian_basis(const linear_gaussian *p, double *s, double *v)
{
	int64_t D = p->D;
	gr_tensor *a = gr_from_f64(GR_F64, p->matrix, GR_DIMS(p->M, D));
	gr_tensor *vectors = NULL;
	gr_tensor *values = gr_eigh(gr_matmul(gr_transpose(a, 0, 1), a), &vectors);
	gr_tensor_to_f64(values, s);
	gr_tensor_to_f64(vectors, v);
	for (int64_t i = 0; i < D; i++)
		s[i] = s[i] > 1e-10 ? sqrt(s[i]) : 0.0;
}

void linear_gaussian_turn(const linear_gaussian *p, const double *v, const double *x, bool back,
	double *out)
{
	int64_t D = p->D;
	for (int64_t i = 0; i < D; i++) {
		out[i] = 0.0;
		for (int64_t j = 0; j < D; j++)
			out[i] += (back ? v[j * D + i] : v[i * D + j]) * x[j];
	}
}

void linear_gaussian_eps(const linear_gaussian *p, const double *x, double A, double *eps)
{
	double c[LG_MAX * LG_MAX];
	for (int64_t i = 0; i < p->D; i++) {
		eps[i] = sqrt(1.0 - A) * (x[i] - sqrt(A) * p->mean[i]);
		for (int64_t j = 0; j < p->D; j++)
			c[i * p->D + j] = A * p->covariance[i * p->D + j] + (i == j ? 1.0 - A : 0.0);
	}
	solve_dense(c, eps, p->D, 1);
}

void linear_gaussian_draw(const linear_gaussian *p, gr_key key, const double *v, double *z)
{
	double pixels[LG_MAX];
	for (int64_t i = 0; i < p->D; i++)
		pixels[i] = gr_key_normal(key, (uint64_t)i);
	linear_gaussian_turn(p, v, pixels, true, z);
}
