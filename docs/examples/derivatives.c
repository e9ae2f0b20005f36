/*
 * Derivatives in every mode, on one function: y = <a, tanh(W x)>. Part of docs/derivatives.md; each
 * line it prints is two numbers that must agree.
 */
#include <gradus/derivative.h>
#include <gradus/gradcheck.h>
#include <gradus/ops.h>
#include <gradus/recompute.h>
#include <math.h>
#include <stdio.h>

#define N 4

/* y[0] of x[0], and of the W that it captures. */
static gr_status function(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	gr_tensor *W = payload, *a = gr_reshape(gr_arange(GR_F64, N, 1.0, 1.0), GR_DIMS(N, 1));
	y[0] = gr_sum(gr_mul(a, gr_tanh(gr_matmul(W, x[0]))), GR_ALL_AXES, false);
	return y[0] != NULL ? GR_OK : gr_error_code();
}

/* Called with the gradient when a walk has it: look, and let it go on. */
static gr_tensor *print_norm(gr_tensor *grad, void *payload)
{
	printf("%-22s %.6f\n", (const char *)payload, gr_item(gr_norm(grad, GR_ALL_AXES, false)));
	return grad;
}

static double dot(gr_tensor *a, gr_tensor *b)
{
	return gr_item(gr_sum(gr_mul(a, b), GR_ALL_AXES, false));
}

static int agree(const char *what, double a, double b)
{
	printf("%-22s %.12f %.12f\n", what, a, b);
	return fabs(a - b) < 1e-10 ? 0 : 1;
}

int main(void)
{
	gr_on_error(GR_ABORT); /* report the first error where it happens, and stop */
	gr_tensor *W = gr_watch(gr_random_normal(gr_key_seed(1), GR_F64, GR_DIMS(N, N)));
	gr_tensor *x = gr_watch(gr_random_normal(gr_key_seed(2), GR_F64, GR_DIMS(N, 1)));
	gr_tensor *v = gr_random_normal(gr_key_seed(3), GR_F64, GR_DIMS(N, 1));
	const gr_grad_opts keep = {.size = sizeof keep, .keep_graph = true};
	gr_tensor *y, *again, *g[2], *h[2], *dy, *hv;
	int wrong = 0;

	/* A walk backward, and the same through a function that keeps its input only. */
	wrong += function(&y, &x, W) != GR_OK;
	wrong +=
		gr_checkpoint(&again, function, 1, &x, GR_OPTS(gr_recompute_opts, .payload = W)) != GR_OK;
	wrong += gr_on_gradient(x, print_norm, "|gradient| passing x") != GR_OK;
	wrong += gr_grad(g, y, 2, (gr_tensor *[]){x, W}, &keep) != GR_OK;
	wrong += gr_grad(h, again, 2, (gr_tensor *[]){x, W}, &keep) != GR_OK;
	wrong += gr_on_gradient(x, NULL, NULL) != GR_OK;
	wrong += agree("checkpoint, in W", dot(g[1], g[1]), dot(h[1], h[1]));

	/* A sweep forward: <gradient, v> is how y moves with x along v. */
	wrong += gr_jvp(&dy, 1, &y, 1, &x, &v, NULL) != GR_OK;
	wrong += agree("tangent", gr_item(dy), dot(g[0], v));

	/* Second derivatives: a product, and the whole matrix. */
	wrong += gr_hvp(&hv, y, 1, &x, &v, &keep) != GR_OK;
	gr_tensor *H = gr_reshape(gr_hessian(y, x), GR_DIMS(N, N));
	wrong += agree("Hessian product", dot(v, hv), dot(v, gr_matmul(H, v)));

	/* Is all of it right? Against differences, along random directions. */
	wrong += gr_gradcheck(function, 1, &x, GR_OPTS(gr_gradcheck_opts, .payload = W)) != GR_OK;
	printf("gr_gradcheck: %s\n", wrong == 0 ? "ok" : "wrong");
	return wrong;
}
