/* Chooses the table of kernels for the instruction set that isa.c decided on. */
#include "isa.h"
#include "kern_table.h"
#include "winograd.h"

const gr_kern_table *gr__kern(gr_dtype dtype)
{
	int at = dtype == GR_F64 ? 1 : 0;
#ifndef GR_ISA_ONLY_BASELINE
	switch (gr__isa()) {
	case GR_ISA_AMX:
	case GR_ISA_AVX512: return &gr__k_avx512_table[at];
	case GR_ISA_AVX2: return &gr__k_avx2_table[at];
	case GR_ISA_BASELINE: break;
	}
#endif
	return &gr__k_baseline_table[at];
}

const gr_copy_table *gr__kern_copy(void)
{
#ifndef GR_ISA_ONLY_BASELINE
	switch (gr__isa()) {
	case GR_ISA_AMX:
	case GR_ISA_AVX512: return &gr__k_avx512_copy_table;
	case GR_ISA_AVX2: return &gr__k_avx2_copy_table;
	case GR_ISA_BASELINE: break;
	}
#endif
	return &gr__k_baseline_copy_table;
}

const gr_winograd_table *gr__kern_winograd(void)
{
#ifndef GR_ISA_ONLY_BASELINE
	switch (gr__isa()) {
	case GR_ISA_AMX:
	case GR_ISA_AVX512: return &gr__k_avx512_winograd_table;
	case GR_ISA_AVX2: return &gr__k_avx2_winograd_table;
	case GR_ISA_BASELINE: break;
	}
#endif
	return &gr__k_baseline_winograd_table;
}
