/*
 * Diffusion posterior sampling: Chung, Kim, McCann, Klasky and Ye, ICLR 2023, arXiv 2209.14687,
 * eq. 16 and Algorithm 1.
 *
 * Parametrisation: x0_hat(x_t) is the clipped estimate of the step; the update is
 *     x_{t-1} = x'_{t-1} - zeta grad_{x_t} ||y - A x0_hat||_2,
 * that is Algorithm 1 with the step zeta' / ||y - A x0_hat|| it recommends: by the released code
 * the loss is the norm itself. Unlike there the norm is per sample, so batches do not couple; and
 * missing entries of a mask carry no noise (gradus/noise.h), so they do not enlarge it.
 */
#include "gradus/ops.h"
#include "term_priv.h"

typedef struct dps {
	const gr_operator *A;
	gr_tensor *y;
} dps;

static void dps_free(void *self)
{
	dps *d = self;
	if (!d)
		return;
	gr_tensor_release(d->y);
	gr_free(d);
}

static gr_tensor *dps_value(void *self, const gr_term_ctx *ctx)
{
	dps *d = self;
	gr_tensor *Ax = gr_operator_apply(d->A, gr_term_image(ctx));
	if (Ax && !gr_is_same_shape(Ax, d->y)) {
		char is[96];
		char was[96];
		gr_error_set(GR_ESHAPE, "dps: A x0_hat is %s, y is %s",
			gr_tensor_describe(Ax, is, sizeof(is)), gr_tensor_describe(d->y, was, sizeof(was)));
		return NULL;
	}
	return gr_norm(gr_sub(d->y, Ax), GR_AXES(1, 2, 3), false);
}

gr_term *gr_dps_term(const gr_operator *A, gr_tensor *y, double zeta)
{
	if (!A || !y) {
		if (!gr_failed())
			gr_error_set(GR_EARG, "dps: %s is NULL", A ? "y" : "A");
		return NULL;
	}
	dps *d = gr_alloc(sizeof(*d));
	if (!d)
		return NULL;
	d->A = A;
	d->y = gr_tensor_retain(y);
	return gr_term_new("dps", dps_value, d,
		GR_OPTS(gr_term_opts, .hooks = GR_AT_PREDICT | GR_AT_ESTIMATE, .weight = zeta,
			.free = dps_free));
}

static gr_term *dps_open(const gr_term_spec *spec, const gr_term_problem *problem)
{
	return gr_dps_term(problem->A, problem->y, gr_term_spec_weight(spec));
}

const gr_term_kind gr__term_kind_dps = {
	.name = "dps",
	.doc = "the norm of the residual; dps:ZETA, 1 where nothing is given",
	.source = "Chung et al. 2023, eq. 16",
	.weight = 1.0,
	.open = dps_open,
};
