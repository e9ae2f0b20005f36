/*
 * Priors around networks that are not told x_t and a base step: flows on latents (SiT), denoisers of
 * EDM; and latent priors, any of them behind an autoencoder. Each owns what it wraps from here on,
 * also when it fails (NULL), and makes its parameters constants: gradients reach x_t and images only.
 * States are converted as docs/design/017-one-coordinate-system.md says.
 */
#ifndef GRADUS_PRIOR_NETWORKS_H
#define GRADUS_PRIOR_NETWORKS_H

#include "gradus/edm.h"
#include "gradus/prior.h"
#include "gradus/sit.h"
#include "gradus/vae.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A SiT trained as REPA does: its velocity eps - x_0 at z_t = (1-t) x_0 + t eps, t in [0,1], 1 being
 * noise (gr_sit.h says what the original SiT does). Dims, classes and, with more than one class, the
 * label for none are the network's; features are those of its first projector. The state may be f64
 * where the network is f32. opts may be NULL; its schedule defaults to GR_SCHEDULE_FLOW, its
 * prediction must be 0 or GR_PREDICT_FLOW. GR_EUNSUPPORTED for a DiT.
 */
GR_API gr_prior *gr_prior_sit_new(gr_sit *net, const gr_prior_opts *opts);

/*
 * A preconditioned network of EDM, a denoiser of x_0 + sigma eps: it predicts x_0. opts may be NULL,
 * then dims are [in_channels, img_resolution, img_resolution]; the schedule defaults to
 * GR_SCHEDULE_EDM between 0.002 and 80 as far as the network's range goes. GR_EUNSUPPORTED for a bare
 * network.
 */
GR_API gr_prior *gr_prior_edm_new(gr_edm *net, const gr_prior_opts *opts);

/* What a latent prior reaches an autoencoder by: [N,C,H,W] both. */
typedef struct gr_autoencoder_table {
	gr_tensor *(*encode)(void *self, gr_tensor *image);
	gr_tensor *(*decode)(void *self, gr_tensor *latent);
	void (*free)(void *self);
} gr_autoencoder_table;

typedef struct gr_latent_opts {
	size_t size;
	int64_t channels, height, width; /* of images; needed */
	double scale, shift;             /* state = scale (latent - shift); defaults 1 and 0 */
} gr_latent_opts;

/* The prior `state` with an autoencoder around it; its name, schedule and prediction are those of
 * `state`, which it owns. */
GR_API gr_prior *gr_prior_latent_new(gr_prior *state, const gr_autoencoder_table *table, void *self,
	const gr_latent_opts *opts);
/* The same with a KL autoencoder, encoding to the mode; its own scale_factor comes first. */
GR_API gr_prior *gr_prior_vae_new(gr_prior *state, gr_vae *vae, const gr_latent_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
