/*
 * What the tests of the kernels share: tensors of every layout, reading them by index arithmetic,
 * and comparing bits. Each kernel suite runs once per instruction set (GR_KERN_TEST).
 */
#ifndef GR_TESTS_KERN_CASE_H
#define GR_TESTS_KERN_CASE_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "kern.h"

/* A test per instruction set: the choice is made once per process, and each test has its own. */
#define GR_KERN_TEST(suite, name) \
	static void suite##_##name(void); \
	Test(suite, name##_baseline) \
	{ \
		setenv("GRADUS_ISA", "baseline", 1); \
		suite##_##name(); \
	} \
	Test(suite, name##_avx2) \
	{ \
		setenv("GRADUS_ISA", "avx2", 1); \
		suite##_##name(); \
	} \
	Test(suite, name##_avx512) \
	{ \
		setenv("GRADUS_ISA", "avx512", 1); \
		suite##_##name(); \
	} \
	Test(suite, name##_amx) \
	{ \
		setenv("GRADUS_ISA", "amx", 1); \
		suite##_##name(); \
	} \
	static void suite##_##name(void)

typedef enum kc_layout {
	KC_PLAIN,     /* contiguous */
	KC_TURNED,    /* dims permuted in memory */
	KC_SLICED,    /* every other element of some dims */
	KC_FLIPPED,   /* negative strides */
	KC_MIXED,     /* all of it */
	KC_BROADCAST, /* stride 0 along some dims */
	KC_LAYOUTS
} kc_layout;

/* Values in [low, high), a function of seed and layout. Owned by the scope. */
gr_tensor *kc_random(gr_dtype dtype, int ndim, const int64_t *dims, kc_layout layout, uint64_t seed,
	double low, double high);
/* Element number pos in row-major order. */
double kc_get(const gr_tensor *t, int64_t pos);
void kc_set(gr_tensor *t, int64_t pos, double value);
/* A contiguous copy, element by element. */
gr_tensor *kc_plain(const gr_tensor *t);
gr_tensor *kc_like(const gr_tensor *t);
/* Both contiguous: are shape and bits the same? */
bool kc_same_bits(const gr_tensor *a, const gr_tensor *b);
/* |a - b| <= tolerance * max(1, |b|), NaN equal to NaN. */
bool kc_near(double a, double b, double tolerance);
/* Rounding unit of a float type. */
double kc_eps(gr_dtype dtype);
/* A random shape of 0..max_ndim dims with about `size` elements at most; some dims are 1. */
int kc_shape(uint64_t seed, int max_ndim, int64_t size, int64_t *dims);

#endif
