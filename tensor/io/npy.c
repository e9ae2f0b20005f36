/*
 * NumPy's .npy files (format versions 1.0, 2.0, 3.0; numpy/lib/format.py states the format).
 *
 *     "\x93NUMPY", major, minor, length of the header (u16, from version 2 on u32), header, data
 *
 * The header is a Python dictionary with exactly the keys descr, fortran_order and shape. It is
 * read by a parser of just that, never evaluated. Promise: memory is allocated only after shape,
 * type and number of bytes present were found to agree.
 */
#include <string.h>

#include "bytes_priv.h"
#include "element_priv.h"
#include "gradus/io.h"
#include "npy_priv.h"
#include "pool.h"
#include "tensorfile_priv.h"

enum { MAX_HEADER = 65536 };

/* The text of the dictionary. */
struct text {
	const gr_instream *s;
	const char *p;
	size_t at;
	size_t end;
	uint64_t base; /* of the text in the stream */
};

static gr_status bad(const struct text *x, const char *reason)
{
	return gr__instream_fail(x->s, GR_EFORMAT, x->base + x->at, "header: %s", reason);
}

static char peek(const struct text *x)
{
	return x->at < x->end ? x->p[x->at] : '\0';
}

static void skip_space(struct text *x)
{
	while (peek(x) == ' ' || peek(x) == '\t' || peek(x) == '\n' || peek(x) == '\r')
		x->at++;
}

/* Step over c and the white space around it. */
static bool accept(struct text *x, char c)
{
	skip_space(x);
	if (peek(x) != c)
		return false;
	x->at++;
	skip_space(x);
	return true;
}

/* A short string in either kind of quotes, without escapes, to out. */
static gr_status parse_string(struct text *x, char *out, size_t size)
{
	char quote = peek(x);
	if (quote != '\'' && quote != '"')
		return bad(x, "expected a string");
	x->at++;
	size_t n = 0;
	while (peek(x) != quote) {
		char c = peek(x);
		if (c < ' ' || c > '~' || c == '\\' || n + 1 >= size)
			return bad(x, "string too long or with strange characters");
		out[n++] = c;
		x->at++;
	}
	x->at++;
	out[n] = '\0';
	return GR_OK;
}

static gr_status parse_bool(struct text *x, bool *out)
{
	static const char *const words[] = {"False", "True"};
	for (int i = 0; i < 2; i++) {
		size_t n = strlen(words[i]);
		if (x->end - x->at >= n && memcmp(x->p + x->at, words[i], n) == 0) {
			x->at += n;
			*out = i;
			return GR_OK;
		}
	}
	return bad(x, "fortran_order is neither True nor False");
}

/* A non-negative integer; Python 2 wrote an L after long ones. */
static gr_status parse_dim(struct text *x, int64_t *out)
{
	int64_t v = 0;
	size_t start = x->at;
	for (char c = peek(x); c >= '0' && c <= '9'; c = peek(x)) {
		if (v > (INT64_MAX - (c - '0')) / 10)
			return bad(x, "dimension too large");
		v = v * 10 + (c - '0');
		x->at++;
	}
	if (x->at == start)
		return bad(x, "expected a dimension");
	if (peek(x) == 'L')
		x->at++;
	*out = v;
	return GR_OK;
}

static gr_status parse_shape(struct text *x, gr_spec *spec)
{
	if (!accept(x, '('))
		return bad(x, "shape is not a tuple");
	spec->ndim = 0;
	while (!accept(x, ')')) {
		int64_t dim = 0;
		gr_status status = parse_dim(x, &dim);
		if (status)
			return status;
		if (spec->ndim == GR_MAX_DIMS)
			return gr__instream_fail(x->s, GR_EUNSUPPORTED, x->base + x->at,
				"more than %d dimensions", GR_MAX_DIMS);
		spec->dims[spec->ndim++] = dim;
		/* (5,) is a tuple, (5) is not, (5, 6) and (5, 6,) both are. */
		bool comma = accept(x, ',');
		if (!comma && (spec->ndim == 1 || peek(x) != ')'))
			return bad(x, "expected ',' in the shape");
	}
	return GR_OK;
}

/* "<f4": byte order, kind, bytes. */
static gr_status parse_descr(struct text *x, gr_npy_head *h)
{
	if (peek(x) == '[')
		return gr__instream_fail(x->s, GR_EUNSUPPORTED, x->base + x->at,
			"arrays of records are not supported");
	char descr[32];
	uint64_t at = x->base + x->at;
	gr_status status = parse_string(x, descr, sizeof descr);
	if (status)
		return status;
	if (!strchr("<>=|", descr[0]) || strlen(descr) < 2)
		return gr__instream_fail(x->s, GR_EFORMAT, at, "header: data type '%s'", descr);
	for (int e = 0; e < GR_ELEMENT_COUNT; e++) {
		const gr_element_info *info = &gr__element_table[e];
		if (descr[1] == info->kind && descr[2] == (char)('0' + info->bytes) && !descr[3] &&
			(info->bytes == 1 || descr[0] != '|')) {
			h->element = (gr_element)e;
			h->swap = descr[0] == '>' && info->bytes > 1;
			h->spec.dtype = info->dtype;
			return GR_OK;
		}
	}
	const char *hint = descr[1] == 'O' ? " (Python objects are never read)" : "";
	return gr__instream_fail(x->s, GR_EUNSUPPORTED, at, "data type '%s' is not supported%s", descr,
		hint);
}

static gr_status parse_value(struct text *x, int key, gr_npy_head *h)
{
	switch (key) {
	case 0: return parse_descr(x, h);
	case 1: return parse_bool(x, &h->fortran);
	default: return parse_shape(x, &h->spec);
	}
}

static gr_status parse_dict(struct text *x, gr_npy_head *h)
{
	static const char *const keys[] = {"descr", "fortran_order", "shape"};
	bool seen[3] = {false, false, false};
	if (!accept(x, '{'))
		return bad(x, "not a dictionary");
	while (!accept(x, '}')) {
		char name[32];
		int key = 0;
		gr_status status = parse_string(x, name, sizeof name);
		if (status)
			return status;
		while (key < 3 && strcmp(name, keys[key]) != 0)
			key++;
		if (key == 3 || seen[key])
			return bad(x, key == 3 ? "unknown key" : "a key twice");
		seen[key] = true;
		if (!accept(x, ':'))
			return bad(x, "expected ':'");
		status = parse_value(x, key, h);
		if (status)
			return status;
		if (!accept(x, ',') && peek(x) != '}')
			return bad(x, "expected ',' or '}'");
	}
	skip_space(x);
	if (x->at < x->end)
		return bad(x, "text after the dictionary");
	if (!seen[0] || !seen[1] || !seen[2])
		return bad(x, "descr, fortran_order or shape is missing");
	return GR_OK;
}

/* The fixed part: magic, version, length of the dictionary. */
static gr_status read_prefix(gr_instream *s, size_t *dict_bytes)
{
	unsigned char b[12];
	size_t have = s->left < 8 ? (size_t)s->left : 8;
	gr_status status = gr__instream_read(s, b, have);
	if (status)
		return status;
	if (have < 6 || memcmp(b, "\x93NUMPY", 6) != 0) {
		const char *guess = gr__infile_guess(b, have);
		return gr__instream_fail(s, GR_EFORMAT, 0, "not a .npy file%s%s",
			guess ? "; it looks like " : "", guess ? guess : "");
	}
	size_t length_bytes = have == 8 && b[6] == 1 ? 2 : 4;
	if (have == 8 && (b[6] < 1 || b[6] > 3 || b[7] != 0))
		return gr__instream_fail(s, GR_EUNSUPPORTED, 6, ".npy format version %d.%d", b[6], b[7]);
	status = gr__instream_read(s, b + 8, length_bytes);
	if (status)
		return status;
	*dict_bytes = length_bytes == 2 ? gr__bytes_load16(b + 8) : gr__bytes_load32(b + 8);
	if (*dict_bytes > MAX_HEADER)
		return gr__instream_fail(s, GR_EFORMAT, 8, "header of %zu bytes; at most %d are read",
			*dict_bytes, MAX_HEADER);
	return GR_OK;
}

static gr_status read_header(gr_instream *s, gr_npy_head *h)
{
	size_t bytes = 0;
	gr_status status = read_prefix(s, &bytes);
	if (status)
		return status;
	if (bytes > s->left)
		return gr__instream_fail(s, GR_EFORMAT, s->done, "truncated: header of %zu bytes", bytes);
	char *dict = gr__pool_alloc(bytes);
	if (!dict)
		return gr__instream_fail(s, GR_EMEM, s->done, "no memory for the header");
	struct text x = {.s = s, .p = dict, .end = bytes, .base = s->done};
	status = gr__instream_read(s, dict, bytes);
	if (status == GR_OK)
		status = parse_dict(&x, h);
	gr__pool_free(dict);
	return status;
}

/* Column-major data are the row-major data of the array with its axes reversed. */
static gr_tensor *read_fortran(gr_instream *s, const gr_npy_head *h)
{
	gr_npy_head reversed = *h;
	int perm[GR_MAX_DIMS];
	for (int i = 0; i < h->spec.ndim; i++) {
		perm[i] = h->spec.ndim - 1 - i;
		reversed.spec.dims[i] = h->spec.dims[perm[i]];
	}
	gr_tensor *t = gr__tensor_new(s->file->op, &reversed.spec);
	if (!t)
		return NULL;
	gr_tensor *out = NULL;
	if (gr__element_read(t, h->element, h->swap, s) == GR_OK) {
		gr_tensor *view = gr__view_permute(t, perm);
		out = view ? gr__tensor_contiguous(view) : NULL;
		gr_tensor_release(view);
	}
	gr_tensor_release(t);
	return out;
}

gr_status gr__npy_head(gr_instream *s, gr_npy_head *h)
{
	*h = (gr_npy_head){.spec = {.ndim = 0}};
	gr_status status = read_header(s, h);
	if (status)
		return status;
	uint64_t bytes;
	if (!gr__element_bytes(h->element, &h->spec, &bytes))
		return gr__instream_fail(s, GR_EFORMAT, s->done, "shape with too many elements");
	if (bytes == s->left)
		return GR_OK;
	bool more = bytes < s->left;
	return gr__instream_fail(s, more ? GR_EUNSUPPORTED : GR_EFORMAT, s->done,
		"%s: the shape needs %llu bytes of data, %llu are there",
		more ? "more than one array" : "truncated", (unsigned long long)bytes,
		(unsigned long long)s->left);
}

gr_tensor *gr__npy_parse(gr_instream *s)
{
	gr_npy_head h;
	if (gr__npy_head(s, &h) != GR_OK)
		return NULL;
	if (h.fortran && h.spec.ndim > 1)
		return read_fortran(s, &h);
	gr_tensor *t = gr__tensor_new(s->file->op, &h.spec);
	if (t && gr__element_read(t, h.element, h.swap, s) != GR_OK) {
		gr_tensor_release(t);
		return NULL;
	}
	return t;
}

/* How it is listed: without the strides of Fortran's order. */
static gr_tensorfile_entry entry_of(const gr_npy_head *h, const gr_tensorfile_part *part)
{
	gr_tensorfile_entry e = {.part = part,
		.spec = h->spec,
		.element = h->element,
		.swap = h->swap,
		.member = -1};
	snprintf(e.type, sizeof e.type, "%s", gr__element_table[h->element].name);
	return e;
}

gr_status gr__npy_list_member(gr_tensorfile *f, gr_tensorfile_part *part, int64_t member)
{
	const gr_zip_entry *z = &part->zip.entries[member];
	const size_t bytes = strlen(z->name);
	gr_npy_head h;
	gr_instream s;
	gr_status status = gr__zip_stream(&part->zip, (size_t)member, &s);
	if (status)
		return status;
	if (bytes < 5 || strcmp(z->name + bytes - 4, ".npy") != 0)
		status = gr__instream_fail(&s, GR_EUNSUPPORTED, 0, "not a .npy; is this a .npz?");
	else
		status = gr__npy_head(&s, &h);
	gr__instream_close(&s);
	if (status)
		return status;
	gr_tensorfile_entry e = entry_of(&h, part);
	e.member = member;
	char name[GR_ZIP_NAME_MAX];
	memcpy(name, z->name, bytes - 4);
	name[bytes - 4] = '\0';
	return gr__tensorfile_list(f, name, z->local, &e);
}

gr_status gr__npy_list(gr_tensorfile *f, const gr_tensorfile_part *part)
{
	gr_npy_head h;
	gr_instream s;
	gr__instream_stored(&s, &part->file, 0, part->file.size);
	gr_status status = gr__npy_head(&s, &h);
	if (status)
		return status;
	gr_tensorfile_entry e = entry_of(&h, part);
	e.begin = s.done;
	e.strided = h.fortran && h.spec.ndim > 1;
	int64_t step = 1;
	for (int i = 0; i < h.spec.ndim && s.left > 0; i++) {
		e.strides[i] = step;
		step *= h.spec.dims[i];
	}
	return gr__tensorfile_list(f, "array", 0, &e);
}

gr_tensor *gr_npy_read(const char *path)
{
	gr_infile f;
	if (gr__infile_open(&f, "npy", path) != GR_OK)
		return NULL;
	gr_instream s;
	gr__instream_stored(&s, &f, 0, f.size);
	gr_tensor *t = gr__npy_parse(&s);
	gr__infile_close(&f);
	return gr__scope_own(t);
}

size_t gr__npy_header(const gr_tensor *t, unsigned char buf[GR_NPY_HEADER_MAX])
{
	const gr_element_info *info = &gr__element_table[gr__element_of(t->dtype)];
	char dict[GR_NPY_HEADER_MAX];
	int n = snprintf(dict, sizeof dict, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (",
		info->bytes == 1 ? '|' : '<', info->kind, info->bytes);
	for (int i = 0; i < t->ndim; i++)
		n += snprintf(dict + n, sizeof dict - (size_t)n, "%s%lld%s", i > 0 ? " " : "",
			(long long)t->dims[i], i < t->ndim - 1 || t->ndim == 1 ? "," : "");
	n += snprintf(dict + n, sizeof dict - (size_t)n, "), }");
	/* Spaces and a newline make prefix and dictionary a multiple of 64. */
	size_t total = (10 + (size_t)n + 1 + 63) / 64 * 64;
	GR_ASSERT(total <= GR_NPY_HEADER_MAX);
	memcpy(buf, "\x93NUMPY\x01\x00", 8);
	gr__bytes_store16(buf + 8, total - 10);
	memcpy(buf + 10, dict, (size_t)n);
	memset(buf + 10 + n, ' ', total - 10 - (size_t)n);
	buf[total - 1] = '\n';
	return total;
}

gr_tensor *gr__npy_prepare(const gr_tensor *t)
{
	if (t->dtype == GR_BF16)
		return gr__tensor_cast(t, GR_F32);
	gr_tensor *alias = gr__tensor_alias(t);
	gr_tensor *c = alias ? gr__tensor_contiguous(alias) : NULL;
	gr_tensor_release(alias);
	return c;
}

gr_status gr_npy_write(const char *path, const gr_tensor *t)
{
	if (!t || !path)
		return gr__fail(GR_EARG, "npy", "no %s given", path ? "tensor" : "file name");
	gr_tensor *c = gr__npy_prepare(t);
	if (!c)
		return gr_error_code();
	gr_outfile *f;
	gr_status status = gr_outfile_open(&f, path);
	if (status == GR_OK) {
		unsigned char header[GR_NPY_HEADER_MAX];
		size_t n = gr__npy_header(c, header);
		FILE *out = gr_outfile_stream(f);
		fwrite(header, 1, n, out);
		fwrite(c->data, gr_dtype_bytes(c->dtype), (size_t)c->size, out);
		status = gr_outfile_commit(f); /* the stream remembers a failed write */
	}
	gr_tensor_release(c);
	return status;
}
