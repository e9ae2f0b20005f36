/*
 * NumPy's .npz: a zip archive whose members are .npy files, named after the tensors. Read stored
 * or deflated; written stored, in the archive's order, with the earliest date that zip knows, so
 * that equal archives give equal bytes. From 4 GiB on the fields of zip64 are used.
 */
#include <string.h>
#include <zlib.h>

#include "bytes_priv.h"
#include "npy_priv.h"
#include "npz_priv.h"
#include "pool.h"
#include "tensorfile_priv.h"

enum {
	VERSION = 45, /* that of zip64; NumPy writes the same */
	FLAG_UTF8 = 1 << 11,
	DATE = 1 << 5 | 1, /* 1980-01-01 */
	HEADER_BYTES = 46 + 4 + 24,
};

static gr_status read_member(gr_archive *a, const gr_zip *z, size_t i)
{
	const char *member = z->entries[i].name;
	size_t bytes = strlen(member);
	gr_instream s;
	gr_status status = gr__zip_stream(z, i, &s);
	if (status)
		return status;
	gr_tensor *t = NULL;
	if (bytes < 5 || strcmp(member + bytes - 4, ".npy") != 0)
		status = gr__instream_fail(&s, GR_EUNSUPPORTED, 0, "not a .npy; is this a .npz?");
	else if (!(t = gr__npy_parse(&s)))
		status = gr_error_code();
	else
		status = gr__zip_finish(z, i, &s);
	if (status == GR_OK) {
		char name[GR_ZIP_NAME_MAX];
		memcpy(name, member, bytes - 4);
		name[bytes - 4] = '\0';
		status = gr_archive_add(a, name, t);
	}
	gr_tensor_release(t);
	gr__instream_close(&s);
	return status;
}

gr_status gr_npz_read(gr_archive **out, const char *path)
{
	*out = NULL;
	gr_infile f;
	gr_status status = gr__infile_open(&f, "npz", path);
	if (status)
		return status;
	gr_zip z = {.file = NULL};
	gr_archive *a = gr_archive_new();
	status = a ? gr__zip_open(&z, &f) : GR_EMEM;
	for (size_t i = 0; status == GR_OK && i < z.count; i++)
		status = read_member(a, &z, i);
	gr__zip_close(&z);
	gr__infile_close(&f);
	if (status) {
		gr_archive_free(a);
		return status;
	}
	*out = a;
	return GR_OK;
}

gr_status gr__npz_list(gr_tensorfile *f, gr_tensorfile_part *part)
{
	gr_status status = gr__tensorfile_part_unzip(part);
	for (size_t i = 0; status == GR_OK && i < part->zip.count; i++)
		status = gr__npy_list_member(f, part, (int64_t)i);
	return status;
}

/* What the directory repeats about a member. */
struct member {
	const char *name;
	uint64_t at;
	uint64_t bytes;
	uint32_t crc;
};

struct writer {
	FILE *stream;
	uint64_t at; /* bytes written */
	uint64_t limit;
};

static void put(struct writer *w, const void *data, size_t bytes)
{
	fwrite(data, 1, bytes, w->stream);
	w->at += bytes;
}

static uint64_t clip(const struct writer *w, uint64_t v)
{
	return v < w->limit ? v : UINT32_MAX;
}

/* Fields 4.. of a local and 6.. of a central header: version, flags, ..., lengths. */
static void put_header(struct writer *w, const struct member *m, bool central)
{
	unsigned char b[HEADER_BYTES] = {0};
	unsigned char extra[4 + 24];
	size_t extra_bytes = 4;
	size_t name_bytes = strlen(m->name) + 4;
	if (m->bytes >= w->limit) {
		gr__bytes_store64(extra + extra_bytes, m->bytes);
		gr__bytes_store64(extra + extra_bytes + 8, m->bytes);
		extra_bytes += 16;
	}
	if (central && m->at >= w->limit) {
		gr__bytes_store64(extra + extra_bytes, m->at);
		extra_bytes += 8;
	}
	gr__bytes_store16(extra, 1);
	gr__bytes_store16(extra + 2, extra_bytes - 4);
	if (extra_bytes == 4)
		extra_bytes = 0;

	unsigned char *p = b + (central ? 6 : 4);
	gr__bytes_store32(b, central ? GR_ZIP_CENTRAL : GR_ZIP_LOCAL);
	if (central)
		gr__bytes_store16(b + 4, VERSION);
	gr__bytes_store16(p, VERSION);
	gr__bytes_store16(p + 2, FLAG_UTF8);
	gr__bytes_store16(p + 8, DATE);
	gr__bytes_store32(p + 10, m->crc);
	gr__bytes_store32(p + 14, clip(w, m->bytes));
	gr__bytes_store32(p + 18, clip(w, m->bytes));
	gr__bytes_store16(p + 22, name_bytes);
	gr__bytes_store16(p + 24, extra_bytes);
	if (central)
		gr__bytes_store32(b + 42, clip(w, m->at));
	put(w, b, central ? 46 : 30);
	put(w, m->name, name_bytes - 4);
	put(w, ".npy", 4);
	put(w, extra, extra_bytes);
}

static gr_status put_member(struct writer *w, struct member *m, const gr_tensor *t)
{
	gr_tensor *c = gr__npy_prepare(t);
	if (!c)
		return gr_error_code();
	unsigned char header[GR_NPY_HEADER_MAX];
	size_t header_bytes = gr__npy_header(c, header);
	size_t data_bytes = (size_t)c->size * gr_dtype_bytes(c->dtype);
	m->at = w->at;
	m->bytes = header_bytes + data_bytes;
	m->crc =
		(uint32_t)crc32_z(crc32_z(0, header, header_bytes), (unsigned char *)c->data, data_bytes);
	put_header(w, m, false);
	put(w, header, header_bytes);
	put(w, c->data, data_bytes);
	gr_tensor_release(c);
	return GR_OK;
}

/* The records after the directory, which started at `begin`. */
static void put_end(struct writer *w, uint64_t begin, uint64_t count)
{
	unsigned char b[56] = {0};
	uint64_t bytes = w->at - begin;
	uint64_t end64 = w->at;
	if (begin >= w->limit || bytes >= w->limit || count >= UINT16_MAX) {
		gr__bytes_store32(b, GR_ZIP_END64);
		gr__bytes_store64(b + 4, sizeof b - 12);
		gr__bytes_store16(b + 12, VERSION);
		gr__bytes_store16(b + 14, VERSION);
		gr__bytes_store64(b + 24, count);
		gr__bytes_store64(b + 32, count);
		gr__bytes_store64(b + 40, bytes);
		gr__bytes_store64(b + 48, begin);
		put(w, b, sizeof b);
		memset(b, 0, sizeof b);
		gr__bytes_store32(b, GR_ZIP_LOCATOR64);
		gr__bytes_store64(b + 8, end64);
		gr__bytes_store32(b + 16, 1);
		put(w, b, 20);
		memset(b, 0, sizeof b);
	}
	uint64_t short_count = count < UINT16_MAX ? count : UINT16_MAX;
	gr__bytes_store32(b, GR_ZIP_END);
	gr__bytes_store16(b + 8, short_count);
	gr__bytes_store16(b + 10, short_count);
	gr__bytes_store32(b + 12, clip(w, bytes));
	gr__bytes_store32(b + 16, clip(w, begin));
	put(w, b, 22);
}

static gr_status put_archive(struct writer *w, const gr_archive *a, struct member *members)
{
	int64_t count = gr_archive_count(a);
	for (int64_t i = 0; i < count; i++) {
		members[i].name = gr_archive_name(a, i);
		gr_status status = put_member(w, &members[i], gr_archive_tensor(a, i));
		if (status)
			return status;
	}
	uint64_t begin = w->at;
	for (int64_t i = 0; i < count; i++)
		put_header(w, &members[i], true);
	put_end(w, begin, (uint64_t)count);
	return GR_OK;
}

gr_status gr__npz_write(const char *path, const gr_archive *a, uint64_t limit)
{
	if (!a || !path)
		return gr__fail(GR_EARG, "npz", "no %s given", path ? "archive" : "file name");
	for (int64_t i = 0; i < gr_archive_count(a); i++) {
		const char *name = gr_archive_name(a, i);
		const char *fault = gr__zip_name_fault(name, strlen(name));
		if (fault)
			return gr__fail(GR_EARG, "npz", "%s: tensor '%s' needs another name: %s", path, name,
				fault);
	}
	struct member *members = gr__pool_alloc((size_t)gr_archive_count(a) * sizeof *members);
	if (!members)
		return gr__fail(GR_EMEM, "npz", "%s: no memory for the directory", path);
	gr_outfile *f;
	gr_status status = gr_outfile_open(&f, path);
	if (status == GR_OK) {
		struct writer w = {.stream = gr_outfile_stream(f), .limit = limit};
		status = put_archive(&w, a, members);
		if (status)
			gr_outfile_abandon(f);
		else
			status = gr_outfile_commit(f);
	}
	gr__pool_free(members);
	return status;
}

gr_status gr_npz_write(const char *path, const gr_archive *a)
{
	return gr__npz_write(path, a, UINT32_MAX);
}
