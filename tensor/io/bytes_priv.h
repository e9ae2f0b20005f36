/*
 * Integers in byte buffers, little-endian, at any alignment: how every file format here stores
 * them. Tensor data go to and from files without conversion, so the machine must be little-endian.
 */
#ifndef GR_IO_BYTES_PRIV_H
#define GR_IO_BYTES_PRIV_H

#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "Gradus reads and writes little-endian");

static inline uint16_t gr__bytes_load16(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t gr__bytes_load32(const unsigned char *p)
{
	return (uint32_t)gr__bytes_load16(p) | (uint32_t)gr__bytes_load16(p + 2) << 16;
}

static inline uint64_t gr__bytes_load64(const unsigned char *p)
{
	return (uint64_t)gr__bytes_load32(p) | (uint64_t)gr__bytes_load32(p + 4) << 32;
}

static inline void gr__bytes_store16(unsigned char *p, uint64_t v)
{
	p[0] = (unsigned char)(v & 0xff);
	p[1] = (unsigned char)(v >> 8 & 0xff);
}

static inline void gr__bytes_store32(unsigned char *p, uint64_t v)
{
	gr__bytes_store16(p, v);
	gr__bytes_store16(p + 2, v >> 16);
}

static inline void gr__bytes_store64(unsigned char *p, uint64_t v)
{
	gr__bytes_store32(p, v);
	gr__bytes_store32(p + 4, v >> 32);
}

#endif
