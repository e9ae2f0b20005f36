/*
 * Networks by name: the table of architectures, its rows being in registry_denoisers.c,
 * registry_coders.c and registry_features.c (registry_priv.h says what a row is), and what is done
 * with any of them.
 */
#include "gradus/model.h"

#include <stdio.h>
#include <string.h>

#include "gradus/ops.h"
#include "registry_priv.h"

struct gr_model {
	const architecture *arch;
	void *net;
};

static const architecture *const architectures[] = {
	&gr__arch_adm,
	&gr__arch_ldm_unet,
	&gr__arch_autoencoder_kl,
	&gr__arch_vqmodel,
	&gr__arch_taesd,
	&gr__arch_dinov2,
	&gr__arch_dino,
	&gr__arch_sit,
	&gr__arch_dit,
	&gr__arch_ddpm,
	&gr__arch_song_unet,
	&gr__arch_dhariwal_unet,
	&gr__arch_uno,
	&gr__arch_edm,
	&gr__arch_fno,
	&gr__arch_clip_text,
	&gr__arch_lpips,
	&gr__arch_inception,
	&gr__arch_resnet,
	&gr__arch_mpe_cnn,
};

gr_tensor *gr__registry_need(const gr_archive *in, const char *name)
{
	gr_tensor *t = gr_archive_find(in, name);
	if (t == NULL)
		gr_error_set(GR_EARG, "model: the inputs lack '%s'", name);
	return t;
}

gr_status gr__registry_normal(gr_archive *in, const char *name, gr_key key, int ndim,
	const int64_t *dims)
{
	gr_tensor *t = gr_random_normal(gr_key_fold_name(key, name), GR_F32, ndim, dims);
	return t == NULL ? gr_error_code() : gr_archive_add(in, name, t);
}

gr_status gr__registry_index(gr_archive *in, const char *name, double value)
{
	gr_tensor *t = gr_arange(GR_I64, 1, value, 1.0);
	return t == NULL ? gr_error_code() : gr_archive_add(in, name, t);
}

#define COUNT ((int)(sizeof architectures / sizeof *architectures))

const char *gr_model_arch(int i)
{
	return i >= 0 && i < COUNT ? architectures[i]->name : NULL;
}

const char *gr_model_arch_summary(int i)
{
	return i >= 0 && i < COUNT ? architectures[i]->summary : NULL;
}

/* What configurations of Hugging Face's libraries say in place of "arch". */
static const char *foreign_arch(const gr_json *config)
{
	static const char *const known[][3] = {{"_class_name", "UNet2DConditionModel", "ldm_unet"},
		{"_class_name", "AutoencoderKL", "autoencoder_kl"},
		{"model_type", "clip_text_model", "clip_text"}};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		const gr_json *v = gr_json_find(config, known[i][0]);
		if (v != NULL && v->kind == GR_JSON_STRING && strcmp(v->string, known[i][1]) == 0)
			return known[i][2];
	}
	return NULL;
}

/* The row that `arch`, or else the configuration, names; both must agree. */
static const architecture *find(const char *arch, const gr_json *config)
{
	const gr_json *own = gr_json_find(config, "arch");
	if (arch == NULL && own == NULL)
		arch = foreign_arch(config);
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
		if (strcmp(architectures[i]->name, name) == 0)
			return architectures[i];
	gr_error_set(GR_EARG,
		"model: there is no architecture '%s'; hint: gradus model describe --help", name);
	return NULL;
}

gr_status gr_model_new(gr_model **out, const char *arch, const gr_json *config)
{
	return gr_model_new_sized(out, arch, config, 0, 0);
}

gr_status gr_model_new_sized(gr_model **out, const char *arch, const gr_json *config,
	int64_t height, int64_t width)
{
	*out = NULL;
	const architecture *a = find(arch, config);
	const bool sized = a != NULL && height > 0 && a->build_sized != NULL;
	if (a == NULL)
		return gr_error_code();
	gr_model *m = gr_alloc(sizeof *m);
	if (m == NULL)
		return GR_EMEM;
	*m = (gr_model){.arch = a,
		.net = sized ? a->build_sized(config, height, width) : a->build(config)};
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

gr_status gr_model_load(gr_model *m, const gr_tensorfile *f, const char *child)
{
	gr_load_opts opts = {.size = sizeof opts};
	char below[128], part[128];
	gr_keymap_rule rule = {"**", below, 0, 0};
	const gr_keymap map = {&rule, 1};
	if (m->arch->load != NULL && (child == NULL || m->arch->many_files))
		return m->arch->load(m->net, f);
	if (child != NULL) {
		snprintf(below, sizeof below, "%s.**", child);
		snprintf(part, sizeof part, "%s.", child);
		opts.only = part;
		opts.place = gr_keymap_place;
		opts.map = &map;
	}
	return gr_module_load_file(gr_model_module(m), f, &opts);
}

static gr_status run_pass(const gr_model *m, const model_pass *p, const gr_archive *in, bool grad,
	gr_archive *out)
{
	const gr_dtype dtype = gr_module_dtype(m->arch->module(m->net));
	gr_tensor *x = gr_archive_find(in, p->x), *g = NULL;
	gr_tensor *r = grad && p->r != NULL ? gr_archive_find(in, p->r) : NULL;
	if (p->r != NULL)
		x = gr_cast(x, dtype);
	if (r != NULL) {
		r = gr_cast(r, dtype);
		x = gr_watch(x);
	}
	gr_tensor *y = x == NULL && !p->optional ? NULL : p->forward(m->net, in, x, out);
	if (y == NULL)
		return gr_error_code();
	gr_status status = gr_archive_add(out, p->y, gr_stop_gradient(y));
	if (status == GR_OK && r != NULL)
		status = gr_grad(&g, y, 1, &x, GR_OPTS(gr_grad_opts, .cotangent = r));
	return status != GR_OK || r == NULL ? status : gr_archive_add(out, p->grad, g);
}

gr_status gr_model_run(const gr_model *m, const gr_archive *in, bool grad, gr_archive *out)
{
	const model_pass *p = m->arch->passes;
	int done = 0;
	bool any = false;
	for (int i = 0; i < MODEL_PASSES_MAX && p[i].x != NULL; i++)
		any = any || gr_archive_find(in, p[i].x) != NULL;
	for (int i = 0; i < MODEL_PASSES_MAX && p[i].x != NULL; i++) {
		if (gr_archive_find(in, p[i].x) == NULL && (any || !p[i].optional))
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

/* The sum over the passes of sum(y r); NULL when there is none. */
static gr_tensor *objective(const gr_model *m, const gr_archive *in, gr_archive *found)
{
	const gr_dtype dtype = gr_module_dtype(m->arch->module(m->net));
	const model_pass *p = m->arch->passes;
	gr_tensor *total = NULL;
	for (int i = 0; i < MODEL_PASSES_MAX && p[i].x != NULL; i++) {
		gr_tensor *x = gr_archive_find(in, p[i].x);
		gr_tensor *r = p[i].r == NULL ? NULL : gr_archive_find(in, p[i].r);
		if (x == NULL || r == NULL)
			continue;
		gr_tensor *y = p[i].forward(m->net, in, gr_cast(x, dtype), found);
		gr_tensor *part = gr_sum(gr_mul(y, gr_cast(r, dtype)), GR_ALL_AXES, false);
		total = total == NULL ? part : gr_add(total, part);
		if (total == NULL)
			return NULL;
	}
	if (total == NULL)
		gr_error_set(GR_EARG, "model: the inputs hold no cotangent");
	return total;
}

gr_status gr_model_grad_params(const gr_model *m, const gr_archive *in, gr_tensor **grads)
{
	gr_module *root = m->arch->module(m->net);
	const int64_t n = gr_module_param_count(root);
	gr_archive *found = gr_archive_new();
	gr_tensor **tracked = gr_alloc(2 * (size_t)n * sizeof *tracked + 1);
	gr_tensor *y = found == NULL || tracked == NULL ? NULL : objective(m, in, found);
	int count = 0;
	for (int64_t i = 0; i < n && y != NULL; i++) {
		grads[i] = NULL;
		if (gr_is_tracked(gr_module_param(root, i)))
			tracked[count++] = gr_module_param(root, i);
	}
	gr_status status = y == NULL
		? gr_error_code()
		: gr_grad(tracked + n, y, count, tracked, GR_OPTS(gr_grad_opts, .allow_unused = true));
	for (int64_t i = 0, k = 0; i < n && status == GR_OK; i++) {
		if (gr_is_tracked(gr_module_param(root, i)))
			grads[i] = tracked[n + k++];
	}
	gr_free(tracked);
	gr_archive_free(found);
	return status;
}

bool gr_model_has_gradient(const gr_model *m, const gr_archive *in)
{
	const model_pass *p = m->arch->passes;
	bool has = false;
	for (int i = 0; i < MODEL_PASSES_MAX && p[i].x != NULL; i++)
		has = has || (p[i].r != NULL && gr_archive_find(in, p[i].x) != NULL);
	return has;
}

bool gr_model_set_recompute(gr_model *m, bool on)
{
	if (m == NULL || m->arch->set_recompute == NULL)
		return false;
	m->arch->set_recompute(m->net, on);
	return true;
}

gr_status gr_model_example(const gr_model *m, int64_t height, int64_t width, gr_key key,
	gr_archive *in)
{
	gr_scope_begin();
	gr_status status = m->arch->example(m->net, height, width, key, in);
	gr_scope_end();
	return status;
}

gr_tensor *gr_model_reconstruct(const gr_model *m, gr_tensor *x)
{
	if (m == NULL || x == NULL)
		return NULL;
	if (m->arch->reconstruct != NULL)
		return m->arch->reconstruct(m->net, x);
	gr_error_set(GR_EUNSUPPORTED, "model: %s is no autoencoder", m->arch->name);
	return NULL;
}
