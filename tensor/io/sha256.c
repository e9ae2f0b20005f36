/*
 * SHA-256 (FIPS 180-4, sections 4.1.2, 5.1.1, 6.2), for the names of downloaded weights and the
 * manifests of runs. Letters are those of the standard.
 */
#include <string.h>

#include "gradus/io.h"
#include "infile_priv.h"
#include "sha256_priv.h"

static const uint32_t K[64] = {
	0x428a2f98,
	0x71374491,
	0xb5c0fbcf,
	0xe9b5dba5,
	0x3956c25b,
	0x59f111f1,
	0x923f82a4,
	0xab1c5ed5,
	0xd807aa98,
	0x12835b01,
	0x243185be,
	0x550c7dc3,
	0x72be5d74,
	0x80deb1fe,
	0x9bdc06a7,
	0xc19bf174,
	0xe49b69c1,
	0xefbe4786,
	0x0fc19dc6,
	0x240ca1cc,
	0x2de92c6f,
	0x4a7484aa,
	0x5cb0a9dc,
	0x76f988da,
	0x983e5152,
	0xa831c66d,
	0xb00327c8,
	0xbf597fc7,
	0xc6e00bf3,
	0xd5a79147,
	0x06ca6351,
	0x14292967,
	0x27b70a85,
	0x2e1b2138,
	0x4d2c6dfc,
	0x53380d13,
	0x650a7354,
	0x766a0abb,
	0x81c2c92e,
	0x92722c85,
	0xa2bfe8a1,
	0xa81a664b,
	0xc24b8b70,
	0xc76c51a3,
	0xd192e819,
	0xd6990624,
	0xf40e3585,
	0x106aa070,
	0x19a4c116,
	0x1e376c08,
	0x2748774c,
	0x34b0bcb5,
	0x391c0cb3,
	0x4ed8aa4a,
	0x5b9cca4f,
	0x682e6ff3,
	0x748f82ee,
	0x78a5636f,
	0x84c87814,
	0x8cc70208,
	0x90befffa,
	0xa4506ceb,
	0xbef9a3f7,
	0xc67178f2,
};

static uint32_t rotr(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

static void compress(uint32_t H[8], const unsigned char *block)
{
	uint32_t W[64];
	for (int t = 0; t < 16; t++) {
		const unsigned char *p = block + 4 * t;
		W[t] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	}
	for (int t = 16; t < 64; t++) {
		uint32_t s0 = rotr(W[t - 15], 7) ^ rotr(W[t - 15], 18) ^ W[t - 15] >> 3;
		uint32_t s1 = rotr(W[t - 2], 17) ^ rotr(W[t - 2], 19) ^ W[t - 2] >> 10;
		W[t] = W[t - 16] + s0 + W[t - 7] + s1;
	}
	uint32_t a = H[0], b = H[1], c = H[2], d = H[3], e = H[4], f = H[5], g = H[6], h = H[7];
	for (int t = 0; t < 64; t++) {
		uint32_t S1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
		uint32_t T1 = h + S1 + ((e & f) ^ (~e & g)) + K[t] + W[t];
		uint32_t S0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
		uint32_t T2 = S0 + ((a & b) ^ (a & c) ^ (b & c));
		h = g;
		g = f;
		f = e;
		e = d + T1;
		d = c;
		c = b;
		b = a;
		a = T1 + T2;
	}
	const uint32_t add[8] = {a, b, c, d, e, f, g, h};
	for (int i = 0; i < 8; i++)
		H[i] += add[i];
}

void gr__sha256_begin(gr_sha256 *s)
{
	*s = (gr_sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
						 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void gr__sha256_update(gr_sha256 *s, const void *data, size_t bytes)
{
	const unsigned char *p = data;
	size_t held = s->bytes % 64;
	s->bytes += bytes;
	if (held > 0) {
		size_t n = bytes < 64 - held ? bytes : 64 - held;
		if (n > 0)
			memcpy(s->block + held, p, n);
		if (held + n < 64)
			return;
		compress(s->state, s->block);
		p += n;
		bytes -= n;
	}
	for (; bytes >= 64; p += 64, bytes -= 64)
		compress(s->state, p);
	if (bytes > 0)
		memcpy(s->block, p, bytes);
}

void gr__sha256_end(gr_sha256 *s, char hex[65])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char pad[72] = {0x80};
	uint64_t bits = s->bytes * 8;
	size_t zeros = (119 - s->bytes % 64) % 64; /* 1 + zeros + 8 completes a block */
	for (int i = 0; i < 8; i++)
		pad[1 + zeros + (size_t)i] = (unsigned char)(bits >> (56 - 8 * i) & 0xff);
	gr__sha256_update(s, pad, 1 + zeros + 8);
	for (int i = 0; i < 64; i++)
		hex[i] = digits[s->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
	hex[64] = '\0';
}

void gr_sha256_bytes(const void *data, size_t bytes, char hex[65])
{
	gr_sha256 s;
	gr__sha256_begin(&s);
	gr__sha256_update(&s, data, bytes);
	gr__sha256_end(&s, hex);
}

gr_status gr_sha256_file(const char *path, char hex[65])
{
	hex[0] = '\0';
	gr_infile f;
	gr_status status = gr__infile_open(&f, "sha256", path);
	if (status)
		return status;
	gr_sha256 s;
	gr__sha256_begin(&s);
	unsigned char buf[16384];
	for (uint64_t at = 0; at < f.size; at += sizeof buf) {
		size_t n = f.size - at < sizeof buf ? (size_t)(f.size - at) : sizeof buf;
		status = gr__infile_read(&f, at, buf, n);
		if (status)
			break;
		gr__sha256_update(&s, buf, n);
	}
	gr__infile_close(&f);
	if (status == GR_OK)
		gr__sha256_end(&s, hex);
	return status;
}
