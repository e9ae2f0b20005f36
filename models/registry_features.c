/*
 * Rows of the table of architectures: networks that describe images and words.
 */
#include "gradus/clip_text.h"
#include "gradus/inception.h"
#include "gradus/lpips.h"
#include "gradus/mpe_cnn.h"
#include "gradus/ops.h"
#include "gradus/resnet.h"
#include "gradus/vit.h"
#include "registry_priv.h"

DEFINE_NETWORK(vit)
DEFINE_NETWORK_LOAD(vit)
DEFINE_NETWORK(clip_text)
DEFINE_NETWORK_LOAD(clip_text)
DEFINE_NETWORK(inception)
DEFINE_NETWORK(resnet)
DEFINE_NETWORK_LOAD(resnet)
DEFINE_NETWORK(mpe_cnn)
DEFINE_NETWORK(lpips)
DEFINE_NETWORK_LOAD(lpips)

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

static gr_tensor *clip_text_forward(const void *net, const gr_archive *in, gr_tensor *ids,
	gr_archive *out)
{
	(void)in, (void)out;
	return gr_clip_text_forward(net, ids != NULL ? ids : gr_clip_text_null(net, 1));
}

static gr_tensor *clip_text_embedded(const void *net, const gr_archive *in, gr_tensor *x,
	gr_archive *out)
{
	(void)in, (void)out;
	return gr_clip_text_embedded(net, x);
}

/* The null prompt, whatever the size. */
static gr_status clip_text_example(const void *net, int64_t h, int64_t w, gr_key key,
	gr_archive *in)
{
	gr_tensor *ids = gr_clip_text_null(net, 1);
	(void)h, (void)w, (void)key;
	return ids == NULL ? gr_error_code() : gr_archive_add(in, "ids", ids);
}

static gr_tensor *lpips_forward(const void *net, const gr_archive *in, gr_tensor *x,
	gr_archive *out)
{
	(void)out;
	return gr_lpips_distance(net, x, gr__registry_need(in, "reference"));
}

static gr_status lpips_example(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in)
{
	(void)net;
	gr_status status = gr__registry_normal(in, "x", key, GR_DIMS(1, 3, h, w));
	return status != GR_OK ? status
						   : gr__registry_normal(in, "reference", key, GR_DIMS(1, 3, h, w));
}

/* Add a result that may not be there. */
static gr_status add_result(gr_archive *out, const char *name, gr_tensor *t)
{
	return t == NULL ? GR_OK : gr_archive_add(out, name, gr_stop_gradient(t));
}

static gr_tensor *inception_forward(const void *net, const gr_archive *in, gr_tensor *x,
	gr_archive *out)
{
	gr_tensor *logits = NULL, *y = gr_inception_forward(net, x, &logits);
	(void)in;
	return y == NULL || add_result(out, "logits", logits) != GR_OK ? NULL : y;
}

static gr_status image_example(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in)
{
	(void)net;
	return gr__registry_normal(in, "x", key, GR_DIMS(1, 3, h, w));
}

static gr_tensor *resnet_forward(const void *net, const gr_archive *in, gr_tensor *x,
	gr_archive *out)
{
	gr_tensor *pooled = NULL, *logits = NULL;
	gr_tensor *y = gr_resnet_forward(net, x,
		GR_OPTS(gr_resnet_forward_opts, .pooled = &pooled, .logits = &logits));
	(void)in;
	return y == NULL || add_result(out, "pooled", pooled) != GR_OK ||
			add_result(out, "logits", logits) != GR_OK
		? NULL
		: y;
}

static gr_status resnet_example(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in)
{
	return gr__registry_normal(in, "x", key,
		GR_DIMS(1, gr_resnet_get_config(net)->in_channels, h, w));
}

static gr_tensor *mpe_cnn_forward(const void *net, const gr_archive *in, gr_tensor *x,
	gr_archive *out)
{
	const gr_mpe_cnn_config *c = gr_mpe_cnn_get_config(net);
	gr_tensor *logits = NULL, *projected = NULL;
	gr_tensor *y = gr_mpe_cnn_forward(net, x,
		GR_OPTS(gr_mpe_cnn_forward_opts, .logits = c->num_classes > 0 ? &logits : NULL,
			.projected = c->projector_out > 0 ? &projected : NULL));
	(void)in;
	return y == NULL || add_result(out, "logits", logits) != GR_OK ||
			add_result(out, "projected", projected) != GR_OK
		? NULL
		: y;
}

static gr_status mpe_cnn_example(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in)
{
	return gr__registry_normal(in, "x", key,
		GR_DIMS(1, gr_mpe_cnn_get_config(net)->in_channels, h, w));
}

const architecture gr__arch_dinov2 = {"dinov2", "DINOv2 vision transformer", NETWORK(vit),
	.example = vit_example, .passes = MODEL_ONE(vit_forward), .load = vit_load};
const architecture gr__arch_dino = {"dino", "DINO vision transformer", .build = dino_build,
	.free = vit_free, .module = vit_module, .example = vit_example,
	.passes = MODEL_ONE(vit_forward), .load = vit_load};
const architecture gr__arch_clip_text = {"clip_text", "text encoder of CLIP and OpenCLIP",
	NETWORK(clip_text), .example = clip_text_example,
	.passes = {{"ids", "y", NULL, NULL, clip_text_forward, true},
		{"embeddings", "y", "r", "grad_embeddings", clip_text_embedded, false}},
	.load = clip_text_load};
const architecture gr__arch_lpips = {"lpips", "LPIPS, a perceptual distance", NETWORK(lpips),
	.example = lpips_example, .passes = MODEL_ONE(lpips_forward), .load = lpips_load,
	.many_files = true};
const architecture gr__arch_inception = {"inception", "Inception of FID", NETWORK(inception),
	.example = image_example, .passes = MODEL_ONE(inception_forward)};
const architecture gr__arch_resnet = {"resnet", "ResNet (50 by default), torchvision's",
	NETWORK(resnet), .example = resnet_example, .passes = MODEL_ONE(resnet_forward),
	.load = resnet_load};
const architecture gr__arch_mpe_cnn = {"mpe_cnn", "small equivariant network of EquiReg",
	NETWORK(mpe_cnn), .example = mpe_cnn_example, .passes = MODEL_ONE(mpe_cnn_forward)};
