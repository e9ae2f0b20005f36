/* A term of your own in C: samples of the shipped prior whose left half is bright. */
#include <gradus/noise.h>
#include <gradus/ops.h>
#include <gradus/solver.h>
#include <stdio.h>

/* One number for each sample, in ops of its image; the solver takes the gradient. */
static gr_tensor *left_is_dark(void *self, const gr_term_ctx *ctx)
{
	(void)self;
	gr_tensor *image = gr_term_image(ctx);
	gr_tensor *left = gr_slice(image, 3, 0, gr_tensor_dim(image, 3) / 2, 1);
	return gr_neg(gr_mean(left, GR_AXES(1, 2, 3), false));
}

int main(void)
{
	gr_on_error(GR_ABORT);
	gr_prior *prior = NULL;
	gr_key keys[4];
	for (int i = 0; i < 4; i++)
		keys[i] = gr_sample_key(gr_key_seed(1), i);
	if (gr_prior_open(&prior, "experiments/priors/fashion"))
		return 1;
	double bright[2];
	for (int guided = 0; guided < 2; guided++) {
		gr_term *term = gr_term_new("left", left_is_dark, NULL,
			GR_OPTS(gr_term_opts, .hooks = GR_AT_PREDICT, .weight = guided ? 20.0 : 0.0));
		gr_tensor *x = gr_solver_solve(GR_OPTS(gr_solver_opts, .prior = prior, .n = 4, .keys = keys,
			.respacing = "10", .terms = (gr_term *[]){term, NULL}));
		bright[guided] = gr_item(gr_mean(gr_slice(x, 3, 0, 16, 1), GR_ALL_AXES, false));
		gr_term_free(term);
	}
	printf("left half: %.2f without the term, %.2f with it\n", bright[0], bright[1]);
	gr_prior_free(prior);
	return bright[1] > bright[0] ? 0 : 1;
}
