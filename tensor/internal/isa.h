/* Run-time choice of kernels: the best that the CPU and the operating system offer, or GRADUS_ISA. */
#ifndef GRADUS_INTERNAL_ISA_H
#define GRADUS_INTERNAL_ISA_H

#include "gradus/base.h"

typedef enum gr_isa {
	GR_ISA_BASELINE = 0,
	GR_ISA_AVX2 = 1,
	GR_ISA_AVX512 = 2,
	GR_ISA_AMX = 3, /* AVX-512 and tiles of bfloat16 */
} gr_isa;

gr_isa gr__isa(void);

#endif
