/*
 * Denoising diffusion restoration models: DDRM, arXiv 2201.11793, in the form of the released code.
 *
 * Parametrisation: s a singular value of A = U diag(s) V^T, bars coordinates in the basis V, and of the
 * state x_j / sqrt(A) the noise level sigma = sqrt((1 - A) / A), sigma' that of the step before.
 * x0_hat is the (clipped) estimate, eps the predicted noise, y_s = U^T y / s:
 *     s = 0:              x' = x0 + sqrt(1 - eta^2) sigma' eps + eta sigma' z
 *     s sigma' < sigma_y: x' = x0 + sqrt(1 - eta^2) sigma' (s y_s - s x0) / sigma_y + eta sigma' z
 *     otherwise:          x' = (1 - b) x0 + b y_s + sqrt(sigma'^2 - b^2 sigma_y^2 / s^2) z
 * b being eta_b. It starts at y_s + sqrt(sigma^2 - sigma_y^2 / s^2) z where s sigma > sigma_y, else at
 * sigma z. Without noise the last step ends on the measurement, which the release leaves to x0.
 *
 * All of it is functions of A^T A (inverse/spectrum_priv.h), with y_s - x0 = V^T A^+ (y - A x0): no
 * basis is chosen where values agree. Singular values below `smallest` times the largest count as 0,
 * for blurs 0.03 as released. No gradient through the prior but for terms.
 */
#include <math.h>

#include "data_solve_priv.h"
#include "gradus/ops.h"
#include "solver_priv.h"
#include "spectrum_priv.h"

typedef struct ddrm {
	double sigma; /* sigma' */
	double sigma_y, eta, eta_b;
} ddrm;

static bool is_noisy(double s, const ddrm *d)
{
	return s * d->sigma < d->sigma_y;
}

/* Of A^T (y - A x0) = V s^2 V^T (y_s - x0). */
static double of_residual(double s, const void *self)
{
	const ddrm *d = self;
	if (s == 0.0)
		return 0.0;
	if (is_noisy(s, d))
		return sqrt(1.0 - d->eta * d->eta) * d->sigma / (s * d->sigma_y);
	return d->eta_b / (s * s);
}

static double of_eps(double s, const void *self)
{
	const ddrm *d = self;
	return s == 0.0 ? sqrt(1.0 - d->eta * d->eta) * d->sigma : 0.0;
}

static double of_noise(double s, const void *self)
{
	const ddrm *d = self;
	if (s == 0.0 || is_noisy(s, d))
		return d->eta * d->sigma;
	double known = d->eta_b * d->sigma_y / s;
	return sqrt(fmax(d->sigma * d->sigma - known * known, 0.0));
}

/* What is known of y at the start: nothing where s sigma <= sigma_y. */
static double of_start(double s, const void *self)
{
	const ddrm *d = self;
	return s > 0.0 && s * d->sigma > d->sigma_y ? 1.0 / (s * s) : 0.0;
}

static double of_start_noise(double s, const void *self)
{
	const ddrm *d = self;
	if (!(s > 0.0 && s * d->sigma > d->sigma_y))
		return d->sigma;
	return sqrt(d->sigma * d->sigma - d->sigma_y * d->sigma_y / (s * s));
}

static gr_tensor *wide(gr_tensor *x)
{
	return gr_cast(gr_stop_gradient(x), GR_F64);
}

static gr_status ddrm_open(gr_solver *s)
{
	const gr_spectrum *sp = gr__solver_spectrum(s, gr_solver_param(s, "smallest"));
	const gr_schedule *schedule = gr_solver_schedule(s);
	int64_t first = gr_schedule_count(schedule) - 1;
	double A = gr_schedule_alpha_bar(schedule, first);
	ddrm d = {.sigma = sqrt((1.0 - A) / A), .sigma_y = gr_solver_sigma(s)};
	if (!sp)
		return gr_error_code();
	gr_tensor *back = gr_operator_adjoint(gr_solver_operator(s), wide(gr_solver_measurement(s)));
	gr_tensor *z = wide(gr_solver_noise(s, "start", 0));
	gr_tensor *x = gr_add(gr__spectrum_filter(sp, back, of_start, &d),
		gr__spectrum_filter(sp, z, of_start_noise, &d));
	return gr_solver_add_state(s, "x", gr_cast(gr_mul_s(x, sqrt(A)), gr__solver_dtype(s)));
}

static gr_status ddrm_step(gr_solver *s, gr_method_step *k)
{
	const gr_spectrum *sp = gr__solver_spectrum(s, gr_solver_param(s, "smallest"));
	gr_status status = gr_solver_predict(s, k);
	if (status || !sp)
		return status ? status : gr_error_code();
	double Ap = k->alpha_bar_prev;
	ddrm d = {.sigma = sqrt((1.0 - Ap) / Ap),
		.sigma_y = gr_solver_sigma(s),
		.eta = gr_solver_param(s, "eta"),
		.eta_b = gr_solver_param(s, "eta_b")};
	gr_tensor *x0 = wide(k->x0_hat);
	gr_tensor *back = gr_operator_adjoint(gr_solver_operator(s), gr__data_residual(s, x0));
	gr_tensor *x = gr_add(x0, gr__spectrum_filter(sp, back, of_residual, &d));
	if (k->j > 0) {
		gr_tensor *z = wide(gr_solver_noise(s, "step", k->draw));
		x = gr_add(x, gr__spectrum_filter(sp, wide(k->eps), of_eps, &d));
		x = gr_add(x, gr__spectrum_filter(sp, z, of_noise, &d));
	}
	return gr_solver_finish(s, k, gr_cast(gr_mul_s(x, sqrt(Ap)), gr__solver_dtype(s)));
}

static const gr_method_param params[] = {
	{"eta", 0.85, 0.0, 1.0, "noise drawn anew where y says nothing, or little"},
	{"eta_b", 1.0, 0.0, 1.0, "weight of y where it says more than the state"},
	{"smallest", 0.03, 0.0, 1.0, "singular values that count as 0, of the largest"},
	{0},
};

const gr_method gr__method_ddrm = {
	.name = "ddrm",
	.doc = "restoration in the basis of A's singular vectors; eta=0.85, eta_b=1, smallest=0.03",
	.source = "arXiv 2201.11793, released code",
	.params = params,
	.needs = GR_METHOD_MEASURED | GR_METHOD_LINEAR,
	.hooks = GR_AT_PREDICT,
	.open = ddrm_open,
	.step = ddrm_step,
};
