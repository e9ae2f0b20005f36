/*
 * Datasets in memory: IDX, CIFAR-10 and .npy files all end up here, as one tensor of images in
 * their stored type and one of labels. Values are converted image by image.
 */
#include <string.h>

#include "dataset_priv.h"
#include "gradus/io.h"

typedef struct held {
	gr_tensor *images; /* contiguous, u8, f32 or f64 */
	gr_tensor *labels; /* i64 [N] or NULL */
	int64_t pixels;    /* numbers in one image */
} held;

static gr_status held_get(int64_t i, float *image, int64_t *label, void *ctx)
{
	const held *h = ctx;
	size_t at = (size_t)i * (size_t)h->pixels;
	const void *data = gr_tensor_data_const(h->images);
	switch (gr_tensor_dtype(h->images)) {
	case GR_U8:
		for (int64_t k = 0; k < h->pixels; k++)
			image[k] = (float)((const uint8_t *)data)[at + (size_t)k] / 255.0f;
		break;
	case GR_F32: memcpy(image, (const float *)data + at, (size_t)h->pixels * sizeof(float)); break;
	default:
		for (int64_t k = 0; k < h->pixels; k++)
			image[k] = (float)((const double *)data)[at + (size_t)k];
	}
	if (h->labels)
		*label = ((const int64_t *)gr_tensor_data_const(h->labels))[i];
	return GR_OK;
}

static void held_free(void *ctx)
{
	held *h = ctx;
	gr_tensor_release(h->images);
	gr_tensor_release(h->labels);
	gr_free(h);
}

/* Floats must be finite and in 0..1: anything else is a file in other units. */
static gr_status check_range(const char *name, const gr_tensor *t)
{
	gr_dtype dtype = gr_tensor_dtype(t);
	if (dtype == GR_U8 || gr_estimating())
		return GR_OK;
	const void *data = gr_tensor_data_const(t);
	int64_t size = gr_tensor_size(t);
	for (int64_t k = 0; k < size; k++) {
		double x = dtype == GR_F32 ? (double)((const float *)data)[k] : ((const double *)data)[k];
		if (!(x >= 0.0 && x <= 1.0))
			return gr_error_set(GR_EFORMAT,
				"%s: number %lld is %g, expected 0..1; hint: scale floats, or store bytes (u1)",
				name, (long long)k, x);
	}
	return GR_OK;
}

static gr_status check_tensors(const char *name, const gr_tensor *images, const gr_tensor *labels)
{
	char text[96];
	int ndim = gr_tensor_ndim(images);
	gr_dtype dtype = gr_tensor_dtype(images);
	if (!images || (ndim != 3 && ndim != 4) ||
		(dtype != GR_U8 && dtype != GR_F32 && dtype != GR_F64) || !gr_is_contiguous(images))
		return gr_error_set(GR_EFORMAT,
			"%s: holds %s, expected u8, f32 or f64 of shape [N,H,W] or [N,C,H,W]", name,
			images ? gr_tensor_describe(images, text, sizeof(text)) : "nothing");
	if (labels &&
		(gr_tensor_ndim(labels) != 1 || gr_tensor_dtype(labels) != GR_I64 ||
			!gr_is_contiguous(labels) || gr_tensor_dim(labels, 0) != gr_tensor_dim(images, 0)))
		return gr_error_set(GR_EFORMAT, "%s: labels are %s for %lld images", name,
			gr_tensor_describe(labels, text, sizeof(text)), (long long)gr_tensor_dim(images, 0));
	return check_range(name, images);
}

gr_status gr_dataset_from_tensor(gr_dataset **out, const char *name, gr_tensor *images,
	gr_tensor *labels, const gr_dataset_opts *opts)
{
	*out = NULL;
	gr_status status = check_tensors(name, images, labels);
	if (status)
		return status;
	held *h = gr_alloc(sizeof(*h));
	if (!h)
		return gr_error_set(GR_EMEM, "dataset: out of memory");
	gr_dataset_info info = {
		.count = gr_tensor_dim(images, 0),
		.channels = gr_tensor_ndim(images) == 4 ? gr_tensor_dim(images, 1) : 1,
		.height = gr_tensor_dim(images, -2),
		.width = gr_tensor_dim(images, -1),
		.labelled = labels != NULL,
	};
	h->images = gr_tensor_retain(images);
	h->labels = gr_tensor_retain(labels);
	h->pixels = info.channels * info.height * info.width;
	const gr_dataset_ops ops = {.size = sizeof(ops), .get = held_get, .free = held_free};
	return gr_dataset_new(out, &info, &ops, h, opts);
}

gr_status gr__dataset_npy(gr_dataset **out, const char *path, const gr_dataset_opts *opts)
{
	*out = NULL;
	gr_status status = gr_scope_begin();
	if (status)
		return status;
	gr_tensor *images = gr_npy_read(path);
	status = images ? gr_dataset_from_tensor(out, path, images, NULL, opts) : gr_error_code();
	gr_status ended = gr_scope_end();
	return status ? status : ended;
}
