/*
 * IDX files, the format of MNIST and Fashion-MNIST, plain or gzip: two zero bytes, type 8 (bytes),
 * number of dims, each dim as 32 bits big-endian, then the data.
 *
 * A header's promise is checked against the size of the file before anything is allocated: deflate
 * cannot expand data more than 1032 times.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "dataset_priv.h"

#define MAX_EXPANSION 1032

typedef struct idx_file {
	const char *path;
	gzFile stream;
	int64_t offset; /* in the expanded data */
	int64_t bytes;  /* size on disk */
} idx_file;

static gr_status malformed(const idx_file *f, const char *reason)
{
	return gr_error_set(GR_EFORMAT, "%s: offset %lld: %s", f->path, (long long)f->offset, reason);
}

static gr_status idx_open(idx_file *f, const char *path)
{
	struct stat st;
	*f = (idx_file){.path = path};
	if (stat(path, &st) != 0)
		return gr_error_set(GR_EIO, "idx: cannot open %s: %s", path, strerror(errno));
	f->bytes = st.st_size;
	errno = 0;
	f->stream = gzopen(path, "rb");
	if (!f->stream)
		return gr_error_set(errno ? GR_EIO : GR_EMEM, "idx: cannot open %s: %s", path,
			errno ? strerror(errno) : "out of memory");
	return GR_OK;
}

/* Exactly `bytes` bytes, in pieces that fit gzread's int. */
static gr_status idx_read(idx_file *f, void *out, int64_t bytes)
{
	for (int64_t done = 0; done < bytes;) {
		int64_t piece = bytes - done < 1 << 24 ? bytes - done : 1 << 24;
		int got = gzread(f->stream, (char *)out + done, (unsigned)piece);
		if (got < 0)
			return malformed(f, "the gzip data are damaged");
		if (got == 0)
			return malformed(f, "the file ends too early");
		f->offset += got;
		done += got;
	}
	return GR_OK;
}

/* The data must end here, and gzip's checksum must fit. */
static gr_status idx_finish(idx_file *f)
{
	char byte;
	int got = gzread(f->stream, &byte, 1);
	if (got < 0)
		return malformed(f, "the gzip data are damaged");
	if (got > 0)
		return malformed(f, "more data than the header says");
	int error = Z_OK;
	gzerror(f->stream, &error);
	if (error == Z_BUF_ERROR)
		return malformed(f, "the gzip data end too early");
	return GR_OK;
}

static gr_status read_header(idx_file *f, int ndim, int64_t dims[3])
{
	uint8_t head[4];
	gr_status status = idx_read(f, head, 4);
	if (status)
		return status;
	f->offset = 0;
	if (head[0] || head[1] || head[2] != 8)
		return malformed(f, "not an IDX file of bytes");
	if (head[3] != ndim)
		return malformed(f, ndim == 3 ? "expected images (3 dims)" : "expected labels (1 dim)");
	f->offset = 4;
	int64_t size = 1;
	for (int i = 0; i < ndim; i++) {
		status = idx_read(f, head, 4);
		if (status)
			return status;
		dims[i] = (int64_t)head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3];
		if (dims[i] < 1 || (i > 0 && dims[i] > 65536) || size > INT64_MAX / dims[i])
			return malformed(f, "a dim is zero or too large");
		size *= dims[i];
	}
	if (size / MAX_EXPANSION > f->bytes)
		return malformed(f, "the header promises more data than the file can hold");
	return GR_OK;
}

/* A u8 tensor of `ndim` dims, in the caller's scope. */
static gr_status idx_load(gr_tensor **out, const char *path, int ndim)
{
	idx_file f;
	int64_t dims[3] = {0, 0, 0};
	gr_status status = idx_open(&f, path);
	if (!status)
		status = read_header(&f, ndim, dims);
	if (!status) {
		*out = gr_empty(GR_U8, ndim, dims);
		status = *out ? idx_read(&f, gr_tensor_data(*out), gr_tensor_size(*out)) : gr_error_code();
	}
	if (!status)
		status = idx_finish(&f);
	if (f.stream)
		gzclose(f.stream);
	return status;
}

static gr_status load_labels(gr_tensor **out, const char *path, int64_t count)
{
	gr_tensor *bytes = NULL;
	gr_status status = idx_load(&bytes, path, 1);
	if (status)
		return status;
	if (gr_tensor_size(bytes) != count)
		return gr_error_set(GR_EFORMAT, "%s: %lld labels for %lld images", path,
			(long long)gr_tensor_size(bytes), (long long)count);
	*out = gr_empty(GR_I64, GR_DIMS(count));
	if (!*out)
		return gr_error_code();
	const uint8_t *from = gr_tensor_data(bytes);
	int64_t *to = gr_tensor_data(*out);
	for (int64_t i = 0; i < count; i++)
		to[i] = from[i];
	return GR_OK;
}

gr_status gr__dataset_idx(gr_dataset **out, const char *images_path, const char *labels_path,
	const gr_dataset_opts *opts)
{
	gr_tensor *images = NULL, *labels = NULL;
	*out = NULL;
	gr_status status = gr_scope_begin();
	if (status) {
		(void)gr_scope_end(); /* balances the one that could not open */
		return status;
	}
	status = idx_load(&images, images_path, 3);
	if (!status && labels_path)
		status = load_labels(&labels, labels_path, gr_tensor_dim(images, 0));
	if (!status)
		status = gr_dataset_from_tensor(out, images_path, images, labels, opts);
	gr_status ended = gr_scope_end();
	return status ? status : ended;
}
