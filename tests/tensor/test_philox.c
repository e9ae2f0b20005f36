/* The generator against the published known answers, and the keys' independence. */
#include <criterion/criterion.h>
#include <math.h>

#include "gradus/tensor.h"
#include "rng/philox_priv.h"

/* Known answers of the Random123 distribution, philox4x32-10. */
Test(philox, known_answers)
{
	static const uint32_t counter[3][4] = {{0, 0, 0, 0},
		{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
		{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}};
	static const uint32_t key[3][2] = {{0, 0}, {0xffffffff, 0xffffffff}, {0xa4093822, 0x299f31d0}};
	static const uint32_t expect[3][4] = {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
		{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
	for (int i = 0; i < 3; i++) {
		uint32_t out[4];
		gr__philox(out, counter[i], key[i]);
		for (int j = 0; j < 4; j++)
			cr_assert_eq(out[j], expect[i][j], "answer %d, word %d", i, j);
	}
}

Test(philox, folding_separates_streams)
{
	gr_key a = gr_key_seed(1), b = gr_key_seed(2);
	cr_assert_neq(gr_key_bits(a, 0), gr_key_bits(b, 0));
	cr_assert_neq(gr_key_bits(gr_key_fold(a, 1), 0), gr_key_bits(gr_key_fold(a, 2), 0));
	cr_assert_neq(gr_key_bits(gr_key_fold_name(a, "x"), 0),
		gr_key_bits(gr_key_fold_name(a, "y"), 0));
	cr_assert_eq(gr_key_bits(gr_key_fold_name(a, "noise"), 3),
		gr_key_bits(gr_key_fold_bytes(a, "noise", 5), 3));
	cr_assert_neq(gr_key_bits(gr_key_fold_bytes(a, "ab\0", 3), 0),
		gr_key_bits(gr_key_fold_bytes(a, "ab", 2), 0), "length counts");
}

Test(philox, below_is_uniform)
{
	int64_t count[7] = {0};
	for (uint64_t i = 0; i < 70000; i++)
		count[gr_key_below(gr_key_seed(5), i, 7)]++;
	for (int i = 0; i < 7; i++)
		cr_assert_float_eq((double)count[i], 10000.0, 5 * sqrt(10000.0));
}
