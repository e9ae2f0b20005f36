/* Learning rates: warm-up, decay, edges. */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/optim.h"

Test(lrsched, constant_and_default)
{
	cr_assert_eq(gr_lr_at(NULL, 7), 1e-3);
	cr_assert_eq(gr_lr_at(GR_OPTS(gr_lr_opts, .base = 0.5), 1000000), 0.5);
}

Test(lrsched, warm_up)
{
	const gr_lr_opts *o = GR_OPTS(gr_lr_opts, .base = 2.0, .warmup = 4);
	const double want[] = {0.5, 1.0, 1.5, 2.0, 2.0, 2.0};
	for (int i = 0; i < 6; i++)
		cr_assert_eq(gr_lr_at(o, i), want[i]);
}

Test(lrsched, decay)
{
	const gr_lr_opts linear = {.size = sizeof linear,
		.base = 1.0,
		.warmup = 10,
		.steps = 110,
		.decay = GR_LR_LINEAR,
		.last = 0.2};
	gr_lr_opts cosine = linear;
	cosine.decay = GR_LR_COSINE;
	cr_assert_eq(gr_lr_at(&linear, 10), 1.0);
	cr_assert_float_eq(gr_lr_at(&linear, 35), 0.8, 1e-15);
	cr_assert_float_eq(gr_lr_at(&linear, 110), 0.2, 1e-15);
	cr_assert_float_eq(gr_lr_at(&linear, 999), 0.2, 1e-15);
	cr_assert_float_eq(gr_lr_at(&cosine, 60), 0.6, 1e-15);
	cr_assert_float_eq(gr_lr_at(&cosine, 35), 0.2 + 0.4 * (1.0 + cos(acos(-1.0) / 4.0)), 1e-15);
	cr_assert_float_eq(gr_lr_at(&cosine, 110), 0.2, 1e-15);
}

/* A run shorter than its warm-up never decays. */
Test(lrsched, all_warm_up)
{
	const gr_lr_opts *o =
		GR_OPTS(gr_lr_opts, .base = 1.0, .warmup = 10, .steps = 5, .decay = GR_LR_COSINE);
	cr_assert_eq(gr_lr_at(o, 4), 0.5);
	cr_assert_eq(gr_lr_at(o, 10), 1.0);
}
