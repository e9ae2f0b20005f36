/* Checkpoints made by hand (pt_build.h). */
#include "pt_build.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static char folder[] = "/tmp/gradus-pt-XXXXXX";

void pt_begin(void)
{
	cr_assert_not_null(mkdtemp(folder));
}

void pt_end(void)
{
	DIR *d = opendir(folder);
	for (struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d)) {
		if (e->d_name[0] != '.')
			remove(pt_path(e->d_name));
	}
	if (d != NULL)
		closedir(d);
	rmdir(folder);
}

const char *pt_path(const char *name)
{
	static char paths[4][512];
	static int next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

void pt_file(const char *path, const void *data, size_t bytes)
{
	FILE *f = fopen(path, "wb");
	cr_assert_not_null(f);
	size_t written = fwrite(data, 1, bytes, f);
	cr_assert_eq(written, bytes);
	int closed = fclose(f);
	cr_assert_eq(closed, 0);
}

void pt_free(pt_bytes *b)
{
	free(b->data);
	*b = (pt_bytes){.data = NULL};
}

void pt_put(pt_bytes *b, const void *data, size_t bytes)
{
	if (b->count + bytes > b->room) {
		b->room = 2 * (b->count + bytes) + 256;
		b->data = realloc(b->data, b->room);
		cr_assert_not_null(b->data);
	}
	if (bytes > 0)
		memcpy(b->data + b->count, data, bytes);
	b->count += bytes;
}

void pt_ops(pt_bytes *b, const char *ops)
{
	pt_put(b, ops, strlen(ops));
}

static void put_little(pt_bytes *b, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		pt_byte(b, (int)(v >> 8 * i & 0xff));
}

void pt_byte(pt_bytes *b, int byte)
{
	unsigned char c = (unsigned char)byte;
	pt_put(b, &c, 1);
}

void pt_u16(pt_bytes *b, uint64_t v)
{
	put_little(b, v, 2);
}

void pt_u32(pt_bytes *b, uint64_t v)
{
	put_little(b, v, 4);
}

void pt_u64(pt_bytes *b, uint64_t v)
{
	put_little(b, v, 8);
}

void pt_text(pt_bytes *b, const char *text)
{
	pt_ops(b, "X");
	pt_u32(b, strlen(text));
	pt_ops(b, text);
}

void pt_int(pt_bytes *b, int64_t v)
{
	pt_byte(b, 0x8a);
	pt_byte(b, 8);
	pt_u64(b, (uint64_t)v);
}

void pt_global(pt_bytes *b, const char *module, const char *name)
{
	pt_ops(b, "c");
	pt_ops(b, module);
	pt_ops(b, "\n");
	pt_ops(b, name);
	pt_ops(b, "\n");
}

void pt_ints(pt_bytes *b, int n, const int64_t *v)
{
	pt_ops(b, "(");
	for (int i = 0; i < n; i++)
		pt_int(b, v[i]);
	pt_ops(b, "t");
}

void pt_storage(pt_bytes *b, const char *type, const char *key, int64_t count)
{
	pt_ops(b, "(");
	pt_text(b, "storage");
	pt_global(b, "torch", type);
	pt_text(b, key);
	pt_text(b, "cpu");
	pt_int(b, count);
	pt_ops(b, "tQ");
}

void pt_tensor(pt_bytes *b, const pt_tensor_of *t)
{
	pt_global(b, "torch._utils", "_rebuild_tensor_v2");
	pt_ops(b, "(");
	pt_storage(b, t->type != NULL ? t->type : "FloatStorage", t->key != NULL ? t->key : "0",
		t->count != 0 ? t->count : 4);
	pt_int(b, t->offset);
	pt_ints(b, t->ndim, t->dims);
	pt_ints(b, t->ndim, t->strides);
	pt_byte(b, 0x89);
	pt_global(b, "collections", "OrderedDict");
	pt_ops(b, ")RtR");
}

void pt_state_dict(pt_bytes *b, const char *name, const pt_tensor_of *t)
{
	pt_put(b, "\x80\x02}", 3);
	pt_text(b, name);
	pt_tensor(b, t);
	pt_ops(b, "s.");
}

static void put_header(pt_bytes *out, const pt_member *m, bool central, uint64_t at)
{
	pt_put(out, central ? "PK\1\2\x14\0" : "PK\3\4", central ? 6 : 4);
	pt_u16(out, 20);
	pt_u16(out, (uint64_t)m->flags);
	pt_u16(out, (uint64_t)m->method);
	pt_u32(out, 1 << 21 | 1 << 16);
	pt_u32(out, crc32(0, m->data, (unsigned)m->bytes));
	pt_u32(out, m->bytes);
	pt_u32(out, m->bytes);
	pt_u16(out, strlen(m->name));
	pt_u16(out, 0);
	if (central) {
		pt_put(out, "\0\0\0\0\0\0\0\0\0\0", 10);
		pt_u32(out, at);
	}
	pt_ops(out, m->name);
}

void pt_zip(pt_bytes *out, const pt_member *members, int count)
{
	uint64_t at[16];
	cr_assert_leq(count, 16);
	for (int i = 0; i < count; i++) {
		at[i] = out->count;
		put_header(out, &members[i], false, 0);
		pt_put(out, members[i].data, members[i].bytes);
	}
	uint64_t begin = out->count;
	for (int i = 0; i < count; i++)
		put_header(out, &members[i], true, at[i]);
	uint64_t bytes = out->count - begin;
	pt_put(out, "PK\5\6\0\0\0\0", 8);
	pt_u16(out, (uint64_t)count);
	pt_u16(out, (uint64_t)count);
	pt_u32(out, bytes);
	pt_u32(out, begin);
	pt_u16(out, 0);
}

void pt_checkpoint(pt_bytes *out, const pt_bytes *pickle, int count)
{
	float values[256];
	for (int i = 0; i < 256; i++)
		values[i] = (float)i;
	const pt_member members[] = {
		{.name = "top/data.pkl", .data = pickle->data, .bytes = pickle->count},
		{.name = "top/data/0", .data = values, .bytes = (size_t)count * sizeof *values},
		{.name = "top/version", .data = "3\n", .bytes = 2},
	};
	pt_zip(out, members, 3);
}

void pt_legacy_head(pt_bytes *out)
{
	static const char magic[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"
								"\x80\x02M\xe9\x03.\x80\x02}";
	pt_put(out, magic, sizeof magic - 1);
	pt_text(out, "little_endian");
	pt_put(out, "\x88s.", 3);
}

bool pt_opens(const pt_bytes *file, const gr_checkpoint_opts *opts)
{
	const char *path = pt_path("file");
	gr_tensorfile *f = NULL;
	gr_tensor_info info;
	pt_file(path, file->data, file->count);
	gr_status status = gr_checkpoint_open(&f, path, opts);
	cr_assert_eq(status == GR_OK, f != NULL);
	for (int64_t i = 0; status == GR_OK && gr_tensorfile_info(f, i, &info); i++) {
		status = gr_scope_begin();
		if (status == GR_OK && info.refused == NULL && gr_tensorfile_read(f, i) == NULL)
			status = gr_error_code();
		gr_scope_end();
	}
	gr_tensorfile_close(f);
	return status == GR_OK;
}
