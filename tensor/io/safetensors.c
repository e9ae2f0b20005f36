/*
 * safetensors: a length (u64), a JSON header that describes every tensor, the packed data.
 * The format is stated in the README of github.com/huggingface/safetensors.
 *
 * Promises: the header is at most 100 MB, strict JSON in UTF-8 without duplicate names or unknown
 * fields; the tensors' ranges cover the data without holes or overlap and end with the file; shape,
 * type and range agree. All of this is checked before the first tensor is allocated, so no more is
 * ever allocated for tensors than the file can fill (8 times that for small integers, which become
 * i64). The file is read, never mapped.
 */
#include <stdlib.h>
#include <string.h>

#include "archive_priv.h"
#include "bytes_priv.h"
#include "gradus/io.h"
#include "gradus/json.h"
#include "pool.h"
#include "tensorfile_priv.h"

static const char op[] = "safetensors";
static const char metadata_name[] = "__metadata__";

enum { MAX_HEADER = 100000000 };

struct entry {
	const char *name;
	gr_spec spec;
	gr_element element;
	uint64_t offset; /* of its description in the file, for messages */
	uint64_t begin;  /* its data, from the start of the data */
	uint64_t end;
};

struct reader {
	gr_tensorfile *f;
	const gr_tensorfile_part *part;
	const gr_infile *file;
	uint64_t data; /* where the data start */
	gr_json_doc *header;
	struct entry *entries; /* in the header's order */
	size_t count;
};

static gr_status bad(const struct reader *r, uint64_t offset, const char *name, const char *reason)
{
	char quoted[96];
	gr__infile_quote(quoted, sizeof quoted, name, strlen(name));
	return gr__infile_fail(r->file, GR_EFORMAT, offset, "tensor %s: %s", quoted, reason);
}

static gr_status read_header(struct reader *r)
{
	unsigned char b[9];
	const gr_infile *f = r->file;
	if (f->size < 8)
		return gr__infile_fail(f, GR_EFORMAT, f->size,
			"truncated: no room for the header's length");
	size_t have = f->size < sizeof b ? (size_t)f->size : sizeof b;
	gr_status status = gr__infile_read(f, 0, b, have);
	if (status)
		return status;
	uint64_t n = gr__bytes_load64(b);
	if (n > MAX_HEADER || n > f->size - 8 || n < 2 || b[8] != '{') {
		const char *guess = gr__infile_guess(b, have);
		const char *reason = n > MAX_HEADER ? "header of more than 100 MB"
			: n < 2                         ? "header too short"
			: n > f->size - 8               ? "truncated: the header is longer than the file"
											: "the header does not start with '{'";
		return gr__infile_fail(f, GR_EFORMAT, n > f->size - 8 ? 0 : 8, "%s%s%s", reason,
			guess ? "; the file looks like " : "", guess ? guess : "");
	}
	char *text = gr__pool_alloc((size_t)n);
	if (!text)
		return gr__infile_fail(f, GR_EMEM, 8, "no memory for a header of %llu bytes",
			(unsigned long long)n);
	status = gr__infile_read(f, 8, text, (size_t)n);
	if (status == GR_OK) {
		/* A valid description takes at least 4 bytes for each of its values. */
		size_t values = n / 4 + 16 < 4000000 ? (size_t)n / 4 + 16 : 4000000;
		gr_json_error error;
		r->header =
			gr_json_parse(text, (size_t)n, &(gr_json_limits){.depth = 4, .values = values}, &error);
		if (!r->header)
			status = gr__infile_fail(f, error.code, 8 + error.offset, "header: %s", error.reason);
	}
	gr__pool_free(text);
	r->data = 8 + n;
	return status;
}

static gr_status read_metadata(struct reader *r, const gr_json *meta)
{
	if (meta->kind != GR_JSON_OBJECT)
		return gr__infile_fail(r->file, GR_EFORMAT, 8 + meta->offset, "__metadata__ is no object");
	if (meta->count > GR_ARCHIVE_COUNT_MAX)
		return gr__infile_fail(r->file, GR_EUNSUPPORTED, 8 + meta->offset, "%zu metadata entries",
			meta->count);
	for (const gr_json *v = meta->child; v; v = v->next) {
		if (v->kind != GR_JSON_STRING)
			return gr__infile_fail(r->file, GR_EFORMAT, 8 + v->offset,
				"metadata that is no string");
		gr_status status = gr_archive_set_meta(r->f->meta, v->name, v->string);
		if (status)
			return status;
	}
	return GR_OK;
}

static gr_status parse_dtype(struct reader *r, struct entry *e, const gr_json *v)
{
	/* Of the official list, what tensors here cannot hold. */
	static const char *const others[] = {"C64", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ",
		"F8_E5M2FNUZ", "F4", "F6_E2M3", "F6_E3M2"};
	if (!v || v->kind != GR_JSON_STRING)
		return bad(r, e->offset, e->name, "dtype is missing or no string");
	for (int i = 0; i < GR_ELEMENT_COUNT; i++) {
		if (strcmp(v->string, gr__element_table[i].name) == 0) {
			e->element = (gr_element)i;
			e->spec.dtype = gr__element_table[i].dtype;
			return GR_OK;
		}
	}
	char name[96];
	char type[48];
	gr__infile_quote(name, sizeof name, e->name, strlen(e->name));
	gr__infile_quote(type, sizeof type, v->string, v->count);
	bool known = false;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		known = known || strcmp(v->string, others[i]) == 0;
	return gr__infile_fail(r->file, known ? GR_EUNSUPPORTED : GR_EFORMAT, 8 + v->offset,
		"tensor %s: dtype %s is %s", name, type, known ? "not supported" : "unknown");
}

static bool is_count(const gr_json *v)
{
	return v->kind == GR_JSON_NUMBER && v->is_int && v->integer >= 0;
}

static gr_status parse_shape(struct reader *r, struct entry *e, const gr_json *v)
{
	if (!v || v->kind != GR_JSON_ARRAY)
		return bad(r, e->offset, e->name, "shape is missing or no array");
	if (v->count > GR_MAX_DIMS)
		return gr__infile_fail(r->file, GR_EUNSUPPORTED, 8 + v->offset,
			"tensor with %zu dims, at most %d are possible", v->count, GR_MAX_DIMS);
	for (const gr_json *d = v->child; d; d = d->next) {
		if (!is_count(d))
			return bad(r, 8 + d->offset, e->name, "a dim is no non-negative integer");
		e->spec.dims[e->spec.ndim++] = d->integer;
	}
	return GR_OK;
}

static gr_status parse_range(struct reader *r, struct entry *e, const gr_json *v)
{
	if (!v || v->kind != GR_JSON_ARRAY || v->count != 2)
		return bad(r, e->offset, e->name, "data_offsets is missing or no pair");
	const gr_json *begin = v->child;
	const gr_json *end = begin->next;
	if (!is_count(begin) || !is_count(end) || begin->integer > end->integer)
		return bad(r, 8 + v->offset, e->name, "data_offsets are no range");
	e->begin = (uint64_t)begin->integer;
	e->end = (uint64_t)end->integer;
	if (e->end > r->file->size - r->data)
		return bad(r, 8 + v->offset, e->name,
			"truncated: data_offsets reach past the end of the file");
	uint64_t bytes;
	if (!gr__element_bytes(e->element, &e->spec, &bytes))
		return bad(r, e->offset, e->name, "shape with too many elements");
	if (bytes != e->end - e->begin)
		return bad(r, 8 + v->offset, e->name, "shape and dtype do not fit data_offsets");
	return GR_OK;
}

static gr_status parse_entry(struct reader *r, struct entry *e, const gr_json *v)
{
	*e = (struct entry){.name = v->name, .offset = 8 + v->offset};
	if (strlen(v->name) > GR_ARCHIVE_NAME_MAX)
		return gr__infile_fail(r->file, GR_EUNSUPPORTED, e->offset,
			"tensor with a name of more than %d bytes", GR_ARCHIVE_NAME_MAX);
	if (v->kind != GR_JSON_OBJECT || v->count != 3)
		return bad(r, e->offset, e->name, "not an object of dtype, shape and data_offsets");
	gr_status status = parse_dtype(r, e, gr_json_find(v, "dtype"));
	if (status == GR_OK)
		status = parse_shape(r, e, gr_json_find(v, "shape"));
	if (status == GR_OK)
		status = parse_range(r, e, gr_json_find(v, "data_offsets"));
	return status;
}

static gr_status parse_header(struct reader *r)
{
	const gr_json *root = gr_json_root(r->header);
	if (root->count > GR_ARCHIVE_COUNT_MAX)
		return gr__infile_fail(r->file, GR_EUNSUPPORTED, 8, "%zu tensors", root->count);
	r->entries = gr__pool_alloc(root->count * sizeof *r->entries);
	if (!r->entries)
		return gr__infile_fail(r->file, GR_EMEM, 8, "no memory to list %zu tensors", root->count);
	for (const gr_json *v = root->child; v; v = v->next) {
		gr_status status;
		if (strcmp(v->name, metadata_name) == 0)
			status = read_metadata(r, v);
		else
			status = parse_entry(r, &r->entries[r->count++], v);
		if (status)
			return status;
	}
	return GR_OK;
}

static int by_range(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a;
	const struct entry *y = *(const struct entry *const *)b;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return (x->end > y->end) - (x->end < y->end);
}

/* The ranges follow one another from the first byte of the data to the last. */
static gr_status check_ranges(const struct reader *r)
{
	const struct entry **sorted = gr__pool_alloc(r->count * sizeof *sorted);
	if (!sorted)
		return gr__infile_fail(r->file, GR_EMEM, 8, "no memory to sort %zu tensors", r->count);
	for (size_t i = 0; i < r->count; i++)
		sorted[i] = &r->entries[i];
	qsort(sorted, r->count, sizeof *sorted, by_range);
	uint64_t at = 0;
	gr_status status = GR_OK;
	for (size_t i = 0; i < r->count && status == GR_OK; i++) {
		if (sorted[i]->begin != at)
			status = bad(r, sorted[i]->offset, sorted[i]->name,
				sorted[i]->begin < at ? "its data overlap those of another"
									  : "a hole before its data");
		at = sorted[i]->end;
	}
	gr__pool_free(sorted);
	if (status == GR_OK && at != r->file->size - r->data)
		status = gr__infile_fail(r->file, GR_EFORMAT, r->data + at,
			"bytes after the last tensor that belong to none");
	return status;
}

static gr_status list_tensors(struct reader *r)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct entry *e = &r->entries[i];
		gr_tensorfile_entry place = {.part = r->part,
			.spec = e->spec,
			.element = e->element,
			.member = -1,
			.begin = r->data + e->begin};
		snprintf(place.type, sizeof place.type, "%s", gr__element_table[e->element].name);
		gr_status status = gr__tensorfile_list(r->f, e->name, e->offset, &place);
		if (status)
			return status;
	}
	return GR_OK;
}

gr_status gr__safetensors_list(gr_tensorfile *f, const gr_tensorfile_part *part)
{
	struct reader r = {.f = f, .part = part, .file = &part->file};
	gr_status status = read_header(&r);
	if (status == GR_OK)
		status = parse_header(&r);
	if (status == GR_OK)
		status = check_ranges(&r);
	if (status == GR_OK)
		status = list_tensors(&r);
	gr_json_free(r.header);
	gr__pool_free(r.entries);
	return status;
}

gr_status gr_safetensors_read(gr_archive **out, const char *path)
{
	*out = NULL;
	gr_tensorfile *f;
	gr_status status = gr_tensorfile_begin(&f, op, "safetensors", path);
	if (status)
		return status;
	status = gr__safetensors_list(f, f->parts[0]);
	if (status == GR_OK)
		status = gr_tensorfile_read_all(out, f);
	gr_tensorfile_close(f);
	return status;
}

static uint64_t data_bytes(const gr_tensor *t)
{
	return (uint64_t)gr_tensor_size(t) * gr_dtype_bytes(gr_tensor_dtype(t));
}

static void write_metadata(FILE *out, const gr_archive *a)
{
	for (int64_t i = 0; i < gr_archive_meta_count(a); i++) {
		const char *key = gr_archive_meta_name(a, i);
		fputs(i == 0 ? "\"__metadata__\":{" : ",", out);
		gr_json_write_string(out, key);
		fputc(':', out);
		gr_json_write_string(out, gr_archive_meta(a, key));
	}
	if (gr_archive_meta_count(a) > 0)
		fputs(gr_archive_count(a) > 0 ? "}," : "}", out);
}

static void write_description(FILE *out, const gr_archive *a, int64_t i, uint64_t begin)
{
	const gr_tensor *t = gr_archive_tensor(a, i);
	if (i > 0)
		fputc(',', out);
	gr_json_write_string(out, gr_archive_name(a, i));
	fprintf(out, ":{\"dtype\":\"%s\",\"shape\":[",
		gr__element_table[gr__element_of(gr_tensor_dtype(t))].name);
	for (int k = 0; k < gr_tensor_ndim(t); k++)
		fprintf(out, "%s%lld", k > 0 ? "," : "", (long long)gr_tensor_dim(t, k));
	fprintf(out, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin,
		(unsigned long long)(begin + data_bytes(t)));
}

/* Data go by decreasing element size, in the archive's order within a size: with the header padded
 * to 8 bytes every tensor is aligned, and the header keeps the archive's order. */
static const size_t widths[] = {8, 4, 2, 1};

static void place(const gr_archive *a, uint64_t *begins)
{
	uint64_t at = 0;
	for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
		for (int64_t i = 0; i < gr_archive_count(a); i++) {
			const gr_tensor *t = gr_archive_tensor(a, i);
			if (gr_dtype_bytes(gr_tensor_dtype(t)) == widths[w]) {
				begins[i] = at;
				at += data_bytes(t);
			}
		}
	}
}

static gr_status write_data(FILE *out, const gr_tensor *t)
{
	gr_tensor *alias = gr__tensor_alias(t);
	gr_tensor *c = alias ? gr__tensor_contiguous(alias) : NULL;
	gr_tensor_release(alias);
	if (!c)
		return gr_error_code();
	fwrite(c->data, 1, (size_t)data_bytes(c), out);
	gr_tensor_release(c);
	return GR_OK;
}

static gr_status write_all(FILE *out, const char *path, const gr_archive *a, const uint64_t *begins)
{
	unsigned char length[8] = {0};
	fwrite(length, 1, sizeof length, out);
	fputc('{', out);
	write_metadata(out, a);
	for (int64_t i = 0; i < gr_archive_count(a); i++)
		write_description(out, a, i, begins[i]);
	fputc('}', out);
	off_t end = ftello(out);
	for (; end > 0 && end % 8 != 0; end++)
		fputc(' ', out);
	if (end > MAX_HEADER + 8)
		return gr__fail(GR_EARG, op, "%s: the header would have more than 100 MB", path);
	gr__bytes_store64(length, (uint64_t)(end > 8 ? end - 8 : 0));
	fseeko(out, 0, SEEK_SET);
	fwrite(length, 1, sizeof length, out);
	fseeko(out, 0, SEEK_END);
	for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
		for (int64_t i = 0; i < gr_archive_count(a); i++) {
			const gr_tensor *t = gr_archive_tensor(a, i);
			gr_status status = GR_OK;
			if (gr_dtype_bytes(gr_tensor_dtype(t)) == widths[w] && !ferror(out))
				status = write_data(out, t);
			if (status)
				return status;
		}
	}
	return GR_OK;
}

gr_status gr_safetensors_write(const char *path, const gr_archive *a)
{
	if (!a || !path)
		return gr__fail(GR_EARG, op, "no %s given", path ? "archive" : "file name");
	if (gr_archive_find(a, metadata_name))
		return gr__fail(GR_EARG, op, "%s: no tensor may have the name %s", path, metadata_name);
	uint64_t *begins = gr__pool_alloc((size_t)gr_archive_count(a) * sizeof *begins);
	if (!begins)
		return gr__fail(GR_EMEM, op, "%s: no memory to place the tensors", path);
	place(a, begins);
	gr_outfile *f;
	gr_status status = gr_outfile_open(&f, path);
	if (status == GR_OK) {
		status = write_all(gr_outfile_stream(f), path, a, begins);
		if (status)
			gr_outfile_abandon(f);
		else
			status = gr_outfile_commit(f); /* the stream remembers a failed write */
	}
	gr__pool_free(begins);
	return status;
}
