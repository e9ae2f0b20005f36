/* A table of one's own: gcc my_table.c $(pkg-config --cflags --libs gradus) */
#include "gradus/experiment.h"

#define PARAMS(P) \
	P(text, prior, "ffhq-256", "fashion", "fashion", "the prior") \
	P(int, n, 100, 32, 2, "images") \
	P(int, steps, 1000, 100, 3, "reverse steps")

GR_EXPERIMENT(my_table, "How much the weight of the likelihood matters", PARAMS)
{
	static const double scales[] = {0.5, 1.0, 2.0};
	for (int i = 0; i < 3; i++)
		GR_EXP_ROW(e, .task = "box", .method = gr_exp_text_of(e, "DPS @%g", scales[i]),
			.prior = p->prior, .solver = "dps", .scale = scales[i], .at = scales[i],
			.baseline = i > 0 ? "DPS @0.5" : NULL, .steps = p->steps, .images = p->n,
			.particles = 4);
	gr_exp_curve(e, "weight", "psnr");
}

int main(int argc, char **argv)
{
	gr_exp_opts opts = {.size = sizeof opts,
		.preset = gr_preset_named(argc > 1 ? argv[1] : "small")};
	opts.output = argc > 2 ? argv[2] : NULL; /* without a folder: what it would run */
	gr_status status = opts.output ? gr_exp_run(&gr_experiment_my_table, &opts)
								   : gr_exp_list(&gr_experiment_my_table, &opts, stdout);
	if (status != GR_OK)
		fprintf(stderr, "%s\n", gr_error_message());
	return status != GR_OK;
}
