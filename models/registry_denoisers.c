/*
 * Rows of the table of architectures: networks that denoise, and neural operators.
 */
#include "gradus/ddpm.h"
#include "gradus/edm.h"
#include "gradus/fno.h"
#include "gradus/ops.h"
#include "gradus/sit.h"
#include "gradus/unet.h"
#include "registry_priv.h"

#define CONTEXT_TOKENS 77 /* of an example */

DEFINE_NETWORK(unet)
DEFINE_NETWORK_LOAD(unet)
DEFINE_NETWORK(sit)
DEFINE_NETWORK(ddpm)
DEFINE_NETWORK(fno)
DEFINE_NETWORK_LIFE(edm)
DEFINE_NETWORK_LOAD(edm)

/* h 0: of the configuration's own size. */
static void *sit_or_dit(const gr_json *config, int64_t h, int64_t w, bool is_dit)
{
	gr_sit_config c;
	if (gr_sit_config_from_json(&c, config) != GR_OK)
		return NULL;
	if (h != w) {
		gr_error_set(GR_EARG, "sit: latents are square, not %lld x %lld", (long long)h,
			(long long)w);
		return NULL;
	}
	if (h > 0)
		c.input_size = h;
	c.is_dit = c.is_dit || is_dit;
	if (is_dit && gr_json_find(config, "learn_sigma") == NULL)
		c.learn_sigma = true;
	return gr_sit_new(&c);
}

static void *sit_build_sized(const gr_json *config, int64_t h, int64_t w)
{
	return sit_or_dit(config, h, w, false);
}

static void *dit_build_sized(const gr_json *config, int64_t h, int64_t w)
{
	return sit_or_dit(config, h, w, true);
}

static void *dit_build(const gr_json *config)
{
	return sit_or_dit(config, 0, 0, true);
}

static gr_tensor *unet_forward(const void *net, const gr_archive *in, gr_tensor *x, gr_archive *out)
{
	gr_tensor *t = gr__registry_need(in, "t");
	(void)out;
	return gr_unet_forward_with(net, x, t, gr_archive_find(in, "labels"),
		GR_OPTS(gr_unet_forward_opts, .context = gr_archive_find(in, "context")));
}

static gr_status unet_example(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in)
{
	const gr_unet_config *c = gr_unet_get_config(net);
	gr_status status = gr__registry_normal(in, "x", key, GR_DIMS(1, c->in_channels, h, w));
	if (status == GR_OK)
		status = gr__registry_index(in, "t", 500.0);
	if (status == GR_OK && c->num_classes > 0)
		status = gr__registry_index(in, "labels", 0.0);
	if (status == GR_OK && c->context_dim > 0)
		status =
			gr__registry_normal(in, "context", key, GR_DIMS(1, CONTEXT_TOKENS, c->context_dim));
	return status;
}

/* One projector's tokens are "projected", those of more "projected", "projected.1", ... */
static gr_tensor *sit_forward(const void *net, const gr_archive *in, gr_tensor *x, gr_archive *out)
{
	gr_tensor *t = gr__registry_need(in, "t"),
			  *labels = t == NULL ? NULL : gr__registry_need(in, "labels");
	gr_tensor *projected[GR_SIT_MAX_PROJECTORS] = {NULL};
	const int count = gr_sit_get_config(net)->num_projectors;
	gr_tensor *y = gr_sit_forward_with(net, x, t, labels,
		GR_OPTS(gr_sit_forward_opts, .projected = projected));
	for (int i = 0; i < count && y != NULL; i++) {
		char name[] = "projected.0";
		name[sizeof name - 2] = (char)('0' + i);
		if (i == 0)
			name[sizeof "projected" - 1] = '\0';
		if (gr_archive_add(out, name, gr_stop_gradient(projected[i])) != GR_OK)
			return NULL;
	}
	return y;
}

static gr_status sit_example(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in)
{
	const gr_sit_config *c = gr_sit_get_config(net);
	gr_tensor *t = gr_full(GR_F32, GR_DIMS(1), 0.5);
	gr_status status = gr__registry_normal(in, "x", key, GR_DIMS(1, c->in_channels, h, w));
	if (status == GR_OK)
		status = t == NULL ? gr_error_code() : gr_archive_add(in, "t", t);
	return status != GR_OK ? status : gr__registry_index(in, "labels", 0.0);
}

static gr_tensor *ddpm_forward(const void *net, const gr_archive *in, gr_tensor *x, gr_archive *out)
{
	(void)out;
	return gr_ddpm_forward(net, x, gr__registry_need(in, "t"));
}

static gr_status ddpm_example(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in)
{
	gr_status status =
		gr__registry_normal(in, "x", key, GR_DIMS(1, gr_ddpm_get_config(net)->in_channels, h, w));
	return status != GR_OK ? status : gr__registry_index(in, "t", 500.0);
}

/* By default a denoiser with EDM's preconditioner. */
static void *edm_build(const gr_json *config)
{
	gr_edm_config c;
	if (gr_edm_config_from_json(&c, config) != GR_OK)
		return NULL;
	if (gr_json_find(config, "precond") == NULL && gr_json_find(config, "class_name") == NULL)
		c.precond = GR_EDM_EDM;
	return gr_edm_new(&c);
}

static void *bare_build(const gr_json *config, gr_edm_model model)
{
	gr_edm_config c;
	if (gr_edm_config_from_json(&c, config) != GR_OK)
		return NULL;
	c.model_type = model;
	return gr_edm_new(&c);
}

static void *song_build(const gr_json *config)
{
	return bare_build(config, GR_EDM_SONG);
}

static void *dhariwal_build(const gr_json *config)
{
	return bare_build(config, GR_EDM_DHARIWAL);
}

static void *uno_build(const gr_json *config)
{
	return bare_build(config, GR_EDM_UNO);
}

static gr_tensor *edm_forward(const void *net, const gr_archive *in, gr_tensor *x, gr_archive *out)
{
	gr_tensor *t = gr__registry_need(in, "t");
	(void)out;
	return gr_edm_forward(net, x, t,
		GR_OPTS(gr_edm_forward_opts, .labels = gr_archive_find(in, "labels"),
			.augment = gr_archive_find(in, "augment")));
}

static gr_status edm_example(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in)
{
	const gr_edm_config *c = gr_edm_get_config(net);
	gr_tensor *t = gr_full(GR_F32, GR_DIMS(1), 0.5);
	gr_status status = gr__registry_normal(in, "x", key, GR_DIMS(1, c->in_channels, h, w));
	if (status == GR_OK)
		status = t == NULL ? gr_error_code() : gr_archive_add(in, "t", t);
	return status != GR_OK || c->label_dim == 0 ? status : gr__registry_index(in, "labels", 0.0);
}

static void unet_set_recompute(void *net, bool on)
{
	gr_unet_set_recompute(net, on);
}

static gr_tensor *fno_forward(const void *net, const gr_archive *in, gr_tensor *x, gr_archive *out)
{
	(void)in, (void)out;
	return gr_fno_forward(net, x);
}

static gr_status fno_example(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in)
{
	return gr__registry_normal(in, "x", key, GR_DIMS(1, gr_fno_get_config(net)->in_channels, h, w));
}

const architecture gr__arch_adm = {"adm", "ADM U-Net (guided-diffusion)", NETWORK(unet),
	.example = unet_example, .passes = MODEL_ONE(unet_forward), .load = unet_load,
	.set_recompute = unet_set_recompute};
const architecture gr__arch_ldm_unet = {"ldm_unet", "U-Net of latent and Stable Diffusion",
	NETWORK(unet), .example = unet_example, .passes = MODEL_ONE(unet_forward), .load = unet_load,
	.set_recompute = unet_set_recompute};
const architecture gr__arch_ddpm = {"ddpm", "DDPM U-Net (CelebA-HQ 256)", NETWORK(ddpm),
	.example = ddpm_example, .passes = MODEL_ONE(ddpm_forward)};
const architecture gr__arch_sit = {"sit", "SiT, with REPA's projectors", NETWORK(sit),
	.build_sized = sit_build_sized, .example = sit_example, .passes = MODEL_ONE(sit_forward)};
const architecture gr__arch_dit = {"dit", "DiT", .build = dit_build, .build_sized = dit_build_sized,
	.free = sit_free, .module = sit_module, .example = sit_example,
	.passes = MODEL_ONE(sit_forward)};
const architecture gr__arch_song_unet = {"song_unet", "SongUNet of EDM (DDPM++, NCSN++)",
	.build = song_build, .free = edm_free, .module = edm_module, .example = edm_example,
	.passes = MODEL_ONE(edm_forward), .load = edm_load};
const architecture gr__arch_dhariwal_unet = {"dhariwal_unet", "DhariwalUNet of EDM",
	.build = dhariwal_build, .free = edm_free, .module = edm_module, .example = edm_example,
	.passes = MODEL_ONE(edm_forward), .load = edm_load};
const architecture gr__arch_uno = {"uno", "U-shaped neural operator of FunDPS", .build = uno_build,
	.free = edm_free, .module = edm_module, .example = edm_example,
	.passes = MODEL_ONE(edm_forward), .load = edm_load};
const architecture gr__arch_edm = {"edm", "denoiser of EDM: one of these and a preconditioner",
	NETWORK(edm), .example = edm_example, .passes = MODEL_ONE(edm_forward), .load = edm_load};
const architecture gr__arch_fno = {"fno", "Fourier neural operator", NETWORK(fno),
	.example = fno_example, .passes = MODEL_ONE(fno_forward)};
