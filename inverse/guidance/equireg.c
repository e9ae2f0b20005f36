/*
 * Equivariance regularisation (gradus/equireg.h has paper and equations).
 *
 * The element of sample i comes from its own key, folded by name, base step and step, so that draws
 * touch no other stream. Elements that move by places are those that move feature maps by whole ones.
 */
#include "gradus/equireg.h"

#include <string.h>

#include "gradus/ops.h"
#include "term_priv.h"

typedef struct equireg {
	gr_equireg_opts opts;
	int64_t period;
} equireg;

static void equireg_free(void *self)
{
	equireg *e = self;
	if (!e)
		return;
	gr_feature_release(e->opts.f);
	gr_free(e);
}

/* Whether the term acts in this step; -1 after an error. */
static int acts(const equireg *e, const gr_term_ctx *ctx)
{
	const gr_equireg_opts *o = &e->opts;
	bool cut = o->schedule == GR_EQUI_CUTOFF || o->schedule == GR_EQUI_LEGACY_CUTOFF;
	bool all = o->schedule == GR_EQUI_LEGACY || o->schedule == GR_EQUI_LEGACY_CUTOFF;
	if (cut && o->last >= ctx->steps) {
		gr_error_set(GR_EARG,
			"equireg: it stops %lld steps before the end, of %lld, and would never act; hint: "
			"last=%lld",
			(long long)o->last, (long long)ctx->steps, (long long)(ctx->steps / 10));
		return -1;
	}
	if (o->weight == 0.0 || (cut && ctx->step > ctx->steps - o->last))
		return 0;
	return all || ctx->step % e->period == 0;
}

/* One element for each of n samples, on planes like those of x, and of `map` unless that is NULL; a
 * block to be freed. */
static int64_t *draw(const equireg *e, const gr_term_ctx *ctx, const gr_tensor *x,
	const gr_tensor *map)
{
	int64_t n = gr_tensor_dim(x, 0);
	int64_t *g = gr_alloc((size_t)n * sizeof(*g));
	const gr_group *G = e->opts.group;
	for (int64_t i = 0; i < n && g; i++) {
		gr_key key = gr_key_fold_name(gr_key_fold_name(ctx->keys[i], "equireg"), gr_group_name(G));
		key = gr_key_fold(gr_key_fold(key, (uint64_t)ctx->t), (uint64_t)ctx->step);
		g[i] = gr_group_draw(G, key, 0, gr_tensor_dim(x, 2), gr_tensor_dim(x, 3),
			gr_tensor_dim(map, 2));
		if (g[i] < 0) {
			gr_free(g);
			return NULL;
		}
	}
	return g;
}

/* S_g f(x) - f(T_g x) */
static gr_tensor *equi(const equireg *e, const gr_term_ctx *ctx, gr_tensor *x)
{
	const gr_equireg_opts *o = &e->opts;
	gr_tensor *fx = gr__feature_decodes(o->f, ctx->prior) && x == ctx->x0_hat
		? gr_term_image(ctx)
		: gr_feature_map(o->f, x);
	int64_t *g = fx ? draw(e, ctx, x, fx) : NULL;
	if (!g)
		return NULL;
	gr_tensor *turned = gr_group_act(o->group, fx, g, gr_tensor_dim(x, 2));
	gr_tensor *d =
		gr_sub(turned, gr_feature_map(o->f, gr_group_act(o->group, x, g, gr_tensor_dim(x, 2))));
	gr_free(g);
	return d;
}

/* x - T_g^-1 f(T_g x) */
static gr_tensor *equi_plus(const equireg *e, const gr_term_ctx *ctx, gr_tensor *x)
{
	const gr_equireg_opts *o = &e->opts;
	int64_t n = gr_tensor_dim(x, 0);
	int64_t *g = draw(e, ctx, x, NULL);
	gr_tensor *y = g ? gr_feature_map(o->f, gr_group_act(o->group, x, g, 0)) : NULL;
	for (int64_t i = 0; i < n && y; i++)
		g[i] = gr_group_inverse(o->group, g[i], gr_tensor_dim(x, 2), gr_tensor_dim(x, 3));
	gr_tensor *back = y ? gr_group_act(o->group, y, g, 0) : NULL;
	gr_free(g);
	if (back && !gr_is_same_shape(back, x)) {
		char is[96];
		char was[96];
		gr_error_set(GR_ESHAPE,
			"equireg: Equi-plus needs %s to give %s for %s, not %s; hint: "
			"form=equi",
			gr_feature_name(o->f), gr_tensor_describe(x, was, sizeof(was)), was,
			gr_tensor_describe(back, is, sizeof(is)));
		return NULL;
	}
	return gr_sub(x, back);
}

static gr_tensor *equireg_value(void *self, const gr_term_ctx *ctx)
{
	const equireg *e = self;
	const gr_equireg_opts *o = &e->opts;
	int act = acts(e, ctx);
	if (act < 0)
		return NULL;
	if (act == 0) {
		int64_t n = gr_tensor_dim(ctx->x0_hat, 0);
		return gr_zeros(gr_tensor_dtype(ctx->x0_hat), 1, &n);
	}
	if (!ctx->keys) {
		gr_error_set(GR_EARG, "equireg: no keys to draw group elements from");
		return NULL;
	}
	bool of_states = gr_feature_get_domain(o->f) == GR_FEATURE_OF_STATES;
	gr_tensor *x = of_states ? ctx->x0_hat : gr_term_image(ctx);
	if (!x)
		return NULL;
	gr_tensor *d = o->form == GR_EQUI ? equi(e, ctx, x) : equi_plus(e, ctx, x);
	switch (o->reduce) {
	case GR_EQUI_NORM: return gr_norm(d, GR_AXES(1, 2, 3), false);
	case GR_EQUI_SQNORM: return gr_sumsq(d, GR_AXES(1, 2, 3), false);
	case GR_EQUI_MSE: return gr_mean(gr_square(d), GR_AXES(1, 2, 3), false);
	}
	return NULL;
}

static gr_status check_opts(const gr_equireg_opts *o)
{
	if (!o || !o->f || !o->group)
		return gr_failed() ? gr_error_code()
						   : gr_error_set(GR_EARG, "equireg: a function and a group are needed");
	if (o->form < 0 || o->form > GR_EQUI_PLUS || o->reduce < 0 || o->reduce > GR_EQUI_MSE ||
		o->schedule < 0 || o->schedule > GR_EQUI_LEGACY_CUTOFF)
		return gr_error_set(GR_EARG, "equireg: a form, reduction or schedule that there is not");
	if (!(o->freq <= 1.0) || o->last < 0)
		return gr_error_set(GR_EARG, "equireg: freq %g, expected at most 1; last %lld", o->freq,
			(long long)o->last);
	return GR_OK;
}

gr_term *gr_equireg_term(const gr_equireg_opts *opts)
{
	equireg *e = check_opts(opts) ? NULL : gr_alloc(sizeof(*e));
	if (!e)
		return NULL;
	e->opts = *opts;
	gr_feature_retain(e->opts.f);
	double freq = opts->freq == 0.0 ? 0.1 : opts->freq;
	double period = freq > 0.0 ? 1.0 / freq : 1.0;
	e->period = period < 1e15 ? (int64_t)period : INT64_MAX;
	if (e->opts.last == 0)
		e->opts.last = 100;
	return gr_term_new("equireg", equireg_value, e,
		GR_OPTS(gr_term_opts, .hooks = GR_AT_PREDICT | GR_AT_ESTIMATE, .weight = opts->weight,
			.free = equireg_free));
}

/* --- by name --- */

/* f by name: of a latent prior its decoder where nothing is said. For Equi-plus a coder is followed
 * by the other one. */
static gr_status open_function(gr_feature **out, const char *name, bool plus,
	const gr_term_problem *problem)
{
	*out = NULL;
	if (!name && !gr_is_latent_prior(problem->prior))
		return gr_error_set(GR_EARG,
			"equireg: prior %s has no decoder to compare; hint: f=NAME of a network",
			gr_prior_name(problem->prior));
	name = name ? name : "decoder";
	if (!plus || (strcmp(name, "decoder") != 0 && strcmp(name, "encoder") != 0))
		return gr__term_feature(out, name, problem, false);
	*out = strcmp(name, "decoder") == 0 ? gr_feature_decode_encode_new(problem->prior)
										: gr_feature_encode_decode_new(problem->prior);
	return *out ? GR_OK : gr_error_code();
}

static gr_term *equireg_open(const gr_term_spec *spec, const gr_term_problem *problem)
{
	static const char *const forms[] = {"equi", "plus", NULL};
	static const char *const reductions[] = {"norm", "sqnorm", "mse", NULL};
	static const char *const schedules[] = {"constant", "cutoff", "legacy", "legacy_cutoff", NULL};
	double freq = gr_term_number(spec, "freq", 0.1, 0.0, 1.0);
	gr_equireg_opts o = {
		.size = sizeof(o),
		.weight = gr_term_spec_weight(spec),
		.group = gr_group_find(gr_term_word(spec, 0, "hflip")),
		.form = (gr_equi_form)gr_term_choice(spec, "form", forms),
		.reduce = (gr_equi_reduce)gr_term_choice(spec, "reduce", reductions),
		.schedule = (gr_equi_schedule)gr_term_choice(spec, "schedule", schedules),
		.freq = freq == 0.0 ? -1.0 : freq,
		.last = (int64_t)gr_term_number(spec, "last", 100.0, 1.0, 1e9),
	};
	const char *name = gr_term_text(spec, "f", NULL);
	if (gr_failed() || open_function(&o.f, name, o.form == GR_EQUI_PLUS, problem))
		return NULL;
	gr_term *term = gr_equireg_term(&o);
	gr_feature_release(o.f);
	return term;
}

const gr_term_kind gr__term_kind_equireg = {
	.name = "equireg",
	.doc =
		"equivariance of a function; equireg:GROUP:WEIGHT, GROUP hflip, vflip, rot90, rot180, "
		"ns_translate, ns_rotate or ns_swap; f=decoder|encoder|NAME of a network, form=equi|plus, "
		"reduce=norm|sqnorm|mse, schedule=constant|cutoff|legacy|legacy_cutoff, freq=0.1, last=100",
	.source = "Tolooshams et al. 2025, released library",
	.weight = 0.01,
	.open = equireg_open,
};
