/*
 * A prior on latents: one on states, with an autoencoder around it (see gradus/prior_networks.h).
 *     state = scale (encode(image) - shift),    image = decode(state / scale + shift)
 */
#include <math.h>

#include "gradus/ops.h"
#include "gradus/prior_networks.h"
#include "prior_priv.h"

typedef struct latent {
	gr_prior *state;
	gr_autoencoder_table coder;
	void *self;
	double scale, shift;
} latent;

static void latent_free(void *self)
{
	latent *l = self;
	if (!l)
		return;
	gr_prior_free(l->state);
	if (l->coder.free)
		l->coder.free(l->self);
	gr_free(l);
}

static gr_status latent_predict(void *self, const gr_prior *p, gr_prior_call *call)
{
	const gr_prior *state = ((latent *)self)->state;
	(void)p; /* its schedule is that of the state */
	return state->table.predict(state->self, state, call);
}

static gr_tensor *latent_encode(void *self, gr_tensor *image)
{
	latent *l = self;
	return gr_affine(l->coder.encode(l->self, image), l->scale, -l->scale * l->shift);
}

static gr_tensor *latent_decode(void *self, gr_tensor *state)
{
	latent *l = self;
	return l->coder.decode(l->self, gr_affine(state, 1.0 / l->scale, l->shift));
}

static void latent_set_recompute(void *self, bool on)
{
	const gr_prior *state = ((latent *)self)->state;
	if (state->table.set_recompute)
		state->table.set_recompute(state->self, on);
}

static gr_status check(const gr_prior *state, const gr_autoencoder_table *table,
	const gr_latent_opts *opts)
{
	if (!state || !table || !table->encode || !table->decode || !opts)
		return gr_failed()
			? gr_error_code()
			: gr_error_set(GR_EARG, "prior latent: state, encode, decode and options are needed");
	if (gr_is_latent_prior(state))
		return gr_error_set(GR_EARG, "prior latent: prior %s has an autoencoder already",
			gr_prior_name(state));
	if (opts->channels < 1 || opts->height < 1 || opts->width < 1)
		return gr_error_set(GR_EARG, "prior latent: channels, height and width are needed");
	if (!(opts->scale >= 0.0 && isfinite(opts->scale) && isfinite(opts->shift)))
		return gr_error_set(GR_EARG, "prior latent: scale %g, shift %g", opts->scale, opts->shift);
	return GR_OK;
}

gr_prior *gr_prior_latent_new(gr_prior *state, const gr_autoencoder_table *table, void *self,
	const gr_latent_opts *opts)
{
	gr_status status = check(state, table, opts);
	latent *l = status ? NULL : gr_alloc(sizeof(*l));
	if (!l) {
		gr_prior_free(state);
		if (table && table->free)
			table->free(self);
		return NULL;
	}
	*l = (latent){state, *table, self, opts->scale != 0.0 ? opts->scale : 1.0, opts->shift};
	const gr_prior_table outer = {.name = state->table.name,
		.predict = latent_predict,
		.encode = latent_encode,
		.decode = latent_decode,
		.free = latent_free,
		.set_recompute = state->table.set_recompute ? latent_set_recompute : NULL};
	return gr_prior_new(&outer, l,
		GR_OPTS(gr_prior_opts, .channels = state->dims[0], .height = state->dims[1],
			.width = state->dims[2], .prediction = state->prediction, .schedule = &state->schedule,
			.image_channels = opts->channels, .image_height = opts->height,
			.image_width = opts->width, .classes = state->classes));
}

/* --- the KL autoencoder --- */

static gr_tensor *vae_encode(void *self, gr_tensor *image)
{
	const gr_vae *v = self;
	gr_dtype own = gr_vae_get_config(v)->dtype;
	return image ? gr_cast(gr_vae_encode(v, gr_cast(image, own), NULL), gr_tensor_dtype(image))
				 : NULL;
}

static gr_tensor *vae_decode(void *self, gr_tensor *z)
{
	const gr_vae *v = self;
	gr_dtype own = gr_vae_get_config(v)->dtype;
	return z ? gr_cast(gr_vae_decode(v, gr_cast(z, own)), gr_tensor_dtype(z)) : NULL;
}

static void vae_free(void *self)
{
	gr_vae_free(self);
}

/* Whether state and images are of the autoencoder's sizes. */
static gr_status check_vae(const gr_prior *state, gr_vae *vae, const gr_latent_opts *opts)
{
	if (!state || !vae || !opts)
		return gr_failed() ? gr_error_code()
						   : gr_error_set(GR_EARG, "prior latent: state, autoencoder and options");
	const gr_vae_config *c = gr_vae_get_config(vae);
	int64_t f = (int64_t)1 << (c->coder.num_levels - 1);
	const int64_t *dims = gr_prior_dims(state);
	if (dims[0] != c->embed_dim || dims[1] * f != opts->height || dims[2] * f != opts->width ||
		opts->channels != c->coder.in_channels)
		return gr_error_set(GR_ESHAPE,
			"prior latent: images %lld x %lld x %lld become latents of %lld channels, %lld times "
			"smaller; the prior has %lld x %lld x %lld",
			(long long)opts->channels, (long long)opts->height, (long long)opts->width,
			(long long)c->embed_dim, (long long)f, (long long)dims[0], (long long)dims[1],
			(long long)dims[2]);
	return gr_module_set_trainable(gr_vae_module(vae), false);
}

gr_prior *gr_prior_vae_new(gr_prior *state, gr_vae *vae, const gr_latent_opts *opts)
{
	static const gr_autoencoder_table table = {vae_encode, vae_decode, vae_free};
	if (check_vae(state, vae, opts)) {
		gr_prior_free(state);
		gr_vae_free(vae);
		return NULL;
	}
	return gr_prior_latent_new(state, &table, vae, opts);
}
