/*
 * EquiReg: values written out, reductions, functions that are equivariant, derivatives through both
 * branches, schedules and the evaluations they save, draws, batches, misuse.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/equireg.h"
#include "term_check.h"

static const gr_hook hooks[] = {GR_HOOK_PREDICT, GR_HOOK_ESTIMATE};

/* Every step, Equi, norm, of weight 1. */
static gr_equireg_opts every(gr_feature *f, const char *group)
{
	return (gr_equireg_opts){.size = sizeof(gr_equireg_opts),
		.weight = 1.0,
		.f = f,
		.group = gr_group_find(group),
		.freq = -1.0};
}

static gr_tensor *value_of(const gr_equireg_opts *o, const gr_prior *p, gr_hook hook, gr_tensor *x,
	int64_t step)
{
	gr_term *term = gr_equireg_term(o);
	gr_term_ctx ctx = toy_ctx(p, hook, x, 1);
	ctx.step = step;
	gr_tensor *value = gr_term_eval(term, &ctx);
	gr_term_free(term);
	return value;
}

Test(equireg, values_are_the_equations)
{
	gr_prior *p = toy_pixel_prior();
	gr_feature *f = toy_feature(NULL);
	gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(2, 1, 8, 8));
	gr_equireg_opts o = every(f, "hflip");
	gr_tensor *norm = value_of(&o, p, GR_HOOK_ESTIMATE, x, 0);
	gr_tensor *d = gr_sub(gr_flip(gr_feature_map(f, x), 3), gr_feature_map(f, gr_flip(x, 3)));
	cr_assert(norm, "%s", gr_error_message());
	o.reduce = GR_EQUI_SQNORM;
	gr_tensor *square = value_of(&o, p, GR_HOOK_ESTIMATE, x, 0);
	o.reduce = GR_EQUI_MSE;
	gr_tensor *mse = value_of(&o, p, GR_HOOK_ESTIMATE, x, 0);
	for (int64_t i = 0; i < 2; i++) {
		double s = dot(batch_of(d, i, i + 1), batch_of(d, i, i + 1));
		cr_expect_gt(s, 0.1);
		cr_expect_float_eq(gr_tensor_at(norm, &i), sqrt(s), 1e-13);
		cr_expect_float_eq(gr_tensor_at(square, &i), s, 1e-13);
		cr_expect_float_eq(gr_tensor_at(mse, &i), s / 48.0, 1e-15);
	}
	/* Equi-plus, in the space of states */
	gr_prior *latent = toy_latent_prior();
	gr_feature *g = gr_feature_decode_encode_new(latent);
	gr_tensor *z = nn_normal(2, GR_F64, GR_DIMS(2, 2, 4, 4));
	o = every(g, "vflip");
	o.form = GR_EQUI_PLUS;
	gr_tensor *plus = value_of(&o, latent, GR_HOOK_ESTIMATE, z, 0);
	d = gr_sub(z, gr_flip(gr_feature_map(g, gr_flip(z, 2)), 2));
	for (int64_t i = 0; i < 2; i++) {
		double s = dot(batch_of(d, i, i + 1), batch_of(d, i, i + 1));
		cr_expect_float_eq(gr_tensor_at(plus, &i), sqrt(s), 1e-13);
	}
	gr_feature_release(f);
	gr_feature_release(g);
	gr_prior_free(p);
	gr_prior_free(latent);
}

/* A 1 x 1 convolution and a pointwise function. */
static gr_status pointwise(void *self, gr_feature_call *call)
{
	(void)self;
	gr_tensor *w = gr_cast(nn_normal(3, GR_F64, GR_DIMS(4, 1, 1, 1)), gr_tensor_dtype(call->x));
	call->map = gr_silu(gr_conv2d(call->x, w, NULL));
	return gr_error_code();
}

/* Exactly equivariant functions have no error, and a zero norm no gradient. */
Test(equireg, equivariant_functions_have_none)
{
	const gr_feature_table table = {.name = "pointwise", .apply = pointwise};
	gr_prior *p = toy_pixel_prior();
	gr_feature *f[] = {gr_feature_pixels_new(), gr_feature_new(&table, NULL, NULL)};
	gr_tensor *x = nn_normal(4, GR_F32, GR_DIMS(2, 1, 8, 8));
	for (int i = 0; i < 2; i++)
		for (int k = 0; gr_group_at(k); k++) {
			gr_equireg_opts o = every(f[i], gr_group_name(gr_group_at(k)));
			if (i == 1 && strcmp(gr_group_name(o.group), "ns_swap") == 0)
				continue; /* changes the sign, which SiLU does not follow */
			gr_term *term = gr_equireg_term(&o);
			gr_tensor *grad = NULL;
			double value = toy_value(term, p, GR_HOOK_PREDICT, x, 1, &grad);
			cr_expect_lt(fabs(value), 1e-5, "%s %g", gr_group_name(o.group), value);
			if (i == 0) {
				cr_expect_eq(value, 0.0, "%s", gr_group_name(o.group));
				cr_expect_eq(dot(grad, grad), 0.0, "%s", gr_group_name(o.group));
			}
			gr_term_free(term);
		}
	gr_feature_release(f[0]);
	gr_feature_release(f[1]);
	gr_prior_free(p);
}

Test(equireg, derivatives)
{
	gr_prior *p[] = {toy_pixel_prior(), toy_latent_prior()};
	gr_feature *f[] = {toy_feature(NULL), toy_state_feature(), gr_feature_decoder_new(p[1]),
		gr_feature_encoder_new(p[1]), gr_feature_decode_encode_new(p[1]),
		gr_feature_encode_decode_new(p[1])};
	for (int i = 0; i < 6; i++)
		for (int k = 0; gr_group_at(k); k++)
			for (int h = 0; h < 2; h++)
				for (int form = 0; form < 2; form++) {
					gr_equireg_opts o = every(f[i], gr_group_name(gr_group_at(k)));
					gr_prior *prior = p[i > 0];
					const int64_t *dims = gr_prior_dims(prior);
					o.form = (gr_equi_form)form;
					o.reduce = (gr_equi_reduce)((i + k + h) % 3);
					bool own = i == 1 || i >= 4; /* to its own space */
					if (form == 1 && !own)
						continue;
					gr_term *term = gr_equireg_term(&o);
					gr_tensor *x =
						nn_normal((uint64_t)(5 + i), GR_F64, GR_DIMS(2, dims[0], dims[1], dims[2]));
					double error = toy_gradient_error(term, prior, hooks[h], x, 1);
					cr_expect_lt(error, 1e-6, "f %d %s hook %d form %d: %g %s", i,
						gr_group_name(o.group), h, form, error, gr_error_message());
					gr_term_free(term);
				}
	for (int i = 0; i < 6; i++)
		gr_feature_release(f[i]);
	gr_prior_free(p[0]);
	gr_prior_free(p[1]);
}

/* --- when it acts --- */

/* How often f is asked in `total` steps; steps that are skipped have value 0 and no gradient. */
static int evaluations(gr_equireg_opts o, int64_t total, int64_t *last)
{
	gr_prior *p = toy_pixel_prior();
	int calls = 0;
	o.f = toy_feature(&calls);
	gr_term *term = gr_equireg_term(&o);
	gr_tensor *x = nn_normal(6, GR_F32, GR_DIMS(1, 1, 8, 8));
	gr_term_ctx ctx = toy_ctx(p, GR_HOOK_ESTIMATE, x, 1);
	ctx.steps = total;
	for (ctx.step = 0; ctx.step < total; ctx.step++) {
		int before = calls;
		gr_tensor *value = gr_term_eval(term, &ctx);
		cr_assert(value, "%s", gr_error_message());
		bool acted = calls > before;
		cr_expect_eq(gr_is_tracked(value), acted);
		if (!acted)
			cr_expect_eq(gr_item(value), 0.0);
		else if (last)
			*last = ctx.step;
	}
	gr_term_free(term);
	gr_feature_release(o.f);
	gr_prior_free(p);
	return calls / 2; /* two of a firing */
}

Test(equireg, schedules_and_the_evaluations_they_save)
{
	gr_feature *any = gr_feature_pixels_new();
	gr_equireg_opts o = every(any, "hflip");
	int64_t last = 0;
	cr_expect_eq(evaluations(o, 20, NULL), 20);
	o.freq = 0.5;
	cr_expect_eq(evaluations(o, 20, &last), 10);
	cr_expect_eq(last, 18);
	o.freq = 0.6;
	cr_expect_eq(evaluations(o, 20, NULL), 20, "int(1 / 0.6) is 1");
	o.freq = 0.0;
	cr_expect_eq(evaluations(o, 20, &last), 2, "0.1 is the default");
	cr_expect_eq(last, 10);
	o.schedule = GR_EQUI_LEGACY;
	cr_expect_eq(evaluations(o, 20, NULL), 20);
	o.schedule = GR_EQUI_LEGACY_CUTOFF;
	o.last = 8;
	cr_expect_eq(evaluations(o, 20, &last), 13);
	cr_expect_eq(last, 12, "skipped where step > total - last");
	o.schedule = GR_EQUI_CUTOFF;
	cr_expect_eq(evaluations(o, 20, &last), 2);
	o.weight = 0.0;
	cr_expect_eq(evaluations(o, 20, NULL), 0);
	gr_feature_release(any);
}

/* --- draws and batches --- */

/* With weight 0 a run is that without the term, to the bit; with weight it is another one, and a
 * sample's is the same alone and in a batch. */
Test(equireg, draws_touch_no_other_stream)
{
	gr_prior *p = toy_latent_prior();
	gr_feature *f = gr_feature_decoder_new(p);
	const char *const methods[] = {"ddpm", "ddim:eta=0.5"};
	gr_equireg_opts o = every(f, "rot90");
	o.weight = 0.0;
	gr_term *none[] = {gr_equireg_term(&o), NULL};
	o.weight = 0.05;
	gr_term *some[] = {gr_equireg_term(&o), NULL};
	for (int i = 0; i < 2; i++) {
		gr_tensor *plain = toy_solve(p, methods[i], NULL, 10, 4, 1, GR_F32);
		gr_tensor *zero = toy_solve(p, methods[i], none, 10, 4, 1, GR_F32);
		gr_tensor *with = toy_solve(p, methods[i], some, 10, 4, 1, GR_F32);
		cr_assert(with, "%s", gr_error_message());
		cr_expect(nn_same_bits(zero, plain), "%s", methods[i]);
		cr_expect_gt(nn_distance(with, plain), 1e-4);
		for (int64_t n = 0; n < 4; n++) {
			gr_tensor *alone = toy_solve(p, methods[i], some, 10 + (uint64_t)n, 1, 1, GR_F32);
			cr_expect(nn_same_bits(alone, batch_of(with, n, n + 1)), "sample %d", (int)n);
		}
	}
	/* an f that is equivariant everywhere has no error to lower */
	gr_feature *exact = gr_feature_pixels_new();
	o = every(exact, "rot90");
	o.weight = 0.5;
	gr_term *idle[] = {gr_equireg_term(&o), NULL};
	cr_expect(nn_same_bits(toy_solve(p, "ddpm", idle, 10, 4, 1, GR_F32),
		toy_solve(p, "ddpm", NULL, 10, 4, 1, GR_F32)));
	gr_term_free(idle[0]);
	gr_feature_release(exact);
	gr_term_free(none[0]);
	gr_term_free(some[0]);
	gr_feature_release(f);
	gr_prior_free(p);
}

/* Going down the penalty alone lowers it. */
Test(equireg, descent_lowers_it)
{
	gr_prior *p = toy_pixel_prior();
	gr_feature *f = toy_feature(NULL);
	gr_equireg_opts o = every(f, "hflip");
	o.reduce = GR_EQUI_SQNORM;
	gr_term *term = gr_equireg_term(&o);
	gr_tensor *x = nn_normal(8, GR_F64, GR_DIMS(2, 1, 8, 8));
	double before = INFINITY;
	double first = 0.0;
	for (int i = 0; i < 30; i++) {
		gr_tensor *grad = NULL;
		double value = toy_value(term, p, GR_HOOK_ESTIMATE, x, 1, &grad);
		cr_expect_lt(value, before);
		first = i == 0 ? value : first;
		before = value;
		x = gr_axpby(x, 1.0, grad, -0.02);
	}
	cr_expect_lt(before, 0.5 * first, "%g of %g", before, first);
	gr_term_free(term);
	gr_feature_release(f);
	gr_prior_free(p);
}

/* --- by name, and misuse --- */

static void expect_open_error(const char *text, const gr_term_problem *problem, const char *word)
{
	gr_term *term = gr_term_open(text, problem);
	cr_expect_null(term, "%s", text);
	cr_expect_not_null(strstr(gr_error_message(), word), "%s: %s", text, gr_error_message());
	gr_error_clear();
}

Test(equireg, misuse_is_an_error)
{
	gr_prior *latent = toy_latent_prior();
	gr_prior *pixel = toy_pixel_prior();
	gr_term_problem problem = {.size = sizeof problem, .prior = latent};
	gr_term *term = gr_term_open("equireg:rot90:0.02,freq=1,form=plus,reduce=mse", &problem);
	cr_assert(term, "%s", gr_error_message());
	cr_expect_eq(gr_term_weight(term), 0.02);
	cr_expect_eq(gr_term_hooks(term), GR_AT_PREDICT | GR_AT_ESTIMATE);
	gr_term_free(term);
	expect_open_error("equireg:hflop:0.01", &problem, "no 'hflop'");
	expect_open_error("equireg:hflip:0.01,frek=1", &problem, "no setting 'frek'");
	expect_open_error("equireg:hflip:0.01,f=/nowhere", &problem, "/nowhere");
	problem.prior = pixel;
	expect_open_error("equireg:hflip:0.01", &problem, "f=NAME");
	expect_open_error("equireg:hflip:0.01,f=encoder", &problem, "states of prior toy are images");
	term = gr_term_open("equireg:hflip:0.01,f=pixels", &problem);
	cr_expect(term, "%s", gr_error_message());
	gr_term_free(term);

	gr_feature *f = toy_feature(NULL);
	gr_equireg_opts o = every(f, "hflip");
	gr_tensor *x = nn_normal(9, GR_F32, GR_DIMS(1, 1, 8, 8));
	o.schedule = GR_EQUI_CUTOFF;
	cr_expect_null(value_of(&o, pixel, GR_HOOK_ESTIMATE, x, 0), "100 of 10 steps");
	cr_expect_not_null(strstr(gr_error_message(), "never act"), "%s", gr_error_message());
	gr_error_clear();
	o = every(f, "hflip");
	o.form = GR_EQUI_PLUS;
	cr_expect_null(value_of(&o, pixel, GR_HOOK_ESTIMATE, x, 0));
	cr_expect_not_null(strstr(gr_error_message(), "form=equi"), "%s", gr_error_message());
	gr_error_clear();
	o.f = NULL;
	cr_expect_null(gr_equireg_term(&o));
	gr_error_clear();
	gr_feature_release(f);
	gr_prior_free(pixel);
	gr_prior_free(latent);
}
