/*
 * Rows of the table of architectures: autoencoders.
 */
#include "gradus/ops.h"
#include "gradus/taesd.h"
#include "gradus/vae.h"
#include "gradus/vqmodel.h"
#include "registry_priv.h"

DEFINE_NETWORK(vae)
DEFINE_NETWORK_LOAD(vae)
DEFINE_NETWORK(vqmodel)
DEFINE_NETWORK_LOAD(vqmodel)
DEFINE_NETWORK(taesd)

static gr_tensor *vae_encode(const void *net, const gr_archive *in, gr_tensor *x, gr_archive *out)
{
	(void)in, (void)out;
	return gr_vae_moments(net, x);
}

static gr_tensor *vae_decode(const void *net, const gr_archive *in, gr_tensor *z, gr_archive *out)
{
	(void)in, (void)out;
	return gr_vae_decode(net, z);
}

static gr_tensor *vae_reconstruct(const void *net, gr_tensor *x)
{
	return gr_vae_decode(net, gr_vae_encode(net, x, NULL));
}

/* An image, and the latent of its size. */
static gr_status coder_example(const gr_vae_coder_config *c, int64_t latent, int64_t h, int64_t w,
	gr_key key, gr_archive *in)
{
	const int down = c->num_levels - 1;
	gr_status status = gr__registry_normal(in, "x", key, GR_DIMS(1, c->in_channels, h, w));
	return status != GR_OK
		? status
		: gr__registry_normal(in, "z", key, GR_DIMS(1, latent, h >> down, w >> down));
}

static gr_status vae_example(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in)
{
	const gr_vae_config *c = gr_vae_get_config(net);
	return coder_example(&c->coder, c->embed_dim, h, w, key, in);
}

static gr_tensor *vqmodel_encode(const void *net, const gr_archive *in, gr_tensor *x,
	gr_archive *out)
{
	(void)in, (void)out;
	return gr_vqmodel_encode(net, x);
}

static gr_tensor *vqmodel_decode(const void *net, const gr_archive *in, gr_tensor *z,
	gr_archive *out)
{
	(void)in, (void)out;
	return gr_vqmodel_decode(net, z, false);
}

static gr_tensor *vqmodel_reconstruct(const void *net, gr_tensor *x)
{
	return gr_vqmodel_decode(net, gr_vqmodel_encode(net, x), false);
}

static gr_status vqmodel_example(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in)
{
	const gr_vqmodel_config *c = gr_vqmodel_get_config(net);
	return coder_example(&c->coder, c->embed_dim, h, w, key, in);
}

static gr_tensor *taesd_encode(const void *net, const gr_archive *in, gr_tensor *x, gr_archive *out)
{
	(void)in, (void)out;
	return gr_taesd_encode(net, x);
}

static gr_tensor *taesd_decode(const void *net, const gr_archive *in, gr_tensor *z, gr_archive *out)
{
	(void)in, (void)out;
	return gr_taesd_decode(net, z);
}

/* Its images are in [0,1]. */
static gr_tensor *taesd_reconstruct(const void *net, gr_tensor *x)
{
	gr_tensor *y = gr_taesd_decode(net, gr_taesd_encode(net, gr_affine(x, 0.5, 0.5)));
	return gr_affine(y, 2.0, -1.0);
}

static gr_status taesd_example(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in)
{
	const gr_taesd_config *c = gr_taesd_get_config(net);
	gr_status status = gr__registry_normal(in, "x", key, GR_DIMS(1, c->image_channels, h, w));
	return status != GR_OK
		? status
		: gr__registry_normal(in, "z", key, GR_DIMS(1, c->latent_channels, h / 8, w / 8));
}

const architecture gr__arch_autoencoder_kl = {"autoencoder_kl",
	"KL autoencoder of latent and Stable Diffusion", NETWORK(vae), .example = vae_example,
	.passes = MODEL_CODER("moments", vae_encode, vae_decode), .load = vae_load,
	.reconstruct = vae_reconstruct};
const architecture gr__arch_vqmodel = {"vqmodel",
	"vector-quantised autoencoder of latent diffusion", NETWORK(vqmodel),
	.example = vqmodel_example, .passes = MODEL_CODER("latent", vqmodel_encode, vqmodel_decode),
	.load = vqmodel_load, .reconstruct = vqmodel_reconstruct};
const architecture gr__arch_taesd = {"taesd", "tiny autoencoder (TAESD, TAEF)", NETWORK(taesd),
	.example = taesd_example, .passes = MODEL_CODER("latent", taesd_encode, taesd_decode),
	.reconstruct = taesd_reconstruct};
