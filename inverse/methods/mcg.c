/*
 * Manifold constrained gradient: the ancestral step with the DPS term, then, for a linear A, a
 * projection of the state onto the measurement noised to its level:
 *     x <- x + A^+ (sqrt(Ap) y + sqrt(1 - Ap) A n - A x),   Ap = alpha_bar of the next step
 * so that A A^+ A = A leaves A x = sqrt(Ap) y + sqrt(1 - Ap) A n where y can be met. The gradient is that
 * of the terms, as in DPS.
 */
#include <math.h>

#include "gradus/ops.h"
#include "solver_priv.h"
#include "spectrum_priv.h"

static gr_status mcg_step(gr_solver *s, gr_method_step *k)
{
	const gr_spectrum *sp = gr__solver_spectrum(s, gr_solver_param(s, "smallest"));
	gr_status status = gr_solver_predict(s, k);
	if (status || !sp)
		return status ? status : gr_error_code();
	double Ap = k->alpha_bar_prev;
	gr_tensor *x = gr_solver_ancestral(s, k, gr_stop_gradient(k->x0_hat));
	if (k->gradient)
		x = gr_sub(x, k->gradient);
	gr_tensor *noise = gr_solver_noise(s, "measurement", k->draw);
	gr_tensor *away = gr_axpby(noise, sqrt(1.0 - Ap), x, -1.0);
	gr_tensor *r = gr_axpby(gr_cast(s->opts.y, s->opts.dtype), sqrt(Ap),
		gr_operator_apply(s->opts.A, away), 1.0);
	gr_tensor *shift = gr__spectrum_pinv(sp, gr_cast(r, GR_F64));
	return gr_solver_set_state(s, 0, gr_add(x, gr_cast(shift, s->opts.dtype)));
}

static const gr_method_param params[] = {
	{"smallest", 1e-3, 0.0, 1.0, "singular values that count as 0, of the largest"},
	{0},
};

const gr_method gr__method_mcg = {
	.name = "mcg",
	.doc = "ddpm with terms and a projection onto the noised measurement; smallest=1e-3",
	.source = "MCG: DPS followed by a projection",
	.params = params,
	.needs = GR_METHOD_MEASURED | GR_METHOD_LINEAR,
	.hooks = GR_AT_PREDICT,
	.step = mcg_step,
};
