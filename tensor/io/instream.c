/*
 * Reading a stored or deflated range of a file in order (instream_priv.h).
 *
 * Promise against decompression bombs: never more than the stated number of bytes is inflated, and
 * memory is one fixed buffer whatever the file says.
 */
#include <stdarg.h>
#include <string.h>
#include <zlib.h>

#include "instream_priv.h"
#include "pool.h"

struct gr_inflater {
	z_stream z;
	bool ended; /* zlib has seen the end of the deflated data */
	unsigned char buf[32768];
};

static void *zalloc(void *opaque, unsigned items, unsigned size)
{
	(void)opaque;
	return gr__pool_alloc((size_t)items * size);
}

static void zfree(void *opaque, void *p)
{
	(void)opaque;
	gr__pool_free(p);
}

void gr__instream_stored(gr_instream *s, const gr_infile *f, uint64_t begin, uint64_t bytes)
{
	*s = (gr_instream){.file = f, .pos = begin, .end = begin + bytes, .left = bytes};
}

gr_status gr__instream_deflated(gr_instream *s, const gr_infile *f, uint64_t begin, uint64_t stored,
	uint64_t bytes)
{
	*s = (gr_instream){.file = f, .pos = begin, .end = begin + stored, .left = bytes};
	gr_inflater *in = gr__pool_alloc(sizeof *in);
	if (!in)
		return gr__infile_fail(f, GR_EMEM, begin, "no memory to inflate");
	in->z = (z_stream){.zalloc = zalloc, .zfree = zfree};
	in->ended = false;
	/* Negative: deflated data without zlib's own header, as zip stores them. */
	if (inflateInit2(&in->z, -MAX_WBITS) != Z_OK) {
		gr__pool_free(in);
		return gr__infile_fail(f, GR_EMEM, begin, "no memory to inflate");
	}
	s->inflater = in;
	return GR_OK;
}

/* Give zlib its next input when it has none; at the end of the range there is none. */
static gr_status refill(gr_instream *s)
{
	gr_inflater *in = s->inflater;
	if (in->z.avail_in > 0 || s->pos == s->end)
		return GR_OK;
	size_t n = s->end - s->pos < sizeof in->buf ? (size_t)(s->end - s->pos) : sizeof in->buf;
	gr_status status = gr__infile_read(s->file, s->pos, in->buf, n);
	if (status)
		return status;
	s->pos += n;
	in->z.next_in = in->buf;
	in->z.avail_in = (unsigned)n;
	return GR_OK;
}

/* Inflate exactly bytes <= 1 GiB. */
static gr_status inflate_some(gr_instream *s, unsigned char *dst, unsigned bytes)
{
	gr_inflater *in = s->inflater;
	in->z.next_out = dst;
	in->z.avail_out = bytes;
	while (in->z.avail_out > 0) {
		if (in->ended)
			return gr__instream_fail(s, GR_EFORMAT, s->done + bytes - in->z.avail_out,
				"the deflated data end before the stated size");
		gr_status status = refill(s);
		if (status)
			return status;
		int code = inflate(&in->z, Z_NO_FLUSH);
		if (code == Z_STREAM_END)
			in->ended = true;
		else if (code == Z_MEM_ERROR)
			return gr__instream_fail(s, GR_EMEM, s->done, "no memory to inflate");
		else if (code != Z_OK)
			return gr__instream_fail(s, GR_EFORMAT, s->done + bytes - in->z.avail_out,
				"wrong deflated data: %s", in->z.msg ? in->z.msg : "they end too early");
	}
	return GR_OK;
}

gr_status gr__instream_read(gr_instream *s, void *dst, size_t bytes)
{
	if (bytes > s->left)
		return gr__instream_fail(s, GR_EFORMAT, s->done + s->left,
			"truncated: %zu more bytes expected, %llu are there", bytes,
			(unsigned long long)s->left);
	unsigned char *to = dst;
	while (bytes > 0) {
		/* zlib counts in 32 bits. */
		unsigned n = bytes < (1u << 30) ? (unsigned)bytes : 1u << 30;
		gr_status status;
		if (s->inflater) {
			status = inflate_some(s, to, n);
		} else {
			status = gr__infile_read(s->file, s->pos, to, n);
			s->pos += n;
		}
		if (status)
			return status;
		if (s->want_crc)
			s->crc = (uint32_t)crc32(s->crc, to, n);
		to += n;
		bytes -= n;
		s->done += n;
		s->left -= n;
	}
	return GR_OK;
}

gr_status gr__instream_finish(gr_instream *s)
{
	gr_inflater *in = s->inflater;
	if (!in)
		return GR_OK;
	/* The end mark may still be unread: ask for one byte that must not come. */
	unsigned char extra;
	in->z.next_out = &extra;
	in->z.avail_out = 1;
	while (!in->ended) {
		gr_status status = refill(s);
		if (status)
			return status;
		int code = inflate(&in->z, Z_NO_FLUSH);
		if (in->z.avail_out == 0)
			return gr__instream_fail(s, GR_EFORMAT, s->done, "more data than the stated size");
		if (code == Z_STREAM_END)
			in->ended = true;
		else if (code != Z_OK)
			return gr__instream_fail(s, GR_EFORMAT, s->done, "the deflated data lack their end");
	}
	if (in->z.avail_in > 0 || s->pos < s->end)
		return gr__instream_fail(s, GR_EFORMAT, s->done,
			"bytes after the end of the deflated data");
	return GR_OK;
}

void gr__instream_close(gr_instream *s)
{
	if (!s->inflater)
		return;
	inflateEnd(&s->inflater->z);
	gr__pool_free(s->inflater);
	s->inflater = NULL;
}

gr_status gr__instream_fail(const gr_instream *s, gr_status code, uint64_t offset,
	const char *format, ...)
{
	char reason[512];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	if (!s->member)
		return gr__infile_fail(s->file, code, offset, "%s", reason);
	char name[96];
	gr__infile_quote(name, sizeof name, s->member, strlen(s->member));
	return gr__fail(code, s->file->op, "%s: member %s, byte %llu: %s", s->file->path, name,
		(unsigned long long)offset, reason);
}
