/*
 * EquiReg (Tolooshams et al. 2025, arXiv 2505.22973), the controls that its reviewers asked for: two
 * functions, one that was never trained, and a group that the images do not have, on DPS.
 */
#include "gradus/experiment.h"

#define PARAMS(P) \
	P(text, prior, "ffhq-256", "fashion", "fashion", "the prior") \
	P(text, images, "ffhq-256/images", "shipped", "shipped", "images to restore") \
	P(int, n, 100, 32, 2, "how many") \
	P(int, steps, 1000, 100, 4, "reverse steps") \
	P(double, sigma, 0.05, 0.05, 0.05, "noise of the measurement") \
	P(double, weight, 0.01, 0.01, 0.01, "of the penalty") \
	P(text, contrastive, "ffhq256-contrastive", "fashion-mpe", "fashion-mpe", "a function") \
	P(text, explicit_, "ffhq256-hflip-equiv", "fashion-mpe-equi", "fashion-mpe", "another") \
	P(text, untrained, "untrained", "fashion-mpe-untrained", "fashion-mpe", "one never trained")

GR_EXPERIMENT(equireg_controls, "EquiReg on DPS: functions, groups, an untrained function", PARAMS)
{
	const struct {
		const char *method, *group, *f;
	} rows[] = {{"DPS", NULL, NULL}, {"contrastive, hflip", "hflip", p->contrastive},
		{"contrastive, rot90", "rot90", p->contrastive}, {"explicit, hflip", "hflip", p->explicit_},
		{"untrained, hflip", "hflip", p->untrained}};
	for (int i = 0; i < 5; i++)
		GR_EXP_ROW(e, .task = "box inpainting", .method = rows[i].method,
			.baseline = i > 0 ? "DPS" : NULL, .prior = p->prior, .input = p->images,
			.operator_ = "inpaint_box", .solver = "dps", .scale = 1.0, .networks = rows[i].f,
			.terms = i > 0
				? gr_exp_text_of(e, "equireg:%s:%g,f=%s", rows[i].group, p->weight, rows[i].f)
				: "",
			.sigma = p->sigma, .steps = p->steps, .images = p->n);
}
