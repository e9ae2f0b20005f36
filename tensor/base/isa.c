/* Which kernels to run: decided once, from the CPU and GRADUS_ISA. */
#include "isa.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if !defined(GR_ISA_ONLY_BASELINE)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

static const char *const names[] = {"baseline", "avx2", "avx512", "amx"};

#if !defined(GR_ISA_ONLY_BASELINE)
/* Tiles of bfloat16, and leave to use them: the system keeps their state for those who ask. */
static bool has_tiles(void)
{
#if defined(__linux__)
	enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
	enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24 };
	unsigned a;
	unsigned b;
	unsigned c;
	unsigned d;
	if (!__builtin_cpu_supports("avx512bf16") || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
		return false;
	if ((d & AMX_BF16) == 0 || (d & AMX_TILE) == 0)
		return false;
	return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
	return false;
#endif
}
#endif

static gr_isa best_isa(void)
{
#if defined(GR_ISA_ONLY_BASELINE)
	return GR_ISA_BASELINE;
#else
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
		__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
		return has_tiles() ? GR_ISA_AMX : GR_ISA_AVX512;
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
	for (int i = 0; i < 4; i++) {
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
