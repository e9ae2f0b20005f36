/* Total variation (see gradus/regularisers.h). */
#include "gradus/ops.h"
#include "gradus/regularisers.h"
#include "term_priv.h"

/* x[i+1] - x[i] along `axis`, 0 at the last. */
static gr_tensor *difference(gr_tensor *x, int axis)
{
	int64_t n = gr_tensor_dim(x, axis);
	if (n < 2)
		return gr_mul_s(x, 0.0);
	gr_tensor *d = gr_sub(gr_slice(x, axis, 1, n, 1), gr_slice(x, axis, 0, n - 1, 1));
	return gr_pad(d, axis, 0, 1);
}

static gr_tensor *tv_value(void *self, const gr_term_ctx *ctx)
{
	double smooth = *(const double *)self;
	gr_tensor *x = gr_term_image(ctx);
	if (!x)
		return NULL;
	gr_tensor *square = gr_add(gr_square(difference(x, 2)), gr_square(difference(x, 3)));
	gr_tensor *length = gr_sqrt(gr_add_s(square, smooth * smooth));
	return gr_sum(gr_add_s(length, -smooth), GR_AXES(1, 2, 3), false);
}

gr_term *gr_tv_term(double weight, double smooth)
{
	if (!(smooth > 0.0 && smooth <= 1e3)) {
		gr_error_set(GR_EARG, "tv: smooth is %g, expected above 0", smooth);
		return NULL;
	}
	double *self = gr_alloc(sizeof(*self));
	if (!self)
		return NULL;
	*self = smooth;
	return gr_term_new("tv", tv_value, self,
		GR_OPTS(gr_term_opts, .hooks = GR_AT_PREDICT | GR_AT_ESTIMATE, .weight = weight,
			.free = gr_free));
}

static gr_term *tv_open(const gr_term_spec *spec, const gr_term_problem *problem)
{
	(void)problem;
	double smooth = gr_term_number(spec, "smooth", 1e-3, 1e-12, 1e3);
	return gr_failed() ? NULL : gr_tv_term(gr_term_spec_weight(spec), smooth);
}

const gr_term_kind gr__term_kind_tv = {
	.name = "tv",
	.doc = "total variation of the image, isotropic; tv:WEIGHT, smooth=0.001",
	.source = "Rudin, Osher and Fatemi 1992",
	.weight = 0.01,
	.open = tv_open,
};
