/* SHA-256 of data that come in pieces. */
#ifndef GR_IO_SHA256_PRIV_H
#define GR_IO_SHA256_PRIV_H

#include <stddef.h>
#include <stdint.h>

typedef struct gr_sha256 {
	uint32_t state[8];
	uint64_t bytes;          /* so far */
	unsigned char block[64]; /* the last bytes % 64 of them */
} gr_sha256;

void gr__sha256_begin(gr_sha256 *s);
void gr__sha256_update(gr_sha256 *s, const void *data, size_t bytes);
/* 64 hex digits and a NUL. */
void gr__sha256_end(gr_sha256 *s, char hex[65]);

#endif
