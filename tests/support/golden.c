/* See golden.h. */
#include "golden.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nn_check.h"

const char *golden_path(const char *folder, const char *file)
{
	static char path[512];
	const char *shared = getenv("GRADUS_SHARED");
	if (shared != NULL && shared[0] != '\0') {
		snprintf(path, sizeof path, "%s/goldens/%s/%s", shared, folder, file);
		if (access(path, R_OK) == 0)
			return path;
	}
	printf("skipped: no reference case %s/%s (GRADUS_SHARED)\n", folder, file);
	return NULL;
}

typedef struct bytes {
	unsigned char *data;
	size_t size;
} bytes;

static bytes read_all(const char *path)
{
	bytes b = {0};
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return b;
	if (fseek(f, 0, SEEK_END) == 0) {
		long size = ftell(f);
		b.data = size > 0 ? malloc((size_t)size) : NULL;
		rewind(f);
		if (b.data != NULL)
			b.size = fread(b.data, 1, (size_t)size, f);
	}
	fclose(f);
	return b;
}

static size_t u16(const unsigned char *p)
{
	return (size_t)p[0] | (size_t)p[1] << 8;
}

static size_t u32(const unsigned char *p)
{
	return u16(p) | u16(p + 2) << 16;
}

/* The content of the entry whose name ends with `tail`, by the central directory. */
static bytes find_entry(bytes zip, const char *tail)
{
	const size_t tail_size = strlen(tail);
	for (size_t end = zip.size < 22 ? 0 : zip.size - 22; end > 0; end--) {
		if (memcmp(zip.data + end, "PK\5\6", 4) != 0)
			continue;
		size_t at = u32(zip.data + end + 16);
		for (size_t n = u16(zip.data + end + 10); n > 0 && at + 46 <= end; n--) {
			const unsigned char *e = zip.data + at;
			const size_t size = u32(e + 24), name = u16(e + 28), local = u32(e + 42);
			if (name >= tail_size && memcmp(e + 46 + name - tail_size, tail, tail_size) == 0 &&
				u16(e + 10) == 0 && local + 30 <= end) {
				size_t start = local + 30 + u16(zip.data + local + 26) + u16(zip.data + local + 28);
				if (start + size <= end)
					return (bytes){zip.data + start, size};
			}
			at += 46 + name + u16(e + 30) + u16(e + 32);
		}
		break;
	}
	return (bytes){0};
}

/* Offset behind the first occurrence of `name` as a pickled string at or after `from`; 0: none. */
static size_t find_string(bytes pickle, size_t from, const char *name)
{
	const size_t length = strlen(name);
	for (size_t at = from; at + 5 + length <= pickle.size; at++) {
		const unsigned char *p = pickle.data + at;
		if (p[0] == 'X' && u32(p + 1) == length && memcmp(p + 5, name, length) == 0)
			return at + 5 + length;
	}
	return 0;
}

static gr_status fill_archive(gr_archive *a, const gr_module *m, bytes zip, const char *path)
{
	const bytes pickle = find_entry(zip, "/data.pkl");
	size_t at = 0;
	const gr_param *p;
	for (int64_t i = 0; (p = gr_module_param_handle(m, i)) != NULL; i++) {
		const char *name = gr_module_param_name(m, i);
		char tail[32];
		snprintf(tail, sizeof tail, "/data/%lld", (long long)i);
		const bytes entry = find_entry(zip, tail);
		at = find_string(pickle, at, name);
		size_t size = sizeof(float);
		for (int d = 0; d < gr_param_ndim(p); d++)
			size *= (size_t)gr_param_dims(p)[d];
		if (at == 0 || entry.data == NULL || entry.size != size)
			return gr_error_set(GR_EFORMAT, "golden: %s: entry %lld is not %s (%lld of %lld bytes)",
				path, (long long)i, name, (long long)entry.size, (long long)size);
		gr_tensor *t = gr_from(GR_F32, entry.data, gr_param_ndim(p), gr_param_dims(p));
		gr_status status = gr_archive_add(a, name, t);
		if (status != GR_OK)
			return status;
	}
	return GR_OK;
}

gr_status golden_load_pt(gr_module *m, const char *path)
{
	const bytes zip = read_all(path);
	if (zip.data == NULL)
		return gr_error_set(GR_EIO, "golden: cannot read %s", path);
	gr_archive *a = gr_archive_new();
	gr_status status = a == NULL ? GR_EMEM : fill_archive(a, m, zip, path);
	if (status == GR_OK)
		status = gr_module_load(m, a, NULL);
	gr_archive_free(a);
	free(zip.data);
	return status;
}

gr_status golden_compare(const gr_archive *io, golden_forward forward, void *model,
	const golden_keys *keys, double *y_error, double *grad_error)
{
	gr_tensor *x = gr_watch(gr_archive_find(io, keys->x));
	gr_tensor *y = forward(model, io, x);
	gr_tensor *grad = NULL;
	*y_error = nn_distance(y, gr_archive_find(io, keys->y));
	gr_status status =
		gr_grad(&grad, y, 1, &x, GR_OPTS(gr_grad_opts, .cotangent = gr_archive_find(io, keys->r)));
	*grad_error = status == GR_OK ? nn_distance(grad, gr_archive_find(io, keys->grad)) : 1.0;
	return status;
}

gr_json_doc *golden_config(const char *folder)
{
	const char *path = golden_path(folder, "config.json");
	const bytes text = path == NULL ? (bytes){0} : read_all(path);
	gr_json_error error;
	gr_json_doc *doc =
		text.data == NULL ? NULL : gr_json_parse((char *)text.data, text.size, NULL, &error);
	free(text.data);
	return doc;
}
