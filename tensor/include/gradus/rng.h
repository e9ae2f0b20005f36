/*
 * Randomness as a value: a gr_key names one stream of numbers, and number i of it is a pure
 * function of (key, i) by Philox4x32-10 (Salmon et al., SC 2011). There is no generator state, so
 * recomputing, resuming, reordering and batching give the same bits. Derive keys by folding:
 * seed -> purpose -> image -> step. All functions are pure and safe in every thread.
 */
#ifndef GRADUS_RNG_H
#define GRADUS_RNG_H

#include "gradus/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_key {
	uint64_t hi, lo;
} gr_key;

GR_API gr_key gr_key_seed(uint64_t seed);
/* A new key, independent for each distinct `data`. */
GR_API gr_key gr_key_fold(gr_key key, uint64_t data);
/* The same, folding a purpose such as "measurement". */
GR_API gr_key gr_key_fold_name(gr_key key, const char *name);
/* The same, folding the content of a buffer (SHA-256 free, 64-bit mixing; not cryptographic). */
GR_API gr_key gr_key_fold_bytes(gr_key key, const void *data, size_t bytes);

/* Number i of the stream: 64 uniform bits; uniform in [0,1); standard normal. */
GR_API uint64_t gr_key_bits(gr_key key, uint64_t i);
GR_API double gr_key_uniform(gr_key key, uint64_t i);
GR_API double gr_key_normal(gr_key key, uint64_t i);
/* Uniform integer in [0, n), n >= 1, without modulo bias. */
GR_API uint64_t gr_key_below(gr_key key, uint64_t i, uint64_t n);

#ifdef __cplusplus
}
#endif

#endif
