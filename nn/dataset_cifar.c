/*
 * CIFAR-10, binary version: records of 3073 bytes, a label 0..9 and an RGB image [3,32,32]
 * (cs.toronto.edu/~kriz/cifar.html).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dataset_priv.h"

#define IMAGE_BYTES 3072
#define RECORD_BYTES (1 + IMAGE_BYTES)

static gr_status count_records(int64_t *count, const char *path)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return gr_error_set(GR_EIO, "cifar: cannot open %s: %s", path, strerror(errno));
	int64_t whole = st.st_size / RECORD_BYTES;
	if (whole == 0 || st.st_size % RECORD_BYTES != 0)
		return gr_error_set(GR_EFORMAT,
			"%s: offset %lld: the last record is cut short (%lld bytes are not a multiple of %d)",
			path, (long long)whole * RECORD_BYTES, (long long)st.st_size, RECORD_BYTES);
	*count = whole;
	return GR_OK;
}

static gr_status read_records(const char *path, int64_t count, uint8_t *images, int64_t *labels)
{
	gr_status status = GR_OK;
	FILE *f = fopen(path, "rb");
	if (!f)
		return gr_error_set(GR_EIO, "cifar: cannot open %s: %s", path, strerror(errno));
	for (int64_t i = 0; !status && i < count; i++) {
		int label = fgetc(f);
		if (label == EOF || fread(images + i * IMAGE_BYTES, 1, IMAGE_BYTES, f) != IMAGE_BYTES)
			status = gr_error_set(GR_EIO, "%s: offset %lld: reading failed", path,
				(long long)i * RECORD_BYTES);
		else if (label > 9)
			status = gr_error_set(GR_EFORMAT, "%s: offset %lld: label %d, expected 0..9", path,
				(long long)i * RECORD_BYTES, label);
		labels[i] = label;
	}
	fclose(f);
	return status;
}

gr_status gr__dataset_cifar(gr_dataset **out, const char *const *paths, int n,
	const gr_dataset_opts *opts)
{
	int64_t total = 0, count = 0;
	*out = NULL;
	for (int i = 0; i < n; i++) {
		gr_status status = count_records(&count, paths[i]);
		if (status)
			return status;
		total += count;
	}
	gr_status status = gr_scope_begin();
	if (status) {
		(void)gr_scope_end(); /* balances the one that could not open */
		return status;
	}
	gr_tensor *images = gr_empty(GR_U8, GR_DIMS(total, 3, 32, 32));
	gr_tensor *labels = gr_empty(GR_I64, GR_DIMS(total));
	if (!images || !labels)
		status = gr_error_code();
	int64_t at = 0;
	for (int i = 0; !status && i < n; i++) {
		status = count_records(&count, paths[i]);
		if (!status && count > total - at) /* it grew since */
			status = gr_error_set(GR_EIO, "%s: changed while it was read", paths[i]);
		if (!status)
			status =
				read_records(paths[i], count, (uint8_t *)gr_tensor_data(images) + at * IMAGE_BYTES,
					(int64_t *)gr_tensor_data(labels) + at);
		at += count;
	}
	if (!status && at != total)
		status = gr_error_set(GR_EIO, "%s: changed while it was read", paths[0]);
	if (!status)
		status = gr_dataset_from_tensor(out, paths[0], images, labels, opts);
	gr_status ended = gr_scope_end();
	return status ? status : ended;
}
