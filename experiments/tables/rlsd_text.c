/*
 * RLSD (Zilberstein et al. 2025), text to image: SDS and VSD with and without repulsion. It takes a
 * text-conditioned prior, its tokenizer and measures of text and image together.
 */
#include "gradus/experiment.h"

#define PARAMS(P) P(int, n, 5000, 0, 0, "captions")

GR_EXPERIMENT(rlsd_text, "RLSD: text to image", PARAMS)
{
	static const char *const methods[] = {"SDS", "RSD", "VSD", "VSD with repulsion"};
	(void)p;
	for (int i = 0; i < 4; i++)
		gr_exp_needs(e, "COCO captions", methods[i], "Stable Diffusion 2.1 and OpenCLIP");
}
