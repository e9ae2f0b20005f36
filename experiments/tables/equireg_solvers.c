/*
 * EquiReg (Tolooshams et al. 2025, arXiv 2505.22973): five solvers with and without the penalty, at the
 * full budget and at a quarter of it, where the paper claims the most. Weights and reductions are the
 * library's (DPS, PSLD, SITCOM); on ReSample and DAPS the penalty is this project's. No number of the
 * paper is published where this project could read it.
 */
#include "gradus/experiment.h"

#define PARAMS(P) \
	P(text, pixels, "ffhq-256", "fashion", "fashion", "the prior of DPS, SITCOM, DAPS") \
	P(text, latent, "ffhq-ldm-vq4", "fashion-sit", "fashion-sit", "that of PSLD and ReSample") \
	P(text, f, "ffhq256-contrastive", "fashion-mpe", "fashion-mpe", "function, pixel solvers") \
	P(text, images, "ffhq-256/images", "shipped:fashion", "shipped:fashion", "images to restore") \
	P(text, operator_, "inpaint_box", "inpaint_box", "inpaint_box", "the measurement") \
	P(int, n, 100, 32, 2, "how many") \
	P(int, steps, 1000, 100, 4, "the full budget; SITCOM and DAPS a fifth of it") \
	P(int, iterations, 500, 50, 2, "of inner optimisations and chains") \
	P(double, sigma, 0.05, 0.05, 0.05, "noise of the measurement") \
	P(double, weight, 0.01, 0.01, 0.01, "of the penalty")

GR_EXPERIMENT(equireg_solvers, "EquiReg: five solvers, two budgets", PARAMS)
{
	int k = (int)p->iterations;
	const char *near = gr_exp_text_of(e, "equireg:hflip:%g,f=%s", p->weight, p->f);
	const char *inside =
		gr_exp_text_of(e, "equireg:hflip:%g,f=%s,freq=1,reduce=sqnorm", p->weight, p->f);
	const char *latent = gr_exp_text_of(e, "equireg:hflip:%g,f=decoder,freq=1", p->weight);
	const struct {
		const char *method, *prior, *solver, *terms, *network;
		int part;
	} rows[] = {
		{"DPS", p->pixels, "dps", near, p->f, 1},
		{"PSLD", p->latent, "psld", latent, NULL, 1},
		{"ReSample", p->latent, gr_exp_text_of(e, "resample:pixel=%d,latent=%d", k, k), latent,
			NULL, 1},
		{"SITCOM", p->pixels, gr_exp_text_of(e, "sitcom:iterations=%d,terms=%d", k, k), inside,
			p->f, 5},
		{"DAPS", p->pixels, gr_exp_text_of(e, "daps:chain=%d", k), inside, p->f, 5},
	};
	for (int budget = 1; budget <= 4; budget *= 4) {
		const char *task =
			gr_exp_text_of(e, budget == 1 ? "%s" : "%s, a quarter of the steps", p->operator_);
		for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
			int64_t steps = p->steps / (budget * rows[i / 2].part);
			GR_EXP_ROW(e, .task = task, .prior = rows[i / 2].prior, .input = p->images,
				.method = i % 2 == 0 ? rows[i / 2].method
									 : gr_exp_text_of(e, "Equi-%s", rows[i / 2].method),
				.baseline = i % 2 == 0 ? NULL : rows[i / 2].method, .operator_ = p->operator_,
				.solver = rows[i / 2].solver, .terms = i % 2 == 0 ? "" : rows[i / 2].terms,
				.networks = i % 2 == 0 ? NULL : rows[i / 2].network, .sigma = p->sigma,
				.scale = 1.0, .steps = steps > 1 ? steps : 2, .images = p->n);
		}
	}
}
