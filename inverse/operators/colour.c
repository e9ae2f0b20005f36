/*
 * Colourisation: A x = the mean of the channels, [N,C,H,W] -> [N,1,H,W] (DDRM; not a luminance).
 * A A^T = I / C, so its pseudo-inverse is C A^T: the grey image.
 */
#include <math.h>

#include "gradus/ops.h"
#include "spectrum_priv.h"

static gr_tensor *apply(const gr_operator *A, gr_tensor *x)
{
	(void)A;
	return gr_mean(x, GR_AXES(1), true);
}

static gr_tensor *adjoint(const gr_operator *A, gr_tensor *y)
{
	gr_tensor *x = gr_mul_s(y, 1.0 / (double)A->in[0]);
	return gr_expand(x, GR_DIMS(gr_tensor_dim(y, 0), A->in[0], A->in[1], A->in[2]));
}

static gr_status build(gr_operator *A, const gr_operator_opts *opts)
{
	(void)opts;
	A->out[0] = 1;
	return GR_OK;
}

static gr_status spectrum(const gr_operator *A, gr_spectrum *sp)
{
	return gr__spectrum_set_flat(sp, 1.0 / sqrt((double)A->in[0]));
}

static const char *const examples[] = {"colour", NULL};

const gr_operator_row gr__operator_colour = {
	.name = "colour",
	.help = "the mean of the channels: colourisation",
	.examples = examples,
	.build = build,
	.apply = apply,
	.adjoint = adjoint,
	.spectrum = spectrum,
};
