/*
 * High dynamic range: A x = clip(scale x, -1, 1), scale 2 (RED-diff, DAPS, RLSD). Not linear; the
 * gradient is scale where the value is kept and 0 where it is clipped.
 */
#include "operator_priv.h"

#include <stddef.h>

static gr_tensor *apply(const gr_operator *A, gr_tensor *x)
{
	return gr_clamp(gr_mul_s(x, A->scale), -1.0, 1.0);
}

static gr_status build(gr_operator *A, const gr_operator_opts *opts)
{
	A->scale = opts->scale != 0.0 ? opts->scale : 2.0;
	if (!(A->scale > 0.0 && A->scale <= 1e6))
		return gr_error_set(GR_EARG, "operator: hdr: scale is %g", A->scale);
	return GR_OK;
}

static const gr_operator_option options[] = {
	{"scale", offsetof(gr_operator_opts, scale), GR_OPTION_REAL, NULL},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

static const char *const examples[] = {"hdr", "hdr:scale=1.5", NULL};

const gr_operator_row gr__operator_hdr = {
	.name = "hdr",
	.help = "overexposed and clipped, not linear; scale=<2>",
	.examples = examples,
	.options = options,
	.nonlinear = true,
	.build = build,
	.apply = apply,
};
