/* Element types: sizes and names. */
#include "tensor_int.h"

size_t gr_dtype_bytes(gr_dtype dtype)
{
	switch (dtype) {
	case GR_F64:
	case GR_I64: return 8;
	case GR_F32: return 4;
	case GR_F16:
	case GR_BF16: return 2;
	case GR_U8: return 1;
	}
	return 0;
}

const char *gr_dtype_name(gr_dtype dtype)
{
	static const char *const names[] = {"f32", "f64", "i64", "u8", "f16", "bf16"};
	return (unsigned)dtype < sizeof names / sizeof *names ? names[dtype] : "unknown";
}
