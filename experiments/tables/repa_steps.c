/*
 * Align & Invert (Sfountouris et al. 2025, arXiv 2511.16870), figure 3: quality over the number of
 * steps, latent DPS with and without REPA. The claim: with REPA far fewer steps do. The paper draws
 * LPIPS; here it is SSIM, which needs no network.
 */
#include "gradus/experiment.h"

#define PARAMS(P) \
	P(text, prior, "sit-xl-2-repa", "fashion-sit", "fashion-sit", "the latent prior") \
	P(text, images, "imagenet-256/images", "shipped:fashion", "shipped:fashion", \
		"images to restore") \
	P(int, n, 100, 32, 2, "how many") \
	P(int, counts, 6, 5, 1, "the first of 25, 50, 100, 250, 500, 1000 steps") \
	P(double, sigma, 0.01, 0.01, 0.01, "noise of the measurement") \
	P(double, eta, 2.0, 2.0, 2.0, "step size of the release") \
	P(double, lambda, 0.01, 0.01, 0.01, "weight of REPA in the release")

GR_EXPERIMENT(repa_steps, "Align & Invert: number of steps, SR x4", PARAMS)
{
	static const int64_t steps[] = {25, 50, 100, 250, 500, 1000};
	for (int i = 0; i < 6 && i < p->counts; i++) {
		for (int repa = 0; repa < 2; repa++)
			GR_EXP_ROW(e, .task = "SR x4", .at = (double)steps[i],
				.method = gr_exp_text_of(e, repa ? "latent DPS + REPA @%d" : "latent DPS @%d",
					(int)steps[i]),
				.baseline = repa ? gr_exp_text_of(e, "latent DPS @%d", (int)steps[i]) : NULL,
				.prior = p->prior, .input = p->images, .operator_ = "sr_bicubic",
				.solver = "latent_dps", .sigma = p->sigma, .scale = p->eta / 2.0,
				.terms = repa ? gr_exp_text_of(e, "repa:%g", p->eta * p->lambda) : "",
				.steps = steps[i], .images = p->n);
	}
	gr_exp_curve(e, "steps", "ssim");
}
