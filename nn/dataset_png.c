/*
 * A folder of PNG files in the order of their names (strcmp). The first one decides shape and
 * number of channels; each is decoded when it is asked for and must agree with the first.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dataset_priv.h"
#include "gradus/io.h"

typedef struct folder {
	char *path;
	char **names;
	int64_t count, room;
	gr_dataset_info info;
} folder;

static void folder_free(void *ctx)
{
	folder *f = ctx;
	if (!f)
		return;
	for (int64_t i = 0; i < f->count; i++)
		gr_free(f->names[i]);
	gr_free(f->names);
	gr_free(f->path);
	gr_free(f);
}

static gr_tensor *read_image(const folder *f, int64_t i, int channels)
{
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/%s", f->path, f->names[i]);
	if (n < 0 || n >= (int)sizeof(path)) {
		gr_error_set(GR_EARG, "png folder: path of %s is too long", f->names[i]);
		return NULL;
	}
	return gr_png_read(path, GR_OPTS(gr_png_opts, .channels = channels));
}

static gr_status folder_get(int64_t i, float *image, int64_t *label, void *ctx)
{
	const folder *f = ctx;
	const gr_dataset_info *o = &f->info;
	(void)label;
	gr_status status = gr_scope_begin();
	if (status) {
		(void)gr_scope_end(); /* balances the one that could not open */
		return status;
	}
	gr_tensor *t = read_image(f, i, (int)o->channels);
	if (!t)
		status = gr_error_code();
	else if (gr_tensor_dim(t, 1) != o->height || gr_tensor_dim(t, 2) != o->width)
		status =
			gr_error_set(GR_EFORMAT, "%s/%s: %lld x %lld pixels, the first image has %lld x %lld",
				f->path, f->names[i], (long long)gr_tensor_dim(t, 1),
				(long long)gr_tensor_dim(t, 2), (long long)o->height, (long long)o->width);
	else
		status = gr_tensor_to_f32(t, image);
	gr_status ended = gr_scope_end();
	return status ? status : ended;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static gr_status add_name(folder *f, const char *name)
{
	if (f->count == f->room) {
		int64_t room = f->room ? 2 * f->room : 64;
		char **grown = gr_alloc((size_t)room * sizeof(*grown));
		if (!grown)
			return gr_error_set(GR_EMEM, "png folder: out of memory");
		if (f->count > 0)
			memcpy(grown, f->names, (size_t)f->count * sizeof(*grown));
		gr_free(f->names);
		f->names = grown;
		f->room = room;
	}
	f->names[f->count] = gr_strdup(name);
	if (!f->names[f->count])
		return gr_error_set(GR_EMEM, "png folder: out of memory");
	f->count++;
	return GR_OK;
}

static gr_status list_names(folder *f)
{
	DIR *dir = opendir(f->path);
	if (!dir)
		return gr_error_set(GR_EIO, "png folder: cannot open %s: %s", f->path, strerror(errno));
	gr_status status = GR_OK;
	const struct dirent *entry;
	while (!status && (entry = readdir(dir))) {
		size_t n = strlen(entry->d_name);
		if (n > 4 && entry->d_name[0] != '.' && strcasecmp(entry->d_name + n - 4, ".png") == 0)
			status = add_name(f, entry->d_name);
	}
	closedir(dir);
	if (!status && f->count == 0)
		status = gr_error_set(GR_EFORMAT,
			"%s: no images here; hint: PNG files, "
			"train-images-idx3-ubyte[.gz] or data_batch_1.bin",
			f->path);
	if (f->count > 0)
		qsort(f->names, (size_t)f->count, sizeof(*f->names), by_name);
	return status;
}

static gr_status describe_first(folder *f)
{
	gr_status status = gr_scope_begin();
	if (status) {
		(void)gr_scope_end(); /* balances the one that could not open */
		return status;
	}
	const gr_tensor *t = read_image(f, 0, 0);
	if (t)
		f->info = (gr_dataset_info){
			.count = f->count,
			.channels = gr_tensor_dim(t, 0),
			.height = gr_tensor_dim(t, 1),
			.width = gr_tensor_dim(t, 2),
		};
	status = t ? GR_OK : gr_error_code();
	gr_status ended = gr_scope_end();
	return status ? status : ended;
}

gr_status gr__dataset_png(gr_dataset **out, const char *path, const gr_dataset_opts *opts)
{
	*out = NULL;
	folder *f = gr_alloc(sizeof(*f));
	if (f)
		f->path = gr_strdup(path);
	if (!f || !f->path) {
		folder_free(f);
		return gr_error_set(GR_EMEM, "png folder: out of memory");
	}
	gr_status status = list_names(f);
	if (!status)
		status = describe_first(f);
	if (status) {
		folder_free(f);
		return status;
	}
	const gr_dataset_ops ops = {.size = sizeof(ops), .get = folder_get, .free = folder_free};
	return gr_dataset_new(out, &f->info, &ops, f, opts);
}
