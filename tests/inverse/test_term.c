/* Terms: what is checked, who frees, one value per sample or unit. */
#include <criterion/criterion.h>

#include <math.h>

#include "inverse_check.h"

static void count_free(void *self)
{
	++*(int *)self;
}

/* The squared norm of each sample, or of each pair of particles. */
static gr_tensor *energy(void *self, const gr_term_ctx *ctx)
{
	(void)self;
	gr_tensor *each = gr_sumsq(ctx->x_t, GR_AXES(1, 2, 3), false);
	if (ctx->particles == 1)
		return each;
	return gr_sum(gr_reshape(each, GR_DIMS(-1, ctx->particles)), GR_AXES(1), false);
}

static gr_tensor *of_wrong_shape(void *self, const gr_term_ctx *ctx)
{
	(void)self;
	return ctx->x_t;
}

static gr_tensor *nothing(void *self, const gr_term_ctx *ctx)
{
	(void)self;
	(void)ctx;
	return NULL;
}

Test(term, values)
{
	int freed = 0;
	gr_term *term = gr_term_new("energy", energy, &freed,
		GR_OPTS(gr_term_opts, .weight = 0.5, .free = count_free));
	cr_expect_str_eq(gr_term_name(term), "energy");
	cr_expect_eq(gr_term_weight(term), 0.5);
	cr_expect_eq(gr_term_hooks(term), GR_AT_PREDICT);
	gr_term_ctx ctx = {.x_t = gr_full(GR_F64, GR_DIMS(4, 1, 2, 3), 2.0), .particles = 1};
	gr_tensor *value = gr_term_eval(term, &ctx);
	cr_expect_eq(gr_tensor_dim(value, 0), 4);
	cr_expect_eq(gr_tensor_at(value, (const int64_t[]){3}), 24.0);
	ctx.particles = 2;
	value = gr_term_eval(term, &ctx);
	cr_expect_eq(gr_tensor_dim(value, 0), 2);
	cr_expect_eq(gr_tensor_at(value, (const int64_t[]){1}), 48.0);
	gr_term_free(term);
	gr_term_free(NULL);
	cr_expect_eq(freed, 1);
}

Test(term, wrong_values)
{
	gr_term_fn functions[] = {of_wrong_shape, nothing};
	gr_status codes[] = {GR_ESHAPE, GR_ESTATE};
	gr_term_ctx ctx = {.x_t = gr_zeros(GR_F64, GR_DIMS(4, 1, 2, 3)), .particles = 1};
	for (int i = 0; i < 2; i++) {
		gr_term *term =
			gr_term_new("wrong", functions[i], NULL, GR_OPTS(gr_term_opts, .weight = 1.0));
		cr_expect_null(gr_term_eval(term, &ctx));
		cr_expect_eq(gr_error_code(), codes[i]);
		gr_error_clear();
		gr_term_free(term);
	}
}

Test(term, wrong_options_free_self)
{
	int freed = 0;
	cr_expect_null(
		gr_term_new("x", energy, &freed, GR_OPTS(gr_term_opts, .weight = NAN, .free = count_free)));
	cr_expect_null(gr_term_new("x", NULL, &freed, GR_OPTS(gr_term_opts, .free = count_free)));
	cr_expect_null(gr_term_new("x", energy, NULL, NULL));
	cr_expect_eq(freed, 2);
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
}
