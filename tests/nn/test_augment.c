/* Random resized crops. */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/dataset.h"

/* x[n,c,i,j] = (i + 10 j + 100 c) / 1000, the same for every n. */
static gr_tensor *ramp(int64_t n)
{
	gr_tensor *x = gr_empty(GR_F32, GR_DIMS(n, 2, 8, 12));
	float *data = gr_tensor_data(x);
	for (int64_t k = 0; k < gr_tensor_size(x); k++)
		data[k] = (float)((double)(k / 12 % 8 + 10 * (k % 12) + 100 * (k / 96 % 2)) / 1000.0);
	return x;
}

static double at(const gr_tensor *x, int64_t n, int64_t c, int64_t i, int64_t j)
{
	return gr_tensor_at(x, (const int64_t[]){n, c, i, j});
}

Test(augment, whole_image_is_the_image)
{
	const gr_key keys[] = {gr_key_seed(1), gr_key_seed(2)};
	gr_tensor *x = gr_empty(GR_F32, GR_DIMS(2, 1, 8, 8));
	for (int64_t k = 0; k < gr_tensor_size(x); k++)
		((float *)gr_tensor_data(x))[k] = (float)k / 128.0f;
	gr_tensor *y = gr_random_crops(x, keys, GR_OPTS(gr_crop_opts, .side = 8, .aspect = 1.0));
	for (int64_t n = 0; n < 2; n++)
		for (int64_t i = 0; i < 64; i++)
			cr_assert_float_eq(at(y, n, 0, i / 8, i % 8), at(x, n, 0, i / 8, i % 8), 1e-6);
}

/* Bilinear crops of a linear ramp are linear ramps: the steps tell the crop's size, which must be of
 * the area that was asked for; falling columns tell a flip. */
Test(augment, areas_corners_and_flips)
{
	enum { N = 200 };
	gr_key keys[N];
	for (int64_t n = 0; n < N; n++)
		keys[n] = gr_key_fold(gr_key_seed(7), (uint64_t)n);
	gr_tensor *x = ramp(N);
	gr_tensor *y = gr_random_crops(x, keys,
		GR_OPTS(gr_crop_opts, .side = 4, .area_least = 0.2, .area_most = 0.4, .flip = true));
	int flips = 0;
	for (int64_t n = 0; n < N; n++) {
		double height = 4000.0 * (at(y, n, 0, 2, 1) - at(y, n, 0, 1, 1));
		double width = 400.0 * (at(y, n, 0, 1, 2) - at(y, n, 0, 1, 1));
		double area = height * fabs(width) / 96.0;
		flips += width < 0.0;
		cr_assert(area > 0.2 - 1e-3 && area < 0.4 + 1e-3, "area %g", area);
		cr_assert(
			fabs(width) / height < 4.0 / 3.0 + 1e-3 && height / fabs(width) < 4.0 / 3.0 + 1e-3);
		cr_assert_float_eq(at(y, n, 1, 0, 0) - at(y, n, 0, 0, 0), 0.1, 1e-6);
	}
	cr_assert(flips > N / 3 && flips < 2 * N / 3, "%d flips", flips);
}

Test(augment, one_key_one_crop)
{
	const gr_key keys[] = {gr_key_seed(3), gr_key_seed(4), gr_key_seed(3)};
	const gr_crop_opts opts = {.size = sizeof opts,
		.side = 5,
		.area_least = 0.3,
		.area_most = 1.0,
		.flip = true,
		.jitter = 0.4};
	gr_tensor *three = gr_random_crops(ramp(3), keys, &opts);
	gr_tensor *one = gr_random_crops(ramp(1), keys, &opts);
	int same = 0;
	for (int64_t k = 0; k < 25; k++) {
		cr_assert_eq(at(three, 0, 0, k / 5, k % 5), at(three, 2, 0, k / 5, k % 5));
		cr_assert_eq(at(three, 0, 0, k / 5, k % 5), at(one, 0, 0, k / 5, k % 5));
		same += at(three, 1, 0, k / 5, k % 5) == at(one, 0, 0, k / 5, k % 5);
	}
	cr_assert_lt(same, 5);
}

Test(augment, refuses_what_makes_no_sense)
{
	const gr_key key = gr_key_seed(1);
	const gr_crop_opts bad[] = {
		{.side = 0},
		{.side = 4, .area_least = 0.5, .area_most = 0.4},
		{.side = 4, .area_least = 0.5, .area_most = 1.5},
		{.side = 4, .area_most = 0.5},
		{.side = 4, .aspect = 0.5},
		{.side = 4, .jitter = 1.0},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		cr_assert_null(gr_random_crops(ramp(1), &key, &bad[i]));
		cr_assert_eq(gr_error_code(), GR_EARG);
		gr_error_clear();
	}
	cr_assert_null(gr_random_crops(ramp(1), NULL, GR_OPTS(gr_crop_opts, .side = 4)));
	gr_error_clear();
	cr_assert_null(gr_random_crops(gr_zeros(GR_F64, GR_DIMS(1, 1, 4, 4)), &key,
		GR_OPTS(gr_crop_opts, .side = 4)));
	cr_assert_eq(gr_error_code(), GR_EDTYPE);
	gr_error_clear();
}
