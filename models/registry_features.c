/*
 * Rows of the table of architectures: networks that describe images.
 */
#include "gradus/ops.h"
#include "gradus/vit.h"
#include "registry_priv.h"

DEFINE_NETWORK(vit)

static void *dino_build(const gr_json *config)
{
	gr_vit_config c;
	if (gr_vit_config_from_json(&c, config) != GR_OK)
		return NULL;
	c.no_mask_token = true;
	return gr_vit_new(&c);
}

static gr_tensor *vit_forward(const void *net, const gr_archive *in, gr_tensor *x, gr_archive *out)
{
	gr_tensor *cls = NULL;
	gr_tensor *y = gr_vit_forward_with(net, x, GR_OPTS(gr_vit_forward_opts, .cls = &cls));
	(void)in;
	return y == NULL || gr_archive_add(out, "cls", gr_stop_gradient(cls)) != GR_OK ? NULL : y;
}

static gr_status vit_example(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in)
{
	return gr__registry_normal(in, "x", key, GR_DIMS(1, gr_vit_get_config(net)->in_chans, h, w));
}

/* Hugging Face's names are known by "embeddings.". */
static gr_status vit_keys(const void *net, const gr_tensorfile *f, gr_load_opts *opts)
{
	const bool inside = gr__registry_has(f, "dinov2.embeddings.");
	(void)net;
	if (!inside && !gr__registry_has(f, "embeddings."))
		return GR_OK;
	opts->prefix = inside ? "dinov2." : NULL;
	opts->place = gr_keymap_place;
	opts->map = gr_vit_huggingface_keys();
	return GR_OK;
}

const architecture gr__arch_dinov2 = {"dinov2", "DINOv2 vision transformer", NETWORK(vit),
	.example = vit_example, .passes = MODEL_ONE(vit_forward), .keys = vit_keys};
const architecture gr__arch_dino = {"dino", "DINO vision transformer", .build = dino_build,
	.free = vit_free, .module = vit_module, .example = vit_example,
	.passes = MODEL_ONE(vit_forward), .keys = vit_keys};
