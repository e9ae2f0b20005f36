/*
 * The dataset handle: a table of functions, plus what all readers share: centring small images on
 * zeros, range checks, and finding out which reader a path needs. Batches are in loader.c.
 */
#include "gradus/dataset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dataset_priv.h"

#define MAX_PATH 4096
#define MAX_SIDE 65536

struct gr_dataset {
	gr_dataset_info inner; /* images as the reader gives them */
	gr_dataset_info outer; /* as the user sees them */
	gr_dataset_ops ops;
	void *ctx;
	float *scratch; /* one inner image, when the shapes differ; else NULL */
};

static gr_status check_info(const gr_dataset_info *in, int64_t image_size)
{
	if (in->count < 1 || in->channels < 1 || in->channels > 64 || in->height < 1 || in->width < 1 ||
		in->height > MAX_SIDE || in->width > MAX_SIDE)
		return gr_error_set(GR_EFORMAT, "dataset: %lld images of %lld x %lld x %lld",
			(long long)in->count, (long long)in->channels, (long long)in->height,
			(long long)in->width);
	if (image_size && (image_size < in->height || image_size < in->width || image_size > MAX_SIDE))
		return gr_error_set(GR_EARG,
			"dataset: images are %lld x %lld, cannot be centred on %lld x %lld; hint: resize the "
			"files first",
			(long long)in->height, (long long)in->width, (long long)image_size,
			(long long)image_size);
	return GR_OK;
}

gr_status gr_dataset_new(gr_dataset **out, const gr_dataset_info *info, const gr_dataset_ops *ops,
	void *ctx, const gr_dataset_opts *opts)
{
	*out = NULL;
	int64_t image_size = opts ? opts->image_size : 0;
	gr_status status = check_info(info, image_size);
	gr_dataset *d = status ? NULL : gr_alloc(sizeof(*d));
	if (!d) {
		if (!status)
			status = gr_error_set(GR_EMEM, "dataset: out of memory");
		if (ops->free)
			ops->free(ctx);
		return status;
	}
	d->inner = *info;
	d->outer = *info;
	d->ops = *ops;
	d->ctx = ctx;
	if (opts && opts->limit > 0 && opts->limit < info->count)
		d->outer.count = opts->limit;
	if (image_size && (image_size != info->height || image_size != info->width)) {
		d->outer.height = d->outer.width = image_size;
		d->scratch =
			gr_alloc((size_t)(info->channels * info->height * info->width) * sizeof(float));
		if (!d->scratch) {
			gr_dataset_free(d);
			return gr_error_set(GR_EMEM, "dataset: out of memory");
		}
	}
	*out = d;
	return GR_OK;
}

void gr_dataset_free(gr_dataset *d)
{
	if (!d)
		return;
	if (d->ops.free)
		d->ops.free(d->ctx);
	gr_free(d->scratch);
	gr_free(d);
}

gr_dataset_info gr_dataset_describe(const gr_dataset *d)
{
	return d ? d->outer : (gr_dataset_info){0};
}

/* Zeros around: the odd row or column goes to the bottom or right. */
static void centre(float *out, const gr_dataset_info *o, const float *in, const gr_dataset_info *i)
{
	int64_t top = (o->height - i->height) / 2, left = (o->width - i->width) / 2;
	memset(out, 0, (size_t)(o->channels * o->height * o->width) * sizeof(*out));
	for (int64_t c = 0; c < i->channels; c++) {
		for (int64_t h = 0; h < i->height; h++)
			memcpy(out + (c * o->height + top + h) * o->width + left,
				in + (c * i->height + h) * i->width, (size_t)i->width * sizeof(*out));
	}
}

gr_status gr__dataset_get(gr_dataset *d, int64_t i, float *image, int64_t *label)
{
	if (i < 0 || i >= d->outer.count)
		return gr_error_set(GR_EARG, "dataset: image %lld of %lld", (long long)i,
			(long long)d->outer.count);
	*label = -1;
	gr_status status = d->ops.get(i, d->scratch ? d->scratch : image, label, d->ctx);
	if (!status && d->scratch)
		centre(image, &d->outer, d->scratch, &d->inner);
	return status;
}

gr_tensor *gr_dataset_image(gr_dataset *d, int64_t i)
{
	if (!d) {
		gr_error_set(GR_EARG, "dataset: NULL");
		return NULL;
	}
	const gr_dataset_info *o = &d->outer;
	gr_tensor *t = gr_empty(GR_F32, GR_DIMS(o->channels, o->height, o->width));
	int64_t label;
	if (!t || gr__dataset_get(d, i, gr_tensor_data(t), &label))
		return NULL;
	return t;
}

int64_t gr_dataset_label(gr_dataset *d, int64_t i)
{
	if (!d || !d->outer.labelled)
		return -1;
	int64_t label = -1;
	gr_scope_begin();
	gr_tensor *t = gr_empty(GR_F32, GR_DIMS(d->outer.channels, d->outer.height, d->outer.width));
	if (!t || gr__dataset_get(d, i, gr_tensor_data(t), &label))
		label = -1;
	gr_scope_end();
	return label;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && strcmp(text + n - m, end) == 0;
}

/* folder/name, or folder/name.gz when gz; false when there is no such file. */
static bool find_in(char path[MAX_PATH], const char *folder, const char *name, bool gz)
{
	struct stat st;
	int n = snprintf(path, MAX_PATH, "%s/%s%s", folder, name, gz ? ".gz" : "");
	return n > 0 && n < MAX_PATH && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static gr_status open_folder(gr_dataset **out, const char *path, const gr_dataset_opts *opts)
{
	char images[MAX_PATH], labels[MAX_PATH], batches[5][MAX_PATH];
	if (find_in(images, path, "train-images-idx3-ubyte", false) ||
		find_in(images, path, "train-images-idx3-ubyte", true)) {
		bool labelled = find_in(labels, path, "train-labels-idx1-ubyte", false) ||
			find_in(labels, path, "train-labels-idx1-ubyte", true);
		const char *given = opts ? opts->labels : NULL;
		return gr__dataset_idx(out, images, given ? given : labelled ? labels : NULL, opts);
	}
	const char *found[5];
	int n = 0;
	for (int i = 0; i < 5; i++) {
		char name[32];
		snprintf(name, sizeof(name), "data_batch_%d.bin", i + 1);
		if (find_in(batches[n], path, name, false)) {
			found[n] = batches[n];
			n++;
		}
	}
	if (n > 0)
		return gr__dataset_cifar(out, found, n, opts);
	return gr__dataset_png(out, path, opts);
}

gr_status gr_dataset_open(gr_dataset **out, const char *path, const gr_dataset_opts *opts)
{
	struct stat st;
	*out = NULL;
	if (stat(path, &st) != 0)
		return gr_error_set(GR_EIO, "dataset: cannot open %s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return open_folder(out, path, opts);
	if (ends_with(path, ".npy"))
		return gr__dataset_npy(out, path, opts);
	if (ends_with(path, ".bin"))
		return gr__dataset_cifar(out, &path, 1, opts);
	return gr__dataset_idx(out, path, opts ? opts->labels : NULL, opts);
}
