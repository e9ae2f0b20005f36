/*
 * Likelihoods beside the DPS norm: its square (Chung et al. 2023, eq. 16 without the step that divides
 * by the norm) and the negative log densities of the laws of noise (see gradus/regularisers.h).
 */
#include <string.h>

#include "gradus/ops.h"
#include "gradus/regularisers.h"
#include "term_priv.h"

typedef struct likelihood {
	gr_likelihood form;
	const gr_operator *A;
	gr_tensor *y;
	double level;
} likelihood;

static void likelihood_free(void *self)
{
	likelihood *l = self;
	if (!l)
		return;
	gr_tensor_release(l->y);
	gr_free(l);
}

static gr_tensor *likelihood_value(void *self, const gr_term_ctx *ctx)
{
	static const gr_noise_law laws[] = {GR_NOISE_NONE, GR_NOISE_NONE, GR_NOISE_GAUSS,
		GR_NOISE_LAPLACE, GR_NOISE_POISSON};
	const likelihood *l = self;
	gr_tensor *Ax = gr_operator_apply(l->A, gr_term_image(ctx));
	if (!Ax)
		return NULL;
	if (!gr_is_same_shape(Ax, l->y)) {
		char is[96];
		char was[96];
		gr_error_set(GR_ESHAPE, "likelihood: A x0_hat is %s, y is %s",
			gr_tensor_describe(Ax, is, sizeof(is)), gr_tensor_describe(l->y, was, sizeof(was)));
		return NULL;
	}
	gr_dtype dtype = gr_tensor_dtype(Ax);
	gr_tensor *y = gr_cast(l->y, dtype);
	if (l->form == GR_LIKELIHOOD_NORM)
		return gr_norm(gr_sub(y, Ax), GR_AXES(1, 2, 3), false);
	if (l->form == GR_LIKELIHOOD_SQUARE)
		return gr_sumsq(gr_sub(y, Ax), GR_AXES(1, 2, 3), false);
	gr_tensor *support = gr_operator_support(l->A, dtype);
	if (gr_failed())
		return NULL;
	return gr_neg(gr_noise_log_density(laws[l->form], y, Ax, l->level, support));
}

gr_term *gr_likelihood_term(double weight, gr_likelihood form, const gr_operator *A, gr_tensor *y,
	double level)
{
	if (!A || !y || form < 0 || form > GR_LIKELIHOOD_POISSON ||
		(form >= GR_LIKELIHOOD_GAUSS && !(level > 0.0 && level <= 1e6))) {
		if (!gr_failed())
			gr_error_set(GR_EARG,
				"likelihood: A, y, a form, and for densities a level above 0 are needed, it is %g",
				level);
		return NULL;
	}
	likelihood *l = gr_alloc(sizeof(*l));
	if (!l)
		return NULL;
	*l = (likelihood){.form = form, .A = A, .y = gr_tensor_retain(y), .level = level};
	return gr_term_new("likelihood", likelihood_value, l,
		GR_OPTS(gr_term_opts, .hooks = GR_AT_PREDICT | GR_AT_ESTIMATE, .weight = weight,
			.free = likelihood_free));
}

static gr_term *likelihood_open(const gr_term_spec *spec, const gr_term_problem *problem)
{
	static const char *const forms[] = {"norm", "square", "gauss", "laplace", "poisson", NULL};
	const char *word = gr_term_word(spec, 0, "square");
	gr_likelihood form = GR_LIKELIHOOD_NORM;
	double level = gr_term_number(spec, "level", problem->sigma, 0.0, 1e6);
	while (forms[form] && strcmp(forms[form], word) != 0)
		form++;
	if (!forms[form])
		gr_error_set(GR_EARG,
			"likelihood: no '%s'; there are norm, square, gauss, laplace, poisson", word);
	return gr_failed()
		? NULL
		: gr_likelihood_term(gr_term_spec_weight(spec), form, problem->A, problem->y, level);
}

const gr_term_kind gr__term_kind_likelihood = {
	.name = "likelihood",
	.doc =
		"how y follows from the image; likelihood:FORM:WEIGHT, FORM norm, square, or minus the log "
		"density of gauss, laplace, poisson; level=SIGMA (poisson: counts of a white pixel)",
	.source = "Chung et al. 2023, eq. 16; gradus/noise.h",
	.weight = 1.0,
	.open = likelihood_open,
};
