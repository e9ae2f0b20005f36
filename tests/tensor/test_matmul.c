/* Products of 3-d views: every layout and broadcast batches, against sums in long double. */
#include "kern_case.h"

#include <math.h>

static void check(gr_dtype dtype, uint64_t seed)
{
	gr_key key = gr_key_seed(seed);
	int64_t size[4];
	for (int i = 0; i < 4; i++)
		size[i] = 1 + (int64_t)gr_key_below(key, (uint64_t)i, i == 0 ? 4 : 40);
	int64_t ba = seed % 3 == 0 ? 1 : size[0];
	int64_t bb = seed % 5 == 0 ? 1 : size[0];
	const int64_t ad[] = {ba, size[1], size[3]};
	const int64_t bd[] = {bb, size[3], size[2]};
	gr_tensor *a = kc_random(dtype, 3, ad, (kc_layout)(seed % KC_LAYOUTS), seed, -1.0, 1.0);
	gr_tensor *b = kc_random(dtype, 3, bd, (kc_layout)(seed / 2 % KC_LAYOUTS), seed, -1.0, 1.0);
	int64_t batch = ba > bb ? ba : bb;
	const int64_t cd[] = {batch, size[1], size[2]};
	gr_tensor *c = gr_empty(dtype, 3, cd);
	cr_assert_eq(gr__matmul(c, a, b, false), GR_OK);
	for (int64_t at = 0; at < c->size; at++) {
		int64_t p = at / (size[1] * size[2]);
		int64_t i = at / size[2] % size[1];
		int64_t j = at % size[2];
		long double sum = 0;
		for (int64_t k = 0; k < size[3]; k++)
			sum += (long double)kc_get(a, ((ba == 1 ? 0 : p) * size[1] + i) * size[3] + k) *
				(long double)kc_get(b, ((bb == 1 ? 0 : p) * size[3] + k) * size[2] + j);
		cr_expect(kc_near(kc_get(c, at), (double)sum, 64 * kc_eps(dtype)));
	}
}

GR_KERN_TEST(matmul, layouts_and_broadcast_batches)
{
	for (uint64_t seed = 0; seed < 60; seed++) {
		gr_scope_begin();
		check(seed % 2 == 0 ? GR_F32 : GR_F64, seed);
		gr_scope_end();
	}
}
