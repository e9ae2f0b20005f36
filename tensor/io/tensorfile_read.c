/*
 * Reading one tensor of a file (tensorfile_priv.h). Row-major ranges go straight into the tensor.
 * Strided ones (transposed weights, channels-last, expanded scalars) are gathered: from a copy of
 * the bytes that they span, or run by run where they are sparse in a large storage, so that memory
 * stays within a few times the tensor's own.
 */
#include <string.h>

#include "npy_priv.h"
#include "pool.h"
#include "tensorfile_priv.h"

/* A span of up to this many times the tensor, or these bytes, is read at once. */
enum { SPAN_RATIO = 4, SPAN_FREE = 1 << 20 };

/* The runs of contiguous elements of a strided tensor, in row-major order. */
struct runs {
	const gr_tensorfile_entry *e;
	int outer;      /* dims that are walked; those behind them form a run */
	int64_t length; /* elements of a run */
	int64_t index[GR_MAX_DIMS];
	int64_t at; /* first element of the run, from the tensor's first */
};

static struct runs runs_of(const gr_tensorfile_entry *e)
{
	struct runs r = {.e = e, .outer = e->spec.ndim, .length = 1};
	while (r.outer > 0 && (e->spec.dims[r.outer - 1] == 1 || e->strides[r.outer - 1] == r.length)) {
		r.outer--;
		r.length *= e->spec.dims[r.outer];
	}
	return r;
}

/* To the next run; false after the last. */
static bool next_run(struct runs *r)
{
	for (int i = r->outer; i-- > 0;) {
		r->at += r->e->strides[i];
		if (++r->index[i] < r->e->spec.dims[i])
			return true;
		r->at -= r->index[i] * r->e->strides[i];
		r->index[i] = 0;
	}
	return false;
}

/* Elements from the first to the last one; the place was checked, so nothing overflows. */
static int64_t span_of(const gr_tensorfile_entry *e)
{
	int64_t last = 0;
	for (int i = 0; i < e->spec.ndim; i++)
		last += (e->spec.dims[i] - 1) * e->strides[i];
	return last + 1;
}

static gr_status unpack(const gr_tensorfile_entry *e, void *dst, const unsigned char *src, size_t n)
{
	if (gr__element_unpack(e->element, dst, src, n))
		return GR_OK;
	return gr__infile_fail(&e->part->file, GR_EUNSUPPORTED, e->begin, "u64 value of 2^63 or more");
}

static gr_status gather_span(gr_tensor *t, const gr_tensorfile_entry *e, size_t span)
{
	const size_t width = gr__element_table[e->element].bytes;
	unsigned char *bytes = gr__pool_alloc(span * width);
	if (!bytes)
		return gr__infile_fail(&e->part->file, GR_EMEM, e->begin, "no memory for %zu bytes",
			span * width);
	gr_status status = gr__infile_read(&e->part->file, e->begin, bytes, span * width);
	if (status == GR_OK && e->swap)
		gr__element_swap(bytes, span, width);
	char *dst = t->data;
	struct runs r = runs_of(e);
	for (bool more = true; more && status == GR_OK; more = next_run(&r)) {
		status = unpack(e, dst, bytes + (size_t)r.at * width, (size_t)r.length);
		dst += (size_t)r.length * gr_dtype_bytes(t->dtype);
	}
	gr__pool_free(bytes);
	return status;
}

static gr_status gather_runs(gr_tensor *t, const gr_tensorfile_entry *e)
{
	unsigned char bytes[4096];
	const size_t width = gr__element_table[e->element].bytes;
	const int64_t most = (int64_t)(sizeof bytes / width);
	char *dst = t->data;
	struct runs r = runs_of(e);
	for (bool more = true; more; more = next_run(&r)) {
		for (int64_t done = 0, n; done < r.length; done += n) {
			n = r.length - done < most ? r.length - done : most;
			uint64_t at = e->begin + (uint64_t)(r.at + done) * width;
			gr_status status = gr__infile_read(&e->part->file, at, bytes, (size_t)n * width);
			if (status == GR_OK && e->swap)
				gr__element_swap(bytes, (size_t)n, width);
			if (status == GR_OK)
				status = unpack(e, dst, bytes, (size_t)n);
			if (status)
				return status;
			dst += (size_t)n * gr_dtype_bytes(t->dtype);
		}
	}
	return GR_OK;
}

static gr_status read_range(gr_tensor *t, const gr_tensorfile_entry *e)
{
	const uint64_t width = gr__element_table[e->element].bytes;
	if (!e->strided) {
		gr_instream s;
		gr__instream_stored(&s, &e->part->file, e->begin, (uint64_t)t->size * width);
		return gr__element_read(t, e->element, e->swap, &s);
	}
	uint64_t span = (uint64_t)span_of(e);
	if (span * width <= SPAN_RATIO * (uint64_t)t->size * width + SPAN_FREE)
		return gather_span(t, e, (size_t)span);
	return gather_runs(t, e);
}

static gr_tensor *read_member(const gr_tensorfile_entry *e)
{
	const gr_zip *z = &e->part->zip;
	gr_instream s;
	if (gr__zip_stream(z, (size_t)e->member, &s) != GR_OK)
		return NULL;
	gr_tensor *t = gr__npy_parse(&s);
	if (t && gr__zip_finish(z, (size_t)e->member, &s) != GR_OK) {
		gr_tensor_release(t);
		t = NULL;
	}
	gr__instream_close(&s);
	return t;
}

gr_tensor *gr__tensorfile_read(const gr_tensorfile_entry *e, const char *name)
{
	if (e->refused) {
		char quoted[96];
		gr__infile_quote(quoted, sizeof quoted, name, strlen(name));
		gr__infile_fail(&e->part->file, GR_EUNSUPPORTED, e->begin,
			"tensor %s of type %s cannot be read: %s", quoted, e->type, e->refused);
		return NULL;
	}
	if (e->member >= 0)
		return read_member(e);
	gr_tensor *t = gr__tensor_new(e->part->file.op, &e->spec);
	if (t && t->size > 0 && read_range(t, e) != GR_OK) {
		gr_tensor_release(t);
		return NULL;
	}
	return t;
}
