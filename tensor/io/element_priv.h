/*
 * Element types as files know them, and reading them into tensors. Files have more types than
 * tensors: the smaller integers are widened to i64, booleans become u8 (0 or 1).
 */
#ifndef GR_IO_ELEMENT_PRIV_H
#define GR_IO_ELEMENT_PRIV_H

#include "instream_priv.h"
#include "tensor_int.h"

/* Name in safetensors files, kind of NumPy ('-': none), bytes, type of the tensor. */
#define GR_ELEMENTS(X) \
	X(F64, 'f', 8, GR_F64) \
	X(F32, 'f', 4, GR_F32) \
	X(F16, 'f', 2, GR_F16) \
	X(BF16, '-', 2, GR_BF16) \
	X(I64, 'i', 8, GR_I64) \
	X(I32, 'i', 4, GR_I64) \
	X(I16, 'i', 2, GR_I64) \
	X(I8, 'i', 1, GR_I64) \
	X(U64, 'u', 8, GR_I64) /* where the values fit */ \
	X(U32, 'u', 4, GR_I64) \
	X(U16, 'u', 2, GR_I64) \
	X(U8, 'u', 1, GR_U8) \
	X(BOOL, 'b', 1, GR_U8)

typedef enum gr_element {
#define GR_ELEMENT_ENUM(name, kind, bytes, dtype) GR_ELEMENT_##name,
	GR_ELEMENTS(GR_ELEMENT_ENUM)
#undef GR_ELEMENT_ENUM
		GR_ELEMENT_COUNT
} gr_element;

typedef struct gr_element_info {
	const char *name;
	char kind;
	unsigned char bytes;
	gr_dtype dtype;
} gr_element_info;

extern const gr_element_info gr__element_table[GR_ELEMENT_COUNT];

/* The element that stores a tensor type as it is. */
gr_element gr__element_of(gr_dtype dtype);
/* Bytes that a file needs for the elements of `spec`; false when the product overflows. */
bool gr__element_bytes(gr_element e, const gr_spec *spec, uint64_t *bytes);
/* Fill t, freshly made and contiguous, with the next elements of s; big-endian ones if `swap`. */
gr_status gr__element_read(gr_tensor *t, gr_element e, bool swap, gr_instream *s);
/* The same from memory, little-endian, for a part of a tensor; false when a value does not fit. */
bool gr__element_unpack(gr_element e, void *dst, const unsigned char *src, size_t count);
/* Reverse the bytes of each element. */
void gr__element_swap(unsigned char *p, size_t count, size_t width);

#endif
