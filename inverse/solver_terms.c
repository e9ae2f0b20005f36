/* The terms of a solver: which join where, and their weighted sum (see gradus/method.h). */
#include "gradus/ops.h"
#include "solver_priv.h"

int gr__solver_count_terms(const gr_solver *s, gr_hook hook)
{
	int n = 0;
	for (int i = 0; i < s->terms; i++)
		n += s->hook[i] == hook;
	return n;
}

void gr__solver_forget_values(gr_solver *s)
{
	for (int i = 0; i < s->terms; i++)
		if (s->hook[i] == GR_HOOK_ESTIMATE)
			s->value[i] = NULL;
}

gr_status gr__solver_add_terms(gr_solver *s, gr_term_ctx *ctx, gr_tensor **total)
{
	ctx->prior = s->opts.prior;
	ctx->particles = s->opts.particles;
	ctx->keys = s->keys;
	ctx->evaluations = &s->evaluations;
	for (int i = 0; i < s->terms; i++) {
		if (s->hook[i] != ctx->hook)
			continue;
		s->value[i] = gr_term_eval(s->term[i], ctx);
		gr_tensor *part =
			gr_mul_s(gr_sum(s->value[i], GR_ALL_AXES, false), gr_term_weight(s->term[i]));
		*total = *total ? gr_add(*total, part) : part;
		if (!*total)
			return gr_error_code();
	}
	return GR_OK;
}

gr_status gr_solver_terms(gr_solver *s, const gr_method_step *k, gr_tensor *x0, gr_tensor *image,
	int64_t step, int64_t steps, gr_tensor **total)
{
	gr_term_ctx ctx = {
		.hook = GR_HOOK_ESTIMATE,
		.x_t = k->noisy,
		.x0_hat = x0,
		.image = &image,
		.step = step,
		.steps = steps,
		.t = k->t,
		.alpha_bar = k->alpha_bar,
	};
	return gr__solver_add_terms(s, &ctx, total);
}

gr_tensor *gr_solver_residual(const gr_solver *s, gr_tensor *x0)
{
	const gr_solver_opts *o = &s->opts;
	gr_tensor *Ax = gr_operator_apply(o->A, gr_prior_decode(o->prior, x0));
	return gr_sub(gr_cast(o->y, s->opts.dtype), Ax);
}
