/* UTF-8 at its boundaries. */
#include <criterion/criterion.h>
#include <string.h>

#include "io/utf8_priv.h"

Test(utf8, every_code_point_survives)
{
	for (uint32_t c = 0; c < 0x110000; c++) {
		if (c >= 0xd800 && c < 0xe000)
			continue;
		char s[4];
		size_t n = gr__utf8_encode(c, s);
		cr_assert(n == (c < 0x80 ? 1u : c < 0x800 ? 2u : c < 0x10000 ? 3u : 4u));
		cr_assert(gr__utf8_valid(s, n) == n, "U+%04X", (unsigned)c);
		for (size_t k = 1; k < n; k++)
			cr_assert(gr__utf8_valid(s, k) == 0);
	}
}

Test(utf8, refused)
{
	static const struct {
		const char *text;
		size_t valid;
	} cases[] = {
		{"ab\x80", 2},   /* continuation without lead */
		{"a\xc3", 1},    /* cut off */
		{"a\xc3(", 1},   /* not continued */
		{"\xc0\xaf", 0}, /* overlong */
		{"\xc1\xbf", 0},
		{"\xe0\x9f\xbf", 0},
		{"\xf0\x8f\xbf\xbf", 0},
		{"\xed\xa0\x80", 0},     /* surrogate */
		{"\xf4\x90\x80\x80", 0}, /* past U+10FFFF */
		{"\xf5\x80\x80\x80", 0},
		{"\xe2\x82", 0},
		{"\xf0\x9f\x98\xc0", 0},
		{"\xff", 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		cr_assert_eq(gr__utf8_valid(cases[i].text, strlen(cases[i].text)), cases[i].valid,
			"case %zu", i);
}
