/* The identity: denoising. */
#include "operator_priv.h"

static gr_status build(gr_operator *A, const gr_operator_opts *opts)
{
	(void)A;
	(void)opts;
	return GR_OK;
}

/* An op and not x itself, so that results never alias their argument by name. */
static gr_tensor *apply(const gr_operator *A, gr_tensor *x)
{
	(void)A;
	return gr_mul_s(x, 1.0);
}

static const char *const examples[] = {"identity", NULL};

const gr_operator_row gr__operator_identity = {
	.name = "identity",
	.help = "the image itself",
	.examples = examples,
	.build = build,
	.apply = apply,
	.adjoint = apply,
	.spectrum = gr__inpaint_spectrum,
};
