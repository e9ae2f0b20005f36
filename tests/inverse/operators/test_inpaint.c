/* Masks: where the hole is, how many pixels are missing, whose key decides. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/* Per image another mask, the same one for the same key, at least as much missing as was asked. */
Test(inpaint, free_form_and_box_follow_the_key)
{
	static const char *const specs[] = {"inpaint_free:missing=0.25", "inpaint_box_random:box=9"};
	gr_key keys[] = {gr_key_seed(1), gr_key_seed(2), gr_key_seed(1)};
	for (int s = 0; s < 2; s++) {
		gr_operator *A = gr_operator_new(specs[s], GR_OPTS(gr_operator_opts, .n = 3, .keys = keys));
		int missing[3] = {0};
		int differ = 0;
		for (int64_t k = 0; k < 1024; k++) {
			for (int64_t n = 0; n < 3; n++)
				missing[n] += mask_at(A, n, k / 32, k % 32) == 0.0;
			differ += mask_at(A, 0, k / 32, k % 32) != mask_at(A, 1, k / 32, k % 32);
			cr_expect_eq(mask_at(A, 0, k / 32, k % 32), mask_at(A, 2, k / 32, k % 32));
		}
		cr_expect_gt(differ, 10);
		for (int n = 0; n < 2; n++) {
			cr_expect(s == 0 ? missing[n] >= 256 && missing[n] < 420 : missing[n] == 81, "%s: %d",
				specs[s], missing[n]);
		}
		gr_operator_free(A);
	}
}

/* Hole of 8 in 32 with margin 2: rows 2..22, all of them seen, none beyond. */
Test(inpaint, random_box_keeps_its_margin)
{
	gr_operator *A = gr_operator_new("inpaint_box_random:box=8,margin=2",
		GR_OPTS(gr_operator_opts, .n = 400, .keys = some_keys(1, 400)));
	bool seen[32] = {false};
	for (int64_t n = 0; n < 400; n++) {
		int64_t top = 0;
		while (top < 32) {
			int holes = 0;
			for (int64_t j = 0; j < 32; j++)
				holes += mask_at(A, n, top, j) == 0.0;
			if (holes > 0)
				break;
			top++;
		}
		seen[top] = true;
	}
	for (int64_t i = 0; i < 32; i++)
		cr_expect_eq(seen[i], i >= 2 && i <= 22, "%d", (int)i);
	gr_operator_free(A);
}

Test(inpaint, half)
{
	static const char *const sides[] = {"left", "right", "top", "bottom"};
	for (int s = 0; s < 4; s++) {
		char spec[64];
		snprintf(spec, sizeof(spec), "inpaint_half:side=%s", sides[s]);
		gr_operator *A = gr_operator_new(spec, GR_OPTS(gr_operator_opts, .height = 7, .width = 6));
		for (int64_t i = 0; i < 7; i++)
			for (int64_t j = 0; j < 6; j++) {
				bool missing = s == 0 ? j < 3 : s == 1 ? j >= 3 : s == 2 ? i < 3 : i >= 4;
				cr_expect_eq(mask_at(A, 0, i, j), missing ? 0.0 : 1.0, "%s", spec);
			}
		gr_operator_free(A);
	}
}

/* Masks from files in five shapes: what is written is what is used; the promises hold. */
Test(inpaint, file)
{
	static const int64_t shapes[][2] = {{32, 32}, {33, 17}, {16, 24}, {5, 7}, {40, 9}};
	for (int k = 0; k < 5; k++)
		for (int png = 0; png < 2; png++) {
			char path[64];
			char spec[96];
			snprintf(path, sizeof(path), "/tmp/gradus_mask_%d.%s", (int)getpid(),
				png ? "png" : "npy");
			snprintf(spec, sizeof(spec), "inpaint_file:path=%s", path);
			gr_tensor *mask = gr_random_bernoulli(gr_key_seed(4), GR_F32,
				GR_DIMS(shapes[k][0], shapes[k][1]), 0.5);
			cr_assert_eq(png ? gr_png_write(path, mask, NULL) : gr_npy_write(path, mask), GR_OK);
			gr_operator *A = gr_operator_new(spec,
				GR_OPTS(gr_operator_opts, .height = shapes[k][0], .width = shapes[k][1]));
			cr_assert_not_null(A, "%s", gr_error_message());
			cr_expect(nn_same_bits(gr_reshape(gr_operator_support(A, GR_F32),
									   GR_DIMS(shapes[k][0], shapes[k][1])),
				mask));
			cr_expect_eq(gr_operator_check(A, gr_key_seed(1)), GR_OK, "%s", gr_error_message());
			gr_operator_free(A);
			cr_expect_null(gr_operator_new(spec, GR_OPTS(gr_operator_opts, .height = 8)));
			cr_expect_eq(gr_error_code(), GR_ESHAPE);
			cr_expect_not_null(strstr(gr_error_message(), path));
			gr_error_clear();
			unlink(path);
		}
	cr_expect_null(gr_operator_new("inpaint_file:path=/tmp/not/there.npy", NULL));
	cr_expect_eq(gr_error_code(), GR_EIO);
	gr_error_clear();
	cr_expect_null(gr_operator_new("inpaint_file", NULL));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
}
