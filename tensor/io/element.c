/*
 * From the bytes of a file to the elements of a tensor (element_priv.h). Types that tensors have
 * are read in place; the others go through a small buffer, so no second copy of a file's array
 * ever exists.
 */
#include <string.h>

#include "bytes_priv.h"
#include "element_priv.h"

const gr_element_info gr__element_table[GR_ELEMENT_COUNT] = {
#define GR_ELEMENT_INFO(name, kind, bytes, dtype) {#name, kind, bytes, dtype},
	GR_ELEMENTS(GR_ELEMENT_INFO)
#undef GR_ELEMENT_INFO
};

gr_element gr__element_of(gr_dtype dtype)
{
	switch (dtype) {
	case GR_F32: return GR_ELEMENT_F32;
	case GR_F64: return GR_ELEMENT_F64;
	case GR_I64: return GR_ELEMENT_I64;
	case GR_U8: return GR_ELEMENT_U8;
	case GR_F16: return GR_ELEMENT_F16;
	case GR_BF16: return GR_ELEMENT_BF16;
	}
	return GR_ELEMENT_COUNT;
}

bool gr__element_bytes(gr_element e, const gr_spec *spec, uint64_t *bytes)
{
	int64_t size = gr__spec_size(spec);
	/* Also bounds what the tensor itself will need, at 8 bytes an element. */
	if (size < 0 || size > INT64_MAX / 16)
		return false;
	*bytes = (uint64_t)size * gr__element_table[e].bytes;
	return true;
}

void gr__element_swap(unsigned char *p, size_t count, size_t width)
{
	for (size_t i = 0; i < count; i++, p += width) {
		for (size_t k = 0; k < width / 2; k++) {
			unsigned char c = p[k];
			p[k] = p[width - 1 - k];
			p[width - 1 - k] = c;
		}
	}
}

/* `count` integers of a file to int64; false when one does not fit. */
static bool widen(int64_t *dst, const unsigned char *src, size_t count, gr_element e)
{
	bool fits = true;
	for (size_t i = 0; i < count; i++) {
		switch (e) {
		case GR_ELEMENT_I32: dst[i] = (int32_t)gr__bytes_load32(src + 4 * i); break;
		case GR_ELEMENT_I16: dst[i] = (int16_t)gr__bytes_load16(src + 2 * i); break;
		case GR_ELEMENT_I8: dst[i] = (int8_t)src[i]; break;
		case GR_ELEMENT_U32: dst[i] = gr__bytes_load32(src + 4 * i); break;
		case GR_ELEMENT_U16: dst[i] = gr__bytes_load16(src + 2 * i); break;
		case GR_ELEMENT_U64:
			dst[i] = (int64_t)gr__bytes_load64(src + 8 * i);
			fits = fits && dst[i] >= 0;
			break;
		default: GR_ASSERT(false); /* the other elements need no widening */
		}
	}
	return fits;
}

static gr_status read_widened(gr_tensor *t, gr_element e, bool swap, gr_instream *s)
{
	unsigned char buf[16384];
	size_t width = gr__element_table[e].bytes;
	int64_t *dst = (int64_t *)(void *)t->data;
	size_t left = (size_t)t->size;
	while (left > 0) {
		size_t n = left < sizeof buf / width ? left : sizeof buf / width;
		uint64_t at = s->done;
		gr_status status = gr__instream_read(s, buf, n * width);
		if (status)
			return status;
		if (swap)
			gr__element_swap(buf, n, width);
		if (!widen(dst, buf, n, e))
			return gr__instream_fail(s, GR_EUNSUPPORTED, at, "u64 value of 2^63 or more");
		dst += n;
		left -= n;
	}
	return GR_OK;
}

/* Booleans are 0 or 1 whatever byte stands for true. */
static void normalise(unsigned char *p, size_t count)
{
	for (size_t i = 0; i < count; i++)
		p[i] = p[i] != 0;
}

bool gr__element_unpack(gr_element e, void *dst, const unsigned char *src, size_t count)
{
	const gr_element_info *info = &gr__element_table[e];
	if (info->dtype == GR_I64 && e != GR_ELEMENT_I64)
		return widen(dst, src, count, e);
	memcpy(dst, src, count * info->bytes);
	if (e == GR_ELEMENT_BOOL)
		normalise(dst, count);
	return true;
}

gr_status gr__element_read(gr_tensor *t, gr_element e, bool swap, gr_instream *s)
{
	const gr_element_info *info = &gr__element_table[e];
	if (t->size == 0)
		return GR_OK;
	if (info->dtype == GR_I64 && e != GR_ELEMENT_I64)
		return read_widened(t, e, swap, s);
	gr_status status = gr__instream_read(s, t->data, (size_t)t->size * info->bytes);
	if (status)
		return status;
	unsigned char *p = (unsigned char *)t->data;
	if (swap)
		gr__element_swap(p, (size_t)t->size, info->bytes);
	if (e == GR_ELEMENT_BOOL)
		normalise(p, (size_t)t->size);
	return GR_OK;
}
