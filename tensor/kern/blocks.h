/* Whole numbers for cutting shapes into blocks. */
#ifndef GR_KERN_BLOCKS_H
#define GR_KERN_BLOCKS_H

#include <stdint.h>

static inline int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static inline int64_t ceil_div(int64_t a, int64_t b)
{
	return (a + b - 1) / b;
}

static inline int64_t round_up(int64_t a, int64_t b)
{
	return ceil_div(a, b) * b;
}

/* Smallest q >= 0 with first + q * step >= bound, at most `most`. */
static inline int64_t steps_to(int64_t first, int64_t step, int64_t bound, int64_t most)
{
	return first >= bound ? 0 : min64(most, ceil_div(bound - first, step));
}

/* At least n elements, an odd number of lines of `line`: rows so far apart do not compete for the
 * same cache sets. */
static inline int64_t spread_stride(int64_t n, int64_t line)
{
	return (ceil_div(n, line) | 1) * line;
}

#endif
