/* See latent.h. */
#include "latent.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_path.h"
#include "gradus/ops.h"
#include "runfolder.h"

#define MEASURED 2048 /* images for scale and shift */
#define AT_ONCE 64

gr_status gr__folder_call(char *name, size_t size, const prior_folder *f, const char *typed,
	const char *output)
{
	char path[PATH_MAX], beside[PATH_MAX];
	if (strcmp(f->path, typed) != 0) /* found by its name */
		return snprintf(name, size, "%s", typed) < (int)size
			? GR_OK
			: gr_error_set(GR_EARG, "'%.64s...' is too long a name", typed);
	if (realpath(f->path, path) == NULL || realpath(output, beside) == NULL)
		return gr_error_set(GR_EIO, "%s or %s cannot be found", f->path, output);
	const char *base = strrchr(path, '/') + 1;
	const size_t parent = (size_t)(base - path);
	const bool is_beside =
		strncmp(path, beside, parent) == 0 && strchr(beside + parent, '/') == NULL;
	snprintf(name, size, "%s", is_beside ? base : path);
	return GR_OK;
}

static const char *find_text(const prior_folder *f, const char *name)
{
	const gr_json *v = gr_json_find(f->root, name);
	return v != NULL && v->kind == GR_JSON_STRING ? v->string : NULL;
}

gr_status gr__folder_called(prior_folder *out, const prior_folder *f, const char *name)
{
	char member[64], path[2 * FOLDER_PATH + 8], sha256[65];
	*out = (prior_folder){0};
	snprintf(member, sizeof member, "%s_sha256", name);
	const char *called = find_text(f, name), *expected = find_text(f, member);
	if (called == NULL || expected == NULL || strlen(called) >= FOLDER_PATH)
		return gr_error_set(GR_EFORMAT, "%s/config.json: \"%s\" or \"%s\" is missing or no text",
			f->path, name, member);
	snprintf(path, sizeof path, "%s/../%s", f->path, called);
	const bool is_beside = called[0] != '/' && gr__runfolder_has(path, "config.json");
	gr_status status = gr__folder_open(out, is_beside ? path : called);
	if (status == GR_OK)
		status = gr__folder_sha256(out, sha256);
	if (status == GR_OK && strcmp(sha256, expected) != 0)
		status = gr_error_set(GR_EFORMAT,
			"%s: its SHA-256 %.12s... is not the %.12s... that %s was trained with", out->weights,
			sha256, expected, f->path);
	return status;
}

static gr_status load(latent_space *out, const prior_folder *f)
{
	gr_status status = gr__folder_sha256(f, out->sha256);
	return status == GR_OK ? gr__folder_vae(&out->net, f) : status;
}

/* Mean and deviation over all elements of latents drawn from the posterior. */
static gr_status measure(latent_space *l, gr_dataset *data)
{
	const gr_vae_config *c = gr_vae_get_config(l->net);
	const int64_t all = gr_dataset_describe(data).count, E = c->embed_dim;
	const int64_t count = all < MEASURED ? all : MEASURED;
	double sum = 0.0, squares = 0.0, n = 0.0;
	for (int64_t first = 0; first < count; first += AT_ONCE) {
		gr_scope_begin();
		const int64_t m = count - first < AT_ONCE ? count - first : AT_ONCE;
		gr_tensor *moments = gr_vae_moments(l->net, gr__data_images(data, first, m));
		gr_tensor *mean = gr_slice(moments, 1, 0, E, 1);
		gr_tensor *var = gr_exp(gr_clamp(gr_slice(moments, 1, E, 2 * E, 1), -30.0, 20.0));
		gr_tensor *mean_sum = gr_sum(mean, GR_ALL_AXES, false);
		gr_tensor *square_sum = gr_sum(gr_add(gr_square(mean), var), GR_ALL_AXES, false);
		if (square_sum != NULL) {
			sum += gr_item(mean_sum);
			squares += gr_item(square_sum);
			n += (double)gr_tensor_size(mean);
		}
		gr_status ended = gr_scope_end();
		if (ended != GR_OK)
			return ended;
	}
	const double mean = sum / n;
	l->shift = mean * c->scale_factor;
	l->scale = 1.0 / (c->scale_factor * sqrt(squares / n - mean * mean));
	return isfinite(l->scale)
		? GR_OK
		: gr_error_set(GR_ENUMERIC, "%s: its latents have no standard deviation", l->name);
}

gr_status gr__latent_measure(latent_space *out, const char *typed, const char *output,
	gr_dataset *data)
{
	prior_folder f;
	*out = (latent_space){0};
	gr_status status = gr__folder_open(&f, typed);
	if (status == GR_OK)
		status = gr__folder_call(out->name, sizeof out->name, &f, typed, output);
	if (status == GR_OK)
		status = load(out, &f);
	const gr_dataset_info info = gr_dataset_describe(data);
	if (status == GR_OK &&
		(info.channels != f.dims[0] || info.height != f.dims[1] || info.width != f.dims[2]))
		status = gr_error_set(GR_EARG,
			"%s: an autoencoder of %lld x %lld x %lld, the images are %lld "
			"x %lld x %lld",
			typed, (long long)f.dims[0], (long long)f.dims[1], (long long)f.dims[2],
			(long long)info.channels, (long long)info.height, (long long)info.width);
	if (status == GR_OK)
		status = measure(out, data);
	gr__folder_close(&f);
	return status;
}

static gr_status read_real(double *out, const prior_folder *f, const char *name)
{
	const gr_json *v = gr_json_find(f->root, name);
	if (v == NULL || v->kind != GR_JSON_NUMBER)
		return gr_error_set(GR_EFORMAT, "%s/config.json: \"%s\" is missing or no number", f->path,
			name);
	*out = v->number;
	return GR_OK;
}

gr_status gr__latent_open(latent_space *out, const prior_folder *f)
{
	prior_folder coder;
	*out = (latent_space){0};
	gr_status status = gr__folder_called(&coder, f, "autoencoder");
	if (status == GR_OK)
		status = load(out, &coder);
	if (status == GR_OK)
		status = read_real(&out->shift, f, "latent_shift");
	if (status == GR_OK)
		status = read_real(&out->scale, f, "latent_scale");
	if (status == GR_OK && !(out->scale > 0.0))
		status =
			gr_error_set(GR_EFORMAT, "%s/config.json: \"latent_scale\" is not positive", f->path);
	gr__folder_close(&coder);
	return status;
}

void gr__latent_close(latent_space *l)
{
	gr_vae_free(l->net);
	l->net = NULL;
}

gr_tensor *gr__latent_encode(const latent_space *l, gr_tensor *x, const gr_key *keys)
{
	return gr_affine(gr_vae_encode(l->net, x, keys), l->scale, -l->shift * l->scale);
}

gr_tensor *gr__latent_decode(const latent_space *l, gr_tensor *z)
{
	return gr_vae_decode(l->net, gr_affine(z, 1.0 / l->scale, l->shift));
}

void gr__latent_describe(const latent_space *l, FILE *f)
{
	fprintf(f, "\t\"autoencoder\": ");
	gr_json_write_string(f, l->name);
	fprintf(f, ",\n\t\"autoencoder_sha256\": \"%s\",\n", l->sha256);
	fprintf(f, "\t\"latent_scale\": %.17g,\n\t\"latent_shift\": %.17g,\n", l->scale, l->shift);
}
