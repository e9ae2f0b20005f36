/* Checking and writing UTF-8 (utf8_priv.h); the ranges are those of Unicode, table 3-7. */
#include "utf8_priv.h"

/* Length of the sequence that starts at p with `left` >= 1 bytes there, 0 when it is not valid. */
static size_t sequence(const unsigned char *p, size_t left)
{
	unsigned char lead = p[0];
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	size_t n = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	/* The second byte has a smaller range after four of the leads. */
	unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	}
	return n;
}

size_t gr__utf8_valid(const char *text, size_t bytes)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t at = 0;
	while (at < bytes) {
		size_t n = sequence(p + at, bytes - at);
		if (n == 0)
			return at;
		at += n;
	}
	return at;
}

size_t gr__utf8_encode(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	out[0] = (char)((0xf00 >> n & 0xff) | c);
	return n;
}
