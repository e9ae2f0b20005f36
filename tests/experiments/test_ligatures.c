/* Ligatures of a table written by hand; every truncation of it and every byte changed. */
#include <criterion/criterion.h>
#include <string.h>

#include "ligatures.h"

/* Lookup 0, type 4: 7 8 -> 20, 7 8 9 -> 21, coverage 1. Lookup 1, type 7 of 4: 9 9 -> 22, coverage 2. */
static const uint8_t table[] = {
	0, 1, 0, 0, 0, 0, 0, 0, 0, 10,              /* 0: lookups at 10 */
	0, 2, 0, 6, 0, 42,                          /* 10: lookups at 16 and 52 */
	0, 4, 0, 0, 0, 1, 0, 8,                     /* 16: a subtable at 24 */
	0, 1, 0, 8, 0, 1, 0, 14,                    /* 24: coverage at 32, one set at 38 */
	0, 1, 0, 1, 0, 7,                           /* 32: glyph 7 */
	0, 2, 0, 0, 0, 0, 0, 0,                     /* 38: ligatures, filled in below */
	0, 0, 0, 0, 0, 0,                           /* 46 */
	0, 7, 0, 0, 0, 1, 0, 8,                     /* 52: a subtable at 60 */
	0, 1, 0, 4, 0, 0, 0, 8,                     /* 60: of type 4, at 68 */
	0, 1, 0, 8, 0, 1, 0, 18,                    /* 68: coverage at 76, one set at 86 */
	0, 2, 0, 1, 0, 9, 0, 9, 0, 0,               /* 76: glyphs 9 to 9 */
	0, 1, 0, 4,                                 /* 86: one ligature at 90 */
	0, 22, 0, 2, 0, 9,                          /* 90 */
	0, 20, 0, 2, 0, 8, 0, 21, 0, 3, 0, 8, 0, 9, /* 96, 102: those of the first set */
};

static void build(uint8_t bytes[sizeof table])
{
	memcpy(bytes, table, sizeof table);
	bytes[41] = 96 - 38;
	bytes[43] = 102 - 38;
}

Test(ligatures, are_found)
{
	uint8_t bytes[sizeof table];
	gr_ligature *l;
	size_t n;
	build(bytes);
	cr_assert_eq(gr__ligatures_read(&l, &n, bytes, sizeof bytes), GR_OK, "%s", gr_error_message());
	cr_assert_eq(n, 3);
	const int glyph[] = {20, 21, 22}, count[] = {2, 3, 2}, part[3][3] = {{7, 8}, {7, 8, 9}, {9, 9}};
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(l[i].glyph, glyph[i]);
		cr_assert_eq(l[i].count, count[i]);
		for (int k = 0; k < count[i]; k++)
			cr_assert_eq(l[i].part[k], part[i][k], "ligature %d, part %d", i, k);
	}
	gr_free(l);
}

/* In memory of its exact size, so that a sanitizer sees a step beyond it. */
Test(ligatures, survive_any_table)
{
	uint8_t whole[sizeof table];
	gr_ligature *l;
	size_t n, refused = 0;
	build(whole);
	for (size_t bytes = 0; bytes < sizeof whole; bytes++) {
		uint8_t *cut = gr_alloc(bytes + (bytes == 0));
		memcpy(cut, whole, bytes);
		gr_status status = gr__ligatures_read(&l, &n, cut, bytes);
		cr_assert_eq(status, GR_EFORMAT, "cut at %zu", bytes);
		cr_assert_null(l);
		gr_error_clear();
		gr_free(cut);
	}
	for (size_t i = 0; i < sizeof whole; i++) {
		for (int v = 1; v < 256; v++) {
			whole[i] ^= (uint8_t)v;
			refused += gr__ligatures_read(&l, &n, whole, sizeof whole) != GR_OK;
			gr_error_clear();
			gr_free(l);
			whole[i] ^= (uint8_t)v;
		}
	}
	cr_assert_gt(refused, 0);
}
