/*
 * Images to train on: a table of functions behind one handle, and batches that are a pure function
 * of (key, step).
 *
 * Every image is f32 [C,H,W] in 0..1, all of one shape, with an integer label (-1 when there is
 * none). Readers treat their files as hostile: GR_EIO for a missing file, GR_EFORMAT naming file,
 * offset and reason for a malformed one.
 *
 * Ownership: a loader keeps a pointer to its dataset, which must outlive it. Threads: one at a time.
 */
#ifndef GRADUS_DATASET_H
#define GRADUS_DATASET_H

#include "gradus/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_dataset gr_dataset;

typedef struct gr_dataset_info {
	int64_t count, channels, height, width;
	bool labelled;
} gr_dataset_info;

/* How a user's program supplies images of its own. */
typedef struct gr_dataset_ops {
	size_t size;
	/* Image i, row-major [C,H,W], and its label. */
	gr_status (*get)(int64_t i, float *image, int64_t *label, void *ctx);
	void (*free)(void *ctx); /* may be NULL */
} gr_dataset_ops;

typedef struct gr_dataset_opts {
	size_t size;
	int64_t image_size; /* smaller images are centred on zeros of this size; default: as they are */
	const char *labels; /* IDX: the file of labels; default: none, or found in a folder */
	int64_t limit;      /* use the first `limit` images only; default all */
} gr_dataset_opts;

/*
 * Opens what `path` is:
 *     a folder with train-images-idx3-ubyte[.gz]   MNIST's format, labels beside it
 *     a folder with data_batch_1.bin ...           CIFAR-10, binary version
 *     a folder with PNG files                      in the order of their names, decoded on demand
 *     a file ending in .npy                        [N,H,W] or [N,C,H,W], u8, or floats in 0..1
 *     a file ending in .bin                        CIFAR-10 records
 *     any other file                               IDX, plain or gzip
 */
GR_API GR_MUST_USE gr_status gr_dataset_open(gr_dataset **out, const char *path,
	const gr_dataset_opts *opts);
/* images [N,H,W] or [N,C,H,W], u8 (divided by 255), f32 or f64 in 0..1; labels i64 [N] or NULL.
 * `name` is used in messages. Both tensors are retained. */
GR_API GR_MUST_USE gr_status gr_dataset_from_tensor(gr_dataset **out, const char *name,
	gr_tensor *images, gr_tensor *labels, const gr_dataset_opts *opts);
/* Takes ctx over: ops->free(ctx) is called by gr_dataset_free, or at once on failure. */
GR_API GR_MUST_USE gr_status gr_dataset_new(gr_dataset **out, const gr_dataset_info *info,
	const gr_dataset_ops *ops, void *ctx, const gr_dataset_opts *opts);
GR_API void gr_dataset_free(gr_dataset *d);

GR_API gr_dataset_info gr_dataset_describe(const gr_dataset *d);
/* Image i as f32 [C,H,W]; GR_EARG when i is out of range. */
GR_API gr_tensor *gr_dataset_image(gr_dataset *d, int64_t i);
/* Its label, -1 when there is none or on error. */
GR_API int64_t gr_dataset_label(gr_dataset *d, int64_t i);

/*
 * Batches. Sample number s = step * batch + j belongs to epoch e = s / count, is image
 * gr_random_permutation(fold(key, e))[s % count], and with `flip` is mirrored left to right by a
 * coin of (key, epoch, image).
 */
typedef struct gr_loader gr_loader;

typedef struct gr_loader_opts {
	size_t size;
	int64_t batch; /* default 1 */
	bool flip;
	bool in_order; /* no shuffling: image s % count */
} gr_loader_opts;

GR_API GR_MUST_USE gr_status gr_loader_new(gr_loader **out, gr_dataset *d, gr_key key,
	const gr_loader_opts *opts);
GR_API void gr_loader_free(gr_loader *l);
/* Images of a step, f32 [batch,C,H,W]; labels, unless NULL, receives i64 [batch]. */
GR_API gr_tensor *gr_loader_batch(gr_loader *l, int64_t step, gr_tensor **labels);

typedef struct gr_crop_opts {
	size_t size;
	int64_t side;      /* of the crops; required */
	double area_least; /* share of the image that a crop covers, uniform in least..most, */
	double area_most;  /* in (0,1]; default 1 and 1 */
	double aspect;     /* width : height log-uniform in 1/aspect..aspect; default 4/3 */
	bool flip;         /* mirror half of the crops */
	double jitter;     /* j in [0,1): values v in 0..1 become min(1, a v^g), a uniform in
	                    * 1-j..1+j, log g in -j..j; default 0, none */
} gr_crop_opts;

/* One random resized crop of every image, bilinear: that of image i is a function of keys[i] alone.
 * x f32 [N,C,H,W] -> [N,C,side,side]; GR_EARG, GR_EDTYPE. No gradient. */
GR_API gr_tensor *gr_random_crops(const gr_tensor *x, const gr_key *keys, const gr_crop_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
