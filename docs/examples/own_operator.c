/* An operator of your own in C: a camera that reads every second row of a vignetted image. */
#include <gradus/operator.h>
#include <gradus/ops.h>
#include <stdio.h>

/* y = every second row of (v * x); self is v [H,W] in f64. The adjoint follows from the ops. */
static gr_tensor *camera(void *self, gr_tensor *x)
{
	gr_tensor *v = gr_cast(self, gr_tensor_dtype(x));
	return gr_slice(gr_mul(x, v), 2, 0, gr_tensor_dim(x, 2), 2);
}

int main(void)
{
	gr_on_error(GR_ABORT); /* report the first error where it happens, and stop */
	gr_tensor *r = gr_random_uniform(gr_key_seed(1), GR_F64, GR_DIMS(16, 12), 0.5, 1.0);
	gr_operator *A = gr_operator_user("camera", camera, r,
		GR_OPTS(gr_operator_user_opts, .channels = 3, .height = 16, .width = 12));
	if (gr_operator_check(A, gr_key_seed(2))) /* adjoint, linearity, batches, derivatives */
		return 1;
	const int64_t *out = gr_operator_out_dims(A);
	printf("%s: 3 x 16 x 12 -> %d x %d x %d, all promises kept\n", gr_operator_name(A), (int)out[0],
		(int)out[1], (int)out[2]);
	gr_operator_free(A);
	return 0;
}
