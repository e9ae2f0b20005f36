/*
 * Align & Invert (Sfountouris et al. 2025, arXiv 2511.16870): what stands in for the unknown image in
 * front of the teacher. The release takes the measurement, and for holes a composite with the estimate.
 */
#include "gradus/experiment.h"

#define PARAMS(P) \
	P(text, prior, "sit-xl-2-repa", "fashion-sit", "fashion-sit", "the latent prior") \
	P(text, images, "imagenet-256/images", "shipped:fashion", "shipped:fashion", \
		"images to restore") \
	P(int, n, 100, 32, 2, "how many") \
	P(int, steps, 1000, 100, 3, "steps") \
	P(double, sigma, 0.01, 0.01, 0.01, "noise of the measurement") \
	P(double, eta, 0.5, 0.5, 0.5, "step size of the release") \
	P(double, lambda, 0.01, 0.01, 0.01, "weight of REPA in the release")

GR_EXPERIMENT(repa_proxy, "Align & Invert: proxies of the unknown image", PARAMS)
{
	static const char *const proxies[] = {"measurement", "tweedie", "adjoint", "composite"};
	static const char *const tasks[][2] = {{"motion blur", "blur_motion"},
		{"box inpainting", "inpaint_box"}};
	for (int t = 0; t < 2; t++) {
		for (int i = -1; i < (t == 0 ? 3 : 4); i++)
			GR_EXP_ROW(e, .task = tasks[t][0], .method = i < 0 ? "latent DPS" : proxies[i],
				.baseline = i < 0 ? NULL : "latent DPS", .prior = p->prior, .input = p->images,
				.operator_ = tasks[t][1], .solver = "latent_dps", .sigma = p->sigma,
				.scale = p->eta / 2.0, .steps = p->steps, .images = p->n,
				.terms = i < 0
					? ""
					: gr_exp_text_of(e, "repa:%g,proxy=%s", p->eta * p->lambda, proxies[i]));
	}
}
