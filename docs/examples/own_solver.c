/* A solver of your own in C: after each estimate one gradient step on the misfit, then DDIM. */
#include <gradus/method.h>
#include <gradus/noise.h>
#include <gradus/ops.h>
#include <stdio.h>

static gr_status step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k); /* the prior, once; terms join there */
	gr_tensor *r = status ? NULL : gr_solver_residual(s, k->x0_hat);
	gr_tensor *back = r ? gr_operator_adjoint(gr_solver_operator(s), r) : NULL;
	k->x0_hat = gr_axpby(k->x0_hat, 1.0, back, gr_solver_param(s, "rate"));
	return gr_solver_finish(s, k, gr_solver_implicit(s, k, k->x0_hat, 0.0));
}

static const gr_method_param params[] = {{"rate", 1.0, 0.0, 100.0, "of the step"}, {0}};
static const gr_method method = {"landweber", "a gradient step on each estimate; rate=1",
	"docs/own-inverse.md", params, GR_METHOD_MEASURED | GR_METHOD_LINEAR, GR_AT_PREDICT,
	.step = step};

int main(void)
{
	gr_on_error(GR_ABORT);
	gr_prior *p = gr_prior_gaussian_new(NULL,
		GR_OPTS(gr_prior_opts, .channels = 1, .height = 16, .width = 16));
	gr_key key = gr_key_seed(1);
	gr_operator *A = gr_operator_new("sr_mean",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 16, .width = 16, .n = 1, .keys = &key));
	gr_tensor *y = gr_measure(A, gr_random_normal(key, GR_F32, GR_DIMS(1, 1, 16, 16)), 0.0);
	gr_tensor *x = gr_method_register(&method)
		? NULL
		: gr_solver_solve(GR_OPTS(gr_solver_opts, .prior = p, .n = 1, .keys = &key, .A = A, .y = y,
			  .method = "landweber:rate=16", .respacing = "50"));
	double before = gr_item(gr_norm(y, GR_ALL_AXES, false));
	double after = gr_item(gr_norm(gr_sub(y, gr_operator_apply(A, x)), GR_ALL_AXES, false));
	printf("residual: %.4f without an image, %.4f with it\n", before, after);
	gr_operator_free(A);
	gr_prior_free(p);
	return after < 0.01 * before ? 0 : 1;
}
