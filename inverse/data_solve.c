/* Systems of the kind (A C A^T + ridge I) v = r (see data_solve_priv.h). */
#include "data_solve_priv.h"

#include "gradus/ops.h"

typedef struct data_system {
	const gr_operator *A;
	double ridge;
	gr_cg_fn covariance;
	void *self;
} data_system;

static gr_tensor *apply(void *self, gr_tensor *v)
{
	const data_system *d = self;
	gr_tensor *x = gr_operator_adjoint(d->A, v);
	if (d->covariance)
		x = d->covariance(d->self, x);
	return gr_axpby(gr_operator_apply(d->A, x), 1.0, v, d->ridge);
}

gr_tensor *gr__data_residual(const gr_solver *s, gr_tensor *x)
{
	if (!x)
		return NULL;
	gr_tensor *y = gr_cast(gr_solver_measurement(s), gr_tensor_dtype(x));
	return gr_sub(y, gr_operator_apply(gr_solver_operator(s), gr_stop_gradient(x)));
}

gr_tensor *gr__data_solve(const gr_solver *s, gr_tensor *r, double ridge, gr_cg_fn covariance,
	void *self, int64_t iterations)
{
	if (!r)
		return NULL;
	data_system d = {gr_solver_operator(s), ridge, covariance, self};
	/* The residual that rounding leaves is reached, and more is noise. */
	double tolerance = gr_tensor_dtype(r) == GR_F64 ? 1e-13 : 1e-6;
	return gr__cg_solve(apply, &d, r,
		GR_OPTS(gr_cg_opts, .tolerance = tolerance, .iterations = iterations, .truncate = true));
}
