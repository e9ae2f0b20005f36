/*
 * What laws in closed form share: life, the prior made of one, and conditioning on linear data (see
 * gradus/law.h).
 *
 * With S = H C H^T + sigma^2 I = L L^T of a component and W = L^-1 H C [M,D], its posterior has the
 * mean m + W^T L^-1 (y - H m), the covariance C - W^T W, and up to a constant the log evidence
 * -|L^-1 (y - H m)|^2 / 2 - sum log L_ii. A draw x of N(m, C) becomes one of the posterior by
 * x + W^T L^-1 (y - sigma e - H x), e ~ N(0, I) (Matheron's rule).
 */
#include "law_priv.h"

#include <math.h>
#include <string.h>

/* --- life --- */

static gr_status check_means(const gr_law_table *table, const gr_tensor *weights,
	const gr_tensor *means)
{
	char is[96];
	if (!means)
		return gr_failed() ? gr_error_code()
						   : gr_error_set(GR_EARG, "law %s: no means", table->name);
	if (gr_tensor_ndim(means) != 2 || gr_tensor_size(means) < 1)
		return gr_error_set(GR_ESHAPE, "law %s: means are %s, expected [K,D]", table->name,
			gr_tensor_describe(means, is, sizeof(is)));
	if (weights && gr_tensor_size(weights) != gr_tensor_dim(means, 0))
		return gr_error_set(GR_ESHAPE, "law %s: %lld weights for %lld components", table->name,
			(long long)gr_tensor_size(weights), (long long)gr_tensor_dim(means, 0));
	return GR_OK;
}

static gr_status set_weights(gr_law *law, gr_tensor *weights)
{
	gr_tensor *w = gr_full(GR_F64, GR_DIMS(law->K), 1.0);
	if (!w)
		return gr_error_code();
	double *v = gr_tensor_data(w);
	double sum = 0.0;
	gr_status status = weights ? gr_tensor_to_f64(weights, v) : GR_OK;
	for (int64_t k = 0; k < law->K && !status; k++) {
		if (!(v[k] > 0.0) || !isfinite(v[k]))
			return gr_error_set(GR_EARG, "law %s: weight %lld is %g, expected above 0",
				law->table->name, (long long)k, v[k]);
		sum += v[k];
	}
	for (int64_t k = 0; k < law->K; k++)
		v[k] /= sum;
	law->weights = gr_tensor_retain(w);
	return status;
}

gr_law *gr__law_new(const gr_law_table *table, void *self, gr_tensor *weights, gr_tensor *means)
{
	gr_law *law = check_means(table, weights, means) ? NULL : gr_alloc(sizeof(*law));
	if (!law) {
		table->free(self);
		return NULL;
	}
	law->table = table;
	law->self = self;
	law->K = gr_tensor_dim(means, 0);
	law->D = gr_tensor_dim(means, 1);
	gr_scope_begin();
	gr_status status = set_weights(law, weights);
	law->means = gr_tensor_retain(gr_contiguous(gr_stop_gradient(gr_cast(means, GR_F64))));
	gr_status ended = gr_scope_end();
	if (!status && !ended)
		return law;
	gr_law_free(law);
	return NULL;
}

void gr_law_free(gr_law *law)
{
	if (!law)
		return;
	law->table->free(law->self);
	gr_tensor_release(law->weights);
	gr_tensor_release(law->means);
	gr_free(law);
}

int64_t gr_law_components(const gr_law *law)
{
	return law ? law->K : 0;
}

int64_t gr_law_size(const gr_law *law)
{
	return law ? law->D : 0;
}

/* --- as a prior --- */

/* Samples begin..end-1, which are at one alpha_bar. */
static gr_tensor *eps_of(const gr_law *law, gr_tensor *x, int64_t begin, int64_t end, double A)
{
	bool whole = begin == 0 && end == gr_tensor_dim(x, 0);
	gr_tensor *part = whole ? x : gr_slice(x, 0, begin, end, 1);
	gr_tensor *flat = gr_cast(gr_reshape(part, GR_DIMS(end - begin, law->D)), GR_F64);
	return flat ? law->table->eps(law, flat, A) : NULL;
}

static gr_status law_predict(void *self, const gr_prior *p, gr_prior_call *call)
{
	const gr_law *law = self;
	gr_tensor *x = call->x_t;
	int64_t N = gr_tensor_dim(x, 0);
	gr_tensor *eps = NULL;
	for (int64_t begin = 0, end; begin < N; begin = end) {
		for (end = begin + 1; end < N && call->t[end] == call->t[begin];)
			end++;
		double A = gr_prior_alpha_bar(p, call->t[begin]);
		gr_tensor *part = isnan(A) ? NULL : eps_of(law, x, begin, end, A);
		gr_tensor *both[] = {eps, part};
		eps = eps ? gr_concat(2, both, 0) : part;
		if (!eps)
			return gr_error_code();
	}
	if (N == 0)
		eps = x;
	call->prediction = gr_cast(gr_reshape(eps, 4, gr_tensor_dims(x)), gr_tensor_dtype(x));
	return call->prediction ? GR_OK : gr_error_code();
}

gr_prior *gr_prior_law_new(const gr_law *law, const gr_prior_opts *opts)
{
	if (!law || !opts || opts->prediction != GR_PREDICT_EPS) {
		if (!gr_failed())
			gr_error_set(GR_EARG, "prior of a law: %s",
				!law        ? "the law is NULL"
					: !opts ? "channels, height and width are needed"
							: "it predicts eps");
		return NULL;
	}
	if (opts->channels * opts->height * opts->width != law->D ||
		(law->height > 0 && (opts->height != law->height || opts->width != law->width))) {
		gr_error_set(GR_ESHAPE, "prior of a %s: %lld x %lld x %lld are not its %lld numbers",
			law->table->name, (long long)opts->channels, (long long)opts->height,
			(long long)opts->width, (long long)law->D);
		return NULL;
	}
	const gr_prior_table table = {.name = law->table->name, .predict = law_predict};
	return gr_prior_new(&table, (void *)(uintptr_t)law, opts);
}

static bool is_state(const gr_law *law, const gr_tensor *x_t, double alpha_bar)
{
	if (law && x_t && alpha_bar > 0.0 && alpha_bar <= 1.0 && gr_tensor_ndim(x_t) == 2 &&
		gr_tensor_dim(x_t, 1) == law->D)
		return true;
	if (!gr_failed())
		gr_error_set(GR_EARG, "law: x_t [N,%lld] and alpha_bar in (0,1] are needed",
			(long long)gr_law_size(law));
	return false;
}

gr_tensor *gr_law_log_density(const gr_law *law, gr_tensor *x_t, double alpha_bar)
{
	if (!is_state(law, x_t, alpha_bar))
		return NULL;
	gr_tensor *value = law->table->log_density(law, gr_cast(x_t, GR_F64), alpha_bar);
	return gr_add_s(value, -0.5 * (double)law->D * log(2.0 * acos(-1.0)));
}

gr_tensor *gr_law_responsibilities(const gr_law *law, gr_tensor *x_t, double alpha_bar)
{
	if (!is_state(law, x_t, alpha_bar))
		return NULL;
	if (!law->table->responsibilities)
		return gr_full(GR_F64, GR_DIMS(gr_tensor_dim(x_t, 0), 1), 1.0);
	return law->table->responsibilities(law, gr_cast(x_t, GR_F64), alpha_bar);
}

/* --- given data --- */

/* One component and the data: see the file's comment. Tensors belong to the scope. */
typedef struct conditioned {
	gr_tensor *mean;   /* [1,D], of the prior */
	gr_tensor *H, *y;  /* [M,D], [1,M]; NULL without data */
	gr_tensor *HC;     /* [M,D] */
	gr_tensor *L, *W;  /* [M,M], [M,D] */
	gr_tensor *misfit; /* L^-1 (y - H m), [M,1] */
} conditioned;

/* r [R,M] to (L^-1 r)^T [M,R]. */
static gr_tensor *whiten(const conditioned *c, gr_tensor *r)
{
	return gr_triangular_solve(c->L, gr_contiguous(gr_transpose(r, 0, 1)), false, false);
}

static gr_status check_data(const gr_law *law, const gr_linear_data *d)
{
	if (!law)
		return gr_failed() ? gr_error_code() : gr_error_set(GR_EARG, "law: it is NULL");
	if (!d)
		return GR_OK;
	if (!d->matrix || !d->y || !(d->sigma >= 0.0))
		return gr_error_set(GR_EARG, "law %s: data need a matrix, y and sigma >= 0",
			law->table->name);
	if (gr_tensor_ndim(d->matrix) != 2 || gr_tensor_dim(d->matrix, 1) != law->D ||
		gr_tensor_dim(d->matrix, 0) < 1 || gr_tensor_size(d->y) != gr_tensor_dim(d->matrix, 0)) {
		char is[96];
		return gr_error_set(GR_ESHAPE,
			"law %s: data of matrix %s and %lld numbers, expected [M,%lld]", law->table->name,
			gr_tensor_describe(d->matrix, is, sizeof(is)), (long long)gr_tensor_size(d->y),
			(long long)law->D);
	}
	return GR_OK;
}

static gr_status condition(conditioned *c, const gr_law *law, int64_t k, const gr_linear_data *d)
{
	*c = (conditioned){.mean = gr_slice(law->means, 0, k, k + 1, 1)};
	if (!d)
		return gr_error_code();
	int64_t M = gr_tensor_dim(d->matrix, 0);
	gr_tensor *noise = gr_zeros(GR_F64, GR_DIMS(M, M));
	if (!noise)
		return gr_error_code();
	for (int64_t i = 0; i < M; i++)
		((double *)gr_tensor_data(noise))[i * M + i] = d->sigma * d->sigma;
	c->H = gr_contiguous(gr_cast(d->matrix, GR_F64));
	c->y = gr_reshape(gr_cast(d->y, GR_F64), GR_DIMS(1, M));
	c->HC = law->table->covariance(law, k, c->H);
	c->L = gr_cholesky(gr_add(gr_matmul(c->HC, gr_transpose(c->H, 0, 1)), noise));
	c->W = gr_triangular_solve(c->L, c->HC, false, false);
	c->misfit = whiten(c, gr_sub(c->y, gr_matmul(c->mean, gr_transpose(c->H, 0, 1))));
	return gr_error_code();
}

/* [1,D] */
static gr_tensor *conditioned_mean(const conditioned *c)
{
	return c->H ? gr_add(c->mean, gr_matmul(gr_transpose(c->misfit, 0, 1), c->W)) : c->mean;
}

/* Log of N(y; H m, S), less its constant. */
static double evidence(const conditioned *c)
{
	int64_t M = gr_tensor_dim(c->misfit, 0);
	const double *r = gr_tensor_data_const(c->misfit);
	double value = 0.0;
	for (int64_t i = 0; i < M; i++)
		value -= 0.5 * r[i] * r[i] + log(gr_tensor_at(c->L, (const int64_t[]){i, i}));
	return value;
}

/* Weights [K] in f64 of the caller's scope, and the rows of `means` unless that is NULL. */
static gr_tensor *components(const gr_law *law, const gr_linear_data *data, gr_tensor *means)
{
	gr_tensor *weights = gr_empty(GR_F64, GR_DIMS(law->K));
	if (!weights)
		return NULL;
	double *w = gr_tensor_data(weights);
	gr_status status = gr_tensor_to_f64(law->weights, w);
	double largest = -INFINITY;
	for (int64_t k = 0; k < law->K && !status; k++) {
		conditioned c;
		gr_scope_begin();
		status = condition(&c, law, k, data);
		gr_tensor *mean = status || !means ? NULL : conditioned_mean(&c);
		if (mean)
			status = gr_tensor_to_f64(mean, (double *)gr_tensor_data(means) + k * law->D);
		w[k] = log(w[k]) + (status || !data ? 0.0 : evidence(&c));
		largest = fmax(largest, w[k]);
		gr_status ended = gr_scope_end();
		status = status ? status : ended;
	}
	double sum = 0.0;
	for (int64_t k = 0; k < law->K; k++)
		sum += w[k] = exp(w[k] - largest);
	for (int64_t k = 0; k < law->K; k++)
		w[k] /= sum;
	return status ? NULL : weights;
}

gr_tensor *gr_law_weights(const gr_law *law, const gr_linear_data *data)
{
	return check_data(law, data) ? NULL : components(law, data, NULL);
}

gr_tensor *gr_law_means(const gr_law *law, const gr_linear_data *data)
{
	gr_tensor *means = check_data(law, data) ? NULL : gr_empty(GR_F64, GR_DIMS(law->K, law->D));
	return means && components(law, data, means) ? means : NULL;
}

/* sum_k w_k (C_k - W_k^T W_k), by adding to `total`. */
static gr_tensor *within(const gr_law *law, const gr_linear_data *data, const double *w,
	gr_tensor *eye)
{
	gr_tensor *total = NULL;
	for (int64_t k = 0; k < law->K; k++) {
		conditioned c;
		if (w[k] == 0.0)
			continue;
		gr_scope_begin();
		gr_status status = condition(&c, law, k, data);
		gr_tensor *C = status ? NULL : law->table->covariance(law, k, eye);
		if (C && data)
			C = gr_sub(C, gr_matmul(gr_transpose(c.W, 0, 1), c.W));
		gr_tensor *sum = total ? gr_axpby(total, 1.0, C, w[k]) : gr_mul_s(C, w[k]);
		total = sum ? gr_escape(sum) : NULL;
		if (gr_scope_end())
			return NULL;
	}
	return total;
}

gr_status gr_law_moments(gr_tensor **mean, gr_tensor **covariance, const gr_law *law,
	const gr_linear_data *data)
{
	gr_status status = check_data(law, data);
	if (status)
		return status;
	int64_t D = law->D;
	gr_scope_begin();
	gr_tensor *means = gr_empty(GR_F64, GR_DIMS(law->K, D));
	gr_tensor *weights = means ? components(law, data, means) : NULL;
	gr_tensor *eye = gr_zeros(GR_F64, GR_DIMS(D, D));
	for (int64_t i = 0; i < D && eye; i++)
		((double *)gr_tensor_data(eye))[i * D + i] = 1.0;
	gr_tensor *m = gr_matmul(gr_reshape(weights, GR_DIMS(1, law->K)), means);
	gr_tensor *off = gr_sub(means, m);
	gr_tensor *scaled = gr_mul(off, gr_sqrt(gr_reshape(weights, GR_DIMS(law->K, 1))));
	gr_tensor *between = gr_matmul(gr_transpose(scaled, 0, 1), scaled);
	gr_tensor *C = gr_failed() ? NULL : within(law, data, gr_tensor_data_const(weights), eye);
	*covariance = gr_escape(gr_add(C, between));
	*mean = gr_escape(gr_reshape(m, GR_DIMS(D)));
	return gr_scope_end();
}

/* --- draws --- */

/* Rows of z [R,D] and e [R,M], both N(0, I), to draws of component k. */
static gr_tensor *draw_component(const gr_law *law, int64_t k, const gr_linear_data *data,
	gr_tensor *z, gr_tensor *e)
{
	conditioned c;
	if (condition(&c, law, k, data))
		return NULL;
	gr_tensor *x = gr_add(c.mean, law->table->colour(law, k, z));
	if (!data)
		return x;
	gr_tensor *seen = gr_axpby(gr_matmul(x, gr_transpose(c.H, 0, 1)), -1.0, e, -data->sigma);
	return gr_add(x, gr_matmul(gr_transpose(whiten(&c, gr_add(c.y, seen)), 0, 1), c.W));
}

/* The component of draw i: where a uniform number falls among the weights. */
static int64_t choose(const double *w, int64_t K, double u)
{
	int64_t k = 0;
	for (double sum = w[0]; k + 1 < K && u >= sum; sum += w[k])
		k++;
	return k;
}

/* Draws of component k into their rows of out; index [n] is scratch. */
static gr_status draw_rows(double *out, const gr_law *law, int64_t k, const gr_linear_data *data,
	const int64_t *component, int64_t n, gr_tensor *z, gr_tensor *e)
{
	int64_t rows = 0;
	for (int64_t i = 0; i < n; i++)
		rows += component[i] == k;
	if (rows == 0)
		return GR_OK;
	gr_tensor *index = gr_empty(GR_I64, GR_DIMS(rows));
	if (!index)
		return gr_error_code();
	int64_t *at = gr_tensor_data(index);
	for (int64_t i = 0, r = 0; i < n; i++)
		if (component[i] == k)
			at[r++] = i;
	gr_tensor *x = gr_contiguous(
		draw_component(law, k, data, gr_gather(z, 0, index), e ? gr_gather(e, 0, index) : NULL));
	for (int64_t r = 0; x && r < rows; r++)
		memcpy(out + at[r] * law->D, (const double *)gr_tensor_data_const(x) + r * law->D,
			(size_t)law->D * sizeof(*out));
	return gr_error_code();
}

gr_tensor *gr_law_draw(const gr_law *law, const gr_linear_data *data, int64_t n, gr_key key)
{
	if (check_data(law, data))
		return NULL;
	gr_tensor *out = gr_empty(GR_F64, GR_DIMS(n, law->D));
	int64_t *component = out ? gr_alloc((size_t)(n > 0 ? n : 1) * sizeof(*component)) : NULL;
	if (!component)
		return NULL;
	bool recording = gr_set_recording(false);
	gr_scope_begin();
	gr_tensor *weights = components(law, data, NULL);
	gr_tensor *z = gr_random_normal(gr_key_fold_name(key, "state"), GR_F64, GR_DIMS(n, law->D));
	gr_tensor *e = !data ? NULL
						 : gr_random_normal(gr_key_fold_name(key, "noise"), GR_F64,
							   GR_DIMS(n, gr_tensor_dim(data->matrix, 0)));
	gr_status status = gr_error_code();
	for (int64_t i = 0; i < n && !status; i++)
		component[i] = choose(gr_tensor_data_const(weights), law->K,
			gr_key_uniform(gr_key_fold_name(key, "component"), (uint64_t)i));
	for (int64_t k = 0; k < law->K && !status; k++) {
		gr_scope_begin();
		status = draw_rows(gr_tensor_data(out), law, k, data, component, n, z, e);
		gr_status ended = gr_scope_end();
		status = status ? status : ended;
	}
	gr_status ended = gr_scope_end();
	gr_set_recording(recording);
	gr_free(component);
	return status || ended ? NULL : out;
}
