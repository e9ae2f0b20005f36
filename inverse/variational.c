/*
 * Variational methods (see variational_priv.h): RED-diff (arXiv 2305.04391), SDS (arXiv 2209.14988),
 * RLSD (Zilberstein et al. 2025, arXiv 2406.16683), with the reductions of the last's released code:
 * all means go over all entries of all particles of a measurement, which matters because of the eps =
 * 1e-8 of Adam. The prior's network is never differentiated.
 */
#include "variational_priv.h"

#include <math.h>

#include "gradus/ops.h"

gr_status gr__variational_add(gr_solver *s, const char *const names[3], gr_tensor *start)
{
	gr_status status = gr_solver_add_state(s, names[0], start);
	for (int i = 1; i < 3 && !status; i++)
		status = gr_solver_add_state(s, names[i],
			gr_zeros(gr_tensor_dtype(start), gr_tensor_ndim(start), gr_tensor_dims(start)));
	return status;
}

double gr__variational_sigma(const gr_method_step *k)
{
	return sqrt((1.0 - k->alpha_bar) / k->alpha_bar);
}

/* Gradient of the terms at z; NULL where none has anything to say. */
static gr_status differentiate_terms(gr_solver *s, gr_method_step *k, gr_tensor *z, gr_tensor **g)
{
	*g = NULL;
	if (gr__solver_count_terms(s, GR_HOOK_ESTIMATE) == 0)
		return GR_OK;
	gr_tensor *total = NULL;
	bool recording = gr_set_recording(true);
	gr_tensor *leaf = gr_watch(z);
	k->noisy = gr_add(leaf, gr_sub(k->x_t, z));
	gr_status status = gr_solver_terms(s, k, leaf, NULL, s->done, s->steps, &total);
	if (!status && gr_is_tracked(total)) {
		k->loss = gr_estimating() ? 0.0 : gr_item(total) / (double)s->opts.n;
		status = gr_grad(g, total, 1, &leaf, NULL);
	}
	k->noisy = NULL;
	gr_set_recording(recording);
	return status;
}

gr_tensor *gr__variational_delta(gr_solver *s, gr_method_step *k, gr_tensor *z)
{
	gr_tensor *eps = gr_solver_noise(s, "noise", (uint64_t)k->i);
	gr_tensor *terms = NULL;
	k->x_t = gr_axpby(z, sqrt(k->alpha_bar), eps, sqrt(1.0 - k->alpha_bar));
	if (gr_solver_predict(s, k) || differentiate_terms(s, k, z, &terms))
		return NULL;
	gr_tensor *delta = gr_stop_gradient(gr_sub(k->eps, eps));
	return terms ? gr_add(delta, terms) : delta;
}

gr_tensor *gr__variational_mean_square(gr_solver *s, gr_tensor *difference)
{
	if (!difference)
		return NULL;
	double entries = (double)(gr_tensor_size(difference) / s->opts.n * s->opts.particles);
	return gr_mul_s(gr_sumsq(difference, GR_ALL_AXES, false), 0.5 / entries);
}

gr_tensor *gr__variational_misfit(gr_solver *s, gr_tensor *image)
{
	gr_tensor *Ax = gr_operator_apply(s->opts.A, image);
	gr_tensor *r = gr_sub(gr_cast(s->opts.y, s->opts.dtype), Ax);
	gr_tensor *support = gr_operator_support(s->opts.A, s->opts.dtype);
	if (!support || !r)
		return gr__variational_mean_square(s, r);
	/* entries of a sample: the mask may be shared by channels, or by samples */
	double shared = (double)(gr_tensor_dim(r, 1) / gr_tensor_dim(support, 1));
	gr_tensor *entries = gr_mul_s(gr_sum(support, GR_AXES(1, 2, 3), false), shared);
	gr_tensor *each = gr_div(gr_sumsq(r, GR_AXES(1, 2, 3), false), entries);
	return gr_mul_s(gr_sum(each, GR_ALL_AXES, false), 0.5 / (double)s->opts.particles);
}

gr_tensor *gr__variational_move(gr_solver *s, const gr_method_step *k, int i, gr_tensor *gradient,
	double lr)
{
	const gr_adam adam = {.lr = lr, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8};
	gr_tensor *m = gr_solver_state(s, i + 1);
	gr_tensor *v = gr_solver_state(s, i + 2);
	gr_tensor *x = gr_adam_step(&adam, gr_solver_state(s, i), gradient, &m, &v, k->i + 1);
	if (gr_solver_set_state(s, i, x) || gr_solver_set_state(s, i + 1, m) ||
		gr_solver_set_state(s, i + 2, v))
		return NULL;
	return x;
}

gr_status gr__variational_step(gr_solver *s, gr_method_step *k, double data, double weight,
	double lr)
{
	gr_tensor *z = gr_solver_state(s, 0);
	gr_tensor *delta = gr__variational_delta(s, k, z);
	if (!delta)
		return gr_error_code();
	double entries = (double)(gr_tensor_size(z) / s->opts.n * s->opts.particles);
	gr_tensor *gradient = gr_mul_s(delta, weight / entries);
	if (data > 0.0) {
		gr_tensor *g = NULL;
		bool recording = gr_set_recording(true);
		gr_tensor *leaf = gr_watch(z);
		gr_tensor *misfit = gr__variational_misfit(s, gr_prior_decode(s->opts.prior, leaf));
		gr_status status = gr_grad(&g, misfit, 1, &leaf, NULL);
		gr_set_recording(recording);
		if (status)
			return status;
		gradient = gr_axpby(g, data, gradient, 1.0);
	}
	return gr__variational_move(s, k, 0, gradient, lr) ? GR_OK : gr_error_code();
}
