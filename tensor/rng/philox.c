/*
 * Philox4x32-10, counter-based: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011. A gr_key is 128 bits: `lo` is the cipher's key, `hi` the upper half of its
 * counter, and the number's index the lower half. Test: the published known answers.
 */
#include <string.h>

#include "gradus/rng.h"
#include "philox_priv.h"

void gr__philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
	uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
	uint32_t k0 = key[0], k1 = key[1];
	for (int round = 0; round < 10; round++) {
		uint64_t p0 = (uint64_t)0xD2511F53u * c0;
		uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
		uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
		uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
		c1 = (uint32_t)p1;
		c3 = (uint32_t)p0;
		c0 = n0;
		c2 = n2;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}

void gr__key_block(uint32_t out[4], gr_key key, uint64_t block)
{
	const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)key.hi,
		(uint32_t)(key.hi >> 32)};
	const uint32_t k[2] = {(uint32_t)key.lo, (uint32_t)(key.lo >> 32)};
	gr__philox(out, counter, k);
}

/* Folding runs the cipher on a counter that no stream uses as its first block: the data itself,
 * with the key's halves swapped in. */
gr_key gr_key_fold(gr_key key, uint64_t data)
{
	uint32_t out[4];
	gr_key swapped = {key.lo ^ 0x6a09e667f3bcc908u, key.hi ^ 0xbb67ae8584caa73bu};
	gr__key_block(out, swapped, data);
	return (gr_key){(uint64_t)out[1] << 32 | out[0], (uint64_t)out[3] << 32 | out[2]};
}

gr_key gr_key_seed(uint64_t seed)
{
	return gr_key_fold((gr_key){0, 0}, seed);
}

gr_key gr_key_fold_bytes(gr_key key, const void *data, size_t bytes)
{
	const unsigned char *p = data;
	gr_key k = gr_key_fold(key, bytes);
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t word = 0;
		size_t n = bytes - i < 8 ? bytes - i : 8;
		for (size_t j = 0; j < n; j++)
			word |= (uint64_t)p[i + j] << (8 * j);
		k = gr_key_fold(k, word);
	}
	return k;
}

gr_key gr_key_fold_name(gr_key key, const char *name)
{
	return gr_key_fold_bytes(key, name, strlen(name));
}

uint64_t gr_key_bits(gr_key key, uint64_t i)
{
	uint32_t out[4];
	gr__key_block(out, key, i / 2);
	return i % 2 == 0 ? (uint64_t)out[1] << 32 | out[0] : (uint64_t)out[3] << 32 | out[2];
}
