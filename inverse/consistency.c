/* Hard data consistency (see consistency_priv.h). */
#include "consistency_priv.h"

#include <math.h>

#include "gradus/ops.h"

static gr_tensor *misfit(gr_solver *s, gr_method_step *k, gr_tensor *x, void *self)
{
	(void)k;
	const gr_consistency *c = self;
	gr_tensor *r = c->image
		? gr_sub(gr_cast(s->opts.y, s->opts.dtype), gr_operator_apply(s->opts.A, x))
		: gr_solver_residual(s, x);
	double entries = (double)(gr_tensor_size(s->opts.y) / s->opts.n);
	return gr_mul_s(gr_sumsq(r, GR_AXES(1, 2, 3), false), c->scale / entries);
}

gr_tensor *gr__consistency_fit(gr_solver *s, gr_method_step *k, gr_tensor *x,
	const gr_consistency *opts)
{
	gr_consistency c = *opts;
	const gr_adam adam = {.lr = c.lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.01};
	return gr_solver_minimise(s, k, x, misfit, &c,
		GR_OPTS(gr_inner_opts, .adam = adam, .iterations = c.iterations, .enough = 1e-6,
			.window = c.window, .terms = !c.image));
}

gr_tensor *gr__consistency_draw(gr_solver *s, const gr_method_step *k, gr_tensor *x, double a,
	double u, gr_tensor *z, double v)
{
	gr_tensor *mean = gr_axpby(x, v * a / (v + u), z, u / (v + u));
	gr_tensor *noise = gr_solver_noise(s, "resample", k->draw);
	return gr_axpby(mean, 1.0, noise, sqrt(v * u / (v + u)));
}

gr_consistency_law gr__consistency_flow(double t, double t_next, int mode, double constant)
{
	double a = 1.0 - t;
	double ap = 1.0 - t_next;
	if (mode == 1)
		return (gr_consistency_law){ap, t_next * t_next, constant * t_next * t_next};
	double v = constant * (1.0 - ap * ap) / (1.0 - a * a) * (1.0 - a * a / (ap * ap));
	return (gr_consistency_law){a, t * t, v};
}
