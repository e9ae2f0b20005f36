/* Masks: where the hole is, how many pixels are missing, whose key decides. */
#include <criterion/criterion.h>

#include "inverse_check.h"
#include "gradus/operator.h"

static double mask_at(const gr_operator *A, int64_t n, int64_t i, int64_t j)
{
	return gr_tensor_at(gr_operator_part(A, 0), (const int64_t[]){n, 0, i, j});
}

Test(inpaint, box)
{
	static const struct {
		const char *spec;
		int64_t top, left, height, width;
	} cases[] = {
		{"inpaint_box", 8, 8, 16, 16},
		{"inpaint_box:box=5", 13, 13, 5, 5},
		{"inpaint_box:box=8,top=0,left=24", 0, 24, 8, 8},
		{"inpaint_box:top=3", 3, 0, 16, 16},
	};
	for (int k = 0; k < 4; k++) {
		gr_operator *A = gr_operator_new(cases[k].spec, NULL);
		cr_assert_not_null(A, "%s", gr_error_message());
		for (int64_t i = 0; i < 32; i++)
			for (int64_t j = 0; j < 32; j++) {
				bool inside = i >= cases[k].top && i < cases[k].top + cases[k].height &&
					j >= cases[k].left && j < cases[k].left + cases[k].width;
				cr_expect_eq(mask_at(A, 0, i, j), inside ? 0.0 : 1.0, "%s %d %d", cases[k].spec,
					(int)i, (int)j);
			}
		gr_operator_free(A);
	}
}

/* At the papers' size: a 128 x 128 hole in 256 x 256, exactly 16384 zeros. */
Test(inpaint, box_of_the_papers)
{
	gr_operator *A =
		gr_operator_new("inpaint_box", GR_OPTS(gr_operator_opts, .height = 256, .width = 256));
	gr_tensor *mask = gr_operator_part(A, 0);
	cr_expect_eq(dot(mask, mask), 256.0 * 256.0 - 16384.0);
	gr_operator_free(A);
}

Test(inpaint, random_counts_and_keys)
{
	gr_key keys[] = {gr_key_seed(1), gr_key_seed(2), gr_key_seed(1)};
	gr_operator *A =
		gr_operator_new("inpaint_random", GR_OPTS(gr_operator_opts, .n = 3, .keys = keys));
	int same = 0;
	for (int64_t n = 0; n < 3; n++) {
		int missing = 0;
		for (int64_t i = 0; i < 32; i++)
			for (int64_t j = 0; j < 32; j++) {
				missing += mask_at(A, n, i, j) == 0.0;
				same += n == 1 && mask_at(A, 0, i, j) == mask_at(A, 1, i, j);
				cr_expect(n != 2 || mask_at(A, 0, i, j) == mask_at(A, 2, i, j));
			}
		cr_expect_eq(missing, (int)(0.7 * 1024.0));
	}
	/* Independent masks agree on 0.7^2 + 0.3^2 = 58 % of the pixels, +- 1.5 %. */
	cr_expect(same > 520 && same < 670, "%d", same);
	gr_operator_free(A);
}

/* Each pixel is measured in 30 % of many draws. */
Test(inpaint, random_is_uniform)
{
	gr_operator *A = gr_operator_new("inpaint_random",
		GR_OPTS(gr_operator_opts, .height = 6, .width = 5, .n = 4000, .keys = some_keys(1, 4000)));
	gr_tensor *mean = gr_mean(gr_operator_part(A, 0), GR_AXES(0, 1), false);
	for (int64_t i = 0; i < 30; i++) {
		double p = gr_tensor_at(mean, (const int64_t[]){i / 5, i % 5});
		/* five standard deviations of a mean of 4000 draws */
		cr_expect(p > 0.3 - 0.0363 && p < 0.3 + 0.0363, "pixel %d: %g", (int)i, p);
	}
	gr_operator_free(A);
}
