/*
 * The table of architectures. Each row says how a network is built from JSON and which passes it
 * has: a pass takes one input (the one that gradients are taken in) and whatever else it reads from
 * the archive, and gives one output; what it finds on its way goes to the archive of results.
 */
#include "gradus/model.h"

#include <stdio.h>
#include <string.h>

#include "gradus/ops.h"
#include "gradus/sit.h"
#include "gradus/taesd.h"
#include "gradus/unet.h"
#include "gradus/vae.h"
#include "gradus/vit.h"
#include "gradus/vqmodel.h"

#define PASSES_MAX 2
#define CONTEXT_TOKENS 77 /* of an example */

typedef gr_tensor *pass_forward(const void *net, const gr_archive *in, gr_tensor *x,
	gr_archive *out);

typedef struct pass {
	const char *x, *y, *r, *grad;
	pass_forward *forward;
} pass;

typedef struct architecture {
	const char *name, *summary;
	void *(*build)(const gr_json *config);
	void (*free)(void *net);
	gr_module *(*module)(void *net);
	/* Inputs of one sample of this size. */
	gr_status (*example)(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in);
	pass passes[PASSES_MAX];
	const char *inside; /* the prefix of its names in a checkpoint of the whole, or NULL */
} architecture;

struct gr_model {
	const architecture *arch;
	void *net;
};

/* Build by `new` from the configuration that `from_json` reads. */
#define DEFINE_NETWORK(name) \
	static void *name##_build(const gr_json *config) \
	{ \
		gr_##name##_config c; \
		return gr_##name##_config_from_json(&c, config) == GR_OK ? gr_##name##_new(&c) : NULL; \
	} \
	static void name##_free(void *net) \
	{ \
		gr_##name##_free(net); \
	} \
	static gr_module *name##_module(void *net) \
	{ \
		return gr_##name##_module(net); \
	}

DEFINE_NETWORK(unet)
DEFINE_NETWORK(vae)
DEFINE_NETWORK(vqmodel)
DEFINE_NETWORK(taesd)
DEFINE_NETWORK(vit)
DEFINE_NETWORK(sit)

static void *dino_build(const gr_json *config)
{
	gr_vit_config c;
	if (gr_vit_config_from_json(&c, config) != GR_OK)
		return NULL;
	c.no_mask_token = true;
	return gr_vit_new(&c);
}

static void *dit_build(const gr_json *config)
{
	gr_sit_config c;
	if (gr_sit_config_from_json(&c, config) != GR_OK)
		return NULL;
	c.is_dit = true;
	if (gr_json_find(config, "learn_sigma") == NULL)
		c.learn_sigma = true;
	return gr_sit_new(&c);
}

#define NETWORK(name) name##_build, name##_free, name##_module

/* An input that the network cannot do without. */
static gr_tensor *need(const gr_archive *in, const char *name)
{
	gr_tensor *t = gr_archive_find(in, name);
	if (t == NULL)
		gr_error_set(GR_EARG, "model: the inputs lack '%s'", name);
	return t;
}

static gr_status add_normal(gr_archive *in, const char *name, gr_key key, int ndim,
	const int64_t *dims)
{
	gr_tensor *t = gr_random_normal(gr_key_fold_name(key, name), GR_F32, ndim, dims);
	return t == NULL ? gr_error_code() : gr_archive_add(in, name, t);
}

static gr_status add_index(gr_archive *in, const char *name, double value)
{
	gr_tensor *t = gr_arange(GR_I64, 1, value, 1.0);
	return t == NULL ? gr_error_code() : gr_archive_add(in, name, t);
}

static gr_tensor *unet_forward(const void *net, const gr_archive *in, gr_tensor *x, gr_archive *out)
{
	gr_tensor *t = need(in, "t");
	(void)out;
	return gr_unet_forward_with(net, x, t, gr_archive_find(in, "labels"),
		GR_OPTS(gr_unet_forward_opts, .context = gr_archive_find(in, "context")));
}

static gr_status unet_example(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in)
{
	const gr_unet_config *c = gr_unet_get_config(net);
	gr_status status = add_normal(in, "x", key, GR_DIMS(1, c->in_channels, h, w));
	if (status == GR_OK)
		status = add_index(in, "t", 500.0);
	if (status == GR_OK && c->num_classes > 0)
		status = add_index(in, "labels", 0.0);
	if (status == GR_OK && c->context_dim > 0)
		status = add_normal(in, "context", key, GR_DIMS(1, CONTEXT_TOKENS, c->context_dim));
	return status;
}

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

/* An image, and the latent of its size. */
static gr_status coder_example(const gr_vae_coder_config *c, int64_t latent, int64_t h, int64_t w,
	gr_key key, gr_archive *in)
{
	const int down = c->num_levels - 1;
	gr_status status = add_normal(in, "x", key, GR_DIMS(1, c->in_channels, h, w));
	return status != GR_OK ? status
						   : add_normal(in, "z", key, GR_DIMS(1, latent, h >> down, w >> down));
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

static gr_status taesd_example(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in)
{
	const gr_taesd_config *c = gr_taesd_get_config(net);
	gr_status status = add_normal(in, "x", key, GR_DIMS(1, c->image_channels, h, w));
	return status != GR_OK ? status
						   : add_normal(in, "z", key, GR_DIMS(1, c->latent_channels, h / 8, w / 8));
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
	return add_normal(in, "x", key, GR_DIMS(1, gr_vit_get_config(net)->in_chans, h, w));
}

/* One projector's tokens are "projected", those of more "projected", "projected.1", ... */
static gr_tensor *sit_forward(const void *net, const gr_archive *in, gr_tensor *x, gr_archive *out)
{
	gr_tensor *t = need(in, "t"), *labels = t == NULL ? NULL : need(in, "labels");
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
	gr_status status = add_normal(in, "x", key, GR_DIMS(1, c->in_channels, h, w));
	if (status == GR_OK)
		status = t == NULL ? gr_error_code() : gr_archive_add(in, "t", t);
	return status != GR_OK ? status : add_index(in, "labels", 0.0);
}

#define ONE(forward) \
	{ \
		{ \
			"x", "y", "r", "grad_x", forward \
		} \
	}
#define CODER(latent, encode, decode) \
	{ \
		{"x", latent, "r_" latent, "grad_x", encode}, \
		{ \
			"z", "y", "r", "grad_z", decode \
		} \
	}

static const architecture architectures[] = {
	{"adm", "ADM U-Net (guided-diffusion)", NETWORK(unet), unet_example, ONE(unet_forward), NULL},
	{"ldm_unet", "U-Net of latent and Stable Diffusion", NETWORK(unet), unet_example,
		ONE(unet_forward), "model.diffusion_model."},
	{"autoencoder_kl", "KL autoencoder of latent and Stable Diffusion", NETWORK(vae), vae_example,
		CODER("moments", vae_encode, vae_decode), "first_stage_model."},
	{"vqmodel", "vector-quantised autoencoder of latent diffusion", NETWORK(vqmodel),
		vqmodel_example, CODER("latent", vqmodel_encode, vqmodel_decode), "first_stage_model."},
	{"taesd", "tiny autoencoder (TAESD, TAEF)", NETWORK(taesd), taesd_example,
		CODER("latent", taesd_encode, taesd_decode), NULL},
	{"dinov2", "DINOv2 vision transformer", NETWORK(vit), vit_example, ONE(vit_forward), NULL},
	{"dino", "DINO vision transformer", dino_build, vit_free, vit_module, vit_example,
		ONE(vit_forward), NULL},
	{"sit", "SiT, with REPA's projectors", NETWORK(sit), sit_example, ONE(sit_forward), NULL},
	{"dit", "DiT", dit_build, sit_free, sit_module, sit_example, ONE(sit_forward), NULL},
};

#define COUNT ((int)(sizeof architectures / sizeof *architectures))

const char *gr_model_arch(int i)
{
	return i >= 0 && i < COUNT ? architectures[i].name : NULL;
}

const char *gr_model_arch_summary(int i)
{
	return i >= 0 && i < COUNT ? architectures[i].summary : NULL;
}

/* The row that `arch`, or else the configuration, names; both must agree. */
static const architecture *find(const char *arch, const gr_json *config)
{
	const gr_json *own = gr_json_find(config, "arch");
	if (own != NULL && own->kind != GR_JSON_STRING) {
		gr_error_set(GR_EFORMAT, "model: \"arch\" is not a string");
		return NULL;
	}
	if (arch == NULL && own == NULL) {
		gr_error_set(GR_EFORMAT, "model: the configuration has no \"arch\"");
		return NULL;
	}
	if (arch != NULL && own != NULL && strcmp(arch, own->string) != 0) {
		gr_error_set(GR_EARG, "model: asked for '%s', but the configuration says '%s'", arch,
			own->string);
		return NULL;
	}
	const char *name = arch != NULL ? arch : own->string;
	for (int i = 0; i < COUNT; i++)
		if (strcmp(architectures[i].name, name) == 0)
			return &architectures[i];
	gr_error_set(GR_EARG,
		"model: there is no architecture '%s'; hint: gradus model describe --help", name);
	return NULL;
}

gr_status gr_model_new(gr_model **out, const char *arch, const gr_json *config)
{
	*out = NULL;
	const architecture *a = find(arch, config);
	if (a == NULL)
		return gr_error_code();
	gr_model *m = gr_alloc(sizeof *m);
	if (m == NULL)
		return GR_EMEM;
	*m = (gr_model){.arch = a, .net = a->build(config)};
	if (m->net == NULL) {
		gr_free(m);
		return gr_error_code();
	}
	*out = m;
	return GR_OK;
}

void gr_model_free(gr_model *m)
{
	if (m == NULL)
		return;
	m->arch->free(m->net);
	gr_free(m);
}

gr_module *gr_model_module(gr_model *m)
{
	return m == NULL ? NULL : m->arch->module(m->net);
}

const char *gr_model_name(const gr_model *m)
{
	return m == NULL ? NULL : m->arch->name;
}

static bool has_prefix(const gr_tensorfile *f, const char *prefix)
{
	gr_tensor_info t;
	for (int64_t i = 0; gr_tensorfile_info(f, i, &t); i++)
		if (strncmp(t.name, prefix, strlen(prefix)) == 0)
			return true;
	return false;
}

gr_status gr_model_load(gr_model *m, const gr_tensorfile *f, const char *child)
{
	gr_load_opts opts = {.size = sizeof opts};
	char below[128];
	gr_keymap_rule rule = {"**", below, 0, 0};
	const gr_keymap map = {&rule, 1};
	if (child != NULL) {
		snprintf(below, sizeof below, "%s.**", child);
		opts.allow_missing = true;
		opts.place = gr_keymap_place;
		opts.map = &map;
	} else if (m->arch->inside != NULL && has_prefix(f, m->arch->inside)) {
		opts.prefix = m->arch->inside;
		opts.allow_unexpected = true; /* losses */
	} else if (m->arch->example == vit_example) {
		const char *prefix = has_prefix(f, "dinov2.") ? "dinov2." : NULL;
		if (has_prefix(f, "embeddings.") || has_prefix(f, "dinov2.embeddings.")) {
			opts.prefix = prefix;
			opts.place = gr_keymap_place;
			opts.map = gr_vit_huggingface_keys();
		}
	}
	return gr_module_load_file(gr_model_module(m), f, &opts);
}

static gr_status run_pass(const gr_model *m, const pass *p, const gr_archive *in, bool grad,
	gr_archive *out)
{
	const gr_dtype dtype = gr_module_dtype(m->arch->module(m->net));
	gr_tensor *x = gr_cast(gr_archive_find(in, p->x), dtype), *g = NULL;
	gr_tensor *r = grad ? gr_archive_find(in, p->r) : NULL;
	if (r != NULL) {
		r = gr_cast(r, dtype);
		x = gr_watch(x);
	}
	gr_tensor *y = x == NULL ? NULL : p->forward(m->net, in, x, out);
	if (y == NULL)
		return gr_error_code();
	gr_status status = gr_archive_add(out, p->y, gr_stop_gradient(y));
	if (status == GR_OK && r != NULL)
		status = gr_grad(&g, y, 1, &x, GR_OPTS(gr_grad_opts, .cotangent = r));
	return status != GR_OK || r == NULL ? status : gr_archive_add(out, p->grad, g);
}

gr_status gr_model_run(const gr_model *m, const gr_archive *in, bool grad, gr_archive *out)
{
	const pass *p = m->arch->passes;
	int done = 0;
	for (int i = 0; i < PASSES_MAX && p[i].x != NULL; i++) {
		if (gr_archive_find(in, p[i].x) == NULL)
			continue;
		gr_scope_begin();
		gr_status status = run_pass(m, &p[i], in, grad, out);
		gr_scope_end();
		if (status != GR_OK)
			return status;
		done++;
	}
	if (done > 0)
		return GR_OK;
	return gr_error_set(GR_EARG,
		p[1].x == NULL ? "model: the inputs lack '%s'" : "model: the inputs lack '%s' and '%s'",
		p[0].x, p[1].x);
}

gr_status gr_model_example(const gr_model *m, int64_t height, int64_t width, gr_key key,
	gr_archive *in)
{
	gr_scope_begin();
	gr_status status = m->arch->example(m->net, height, width, key, in);
	gr_scope_end();
	return status;
}
