/* The cipher under gr_key, for dist.c and its test. */
#ifndef GRADUS_PHILOX_H
#define GRADUS_PHILOX_H

#include "gradus/rng.h"

void gr__philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
/* 128 bits of the stream: numbers 2 block and 2 block + 1. */
void gr__key_block(uint32_t out[4], gr_key key, uint64_t block);

#endif
