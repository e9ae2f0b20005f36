/*
 * Align & Invert (Sfountouris et al. 2025, arXiv 2511.16870), the main table: latent DPS and ReSample on
 * a flow aligned with a feature network, with and without REPA at inference, beside DPS in pixels and
 * latent DAPS. Full: SiT-XL/2 with REPA, ImageNet 256, DINOv2 ViT-B/14, the released eta and lambda. The
 * paper's numbers are not published where this project could read them.
 *
 * The release measures residuals of images in [0,1] and multiplies all of the loss by eta; here the
 * weight of the likelihood is eta / 2 and that of REPA eta lambda (inverse/methods/latent_dps.c).
 */
#include "gradus/experiment.h"

#define PARAMS(P) \
	P(text, prior, "sit-xl-2-repa", "fashion-sit", "fashion-sit", "the latent prior") \
	P(text, pixels, "imagenet-256", "fashion", "fashion", "the prior of DPS") \
	P(text, images, "imagenet-256/images", "shipped:fashion", "shipped:fashion", \
		"images to restore") \
	P(int, n, 100, 32, 2, "how many") \
	P(int, steps, 1000, 100, 4, "steps of latent DPS and DPS") \
	P(int, resample_steps, 250, 100, 4, "of ReSample") \
	P(int, daps_steps, 50, 50, 3, "of latent DAPS") \
	P(int, iterations, 150, 50, 2, "of ReSample's optimisations") \
	P(double, sigma, 0.01, 0.01, 0.01, "noise of the measurement") \
	P(double, eta, 1.0, 1.0, 1.0, "factor on the released step sizes")

GR_EXPERIMENT(repa_solvers, "Align & Invert: solvers with and without REPA", PARAMS)
{
	static const struct {
		const char *task, *operator_;
		double eta, lambda, resample_eta, resample_lambda; /* ReSample's eta 0: not given */
	} tasks[] = {{"SR x4", "sr_bicubic", 2.0, 0.01, 3.25, 0.05},
		{"box inpainting", "inpaint_box", 0.5, 0.01, 0.0, 0.0},
		{"Gaussian blur", "blur_gauss", 0.25, 0.05, 0.75, 0.05},
		{"motion blur", "blur_motion", 0.5, 0.01, 0.75, 0.05}};
	for (int t = 0; t < 4; t++) {
		double eta = p->eta * tasks[t].eta;
		double hard = p->eta * tasks[t].resample_eta;
		const struct {
			const char *method, *baseline, *prior, *solver, *terms;
			int64_t steps;
		} rows[] = {
			{"DPS, pixels", NULL, p->pixels, "dps", "", p->steps},
			{"latent DPS", NULL, p->prior, "latent_dps", "", p->steps},
			{"latent DPS + REPA", "latent DPS", p->prior, "latent_dps",
				gr_exp_text_of(e, "repa:%g", eta * tasks[t].lambda), p->steps},
			{"latent DAPS", NULL, p->prior, "latent_daps", "", p->daps_steps},
			{"ReSample", NULL, p->prior,
				gr_exp_text_of(e, "resample_flow:iterations=%d", (int)p->iterations),
				gr_exp_text_of(e, "dps:%g", hard / 2.0), p->resample_steps},
			{"ReSample + REPA", "ReSample", p->prior,
				gr_exp_text_of(e, "resample_flow:iterations=%d", (int)p->iterations),
				gr_exp_text_of(e, "dps:%g repa:%g", hard / 2.0, hard * tasks[t].resample_lambda),
				p->resample_steps},
		};
		for (int i = 0; i < (hard > 0.0 ? 6 : 4); i++)
			GR_EXP_ROW(e, .task = tasks[t].task, .method = rows[i].method,
				.baseline = rows[i].baseline, .prior = rows[i].prior, .input = p->images,
				.operator_ = tasks[t].operator_, .solver = rows[i].solver, .terms = rows[i].terms,
				.sigma = p->sigma, .scale = i == 0 ? 1.0 : eta / 2.0, .steps = rows[i].steps,
				.images = p->n);
	}
}
