/*
 * RLSD (Zilberstein et al. 2025), super-resolution, phase retrieval and overexposure. The released
 * scripts' rates and weights in full; here in pixels. The paper's own numbers are not published where
 * this project could read them.
 */
#include "gradus/experiment.h"

#define PARAMS(P) \
	P(text, prior, "stable-diffusion-1.5", "fashion", "fashion", "the prior") \
	P(text, images, "ffhq-512", "shipped", "shipped", "images to restore") \
	P(int, n, 100, 32, 2, "how many") \
	P(int, steps, 999, 200, 4, "steps") \
	P(int, particles, 4, 4, 3, "samples of an image") \
	P(double, sigma, 0.001, 0.05, 0.05, "noise of the measurement") \
	P(double, lr, 1.0, 0.1, 0.1, "factor on the released rates") \
	P(double, lambda, 1.0, 1.0, 1.0, "factor on the released weights of the prior") \
	P(text, space, "dino-vits16", "pixel", "pixel", "where it repels")

GR_EXPERIMENT(rlsd_nonlinear, "RLSD: super-resolution, phase retrieval, overexposure", PARAMS)
{
	static const struct {
		const char *task, *operator_;
		double rho, lambda, lr_x, lr_z, gamma;
	} tasks[] = {{"SR", "sr_mean", 0.05, 0.01, 0.4, 0.6, 50.0},
		{"phase retrieval", "phase", 0.07, 0.02, 0.6, 0.6, 30.0},
		{"overexposure", "hdr", 0.2, 0.008, 0.1, 0.2, 50.0}};
	for (int t = 0; t < 3; t++) {
		const char *rates = gr_exp_text_of(e, "rho=%g,lambda=%g,lr_x=%g,lr_z=%g", tasks[t].rho,
			p->lambda * tasks[t].lambda, p->lr * tasks[t].lr_x, p->lr * tasks[t].lr_z);
		const char *apart = gr_exp_text_of(e, "repulsion:%s:%g", p->space, tasks[t].gamma);
		const char *rows[][4] = {{"RED-diff", NULL, "reddiff", ""},
			{"NonAug-RLSD", NULL, gr_exp_text_of(e, "rlsd:augment=0,%s", rates), apart},
			{"NonRepuls-RLSD", NULL, gr_exp_text_of(e, "rlsd:%s", rates), ""},
			{"RLSD", "NonRepuls-RLSD", gr_exp_text_of(e, "rlsd:%s", rates), apart}};
		for (int i = 0; i < 4; i++)
			GR_EXP_ROW(e, .task = tasks[t].task, .method = rows[i][0], .baseline = rows[i][1],
				.prior = p->prior, .input = p->images, .operator_ = tasks[t].operator_,
				.solver = rows[i][2], .terms = rows[i][3], .sigma = p->sigma, .steps = p->steps,
				.particles = p->particles, .images = p->n);
	}
}
