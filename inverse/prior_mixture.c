/*
 * Mixtures of Gaussians (see gradus/law.h). With C_k = U_k diag(l_k) U_k^T and, at A = alpha_bar,
 * P_k = 1 / (A l_k + 1 - A),
 *     log r_k = log w_k + sum log P_k / 2 - |sqrt(P_k) U_k^T (x_t - sqrt(A) m_k)|^2 / 2,
 *     log p_t = logsumexp_k log r_k - D/2 log 2 pi
 *     eps = sqrt(1-A) sum_k softmax(log r)_k U_k diag(P_k) U_k^T (x_t - sqrt(A) m_k).
 * Diagonal covariances go by products over all components at once, with the square written out: in
 * f64, where its terms cancel to about 1e-16 |x_t|^2 P; full ones component by component in a batch.
 */
#include <math.h>

#include "law_priv.h"

typedef struct mixture {
	gr_tensor *values;  /* l [K,D], f64, retained */
	gr_tensor *basis;   /* U [K,D,D]; NULL when the covariances are diagonal */
	gr_tensor *rotated; /* U_k^T m_k [K,1,D] beside a basis */
} mixture;

static void mixture_free(void *self)
{
	mixture *m = self;
	if (!m)
		return;
	gr_tensor_release(m->values);
	gr_tensor_release(m->basis);
	gr_tensor_release(m->rotated);
	gr_free(m);
}

/* Of every component at a level of noise. */
typedef struct level {
	gr_tensor *P;     /* [K,D] */
	gr_tensor *log_w; /* log w + sum log P / 2, [1,K] */
} level;

static gr_status at_level(level *v, const gr_law *law, double A)
{
	const mixture *m = law->self;
	gr_tensor *P = gr_rdiv_s(gr_affine(m->values, A, 1.0 - A), 1.0);
	gr_tensor *log_P = gr_sum(gr_log(P), GR_AXES(1), false);
	v->P = P;
	v->log_w = gr_unsqueeze(gr_axpby(gr_log(law->weights), 1.0, log_P, 0.5), 0);
	return gr_error_code();
}

/* --- diagonal covariances --- */

/* log r [N,K]; Pm [K,D] is P sqrt(A) m. */
static gr_tensor *log_parts_diagonal(const gr_law *law, const level *v, gr_tensor *Pm, gr_tensor *x,
	double A)
{
	gr_tensor *square = gr_sum(gr_mul(Pm, gr_mul_s(law->means, sqrt(A))), GR_AXES(1), false);
	gr_tensor *half = gr_axpby(gr_matmul(x, gr_transpose(Pm, 0, 1)), 1.0,
		gr_matmul(gr_square(x), gr_transpose(v->P, 0, 1)), -0.5);
	return gr_add(half, gr_axpby(v->log_w, 1.0, gr_unsqueeze(square, 0), -0.5));
}

static gr_tensor *eps_diagonal(const gr_law *law, const level *v, gr_tensor *x, double A)
{
	gr_tensor *Pm = gr_mul(v->P, gr_mul_s(law->means, sqrt(A)));
	gr_tensor *r = gr_softmax(log_parts_diagonal(law, v, Pm, x, A));
	gr_tensor *e = gr_sub(gr_mul(x, gr_matmul(r, v->P)), gr_matmul(r, Pm));
	return gr_mul_s(e, sqrt(1.0 - A));
}

/* --- full covariances --- */

/* log r [N,K], and P_k U_k^T (x - sqrt(A) m_k) in *scaled [K,N,D]. */
static gr_tensor *log_parts_full(const mixture *m, const level *v, gr_tensor **scaled, gr_tensor *x,
	double A)
{
	gr_tensor *e = gr_sub(gr_matmul(gr_unsqueeze(x, 0), m->basis), gr_mul_s(m->rotated, sqrt(A)));
	*scaled = gr_mul(e, gr_unsqueeze(v->P, 1));
	gr_tensor *square = gr_sum(gr_mul(e, *scaled), GR_AXES(2), false); /* [K,N] */
	return gr_axpby(v->log_w, 1.0, gr_transpose(square, 0, 1), -0.5);
}

static gr_tensor *eps_full(const mixture *m, const level *v, gr_tensor *x, double A)
{
	gr_tensor *scaled = NULL;
	gr_tensor *r = gr_softmax(log_parts_full(m, v, &scaled, x, A));
	gr_tensor *weighted = gr_mul(scaled, gr_unsqueeze(gr_transpose(r, 0, 1), 2));
	gr_tensor *back = gr_matmul(weighted, gr_transpose(m->basis, 1, 2));
	return gr_mul_s(gr_sum(back, GR_AXES(0), false), sqrt(1.0 - A));
}

/* --- the functions of a law --- */

/* A Gaussian: one component has all of the responsibility. */
static gr_tensor *eps_single(const gr_law *law, const level *v, gr_tensor *x, double A)
{
	const mixture *m = law->self;
	gr_tensor *scaled = gr_mul_s(v->P, sqrt(1.0 - A));
	if (!m->basis)
		return gr_mul(gr_sub(x, gr_mul_s(law->means, sqrt(A))), scaled);
	gr_tensor *U = gr_squeeze(m->basis, 0);
	gr_tensor *e = gr_sub(gr_matmul(x, U), gr_mul_s(gr_squeeze(m->rotated, 0), sqrt(A)));
	return gr_matmul(gr_mul(e, scaled), gr_transpose(U, 0, 1));
}

static gr_tensor *mixture_eps(const gr_law *law, gr_tensor *x, double A)
{
	const mixture *m = law->self;
	level v;
	if (at_level(&v, law, A))
		return NULL;
	if (law->K == 1)
		return eps_single(law, &v, x, A);
	return m->basis ? eps_full(m, &v, x, A) : eps_diagonal(law, &v, x, A);
}

/* log r [N,K] */
static gr_tensor *log_parts(const gr_law *law, gr_tensor *x, double A)
{
	const mixture *m = law->self;
	gr_tensor *scaled = NULL;
	level v;
	if (at_level(&v, law, A))
		return NULL;
	if (m->basis)
		return log_parts_full(m, &v, &scaled, x, A);
	return log_parts_diagonal(law, &v, gr_mul(v.P, gr_mul_s(law->means, sqrt(A))), x, A);
}

static gr_tensor *mixture_log_density(const gr_law *law, gr_tensor *x, double A)
{
	return gr_logsumexp(log_parts(law, x, A), GR_AXES(1), false);
}

static gr_tensor *mixture_responsibilities(const gr_law *law, gr_tensor *x, double A)
{
	return gr_softmax(log_parts(law, x, A));
}

/* Rows times U_k diag(f) U_k^T. */
static gr_tensor *scale_rows(const gr_law *law, int64_t k, gr_tensor *rows, gr_tensor *f)
{
	const mixture *m = law->self;
	if (!m->basis)
		return gr_mul(rows, f);
	gr_tensor *U = gr_squeeze(gr_slice(m->basis, 0, k, k + 1, 1), 0);
	return gr_matmul(gr_mul(gr_matmul(rows, U), f), gr_transpose(U, 0, 1));
}

static gr_tensor *mixture_covariance(const gr_law *law, int64_t k, gr_tensor *rows)
{
	const mixture *m = law->self;
	return scale_rows(law, k, rows, gr_slice(m->values, 0, k, k + 1, 1));
}

static gr_tensor *mixture_colour(const gr_law *law, int64_t k, gr_tensor *rows)
{
	const mixture *m = law->self;
	return scale_rows(law, k, rows, gr_sqrt(gr_slice(m->values, 0, k, k + 1, 1)));
}

/* --- construction --- */

/* Values are positive, and those that rounding left slightly negative become 0. */
static gr_status check_values(gr_tensor *values)
{
	int64_t n = gr_tensor_size(values);
	double *v = values ? gr_tensor_data(values) : NULL;
	double largest = 0.0;
	for (int64_t i = 0; i < n; i++)
		largest = fmax(largest, v[i]);
	for (int64_t i = 0; i < n; i++) {
		if (!(v[i] >= -1e-10 * largest) || !isfinite(v[i]))
			return gr_error_set(GR_EARG, "law mixture: a variance is %g", v[i]);
		v[i] = fmax(v[i], 0.0);
	}
	return gr_error_code();
}

static gr_status check_symmetric(gr_tensor *c, int64_t K, int64_t D)
{
	const double *v = c ? gr_tensor_data_const(c) : NULL;
	for (int64_t k = 0; k < K && v; k++, v += D * D)
		for (int64_t i = 0; i < D; i++)
			for (int64_t j = 0; j < i; j++)
				if (!(fabs(v[i * D + j] - v[j * D + i]) <=
						1e-9 * (fabs(v[i * D + i]) + fabs(v[j * D + j]))))
					return gr_error_set(GR_EARG, "law mixture: covariance %lld is not symmetric",
						(long long)k);
	return gr_error_code();
}

static gr_status read_covariances(mixture *m, const gr_mixture_opts *o, int64_t K, int64_t D)
{
	if ((o->variances && gr_tensor_size(o->variances) != K * D) ||
		(o->covariances && gr_tensor_size(o->covariances) != K * D * D))
		return gr_error_set(GR_ESHAPE,
			"law mixture: variances are [%lld,%lld], covariances have one more %lld", (long long)K,
			(long long)D, (long long)D);
	gr_tensor *values = NULL;
	if (o->covariances) {
		gr_tensor *c = gr_contiguous(gr_cast(o->covariances, GR_F64));
		c = gr_reshape(c, GR_DIMS(K, D, D));
		if (check_symmetric(c, K, D))
			return gr_error_code();
		values = gr_eigh(c, &m->basis);
		m->basis = gr_tensor_retain(gr_contiguous(m->basis));
		gr_tensor *means = gr_reshape(gr_cast(o->means, GR_F64), GR_DIMS(K, 1, D));
		m->rotated = gr_tensor_retain(gr_contiguous(gr_matmul(means, m->basis)));
	} else if (o->variances) {
		values = gr_reshape(gr_cast(o->variances, GR_F64), GR_DIMS(K, D));
	} else {
		values = gr_full(GR_F64, GR_DIMS(K, D), o->variance != 0.0 ? o->variance : 1.0);
	}
	/* A copy of our own, since rounding is mended in it. */
	gr_tensor *own = gr_empty(GR_F64, GR_DIMS(K, D));
	if (!own || !values || gr_tensor_to_f64(values, gr_tensor_data(own)))
		return gr_error_code();
	m->values = gr_tensor_retain(own);
	return check_values(own);
}

gr_law *gr_law_mixture(const gr_mixture_opts *opts)
{
	static const gr_law_table table = {.name = "mixture",
		.covariance = mixture_covariance,
		.colour = mixture_colour,
		.eps = mixture_eps,
		.log_density = mixture_log_density,
		.responsibilities = mixture_responsibilities,
		.free = mixture_free};
	if (!opts || !opts->means || gr_tensor_ndim(opts->means) != 2) {
		if (!gr_failed())
			gr_error_set(GR_EARG, "law mixture: means [K,D] are needed");
		return NULL;
	}
	mixture *m = gr_alloc(sizeof(*m));
	if (!m)
		return NULL;
	bool recording = gr_set_recording(false);
	gr_scope_begin();
	gr_status status =
		read_covariances(m, opts, gr_tensor_dim(opts->means, 0), gr_tensor_dim(opts->means, 1));
	gr_status ended = gr_scope_end();
	gr_law *law = NULL;
	if (status || ended)
		mixture_free(m);
	else
		law = gr__law_new(&table, m, opts->weights, opts->means);
	gr_set_recording(recording);
	return law;
}
