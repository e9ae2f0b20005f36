/*
 * Scores of samples against an exact posterior (see posterior.h). Linear data: moments and weights
 * in closed form. Magnitudes: draws of the prior accepted with probability exp(-|y - |H x||^2 /
 * (2 sigma^2)), and moments of MANY of them; modes are the signs of H x.
 */
#include "posterior.h"

#include <math.h>
#include <string.h>

#include "gradus/ops.h"
#include "gradus/statistics.h"

#define REFERENCES 3 /* exact samples that distances are averaged over */
#define MANY 20000   /* draws in place of a closed form */
#define PROPOSALS 4096
#define MAX_ROUNDS 2000

struct gr_posterior {
	gr_posterior_problem problem;
	int64_t n, projections;
	gr_key key;
	gr_tensor *sorted[REFERENCES]; /* their projections, [projections,n], retained */
	gr_tensor *truths;             /* all of them, [REFERENCES n,D], retained */
	gr_tensor *mean, *covariance;  /* [D], [D,D], retained */
	gr_tensor *weights;            /* [K], retained */
};

const char *gr__deviation_name(gr_deviation d)
{
	static const char *const names[] = {"sliced W2", "mean", "covariance", "mode weights",
		"90 % interval"};
	return names[d];
}

/* --- exact draws --- */

static gr_linear_data data_of(const gr_posterior *p)
{
	return (gr_linear_data){p->problem.matrix, p->problem.y, p->problem.sigma};
}

/* H x of rows x [R,D]: [R,M]. */
static gr_tensor *seen(const gr_posterior *p, gr_tensor *x)
{
	return gr_matmul(x, gr_transpose(gr_cast(p->problem.matrix, GR_F64), 0, 1));
}

/* One round of proposals; accepted rows are appended to out, up to n. */
static gr_status propose(double *out, int64_t *have, int64_t n, const gr_posterior *p, gr_key key)
{
	int64_t D = gr_law_size(p->problem.law);
	gr_tensor *x = gr_law_draw(p->problem.law, NULL, PROPOSALS, gr_key_fold_name(key, "proposal"));
	gr_tensor *y = gr_cast(p->problem.y, GR_F64);
	gr_tensor *off = gr_sub(gr_abs(seen(p, x)), gr_reshape(y, GR_DIMS(1, -1)));
	gr_tensor *misfit = gr_sum(gr_square(off), GR_AXES(1), false);
	if (!misfit)
		return gr_error_code();
	const double *rows = gr_tensor_data_const(x);
	const double *m = gr_tensor_data_const(misfit);
	double scale = -0.5 / (p->problem.sigma * p->problem.sigma);
	for (int64_t i = 0; i < PROPOSALS && *have < n; i++) {
		if (gr_key_uniform(gr_key_fold_name(key, "accept"), (uint64_t)i) < exp(scale * m[i]))
			memcpy(out + (*have)++ * D, rows + i * D, (size_t)D * sizeof(*out));
	}
	return gr_error_code();
}

static gr_tensor *draw_by_rejection(const gr_posterior *p, int64_t n, gr_key key)
{
	gr_tensor *out = gr_empty(GR_F64, GR_DIMS(n, gr_law_size(p->problem.law)));
	int64_t have = 0;
	for (int64_t round = 0; out && have < n; round++) {
		if (round == MAX_ROUNDS) {
			gr_error_set(GR_ENUMERIC,
				"posterior: of %d proposals %lld were accepted, of %lld needed",
				MAX_ROUNDS * PROPOSALS, (long long)have, (long long)n);
			return NULL;
		}
		gr_scope_begin();
		gr_status status =
			propose(gr_tensor_data(out), &have, n, p, gr_key_fold(key, (uint64_t)round));
		gr_status ended = gr_scope_end();
		if (status || ended)
			return NULL;
	}
	return out;
}

static gr_tensor *draw(const gr_posterior *p, int64_t n, gr_key key)
{
	gr_linear_data data = data_of(p);
	return p->problem.magnitude ? draw_by_rejection(p, n, key)
								: gr_law_draw(p->problem.law, &data, n, key);
}

gr_tensor *gr__posterior_draw(const gr_posterior *p, int64_t n, gr_key key)
{
	return draw(p, n, gr_key_fold_name(key, "fresh"));
}

/* --- what is known --- */

/* Probabilities of the modes of each row x [R,D]: [R,K]. */
static gr_tensor *modes_of(const gr_posterior *p, gr_tensor *x)
{
	if (!p->problem.magnitude)
		return gr_law_responsibilities(p->problem.law, x, 1.0);
	gr_tensor *Hx = gr_contiguous(seen(p, x));
	int64_t R = gr_tensor_dim(x, 0);
	int64_t M = gr_tensor_dim(p->problem.matrix, 0);
	gr_tensor *mode = gr_zeros(GR_I64, GR_DIMS(R));
	if (!Hx || !mode)
		return NULL;
	const double *v = gr_tensor_data_const(Hx);
	for (int64_t i = 0; i < R * M; i++)
		((int64_t *)gr_tensor_data(mode))[i / M] |= (int64_t)(v[i] > 0.0) << i % M;
	return gr_one_hot(mode, (int64_t)1 << M, GR_F64);
}

static gr_tensor *covariance_of(gr_tensor *x, gr_tensor *mean)
{
	gr_tensor *off = gr_sub(x, mean);
	double n = (double)gr_tensor_dim(x, 0);
	return gr_mul_s(gr_matmul(gr_transpose(off, 0, 1), off), 1.0 / (n - 1.0));
}

static gr_status find_moments(gr_posterior *p)
{
	gr_tensor *mean = NULL;
	gr_tensor *covariance = NULL;
	gr_tensor *weights = NULL;
	gr_status status = GR_OK;
	if (p->problem.magnitude) {
		gr_tensor *x = draw(p, MANY, gr_key_fold_name(p->key, "moments"));
		mean = gr_mean(x, GR_AXES(0), false);
		covariance = covariance_of(x, mean);
		weights = x ? gr_mean(modes_of(p, x), GR_AXES(0), false) : NULL;
	} else {
		gr_linear_data data = data_of(p);
		status = gr_law_moments(&mean, &covariance, p->problem.law, &data);
		weights = status ? NULL : gr_law_weights(p->problem.law, &data);
	}
	p->mean = gr_tensor_retain(mean);
	p->covariance = gr_tensor_retain(covariance);
	p->weights = gr_tensor_retain(weights);
	return status ? status : gr_error_code();
}

static gr_tensor *projected(const gr_posterior *p, gr_tensor *x)
{
	return gr_sorted_projections(x, p->projections, gr_key_fold_name(p->key, "directions"));
}

static gr_status find_references(gr_posterior *p)
{
	gr_tensor *reference[REFERENCES];
	for (int r = 0; r < REFERENCES; r++) {
		gr_key key = gr_key_fold(gr_key_fold_name(p->key, "reference"), (uint64_t)r);
		reference[r] = draw(p, p->n, key);
		if (!reference[r])
			return gr_error_code();
		p->sorted[r] = gr_tensor_retain(projected(p, reference[r]));
	}
	p->truths = gr_tensor_retain(gr_concat(REFERENCES, reference, 0));
	return gr_error_code();
}

static gr_status check_problem(const gr_posterior_problem *o, int64_t n, int64_t projections)
{
	if (!o->law || !o->matrix || !o->y)
		return gr_failed() ? gr_error_code()
						   : gr_error_set(GR_EARG, "posterior: a law, a matrix and y are needed");
	if (!(o->sigma > 0.0) || !isfinite(o->sigma) || n < 2 || projections < 1)
		return gr_error_set(GR_EARG,
			"posterior: sigma %g, %lld samples, %lld projections; expected above 0, 2 or more, 1 "
			"or "
			"more",
			o->sigma, (long long)n, (long long)projections);
	if (gr_tensor_ndim(o->matrix) != 2 || gr_tensor_dim(o->matrix, 1) != gr_law_size(o->law) ||
		gr_tensor_size(o->y) != gr_tensor_dim(o->matrix, 0) || gr_tensor_size(o->y) < 1)
		return gr_error_set(GR_ESHAPE,
			"posterior: a matrix of %lld x %lld and %lld measured numbers of %lld",
			(long long)gr_tensor_dim(o->matrix, 0), (long long)gr_tensor_dim(o->matrix, 1),
			(long long)gr_tensor_size(o->y), (long long)gr_law_size(o->law));
	if (o->magnitude && gr_tensor_dim(o->matrix, 0) > 4)
		return gr_error_set(GR_EUNSUPPORTED,
			"posterior: magnitudes of %lld numbers, draws are made of 4 at most",
			(long long)gr_tensor_dim(o->matrix, 0));
	return GR_OK;
}

gr_status gr__posterior_new(gr_posterior **out, const gr_posterior_problem *problem, int64_t n,
	int64_t projections, gr_key key)
{
	*out = NULL;
	gr_status status = check_problem(problem, n, projections);
	gr_posterior *p = status ? NULL : gr_alloc(sizeof(*p));
	if (!p)
		return gr_error_code();
	*p = (gr_posterior){.problem = *problem, .n = n, .projections = projections, .key = key};
	gr_tensor_retain(p->problem.matrix);
	gr_tensor_retain(p->problem.y);
	bool recording = gr_set_recording(false);
	gr_scope_begin();
	status = find_moments(p);
	status = status ? status : find_references(p);
	gr_status ended = gr_scope_end();
	gr_set_recording(recording);
	if (!status && !ended) {
		*out = p;
		return GR_OK;
	}
	gr__posterior_free(p);
	return status ? status : ended;
}

void gr__posterior_free(gr_posterior *p)
{
	if (!p)
		return;
	gr_tensor_release(p->problem.matrix);
	gr_tensor_release(p->problem.y);
	for (int r = 0; r < REFERENCES; r++)
		gr_tensor_release(p->sorted[r]);
	gr_tensor_release(p->truths);
	gr_tensor_release(p->mean);
	gr_tensor_release(p->covariance);
	gr_tensor_release(p->weights);
	gr_free(p);
}

/* --- scores --- */

/* |a - b| / scale, all elements. */
static double distance(gr_tensor *a, gr_tensor *b, double scale)
{
	gr_tensor *norm = gr_norm(gr_sub(a, b), GR_ALL_AXES, false);
	return norm ? gr_item(norm) / scale : NAN;
}

static double trace(const gr_tensor *c)
{
	double sum = 0.0;
	for (int64_t i = 0; i < gr_tensor_dim(c, 0); i++)
		sum += gr_tensor_at(c, (const int64_t[]){i, i});
	return sum;
}

/* The sliced distance to each reference, averaged. */
static double mean_distance(const gr_posterior *p, gr_tensor *x)
{
	gr_tensor *sorted = projected(p, x);
	double sum = 0.0;
	for (int r = 0; r < REFERENCES && sorted; r++)
		sum += distance(sorted, p->sorted[r], sqrt((double)(p->projections * p->n)));
	return sum / REFERENCES;
}

static gr_status score_in_scope(double score[GR_DEVIATIONS], const gr_posterior *p, gr_tensor *x)
{
	gr_tensor *mean = gr_mean(x, GR_AXES(0), false);
	gr_tensor *norm = gr_norm(p->covariance, GR_ALL_AXES, false);
	gr_tensor *weights = gr_mean(modes_of(p, x), GR_AXES(0), false);
	if (!mean || !norm || !weights)
		return gr_error_code();
	score[GR_DEVIATION_MEAN] = distance(mean, p->mean, sqrt(trace(p->covariance)));
	score[GR_DEVIATION_COVARIANCE] = distance(covariance_of(x, mean), p->covariance, gr_item(norm));
	gr_tensor *off = gr_sum(gr_abs(gr_sub(weights, p->weights)), GR_ALL_AXES, false);
	score[GR_DEVIATION_MODES] =
		gr_tensor_size(p->weights) > 1 && off ? 0.5 * gr_item(off) : (double)NAN;
	score[GR_DEVIATION_SLICED] = mean_distance(p, x);
	return gr_coverage_of(&score[GR_DEVIATION_COVERAGE], x, p->truths, 0.9);
}

gr_status gr__posterior_score(double score[GR_DEVIATIONS], const gr_posterior *p,
	gr_tensor *samples)
{
	char is[96];
	if (!samples)
		return gr_error_code();
	if (gr_tensor_ndim(samples) != 2 || gr_tensor_dim(samples, 0) != p->n ||
		gr_tensor_dim(samples, 1) != gr_law_size(p->problem.law))
		return gr_error_set(GR_ESHAPE, "samples are %s, expected [%lld,%lld]",
			gr_tensor_describe(samples, is, sizeof(is)), (long long)p->n,
			(long long)gr_law_size(p->problem.law));
	bool recording = gr_set_recording(false);
	gr_scope_begin();
	gr_status status = score_in_scope(score, p, gr_contiguous(gr_cast(samples, GR_F64)));
	gr_status ended = gr_scope_end();
	gr_set_recording(recording);
	return status ? status : ended;
}
