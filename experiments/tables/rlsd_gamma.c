/*
 * RLSD (Zilberstein et al. 2025), appendix: the weight of repulsion. More of it spreads the samples of
 * a measurement, until they leave the measurement or the prior; what a hole hides is where it shows.
 */
#include "gradus/experiment.h"

#define PARAMS(P) \
	P(text, prior, "stable-diffusion-1.5", "fashion", "fashion", "the prior") \
	P(text, images, "ffhq-512", "shipped", "shipped", "images to restore") \
	P(int, n, 100, 32, 2, "how many") \
	P(int, steps, 999, 200, 4, "steps") \
	P(int, particles, 4, 4, 3, "samples of an image") \
	P(double, sigma, 0.001, 0.05, 0.05, "noise of the measurement") \
	P(text, solver, "rlsd", "rlsd:lr_z=0.1,lr_x=0.1,lambda=1", "rlsd:lr_z=0.1,lr_x=0.1,lambda=1", \
		"and its rates") \
	P(text, space, "dino-vits16", "pixel", "pixel", "where it repels") \
	P(int, weights, 6, 6, 2, "the first of 0, 5, 15, 50, 150, 500")

GR_EXPERIMENT(rlsd_gamma, "RLSD: the weight of repulsion, half of the image hidden", PARAMS)
{
	static const double gamma[] = {0.0, 5.0, 15.0, 50.0, 150.0, 500.0};
	for (int i = 0; i < 6 && i < p->weights; i++)
		GR_EXP_ROW(e, .task = "half", .method = gr_exp_text_of(e, "RLSD @%g", gamma[i]),
			.baseline = i > 0 ? "RLSD @0" : NULL, .at = gamma[i], .prior = p->prior,
			.input = p->images, .operator_ = "inpaint_half", .solver = p->solver,
			.terms = i > 0 ? gr_exp_text_of(e, "repulsion:%s:%g", p->space, gamma[i]) : "",
			.sigma = p->sigma, .steps = p->steps, .particles = p->particles, .images = p->n);
	gr_exp_curve(e, "weight of repulsion", "spread");
}
