/*
 * Repulsion (gradus/repulsion.h has paper and equations).
 *
 * Bandwidths, kernels and directions are constants, computed in double from the vectors: no
 * second-order graph. The gradient comes from
 *     value_i = log K_i - <phi_i - sg(phi_i), sg(G_i / K_i)>,
 * whose second part is 0. Where all particles coincide, the distances are 0, and so is G.
 */
#include "gradus/repulsion.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/ops.h"
#include "term_priv.h"

#define LEAST_BANDWIDTH 1e-12

/* --- the kernel --- */

/* One unit of N vectors of V numbers. */
typedef struct unit {
	int64_t N, V;
	const double *phi; /* [N,V] */
	double *distance;  /* [N,N] */
	double *h;         /* [N] */
	double *scratch;   /* [N] */
} unit;

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return (x > y) - (x < y);
}

static double lower_median(double *values, int64_t n)
{
	qsort(values, (size_t)n, sizeof(*values), compare);
	return values[(n - 1) / 2];
}

static void measure(unit *u)
{
	for (int64_t i = 0; i < u->N; i++) {
		u->distance[i * u->N + i] = 0.0;
		for (int64_t j = 0; j < i; j++) {
			double sum = 0.0;
			for (int64_t v = 0; v < u->V; v++) {
				double d = u->phi[i * u->V + v] - u->phi[j * u->V + v];
				sum += d * d;
			}
			u->distance[i * u->N + j] = u->distance[j * u->N + i] = sqrt(sum);
		}
	}
}

static void choose_bandwidths(unit *u, const gr_kernel_opts *o)
{
	bool all = o->bandwidth == GR_BANDWIDTH_LN_N || o->with_self;
	double scale = log((double)(all ? u->N : u->N - 1));
	for (int64_t i = 0; i < u->N; i++) {
		int64_t n = 0;
		for (int64_t j = 0; j < u->N; j++) {
			if (j != i || o->with_self)
				u->scratch[n++] = u->distance[i * u->N + j];
		}
		double m = lower_median(u->scratch, n);
		u->h[i] = scale > 0.0 ? m * m / scale + LEAST_BANDWIDTH : INFINITY;
	}
	if (o->bandwidth != GR_BANDWIDTH_MEDIAN)
		return;
	memcpy(u->scratch, u->h, (size_t)u->N * sizeof(*u->h));
	double h = lower_median(u->scratch, u->N);
	for (int64_t i = 0; i < u->N; i++)
		u->h[i] = h;
}

/* G_i / K_i to g [V], returns log K_i; undivided G_i and K_i. */
static double push(const unit *u, int64_t i, const gr_kernel_opts *o, double *g)
{
	double K = 0.0;
	memset(g, 0, (size_t)u->V * sizeof(*g));
	for (int64_t j = 0; j < u->N; j++) {
		double d = u->distance[i * u->N + j];
		double k = exp(-d * d / u->h[i]);
		if (j == i && !o->with_self)
			continue;
		K += k;
		for (int64_t v = 0; v < u->V; v++)
			g[v] += 2.0 / u->h[i] * k * (u->phi[i * u->V + v] - u->phi[j * u->V + v]);
	}
	if (o->undivided)
		return K;
	for (int64_t v = 0; v < u->V && K > 0.0; v++)
		g[v] /= K;
	return log(fmax(K, DBL_MIN));
}

/* Constants of all units: values [U] and directions [U N,V]. */
static gr_status repel(gr_tensor *phi, int64_t N, const gr_kernel_opts *o, double *value, double *g)
{
	int64_t units = gr_tensor_dim(phi, 0) / N;
	unit u = {.N = N, .V = gr_tensor_dim(phi, 1)};
	int64_t size = gr_tensor_size(phi);
	double *all = gr_alloc((size_t)(size + N * (N + 2) + 1) * sizeof(*all));
	gr_status status = all ? gr_tensor_to_f64(phi, all) : gr_error_code();
	for (int64_t k = 0; k < units && !status; k++) {
		u.phi = all + k * N * u.V;
		u.distance = all + size;
		u.h = u.distance + N * N;
		u.scratch = u.h + N;
		measure(&u);
		choose_bandwidths(&u, o);
		value[k] = 0.0;
		for (int64_t i = 0; i < N; i++)
			value[k] += push(&u, i, o, g + (k * N + i) * u.V);
	}
	gr_free(all);
	return status;
}

static gr_status check_particles(int64_t N, const gr_kernel_opts *o)
{
	if (N < 2)
		return gr_error_set(GR_EARG,
			"repulsion: one particle has no other; hint: 3 or more particles for each measurement");
	if (N == 2 && o->bandwidth != GR_BANDWIDTH_LN_N && !o->with_self && !o->pairs)
		return gr_error_set(GR_EARG,
			"repulsion: 2 particles have no bandwidth, as ln(N - 1) = 0, and would not repel each "
			"other; hint: bandwidth=lnN, or 3 particles, or pairs=1 to leave it so");
	return GR_OK;
}

gr_tensor *gr_repulsion(gr_tensor *phi, int64_t particles, const gr_kernel_opts *opts)
{
	const gr_kernel_opts o = opts ? *opts : (gr_kernel_opts){0};
	if (!phi || check_particles(particles, &o))
		return NULL;
	if (gr_tensor_ndim(phi) != 2 || gr_tensor_dim(phi, 0) % particles != 0) {
		char is[96];
		gr_error_set(GR_ESHAPE, "repulsion: %s, expected [units x %lld,V]",
			gr_tensor_describe(phi, is, sizeof(is)), (long long)particles);
		return NULL;
	}
	int64_t units = gr_tensor_dim(phi, 0) / particles;
	int64_t size = gr_tensor_size(phi);
	double *value = gr_alloc((size_t)(units + size + 1) * sizeof(*value));
	gr_status status = value ? GR_OK : gr_error_code();
	if (!status && !gr_estimating()) /* of zeros, where nothing is computed */
		status = repel(gr_stop_gradient(phi), particles, &o, value, value + units);
	gr_tensor *result = NULL;
	if (!status) {
		gr_dtype dtype = gr_tensor_dtype(phi);
		gr_tensor *g = gr_from_f64(dtype, value + units, 2, gr_tensor_dims(phi));
		gr_tensor *part = gr_mul(gr_sub(phi, gr_stop_gradient(phi)), g);
		gr_tensor *zero = gr_sum(gr_reshape(part, GR_DIMS(units, -1)), GR_AXES(1), false);
		result = gr_sub(gr_from_f64(dtype, value, 1, &units), zero);
	}
	gr_free(value);
	return result;
}

/* --- the term --- */

static void repulsion_free(void *self)
{
	gr_repulsion_opts *o = self;
	if (!o)
		return;
	gr_feature_release(o->feature);
	gr_free(o);
}

/* The factor of this step; 0 where it is not active. */
static double annealing(const gr_repulsion_opts *o, const gr_term_ctx *ctx)
{
	double A = ctx->alpha_bar;
	double ratio = sqrt((1.0 - A) / A);
	int64_t base = gr_schedule_count(gr_prior_schedule(ctx->prior));
	double passed = (double)(base - 1 - ctx->t);
	if (!(passed < 1e-3 * o->sigma_break * (double)base) || ratio < o->least_ratio)
		return 0.0;
	switch (o->anneal) {
	case GR_ANNEAL_SIGMA: return sqrt(1.0 - A);
	case GR_ANNEAL_RATIO: return ratio;
	case GR_ANNEAL_NONE: return 1.0;
	}
	return 0.0;
}

/* The vectors [N,V] of the state or image that they are of. */
static gr_tensor *vectors(const gr_repulsion_opts *o, const gr_term_ctx *ctx)
{
	bool noisy = o->source == GR_REPULSE_NOISY || (o->source == GR_REPULSE_DEFAULT && ctx->x_t);
	bool of_states = o->feature && gr_feature_get_domain(o->feature) == GR_FEATURE_OF_STATES;
	bool image = o->feature ? !of_states : o->decoded;
	if (noisy && !ctx->x_t) {
		gr_error_set(GR_EUNSUPPORTED,
			"repulsion: the solver has no noisy state here; hint: source=clean");
		return NULL;
	}
	gr_tensor *x = noisy ? ctx->x_t : ctx->x0_hat;
	if (image)
		x = noisy ? gr_prior_decode(ctx->prior, x) : gr_term_image(ctx);
	if (o->feature)
		return gr_feature_vector(o->feature, x);
	return x ? gr_reshape(x, GR_DIMS(gr_tensor_dim(x, 0), -1)) : NULL;
}

static gr_tensor *repulsion_value(void *self, const gr_term_ctx *ctx)
{
	const gr_repulsion_opts *o = self;
	const gr_tensor *variable = ctx->hook == GR_HOOK_PREDICT ? ctx->x_t : ctx->x0_hat;
	int64_t particles = ctx->particles > 1 ? ctx->particles : 1;
	int64_t units = gr_tensor_dim(variable, 0) / particles;
	double factor = annealing(o, ctx);
	if (factor == 0.0 && particles > 1)
		return gr_zeros(gr_tensor_dtype(variable), 1, &units);
	if (!isfinite(factor)) {
		gr_error_set(GR_ENUMERIC, "repulsion: no ratio where alpha_bar is 0; hint: anneal=sigma");
		return NULL;
	}
	return gr_mul_s(gr_repulsion(vectors(o, ctx), particles, &o->kernel), factor);
}

static gr_status check_opts(const gr_repulsion_opts *o)
{
	if (!o)
		return gr_error_set(GR_EARG, "repulsion: no options");
	if (o->kernel.bandwidth < 0 || o->kernel.bandwidth > GR_BANDWIDTH_LN_N || o->source < 0 ||
		o->source > GR_REPULSE_CLEAN || o->anneal < 0 || o->anneal > GR_ANNEAL_NONE)
		return gr_error_set(GR_EARG, "repulsion: an option that there is not");
	if (!(o->sigma_break >= 0.0 && o->sigma_break <= 1000.0) || !(o->least_ratio >= 0.0))
		return gr_error_set(GR_EARG, "repulsion: sigma_break %g, expected 0 to 1000; least %g",
			o->sigma_break, o->least_ratio);
	return GR_OK;
}

gr_term *gr_repulsion_term(const gr_repulsion_opts *opts)
{
	gr_repulsion_opts *o = check_opts(opts) ? NULL : gr_alloc(sizeof(*o));
	if (!o)
		return NULL;
	*o = *opts;
	gr_feature_retain(o->feature);
	if (o->sigma_break == 0.0)
		o->sigma_break = 1000.0;
	return gr_term_new("repulsion", repulsion_value, o,
		GR_OPTS(gr_term_opts, .hooks = GR_AT_PREDICT | GR_AT_ESTIMATE, .weight = opts->weight,
			.free = repulsion_free));
}

/* --- by name --- */

static gr_term *repulsion_open(const gr_term_spec *spec, const gr_term_problem *problem)
{
	static const char *const bandwidths[] = {"per_particle", "median", "lnN", NULL};
	static const char *const sources[] = {"default", "noisy", "clean", NULL};
	static const char *const anneals[] = {"sigma", "ratio", "none", NULL};
	const char *space = gr_term_word(spec, 0, "latent");
	gr_repulsion_opts o = {
		.size = sizeof(o),
		.weight = gr_term_spec_weight(spec),
		.kernel = {.size = sizeof(o.kernel),
			.bandwidth = (gr_bandwidth)gr_term_choice(spec, "bandwidth", bandwidths),
			.undivided = gr_term_number(spec, "divide", 1.0, 0.0, 1.0) == 0.0,
			.pairs = gr_term_number(spec, "pairs", 0.0, 0.0, 1.0) != 0.0,
			.with_self = gr_term_number(spec, "self", 0.0, 0.0, 1.0) != 0.0},
		.source = (gr_repulsion_source)gr_term_choice(spec, "source", sources),
		.decoded = strcmp(space, "pixel") == 0,
		.anneal = (gr_anneal)gr_term_choice(spec, "anneal", anneals),
		.sigma_break = gr_term_number(spec, "sigma_break", 1000.0, 1.0, 1000.0),
		.least_ratio = gr_term_number(spec, "least", 0.0, 0.0, 1e6),
	};
	int64_t particles = problem->particles > 1 ? problem->particles : 1;
	if (gr_failed() || check_particles(particles, &o.kernel))
		return NULL;
	bool named = strcmp(space, "latent") != 0 && strcmp(space, "pixel") != 0;
	if (named && gr__term_feature(&o.feature, space, problem, false))
		return NULL;
	gr_term *term = gr_repulsion_term(&o);
	gr_feature_release(o.feature);
	return term;
}

const gr_term_kind gr__term_kind_repulsion = {
	.name = "repulsion",
	.doc =
		"particles of a measurement apart; repulsion:SPACE:GAMMA, SPACE latent (the state), pixel, "
		"encoder or the name of a network; source=noisy|clean, "
		"bandwidth=per_particle|median|lnN, anneal=sigma|ratio|none, sigma_break=1000, least=0, "
		"divide=1, self=0, pairs=0",
	.source = "Zilberstein et al. 2025, official code",
	.weight = 1.0,
	.open = repulsion_open,
};
