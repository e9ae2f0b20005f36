/*
 * RLSD (Zilberstein et al. 2025), the inpainting table: half of the image, and a hole, with its two
 * ablations, RED-diff and PSLD. Full: FFHQ at 512 with Stable Diffusion, half_face.sh of the released
 * code. Here in pixels: the decoder is the identity, rates and weights from `gradus sweep` on images of
 * the training set. The paper's own numbers are not published where this project could read them.
 */
#include "gradus/experiment.h"

#define PARAMS(P) \
	P(text, prior, "stable-diffusion-1.5", "fashion", "fashion", "the prior") \
	P(text, images, "ffhq-512", "shipped", "shipped", "images to restore") \
	P(int, n, 100, 32, 2, "how many") \
	P(int, steps, 999, 200, 4, "steps") \
	P(int, particles, 4, 4, 3, "samples of an image") \
	P(double, sigma, 0.001, 0.05, 0.05, "noise of the measurement") \
	P(double, lambda, 0.15, 1, 1, "weight of the prior") \
	P(double, rho, 0.07, 0.07, 0.07, "coupling of image and particle") \
	P(double, lr_z, 0.8, 0.1, 0.1, "rate of the particle") \
	P(double, lr_x, 0.4, 0.1, 0.1, "rate of the image") \
	P(double, gamma, 50, 50, 50, "repulsion") \
	P(text, space, "dino-vits16", "pixel", "pixel", "where it repels")

GR_EXPERIMENT(rlsd_inpainting, "RLSD and its ablations: half of the image, and a hole", PARAMS)
{
	static const char *const tasks[][2] = {{"half", "inpaint_half"}, {"box", "inpaint_box"}};
	const char *rates =
		gr_exp_text_of(e, "lambda=%g,rho=%g,lr_z=%g,lr_x=%g", p->lambda, p->rho, p->lr_z, p->lr_x);
	const char *repulsion = gr_exp_text_of(e, "repulsion:%s:%g", p->space, p->gamma);
	const struct {
		const char *method, *baseline, *solver, *terms;
	} rows[] = {
		{"RED-diff", NULL, "reddiff", ""},
		{"no augmentation, no repulsion", NULL, gr_exp_text_of(e, "rlsd:augment=0,%s", rates), ""},
		{"NonAug-RLSD", "no augmentation, no repulsion",
			gr_exp_text_of(e, "rlsd:augment=0,%s", rates), repulsion},
		{"NonRepuls-RLSD", "no augmentation, no repulsion", gr_exp_text_of(e, "rlsd:%s", rates),
			""},
		{"RLSD", "NonRepuls-RLSD", gr_exp_text_of(e, "rlsd:%s", rates), repulsion},
	};
	for (int t = 0; t < 2; t++) {
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
			GR_EXP_ROW(e, .task = tasks[t][0], .method = rows[i].method,
				.baseline = rows[i].baseline, .prior = p->prior, .input = p->images,
				.operator_ = tasks[t][1], .solver = rows[i].solver, .terms = rows[i].terms,
				.sigma = p->sigma, .steps = p->steps, .particles = p->particles, .images = p->n);
		gr_exp_needs(e, tasks[t][0], "PSLD", "a latent prior of these images");
	}
}
