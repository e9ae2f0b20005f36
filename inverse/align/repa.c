/*
 * Representation alignment at inference (gradus/repa.h has paper and equation). The gradient flows
 * through the network's first blocks and its projector to x_t; with a proxy that depends on the
 * estimate also through all of it, the decoder and the teacher.
 */
#include "gradus/repa.h"

#include <string.h>

#include "constant_priv.h"
#include "gradus/ops.h"
#include "term_priv.h"

typedef struct repa {
	gr_repa_opts opts;
	gr_constant target; /* [N,P,D] of constant proxies, empty for others */
	gr_tensor *last;    /* the image of step `last_step`, for GR_PROXY_PREVIOUS */
	int64_t last_step;
} repa;

static void repa_free(void *self)
{
	repa *r = self;
	if (!r)
		return;
	gr_feature_release(r->opts.teacher);
	gr_tensor_release(r->opts.y);
	gr_tensor_release(r->opts.oracle);
	gr_tensor_release(r->last);
	gr__constant_clear(&r->target);
	gr_free(r);
}

gr_tensor *gr_repa_loss(gr_tensor *f, gr_tensor *r)
{
	if (f && r && (gr_tensor_ndim(r) != 3 || !gr_is_same_shape(f, r))) {
		char is[96];
		char was[96];
		gr_error_set(GR_ESHAPE,
			"repa: the teacher says %s, the prior's network %s; hint: the teacher that the prior "
			"was "
			"aligned with",
			gr_tensor_describe(f, is, sizeof(is)), gr_tensor_describe(r, was, sizeof(was)));
		return NULL;
	}
	return gr_sum(gr_rsub_s(gr_cosine_similarity(f, r, 2, 0.0), 1.0), GR_AXES(1), false);
}

/* --- proxies --- */

/* Whether y is an image of the scene that A sees, if smaller. */
static bool is_image(const gr_operator *A)
{
	const int64_t *in = gr_operator_in_dims(A);
	const int64_t *out = gr_operator_out_dims(A);
	const char *name = gr_operator_name(A);
	return out[0] == in[0] && out[1] * in[2] == out[2] * in[1] && strcmp(name, "phase") != 0 &&
		strcmp(name, "fourier") != 0;
}

/* Whether A keeps pixels of the image and leaves out others. */
static bool is_mask(const gr_operator *A)
{
	gr_tensor *support = gr_operator_support(A, GR_F32);
	return support && is_image(A) &&
		memcmp(gr_operator_in_dims(A), gr_operator_out_dims(A), 3 * sizeof(int64_t)) == 0;
}

static bool is_constant(gr_proxy proxy)
{
	return proxy == GR_PROXY_MEASUREMENT || proxy == GR_PROXY_ADJOINT || proxy == GR_PROXY_ORACLE;
}

/* y on measured pixels, where it is 0 elsewhere, and the estimate on the others. */
static gr_tensor *composite(const repa *r, gr_tensor *image)
{
	gr_dtype dtype = gr_tensor_dtype(image);
	gr_tensor *hidden = gr_rsub_s(gr_operator_support(r->opts.A, dtype), 1.0);
	return gr_muladd(hidden, image, gr_cast(r->opts.y, dtype));
}

/* The estimate of the step before, and this one kept in its place; NULL in the first step. */
static gr_tensor *previous(repa *r, const gr_term_ctx *ctx)
{
	gr_tensor *before = ctx->step > 0 ? r->last : NULL;
	if (ctx->step > 0 && (!before || r->last_step != ctx->step - 1)) {
		gr_error_set(GR_ESTATE,
			"repa: the estimate before step %lld is not known, proxy=previous cannot continue a "
			"run",
			(long long)ctx->step);
		return NULL;
	}
	if (before)
		before = gr_affine(before, 1.0, 0.0); /* of this scope */
	gr_tensor *now = gr_tensor_retain(gr_contiguous(gr_stop_gradient(gr_term_image(ctx))));
	gr_tensor_release(r->last);
	r->last = now;
	r->last_step = ctx->step;
	return before;
}

/* What the teacher says of the proxy; NULL without an error where there is none yet. */
static gr_tensor *target(repa *r, const gr_term_ctx *ctx, gr_dtype dtype)
{
	if (is_constant(r->opts.proxy))
		return gr__constant_get(&r->target, dtype);
	gr_tensor *proxy = NULL;
	if (r->opts.proxy == GR_PROXY_PREVIOUS)
		proxy = previous(r, ctx);
	else if (r->opts.proxy == GR_PROXY_COMPOSITE)
		proxy = composite(r, gr_term_image(ctx));
	else
		proxy = gr_term_image(ctx);
	if (!proxy)
		return NULL;
	return gr_feature_tokens(r->opts.teacher, r->opts.stop ? gr_stop_gradient(proxy) : proxy);
}

/* Tokens of a proxy [N,...] that is the same for all particles of a unit. */
static gr_tensor *ask_once(const repa *r, gr_tensor *proxy)
{
	int64_t K = r->opts.particles > 1 ? r->opts.particles : 1;
	int64_t n = gr_tensor_dim(proxy, 0);
	gr_tensor *f = gr_feature_tokens(r->opts.teacher, gr_slice(proxy, 0, 0, n, K));
	if (!f || K == 1)
		return f;
	int64_t P = gr_tensor_dim(f, 1);
	int64_t D = gr_tensor_dim(f, 2);
	gr_tensor *each = gr_expand(gr_unsqueeze(f, 1), GR_DIMS(n / K, K, P, D));
	return gr_reshape(each, GR_DIMS(n, P, D));
}

static gr_status show_teacher(repa *r)
{
	const gr_repa_opts *o = &r->opts;
	gr_scope_begin();
	bool recording = gr_set_recording(false);
	gr_tensor *proxy = o->proxy == GR_PROXY_ORACLE ? o->oracle
		: o->proxy == GR_PROXY_ADJOINT             ? gr_operator_adjoint(o->A, o->y)
												   : o->y;
	gr_tensor *f = proxy ? ask_once(r, proxy) : NULL;
	gr_status status = f ? gr__constant_set(&r->target, f) : gr_error_code();
	gr_set_recording(recording);
	gr_status ended = gr_scope_end();
	return status ? status : ended;
}

/* --- the term --- */

static gr_tensor *repa_value(void *self, const gr_term_ctx *ctx)
{
	repa *r = self;
	int64_t n = gr_tensor_dim(ctx->x_t, 0);
	gr_dtype dtype = gr_tensor_dtype(ctx->x_t);
	bool early = r->opts.late && ctx->alpha_bar < 0.5;
	if (early && r->opts.proxy != GR_PROXY_PREVIOUS)
		return gr_zeros(dtype, 1, &n);
	if (!ctx->features) {
		gr_error_set(GR_EUNSUPPORTED,
			"repa: prior %s gave no features in the space of an encoder; hint: a prior trained "
			"with "
			"REPA, a solver that asks for them",
			gr_prior_name(ctx->prior));
		return NULL;
	}
	gr_tensor *f = target(r, ctx, dtype);
	if (early || (!f && !gr_failed()))
		return gr_zeros(dtype, 1, &n);
	gr_tensor *value = gr_repa_loss(f, ctx->features);
	return r->opts.mean ? gr_mul_s(value, 1.0 / (double)gr_tensor_dim(f, 1)) : value;
}

static gr_status check_opts(gr_repa_opts *o)
{
	if (!o->teacher)
		return gr_failed() ? gr_error_code() : gr_error_set(GR_EARG, "repa: no teacher");
	if (gr_feature_get_domain(o->teacher) != GR_FEATURE_OF_IMAGES)
		return gr_error_set(GR_EARG, "repa: the teacher %s is not a function of images",
			gr_feature_name(o->teacher));
	if (o->proxy < 0 || o->proxy > GR_PROXY_ADJOINT || o->particles < 0)
		return gr_error_set(GR_EARG, "repa: unknown proxy %d", (int)o->proxy);
	bool reads = o->proxy <= GR_PROXY_COMPOSITE || o->proxy == GR_PROXY_ADJOINT;
	if (reads && (!o->A || !o->y))
		return gr_error_set(GR_EARG, "repa: the proxy needs A and y");
	if (o->proxy == GR_PROXY_PAPER)
		o->proxy = is_mask(o->A) ? GR_PROXY_COMPOSITE : GR_PROXY_MEASUREMENT;
	if (o->proxy == GR_PROXY_MEASUREMENT && !is_image(o->A))
		return gr_error_set(GR_EUNSUPPORTED,
			"repa: what %s measures is no image; hint: proxy=adjoint or proxy=tweedie",
			gr_operator_name(o->A));
	if (o->proxy == GR_PROXY_COMPOSITE && !is_mask(o->A))
		return gr_error_set(GR_EUNSUPPORTED,
			"repa: %s leaves out no pixels; hint: proxy=measurement", gr_operator_name(o->A));
	if (o->proxy == GR_PROXY_ORACLE && !o->oracle)
		return gr_error_set(GR_EARG, "repa: no oracle");
	return GR_OK;
}

gr_term *gr_repa_term(const gr_repa_opts *opts)
{
	gr_repa_opts o = {.size = sizeof(o)};
	if (!opts)
		gr_error_set(GR_EARG, "repa: no options");
	else
		o = *opts;
	repa *r = !opts || check_opts(&o) ? NULL : gr_alloc(sizeof(*r));
	if (!r)
		return NULL;
	r->opts = o;
	gr_feature_retain(o.teacher);
	gr_tensor_retain(o.y);
	gr_tensor_retain(o.oracle);
	if (is_constant(o.proxy) && show_teacher(r)) {
		repa_free(r);
		return NULL;
	}
	return gr_term_new("repa", repa_value, r,
		GR_OPTS(gr_term_opts, .hooks = GR_AT_PREDICT, .features = true, .weight = o.weight,
			.free = repa_free));
}

/* --- by name --- */

static gr_term *repa_open(const gr_term_spec *spec, const gr_term_problem *problem)
{
	static const char *const proxies[] = {"paper", "measurement", "composite", "tweedie",
		"previous", "adjoint", NULL};
	static const gr_proxy proxy[] = {GR_PROXY_PAPER, GR_PROXY_MEASUREMENT, GR_PROXY_COMPOSITE,
		GR_PROXY_TWEEDIE, GR_PROXY_PREVIOUS, GR_PROXY_ADJOINT};
	static const char *const gradients[] = {"keep", "stop", NULL};
	static const char *const reductions[] = {"sum", "mean", NULL};
	static const char *const schedules[] = {"constant", "late", NULL};
	const char *teacher = gr_term_text(spec, "teacher", problem->encoder);
	gr_repa_opts o = {
		.size = sizeof(o),
		.weight = gr_term_spec_weight(spec),
		.A = problem->A,
		.y = problem->y,
		.proxy = proxy[gr_term_choice(spec, "proxy", proxies)],
		.stop = gr_term_choice(spec, "proxy_grad", gradients) == 1,
		.mean = gr_term_choice(spec, "reduce", reductions) == 1,
		.late = gr_term_choice(spec, "schedule", schedules) == 1,
		.particles = problem->particles,
	};
	if (!teacher && !gr_failed())
		gr_error_set(GR_EARG,
			"repa: prior %s was not aligned with an encoder; hint: teacher=NAME of a feature "
			"network",
			gr_prior_name(problem->prior));
	if (gr_failed() || gr__term_feature(&o.teacher, teacher, problem, true))
		return NULL;
	gr_term *term = gr_repa_term(&o);
	gr_feature_release(o.teacher);
	return term;
}

const gr_term_kind gr__term_kind_repa = {
	.name = "repa",
	.doc =
		"the network's tokens along a teacher's of a proxy image; repa:LAMBDA, teacher=NAME (what "
		"the prior was aligned with), proxy=paper|measurement|composite|tweedie|previous|adjoint, "
		"proxy_grad=keep|stop, reduce=sum|mean, schedule=constant|late",
	.source = "Sfountouris et al. 2025, released samplers",
	.weight = 0.01,
	.open = repa_open,
};
