/* Filling of the kernel table of gemm.h that runs anywhere, and the plain loops others borrow. */
#include "gemm.h"

#include <math.h>

#define BASE_MR 4
#define BASE_NR 8

/* Where the target has FMA the compiler could fuse one loop and not its twin: name it instead. */
#if defined(__FP_FAST_FMA) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define MULADD_F32(x, y, z) fmaf(x, y, z)
#define MULADD_F64(x, y, z) fma(x, y, z)
#else
#define MULADD_F32(x, y, z) ((x) * (y) + (z))
#define MULADD_F64(x, y, z) ((x) * (y) + (z))
#endif

#define T float
#define FN(name) name##_f32
#define MULADD MULADD_F32
#define GEMM_TABLE gr__gemm_kern_f32_base
#include "gemm_base_impl.h"
#undef T
#undef FN
#undef MULADD
#undef GEMM_TABLE

#define T double
#define FN(name) name##_f64
#define MULADD MULADD_F64
#define GEMM_TABLE gr__gemm_kern_f64_base
#include "gemm_base_impl.h"
