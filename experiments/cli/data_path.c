/* Datasets by name. */
#include "data_path.h"

#include <string.h>

#include "data_emoji.h"
#include "data_npz.h"
#include "gradus/ops.h"

#define FOLDER "/usr/share/datasets/fashion-mnist"

static const struct {
	const char *name, *path;
	const char *labels; /* NULL: found in the folder */
} named[] = {
	{"fashion", FOLDER, NULL},
	{"fashion-test", FOLDER "/t10k-images-idx3-ubyte.gz", FOLDER "/t10k-labels-idx1-ubyte.gz"},
};

gr_status gr__data_open(gr_dataset **out, const char *data, int64_t image_size, int64_t limit)
{
	if (strcmp(data, "emoji") == 0 || strcmp(data, "emoji-test") == 0)
		return gr__data_emoji(out, data[5] != '\0',
			GR_OPTS(gr_dataset_opts, .image_size = image_size, .limit = limit));
	const size_t length = strlen(data);
	if (length > 4 && strcmp(data + length - 4, ".npz") == 0)
		return gr__data_npz(out, NULL, data,
			GR_OPTS(gr_dataset_opts, .image_size = image_size, .limit = limit));
	const char *path = data, *labels = NULL;
	for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
		if (strcmp(data, named[i].name) == 0) {
			path = named[i].path;
			labels = named[i].labels;
		}
	}
	/* 28 x 28 does not halve twice; 32 x 32 does, and is what the published networks use. */
	if (path != data && image_size == 0)
		image_size = 32;
	gr_status status = gr_dataset_open(out, path,
		GR_OPTS(gr_dataset_opts, .image_size = image_size, .labels = labels, .limit = limit));
	if (status != GR_EIO || path == data)
		return status;
	char message[1024];
	snprintf(message, sizeof message, "%s", gr_error_message());
	gr_error_clear();
	return gr_error_set(GR_EIO, "%s; hint: apt-get install dataset-fashion-mnist", message);
}

gr_tensor *gr__data_images(gr_dataset *d, int64_t first, int64_t n)
{
	const gr_dataset_info info = gr_dataset_describe(d);
	const int64_t pixels = info.channels * info.height * info.width;
	gr_tensor *x = gr_empty(GR_F32, GR_DIMS(n, info.channels, info.height, info.width));
	for (int64_t i = 0; x != NULL && i < n; i++) {
		gr_scope_begin();
		const gr_tensor *image = gr_dataset_image(d, first + i);
		if (image != NULL)
			gr_tensor_to_f32(image, (float *)gr_tensor_data(x) + i * pixels);
		if (gr_scope_end() != GR_OK)
			return NULL;
	}
	return gr_affine(x, 2.0, -1.0);
}
