/*
 * DPS (Chung et al. 2023, Table 1) beside the solvers that move the estimate instead of following a
 * gradient, in pixels: four tasks, noise 0.05. Published numbers are of FFHQ at 256 x 256, from the
 * comparison of DAPS (Zhang et al. 2025, Table 1).
 */
#include "gradus/experiment.h"

#define PARAMS(P) \
	P(text, prior, "ffhq-256", "fashion", "fashion", "the prior's folder or name") \
	P(text, images, "ffhq-256/images", "shipped", "shipped", "images to restore") \
	P(int, n, 100, 32, 2, "how many") \
	P(int, steps, 1000, 100, 4, "reverse steps") \
	P(int, particles, 1, 4, 2, "samples of an image") \
	P(int, tasks, 4, 4, 1, "the first of SR, box, random inpainting, blur") \
	P(double, sigma, 0.05, 0.05, 0.05, "noise of the measurement")

GR_EXPERIMENT(dps_pixel, "DPS and solvers without a guidance weight, in pixels", PARAMS)
{
	static const struct {
		const char *task, *operator_;
		double scale, psnr;
	} tasks[] = {{"SR x4", "sr_bicubic", 2.0, 25.86}, {"box inpainting", "inpaint_box", 1.0, 22.51},
		{"random inpainting", "inpaint_random", 1.0, 25.46},
		{"Gaussian blur", "blur_gauss", 3.0, 25.87}};
	static const char *const solvers[][2] = {{"DPS", "dps"}, {"MMPS", "mmps"}, {"PiGDM", "pigdm"},
		{"DiffPIR", "diffpir"}};
	for (int t = 0; t < 4 && t < p->tasks; t++) {
		for (int s = 0; s < 4; s++)
			GR_EXP_ROW(e, .task = tasks[t].task, .method = solvers[s][0],
				.baseline = s > 0 ? "DPS" : NULL, .prior = p->prior, .input = p->images,
				.operator_ = tasks[t].operator_, .solver = solvers[s][1], .scale = tasks[t].scale,
				.sigma = p->sigma, .steps = p->steps, .particles = p->particles, .images = p->n);
		gr_exp_reference(e, tasks[t].task, "DPS", "psnr", tasks[t].psnr,
			"DAPS, arXiv 2407.01521, Table 1: FFHQ-256, 1000 steps");
	}
}
