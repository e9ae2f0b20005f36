/* Composed and stacked operators: values, adjoints, supports, draws apart, errors. */
#include <criterion/criterion.h>

#include <string.h>

#include "gradus/metric.h"
#include "gradus/noise.h"
#include "inverse_check.h"

static gr_operator *make(const char *spec, int64_t H, int64_t W)
{
	return gr_operator_new(spec,
		GR_OPTS(gr_operator_opts, .height = H, .width = W, .n = 2, .keys = some_keys(1, 2)));
}

Test(compose, keeps_the_promises)
{
	static const char *const specs[] = {"blur_gauss+sr_mean:factor=2",
		"colour+blur_motion+inpaint_random", "inpaint_half&sr_bicubic:factor=2",
		"blur_gauss+inpaint_free&colour&fourier", "inpaint_random+inpaint_random", "blur_gauss+hdr",
		"phase&inpaint_box"};
	static const int64_t sides[][2] = {{16, 16}, {9, 14}, {21, 5}, {8, 33}, {7, 7}};
	for (int s = 0; s < 7; s++)
		for (int k = 0; k < 5; k++) {
			gr_operator *A = make(specs[s], sides[k][0], sides[k][1]);
			cr_assert_not_null(A, "%s: %s", specs[s], gr_error_message());
			cr_expect_eq(gr_operator_check(A, gr_key_seed(3)), GR_OK, "%s", gr_error_message());
			cr_expect_eq(gr_is_linear_operator(A), s < 5);
			gr_operator_free(A);
		}
}

Test(compose, values_and_residual)
{
	double out[2];
	gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(2, 3, 16, 16));
	gr_operator *both = make("blur_gauss+sr_mean:factor=2", 16, 16);
	gr_operator *blur = make("blur_gauss", 16, 16);
	gr_operator *mean = make("sr_mean:factor=2", 16, 16);
	gr_tensor *y = gr_operator_apply(both, x);
	cr_expect(nn_same_bits(y, gr_operator_apply(mean, gr_operator_apply(blur, x))));
	cr_expect_str_eq(gr_operator_name(both), "blur_gauss+sr_mean");
	cr_expect_str_eq(gr_operator_name(gr_operator_made_of(both, 1)), "sr_mean");
	cr_expect_null(gr_operator_made_of(both, 2));
	gr_operator *stack = make("inpaint_random:missing=0.5&colour", 16, 16);
	cr_expect_eq(gr_operator_out_dims(stack)[2], 4 * 256);
	gr_tensor *support = gr_operator_support(stack, GR_F64);
	cr_expect_eq(gr_item(gr_sum(support, GR_ALL_AXES, false)), 2.0 * (3.0 * 128.0 + 256.0));
	cr_assert_eq(gr_residual_rms(out, stack, x, gr_measure(stack, x, 0.1)), GR_OK);
	/* 640 entries: five standard deviations are 14 % */
	cr_expect(out[0] > 0.086 && out[0] < 0.114, "%g", out[0]);
	gr_operator_free(both);
	gr_operator_free(blur);
	gr_operator_free(mean);
	gr_operator_free(stack);
	cr_assert_eq(gr_scope_end(), GR_OK, "%s", gr_error_message());
}

/* Two random masks of one spec are not the same mask. */
Test(compose, parts_draw_apart)
{
	gr_operator *A = make("inpaint_random&inpaint_random&inpaint_random+inpaint_random", 16, 16);
	gr_tensor *a = gr_operator_part(gr_operator_made_of(A, 0), 0);
	gr_tensor *b = gr_operator_part(gr_operator_made_of(A, 1), 0);
	const gr_operator *last = gr_operator_made_of(A, 2);
	gr_tensor *c = gr_operator_part(gr_operator_made_of(last, 0), 0);
	gr_tensor *d = gr_operator_part(gr_operator_made_of(last, 1), 0);
	cr_expect(!nn_same_bits(a, b) && !nn_same_bits(b, c) && !nn_same_bits(c, d));
	gr_archive *archive = gr_archive_new();
	cr_expect_eq(gr_operator_export(A, archive), GR_OK);
	cr_expect(nn_same_bits(gr_archive_find(archive, "2.1.mask"), d));
	gr_archive_free(archive);
	gr_operator_free(A);
}

Test(compose, errors)
{
	gr_operator *parts[] = {make("sr_mean", 16, 16), make("blur_gauss", 16, 16)};
	cr_expect_null(gr_operator_compose(2, parts));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_expect_null(make("sr_mean+", 16, 16));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_expect_null(make("hdr+hdr+hdr+hdr+hdr+hdr+hdr+hdr+hdr", 16, 16));
	cr_expect_not_null(strstr(gr_error_message(), "more than 8 parts"));
	gr_error_clear();
}
