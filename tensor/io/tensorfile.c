/*
 * Files of tensors and their lists (gradus/tensorfile.h, tensorfile_priv.h): opening, closing,
 * looking up, and the checks that a tensor must pass to be listed. tensorfile_read.c reads.
 *
 * Promise: an entry without `refused` lies inside its storage and its storage inside the file; no
 * product or sum of numbers from the file overflows on the way to that.
 */
#include <stdarg.h>
#include <string.h>

#include "archive_priv.h"
#include "pool.h"
#include "tensorfile_priv.h"
#include "utf8_priv.h"

/* All tensors of a file have together at most 4 times its bytes and this. */
static const uint64_t budget_free = (uint64_t)64 << 20;

gr_status gr__tensorfile_new(gr_tensorfile **out, const char *format)
{
	*out = NULL;
	gr_tensorfile *f = gr_alloc(sizeof *f);
	if (!f)
		return GR_EMEM;
	f->format = format;
	f->budget = budget_free;
	gr__namelist_init(&f->entries);
	f->meta = gr_archive_new();
	if (!f->meta) {
		gr_tensorfile_close(f);
		return GR_EMEM;
	}
	*out = f;
	return GR_OK;
}

static void keep(void *entry)
{
	(void)entry; /* belongs to the zip directory */
}

static void part_close(gr_tensorfile_part *part)
{
	gr__namelist_free(&part->members, keep);
	gr__zip_close(&part->zip);
	gr__infile_close(&part->file);
	gr__pool_free(part->path);
	gr__pool_free(part);
}

void gr_tensorfile_close(gr_tensorfile *f)
{
	if (!f)
		return;
	gr__namelist_free(&f->entries, gr__pool_free);
	for (int i = 0; i < f->nparts; i++)
		part_close(f->parts[i]);
	gr_archive_free(f->meta);
	gr__pool_free(f->root);
	gr__pool_free(f);
}

gr_status gr__tensorfile_part_open(gr_tensorfile *f, const char *op, const char *path,
	gr_tensorfile_part **out)
{
	*out = NULL;
	if (!path)
		return gr__fail(GR_EARG, op, "no file name given");
	if (f->nparts == GR_TENSORFILE_PARTS_MAX)
		return gr__fail(GR_EUNSUPPORTED, op, "%s: a set of more than %d files", path,
			GR_TENSORFILE_PARTS_MAX);
	gr_tensorfile_part *part = gr_alloc(sizeof *part);
	if (!part)
		return GR_EMEM;
	part->file.fd = -1;
	gr__namelist_init(&part->members);
	part->path = gr__pool_strdup(path);
	gr_status status = part->path ? gr__infile_open(&part->file, op, part->path)
								  : gr__fail(GR_EMEM, op, "%s: no memory", path);
	if (status) {
		part_close(part);
		return status;
	}
	f->parts[f->nparts++] = part;
	f->budget += part->file.size < UINT64_MAX / 16 ? 4 * part->file.size : 0;
	*out = part;
	return GR_OK;
}

gr_status gr__tensorfile_part_unzip(gr_tensorfile_part *part)
{
	gr_status status = gr__zip_open(&part->zip, &part->file);
	for (size_t i = 0; status == GR_OK && i < part->zip.count; i++) {
		gr_zip_entry *e = &part->zip.entries[i];
		if (!gr__namelist_append(&part->members, e->name, e))
			status = gr__infile_fail(&part->file, GR_EMEM, 0, "no memory for the directory");
	}
	return status;
}

gr_status gr__tensorfile_list(gr_tensorfile *f, const char *name, uint64_t at,
	const gr_tensorfile_entry *e)
{
	const gr_infile *file = &e->part->file;
	char quoted[96];
	gr__infile_quote(quoted, sizeof quoted, name, strlen(name));
	if (strlen(name) > GR_ARCHIVE_NAME_MAX || gr__utf8_valid(name, strlen(name)) < strlen(name))
		return gr__infile_fail(file, GR_EFORMAT, at, "name %s is no UTF-8 of at most %d bytes",
			quoted, GR_ARCHIVE_NAME_MAX);
	if (f->entries.count >= GR_ARCHIVE_COUNT_MAX)
		return gr__infile_fail(file, GR_EUNSUPPORTED, at, "more than %d tensors",
			GR_ARCHIVE_COUNT_MAX);
	if (gr__namelist_find(&f->entries, name))
		return gr__infile_fail(file, GR_EFORMAT, at, "two tensors of the name %s", quoted);
	gr_tensorfile_entry *copy = gr__pool_alloc(sizeof *copy);
	if (copy)
		*copy = *e;
	if (!copy || !gr__namelist_append(&f->entries, name, copy)) {
		gr__pool_free(copy);
		return gr__infile_fail(file, GR_EMEM, at, "no memory to list %s", quoted);
	}
	return GR_OK;
}

gr_status gr_tensorfile_begin(gr_tensorfile **out, const char *op, const char *format,
	const char *path)
{
	gr_tensorfile_part *part;
	gr_status status = gr__tensorfile_new(out, format);
	if (status == GR_OK)
		status = gr__tensorfile_part_open(*out, op, path, &part);
	if (status) {
		gr_tensorfile_close(*out);
		*out = NULL;
	}
	return status;
}

void gr_tensorfile_set_format(gr_tensorfile *f, const char *format)
{
	f->format = format;
}

uint64_t gr_tensorfile_bytes(const gr_tensorfile *f)
{
	return f->parts[0]->file.size;
}

gr_status gr_tensorfile_fetch(const gr_tensorfile *f, uint64_t offset, void *dst, size_t bytes)
{
	return gr__infile_read(&f->parts[0]->file, offset, dst, bytes);
}

gr_status gr_tensorfile_fail(const gr_tensorfile *f, gr_status code, uint64_t offset,
	const char *format, ...)
{
	char reason[512];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	return gr__infile_fail(&f->parts[0]->file, code, offset, "%s", reason);
}

const char *gr_quote(char *buf, size_t size, const char *text, size_t bytes)
{
	return gr__infile_quote(buf, size, text, bytes);
}

gr_status gr_tensorfile_unzip(gr_tensorfile *f)
{
	return gr__tensorfile_part_unzip(f->parts[0]);
}

static bool member_of(const gr_zip_entry *e, gr_tensorfile_member *m)
{
	if (!e)
		return false;
	*m = (gr_tensorfile_member){.name = e->name,
		.offset = e->data,
		.bytes = e->bytes,
		.deflated = e->deflated};
	return true;
}

bool gr_tensorfile_member_at(const gr_tensorfile *f, int64_t i, gr_tensorfile_member *m)
{
	const gr_zip *z = &f->parts[0]->zip;
	return member_of(i >= 0 && (uint64_t)i < z->count ? &z->entries[i] : NULL, m);
}

bool gr_tensorfile_member_find(const gr_tensorfile *f, const char *name, gr_tensorfile_member *m)
{
	const gr_namelist_entry *e = gr__namelist_find(&f->parts[0]->members, name);
	return member_of(e ? e->value : NULL, m);
}

gr_status gr_tensorfile_member_check(const gr_tensorfile *f, int64_t i)
{
	const gr_zip *z = &f->parts[0]->zip;
	if (i < 0 || (uint64_t)i >= z->count)
		return gr__fail(GR_EARG, z->file ? z->file->op : NULL, "no member %lld", (long long)i);
	unsigned char buf[16384];
	gr_instream s;
	gr_status status = gr__zip_stream(z, (size_t)i, &s);
	while (status == GR_OK && s.left > 0)
		status = gr__instream_read(&s, buf, s.left < sizeof buf ? (size_t)s.left : sizeof buf);
	if (status == GR_OK)
		status = gr__zip_finish(z, (size_t)i, &s);
	gr__instream_close(&s);
	return status;
}

gr_status gr_tensorfile_set_root(gr_tensorfile *f, const char *root)
{
	char *copy = gr_strdup(root);
	if (!copy)
		return GR_EMEM;
	gr__pool_free(f->root);
	f->root = copy;
	return GR_OK;
}

static gr_status misplaced(const gr_tensorfile *f, const gr_tensor_place *p, const char *reason)
{
	char quoted[96];
	gr__infile_quote(quoted, sizeof quoted, p->name, strlen(p->name));
	return gr_tensorfile_fail(f, GR_EFORMAT, p->begin, "tensor %s: %s", quoted, reason);
}

/* Shape and type of the place; what cannot be a tensor here is noted in e->refused. */
static gr_status check_shape(const gr_tensorfile *f, const gr_tensor_place *p,
	gr_tensorfile_entry *e)
{
	for (int i = 0; i < p->ndim; i++) {
		if (p->dims[i] < 0 || (p->strides && p->strides[i] < 0))
			return misplaced(f, p, "a negative size or stride");
	}
	if (p->offset < 0)
		return misplaced(f, p, "a negative offset");
	if (p->ndim > GR_MAX_DIMS && !e->refused)
		e->refused = "it has more than 8 dims";
	e->spec.ndim = p->ndim < GR_MAX_DIMS ? p->ndim : GR_MAX_DIMS;
	for (int i = 0; i < e->spec.ndim; i++)
		e->spec.dims[i] = p->dims[i];
	for (int i = 0; i < GR_ELEMENT_COUNT; i++) {
		if (strcmp(p->type, gr__element_table[i].name) == 0)
			e->element = (gr_element)i;
	}
	if (e->element == GR_ELEMENT_COUNT && !e->refused)
		e->refused = "its type is not supported";
	if (e->element < GR_ELEMENT_COUNT)
		e->spec.dtype = gr__element_table[e->element].dtype;
	return GR_OK;
}

/* The last element's index within the storage; false when it overflows. */
static bool last_index(const gr_tensor_place *p, const int64_t *strides, int64_t *last)
{
	*last = p->offset;
	for (int i = 0; i < p->ndim; i++) {
		int64_t reach;
		if (__builtin_mul_overflow(p->dims[i] - 1, strides[i], &reach) ||
			__builtin_add_overflow(*last, reach, last))
			return false;
	}
	return true;
}

/* Row-major unless the place says otherwise; sets e->strided when that makes a difference. */
static void fill_strides(const gr_tensor_place *p, gr_tensorfile_entry *e)
{
	int64_t step = 1;
	for (int i = p->ndim; i-- > 0;) {
		e->strides[i] = p->strides ? p->strides[i] : step;
		e->strided = e->strided || (p->dims[i] > 1 && e->strides[i] != step);
		step *= p->dims[i];
	}
}

static gr_status check_place(gr_tensorfile *f, const gr_tensor_place *p, gr_tensorfile_entry *e)
{
	uint64_t bytes;
	if (!gr__element_bytes(e->element, &e->spec, &bytes))
		return misplaced(f, p, "a shape with too many elements");
	if (bytes > f->budget)
		return misplaced(f, p,
			"the tensors up to here have more than 4 times the file's bytes and 64 MiB");
	f->budget -= bytes;
	if (bytes == 0)
		return GR_OK;
	fill_strides(p, e);
	const uint64_t width = gr__element_table[e->element].bytes;
	int64_t last = 0;
	if (!last_index(p, e->strides, &last) || (uint64_t)last >= (p->end - p->begin) / width)
		return misplaced(f, p, "it reaches outside its storage");
	e->begin = p->begin + (uint64_t)p->offset * width;
	return GR_OK;
}

gr_status gr_tensorfile_add(gr_tensorfile *f, const gr_tensor_place *p)
{
	if (!f || !p || !p->name || !p->type || p->ndim < 0 || (p->ndim > 0 && !p->dims))
		return gr__fail(GR_EARG, "tensorfile", "add: a name, a type and dims are needed");
	gr_tensorfile_entry e = {
		.part = f->parts[0],
		.element = GR_ELEMENT_COUNT,
		.swap = p->big_endian,
		.member = -1,
		.refused = p->refused,
	};
	snprintf(e.type, sizeof e.type, "%s", p->type);
	gr_status status = check_shape(f, p, &e);
	if (status == GR_OK && (p->begin > p->end || p->end > gr_tensorfile_bytes(f)))
		status = misplaced(f, p, "its storage is not in the file");
	if (status == GR_OK && !e.refused)
		status = check_place(f, p, &e);
	return status ? status : gr__tensorfile_list(f, p->name, p->begin, &e);
}

/* What reads a part, by its first bytes. */
static gr_status list_part(gr_tensorfile *f, gr_tensorfile_part *part)
{
	gr_infile *file = &part->file;
	unsigned char head[9] = {0};
	size_t have = file->size < sizeof head ? (size_t)file->size : sizeof head;
	gr_status status = gr__infile_read(file, 0, head, have);
	if (status)
		return status;
	if (memcmp(head, "\x93NUMPY", 6) == 0) {
		f->format = "NumPy array";
		file->op = "npy";
		return gr__npy_list(f, part);
	}
	if (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0) {
		f->format = "NumPy archive";
		file->op = "npz";
		return gr__npz_list(f, part);
	}
	file->op = "safetensors";
	if (head[0] == '{' && head[8] != '{') {
		f->format = "sharded safetensors";
		return gr__shards_list(f, part);
	}
	return gr__safetensors_list(f, part);
}

gr_status gr_tensorfile_open(gr_tensorfile **out, const char *path)
{
	gr_status status = gr_tensorfile_begin(out, "tensorfile", "safetensors", path);
	if (status == GR_OK)
		status = list_part(*out, (*out)->parts[0]);
	if (status) {
		gr_tensorfile_close(*out);
		*out = NULL;
	}
	return status;
}

const char *gr_tensorfile_format(const gr_tensorfile *f)
{
	return f->format;
}

const char *gr_tensorfile_root(const gr_tensorfile *f)
{
	return f->root ? f->root : "";
}

int64_t gr_tensorfile_count(const gr_tensorfile *f)
{
	return f ? f->entries.count : 0;
}

bool gr_tensorfile_info(const gr_tensorfile *f, int64_t i, gr_tensor_info *info)
{
	const gr_namelist_entry *listed = f ? gr__namelist_at(&f->entries, i) : NULL;
	if (!listed)
		return false;
	const gr_tensorfile_entry *e = listed->value;
	int64_t count = e->refused ? 0 : gr__spec_size(&e->spec);
	*info = (gr_tensor_info){
		.name = listed->name,
		.type = e->type,
		.dtype = e->spec.dtype,
		.ndim = e->spec.ndim,
		.dims = e->spec.dims,
		.count = count,
		.bytes = e->refused ? 0 : (uint64_t)count * gr__element_table[e->element].bytes,
		.refused = e->refused,
	};
	return true;
}

int64_t gr_tensorfile_find(const gr_tensorfile *f, const char *name)
{
	const gr_namelist_entry *e = f ? gr__namelist_find(&f->entries, name) : NULL;
	return e ? e - f->entries.entries : -1;
}

const gr_archive *gr_tensorfile_meta(const gr_tensorfile *f)
{
	return f->meta;
}

gr_tensor *gr_tensorfile_read(const gr_tensorfile *f, int64_t i)
{
	const gr_namelist_entry *e = f ? gr__namelist_at(&f->entries, i) : NULL;
	if (!e) {
		gr__fail(GR_EARG, "tensorfile", "there is no tensor %lld", (long long)i);
		return NULL;
	}
	return gr__scope_own(gr__tensorfile_read(e->value, e->name));
}

static gr_status copy_meta(gr_archive *to, const gr_archive *from)
{
	const char *key;
	for (int64_t i = 0; (key = gr_archive_meta_name(from, i)) != NULL; i++) {
		gr_status status = gr_archive_set_meta(to, key, gr_archive_meta(from, key));
		if (status)
			return status;
	}
	return GR_OK;
}

gr_status gr_tensorfile_read_all(gr_archive **out, const gr_tensorfile *f)
{
	*out = NULL;
	gr_archive *a = gr_archive_new();
	gr_status status = a ? copy_meta(a, f->meta) : GR_EMEM;
	for (int64_t i = 0; status == GR_OK && i < f->entries.count; i++) {
		const gr_namelist_entry *e = &f->entries.entries[i];
		gr_tensor *t = gr__tensorfile_read(e->value, e->name);
		status = t ? gr_archive_add(a, e->name, t) : gr_error_code();
		gr_tensor_release(t);
	}
	if (status) {
		gr_archive_free(a);
		return status;
	}
	*out = a;
	return GR_OK;
}
