/* UTF-8, strictly: no overlong forms, no surrogates, nothing past U+10FFFF. */
#ifndef GR_IO_UTF8_PRIV_H
#define GR_IO_UTF8_PRIV_H

#include <stddef.h>
#include <stdint.h>

/* Length of the longest valid prefix; `bytes` when all of it is valid. */
size_t gr__utf8_valid(const char *text, size_t bytes);
/* Write code point c (valid, not a surrogate) to out; returns the number of bytes, 1..4. */
size_t gr__utf8_encode(uint32_t c, char out[4]);

#endif
