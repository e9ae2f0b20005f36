/* Which kernels to run: decided once, from the CPU and GRADUS_ISA. */
#include "isa.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"baseline", "avx2", "avx512"};

static gr_isa best_isa(void)
{
#if defined(GR_ISA_ONLY_BASELINE)
	return GR_ISA_BASELINE;
#else
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
		__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
		return GR_ISA_AVX512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return GR_ISA_AVX2;
	return GR_ISA_BASELINE;
#endif
}

/* A set that the CPU lacks is never run: the request is lowered to the best there is. */
static gr_isa choose_isa(void)
{
	gr_isa best = best_isa();
	const char *text = getenv("GRADUS_ISA");
	if (text == NULL)
		return best;
	for (int i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0)
			return (gr_isa)i < best ? (gr_isa)i : best;
	}
	return best;
}

gr_isa gr__isa(void)
{
	static atomic_int known = -1;
	int isa = atomic_load_explicit(&known, memory_order_relaxed);
	if (isa < 0) {
		isa = (int)choose_isa();
		atomic_store(&known, isa);
	}
	return (gr_isa)isa;
}

const char *gr_isa_name(void)
{
	return names[gr__isa()];
}
