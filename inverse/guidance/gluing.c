/*
 * Latents that are their image's code: PSLD's gluing and GML (see gradus/regularisers.h). Rout,
 * Raoof, Daras, Caramanis, Dimakis and Shakkottai 2023, arXiv 2307.00619, as the released code has it,
 * without the noise that it adds to its predictions.
 */
#include "gradus/ops.h"
#include "gradus/regularisers.h"
#include "term_priv.h"

typedef struct gluing {
	const gr_operator *A; /* NULL: GML */
	gr_tensor *y;
	gr_glue transpose;
	int64_t factor; /* of the paper's transpose */
} gluing;

static void gluing_free(void *self)
{
	gluing *g = self;
	if (!g)
		return;
	gr_tensor_release(g->y);
	gr_free(g);
}

static gr_tensor *transpose(const gluing *g, gr_tensor *y)
{
	if (g->transpose == GR_GLUE_ADJOINT)
		return gr_operator_adjoint(g->A, y);
	return g->factor > 1 ? gr_upsample_nearest2d(y, g->factor) : y;
}

static gr_tensor *gluing_value(void *self, const gr_term_ctx *ctx)
{
	const gluing *g = self;
	if (!gr_is_latent_prior(ctx->prior)) {
		gr_error_set(GR_EUNSUPPORTED, "%s: the states of prior %s are images, there is no encoder",
			g->A ? "gluing" : "gml", gr_prior_name(ctx->prior));
		return NULL;
	}
	gr_tensor *x = gr_term_image(ctx);
	if (x && g->A) {
		gr_tensor *y = gr_cast(g->y, gr_tensor_dtype(x));
		x = gr_add(x, transpose(g, gr_sub(y, gr_operator_apply(g->A, x))));
	}
	gr_tensor *z = gr_prior_encode(ctx->prior, x);
	return gr_norm(gr_sub(z, ctx->x0_hat), GR_AXES(1, 2, 3), false);
}

static gr_status check(gluing *g)
{
	const int64_t *in = gr_operator_in_dims(g->A);
	const int64_t *out = gr_operator_out_dims(g->A);
	if (!gr_is_linear_operator(g->A))
		return gr_error_set(GR_EUNSUPPORTED, "gluing: it needs a linear operator, %s is none",
			gr_operator_name(g->A));
	if (g->transpose == GR_GLUE_ADJOINT)
		return GR_OK;
	g->factor = out[1] > 0 ? in[1] / out[1] : 0;
	if (out[0] == in[0] && out[1] * g->factor == in[1] && out[2] * g->factor == in[2])
		return GR_OK;
	return gr_error_set(GR_EUNSUPPORTED,
		"gluing: the paper's transpose is for images that are whole times smaller, %s measures "
		"others; hint: transpose=adjoint",
		gr_operator_name(g->A));
}

static gr_term *make(const char *name, double weight, const gluing *from)
{
	gluing *g = gr_alloc(sizeof(*g));
	if (!g)
		return NULL;
	*g = *from;
	gr_tensor_retain(g->y);
	return gr_term_new(name, gluing_value, g,
		GR_OPTS(gr_term_opts, .hooks = GR_AT_PREDICT | GR_AT_ESTIMATE, .weight = weight,
			.free = gluing_free));
}

gr_term *gr_gluing_term(double weight, const gr_operator *A, gr_tensor *y, gr_glue transpose)
{
	gluing g = {.A = A, .y = y, .transpose = transpose};
	if (!A || !y || transpose < 0 || transpose > GR_GLUE_PAPER) {
		if (!gr_failed())
			gr_error_set(GR_EARG, "gluing: A, y and a transpose are needed");
		return NULL;
	}
	return check(&g) ? NULL : make("gluing", weight, &g);
}

gr_term *gr_gml_term(double weight)
{
	return make("gml", weight, &(const gluing){.A = NULL});
}

/* --- by name --- */

static gr_status check_prior(const char *name, const gr_term_problem *problem)
{
	if (!problem->prior || gr_is_latent_prior(problem->prior))
		return GR_OK;
	return gr_error_set(GR_EUNSUPPORTED,
		"%s: the states of prior %s are images, there is no encoder", name,
		gr_prior_name(problem->prior));
}

static gr_term *gluing_open(const gr_term_spec *spec, const gr_term_problem *problem)
{
	static const char *const choices[] = {"adjoint", "paper", NULL};
	gr_glue t = (gr_glue)gr_term_choice(spec, "transpose", choices);
	if (gr_failed() || check_prior("gluing", problem))
		return NULL;
	return gr_gluing_term(gr_term_spec_weight(spec), problem->A, problem->y, t);
}

const gr_term_kind gr__term_kind_gluing = {
	.name = "gluing",
	.doc = "a latent's image, its measured part replaced, encodes to the latent; gluing:GAMMA, "
		   "transpose=adjoint|paper",
	.source = "Rout et al. 2023, released code",
	.weight = 0.1,
	.open = gluing_open,
};

static gr_term *gml_open(const gr_term_spec *spec, const gr_term_problem *problem)
{
	return check_prior("gml", problem) ? NULL : gr_gml_term(gr_term_spec_weight(spec));
}

const gr_term_kind gr__term_kind_gml = {
	.name = "gml",
	.doc = "a latent's image encodes to the latent; gml:GAMMA",
	.source = "Rout et al. 2023, GML-DPS",
	.weight = 0.1,
	.open = gml_open,
};
