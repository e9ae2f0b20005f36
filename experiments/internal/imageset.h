/* A set of images from a PNG file or a folder of them, as one batch. */
#ifndef GRADUS_INTERNAL_IMAGESET_H
#define GRADUS_INTERNAL_IMAGESET_H

#include "gradus/tensor.h"

typedef struct gr_imageset {
	int64_t n;
	char **names;    /* [n] file names without folder and ending, sorted by bytes */
	char (*sha)[65]; /* [n] SHA-256 of the files */
	gr_tensor *x;    /* f32 [n,C,H,W] in [-1,1] */
} gr_imageset;

/*
 * Read at most `limit` (0: all) images of C x H x W: dims. GR_EIO (nothing there), GR_EFORMAT (an
 * image of another size, named with its size and the one needed).
 */
gr_status gr__imageset_open(gr_imageset **out, const char *path, const int64_t dims[3],
	int64_t limit);
/* Keep the images whose index is `shard` modulo `shards`. GR_EARG when none is left. */
gr_status gr__imageset_shard(gr_imageset *s, int64_t shard, int64_t shards);
void gr__imageset_free(gr_imageset *s);

/* Image i of a batch [N,C,H,W] as [C,H,W], and images begin..end-1; owned by the scope. */
gr_tensor *gr__batch_one(gr_tensor *x, int64_t i);
gr_tensor *gr__batch_range(gr_tensor *x, int64_t begin, int64_t end);

#endif
