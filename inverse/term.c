/* Guidance terms: a name, hooks, a weight and a function (see gradus/term.h). */
#include "gradus/term.h"

#include <math.h>

struct gr_term {
	char *name;
	unsigned hooks;
	bool features;
	double weight;
	gr_term_fn fn;
	void *self;
	void (*free)(void *self);
};

gr_term *gr_term_new(const char *name, gr_term_fn fn, void *self, const gr_term_opts *opts)
{
	gr_term *term = NULL;
	const unsigned known = GR_AT_PREDICT | GR_AT_ESTIMATE;
	if (!name || !fn || !opts || (opts->hooks & ~known) != 0 || !isfinite(opts->weight)) {
		gr_error_set(GR_EARG, "term %s: name, function, known hooks and a finite weight are needed",
			name ? name : "");
		goto fail;
	}
	term = gr_alloc(sizeof(*term));
	if (!term)
		goto fail;
	term->name = gr_strdup(name);
	if (!term->name)
		goto fail;
	term->hooks = opts->hooks ? opts->hooks : GR_AT_PREDICT;
	term->features = opts->features;
	term->weight = opts->weight;
	term->fn = fn;
	term->self = self;
	term->free = opts->free;
	return term;
fail:
	gr_free(term);
	if (opts && opts->free)
		opts->free(self);
	return NULL;
}

void gr_term_free(gr_term *term)
{
	if (!term)
		return;
	if (term->free)
		term->free(term->self);
	gr_free(term->name);
	gr_free(term);
}

const char *gr_term_name(const gr_term *term)
{
	return term ? term->name : NULL;
}

unsigned gr_term_hooks(const gr_term *term)
{
	return term ? term->hooks : 0;
}

bool gr_is_term_with_features(const gr_term *term)
{
	return term && term->features;
}

double gr_term_weight(const gr_term *term)
{
	return term ? term->weight : 0.0;
}

gr_tensor *gr_term_image(const gr_term_ctx *ctx)
{
	if (ctx->image && *ctx->image)
		return *ctx->image;
	gr_tensor *image = gr_prior_decode(ctx->prior, ctx->x0_hat);
	if (ctx->image)
		*ctx->image = image;
	return image;
}

gr_tensor *gr_term_eval(const gr_term *term, const gr_term_ctx *ctx)
{
	const gr_tensor *variable = !ctx ? NULL : ctx->hook == GR_HOOK_PREDICT ? ctx->x_t : ctx->x0_hat;
	if (!term || !variable) {
		if (!gr_failed())
			gr_error_set(GR_EARG, "term: nothing to evaluate");
		return NULL;
	}
	gr_tensor *value = term->fn(term->self, ctx);
	if (!value) {
		if (!gr_failed())
			gr_error_set(GR_ESTATE, "term %s: it gave no value", term->name);
		return NULL;
	}
	int64_t samples = gr_tensor_dim(variable, 0);
	int64_t units = ctx->particles > 1 ? samples / ctx->particles : samples;
	int64_t count = gr_tensor_dim(value, 0);
	if (gr_tensor_ndim(value) != 1 || (count != samples && count != units) ||
		gr_tensor_dtype(value) != gr_tensor_dtype(variable)) {
		char is[96];
		gr_error_set(GR_ESHAPE,
			"term %s: it gave %s, expected one value for each of %lld samples or %lld units, as %s",
			term->name, gr_tensor_describe(value, is, sizeof(is)), (long long)samples,
			(long long)units, gr_dtype_name(gr_tensor_dtype(variable)));
		return NULL;
	}
	return value;
}
