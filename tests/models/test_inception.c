/* FID's Inception: published size, features of images of any size, errors. Values:
 * test_variants.c. */
#include <criterion/criterion.h>

#include "gradus/inception.h"
#include "nn_check.h"

Test(inception, published_size)
{
	gr_inception *n = gr_inception_new(NULL);
	cr_assert_eq(gr_module_size(gr_inception_module(n)), 23850960);
	gr_inception_free(n);
	n = gr_inception_new(GR_OPTS(gr_inception_config, .no_logits = true));
	cr_assert_eq(gr_module_size(gr_inception_module(n)), 23850960 - 1008 * 2049);
	gr_inception_free(n);
}

/* Features are as wide as ever, and a sample's do not depend on its batch. */
Test(inception, features)
{
	gr_inception *n = gr_inception_new(GR_OPTS(gr_inception_config, .shrink = 32));
	cr_assert_eq(gr_module_init(gr_inception_module(n), gr_key_seed(1)), GR_OK);
	gr_tensor *x = gr_random_uniform(gr_key_seed(2), GR_F32, GR_DIMS(2, 3, 24, 40), 0.0, 1.0);
	gr_tensor *logits = NULL, *y = gr_inception_forward(n, x, &logits);
	cr_assert_eq(gr_tensor_dim(y, 1), 10 + 4 * 12 + 6);
	cr_assert_eq(gr_tensor_dim(logits, 1), 31);
	gr_tensor *one = gr_inception_forward(n, gr_contiguous(gr_slice(x, 0, 1, 2, 1)), NULL);
	cr_assert(nn_same_bits(one, gr_slice(y, 0, 1, 2, 1)));
	gr_inception_free(n);
}

Test(inception, refuses_what_does_not_fit)
{
	cr_assert_null(gr_inception_new(GR_OPTS(gr_inception_config, .shrink = -1)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_inception *n = gr_inception_new(GR_OPTS(gr_inception_config, .shrink = 64));
	cr_assert_null(gr_inception_forward(n, gr_zeros(GR_F32, GR_DIMS(1, 1, 32, 32)), NULL));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_inception_free(n);
}
