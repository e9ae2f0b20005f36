/*
 * Methods of a program's own: registered, named with parameters, with states beyond the first, and
 * refused with a reason where they do not go with what is given.
 */
#include <criterion/criterion.h>

#include <string.h>

#include "gradus/method.h"
#include "inverse_check.h"

/* x <- x0_hat, and a count of the steps in a state of its own. */
static gr_status count_open(gr_solver *s)
{
	int64_t n = 2;
	gr_status status = gr_solver_add_state(s, "x", gr_solver_noise(s, "start", 0));
	return status ? status : gr_solver_add_state(s, "count", gr_zeros(GR_F64, 1, &n));
}

static gr_status count_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	double by = gr_solver_param(s, "by");
	if (!status)
		status = gr_solver_set_state(s, 0, k->x0_hat);
	return status ? status : gr_solver_set_state(s, 1, gr_add_s(gr_solver_state(s, 1), by));
}

static const gr_method_param count_params[] = {{"by", 1.0, 0.0, 9.0, "added in each step"}, {0}};
static const gr_method count = {
	.name = "count",
	.doc = "counts its steps; by=1",
	.source = "none",
	.params = count_params,
	.open = count_open,
	.step = count_step,
};

static gr_status measured_step(gr_solver *s, gr_method_step *k)
{
	return gr_solver_set_state(s, 0, gr_operator_adjoint(gr_solver_operator(s), k->x_t));
}

static const gr_method measured = {
	.name = "measured",
	.doc = "needs a linear operator",
	.source = "none",
	.needs = GR_METHOD_MEASURED | GR_METHOD_LINEAR,
	.step = measured_step,
};

static gr_prior *prior(void)
{
	return gr_prior_gaussian_new(NULL,
		GR_OPTS(gr_prior_opts, .channels = 1, .height = 2, .width = 2));
}

static const gr_key *keys(void)
{
	static gr_key two[2];
	for (uint64_t i = 0; i < 2; i++)
		two[i] = gr_key_fold(gr_key_seed(3), i);
	return two;
}

Test(method, of_a_program_is_named_like_any_other)
{
	gr_prior *p = prior();
	gr_solver *s;
	int before = gr_method_count();
	cr_assert_eq(gr_method_register(&count), GR_OK, "%s", gr_error_message());
	cr_expect_eq(gr_method_count(), before + 1);
	cr_expect_str_eq(gr_method_list_name(before), "count");
	cr_expect_null(gr_method_list_name(before + 1));
	cr_assert_eq(gr_solver_new(&s,
					 GR_OPTS(gr_solver_opts, .prior = p, .n = 2, .keys = keys(),
						 .method = "count:by=2.5", .respacing = "4", .dtype = GR_F64)),
		GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_solver_run(s), GR_OK, "%s", gr_error_message());
	cr_expect_eq(gr_solver_state_count(s), 2);
	cr_expect_str_eq(gr_solver_state_name(s, 1), "count");
	cr_expect_eq(gr_tensor_at(gr_solver_state(s, 1), (int64_t[]){1}), 10.0);
	cr_expect_eq(gr_solver_evaluations(s), 4);
	cr_expect_eq(gr_solver_gradients(s), 0);
	cr_expect(gr_is_same_shape(gr_solver_result(s), gr_solver_state(s, 0)));
	gr_solver_free(s);
	gr_prior_free(p);
}

/* All states come back, or none is changed. */
Test(method, states_are_restored_together)
{
	gr_prior *p = prior();
	gr_solver *s;
	cr_assert_eq(gr_method_register(&count), GR_OK);
	cr_assert_eq(gr_solver_new(&s,
					 GR_OPTS(gr_solver_opts, .prior = p, .n = 2, .keys = keys(), .method = "count",
						 .respacing = "4", .dtype = GR_F64)),
		GR_OK);
	int64_t two = 2;
	gr_tensor *x = gr_full(GR_F64, GR_DIMS(2, 1, 2, 2), 0.5);
	cr_expect_eq(gr_solver_restore(s, (gr_tensor *[]){x, x}, 1), GR_ESHAPE);
	cr_expect_neq(strstr(gr_error_message(), "count"), NULL);
	gr_error_clear();
	cr_expect_eq(gr_solver_done(s), 0);
	cr_expect_neq(gr_tensor_at(gr_solver_state(s, 0), (int64_t[]){0, 0, 0, 0}), 0.5);
	cr_assert_eq(gr_solver_restore(s, (gr_tensor *[]){x, gr_full(GR_F64, 1, &two, 7.0)}, 3), GR_OK);
	cr_assert_eq(gr_solver_run(s), GR_OK);
	cr_expect_eq(gr_tensor_at(gr_solver_state(s, 1), (int64_t[]){0}), 8.0);
	gr_solver_free(s);
	gr_prior_free(p);
}

static void expect_refused(const gr_solver_opts *opts, gr_status code, const char *word)
{
	gr_solver *s;
	cr_expect_eq(gr_solver_new(&s, opts), code, "%s", gr_error_message());
	cr_expect_neq(strstr(gr_error_message(), word), NULL, "%s", gr_error_message());
	cr_expect_null(s);
	gr_error_clear();
}

Test(method, combinations_that_make_no_sense_say_why)
{
	gr_prior *p = prior();
	cr_assert_eq(gr_method_register(&count), GR_OK);
	cr_assert_eq(gr_method_register(&measured), GR_OK);
	gr_operator *A = gr_operator_new("identity",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 2, .width = 2));
	gr_term *dps = gr_dps_term(A, gr_zeros(GR_F32, GR_DIMS(2, 1, 2, 2)), 1.0);
	gr_term *terms[] = {dps, NULL};
	gr_solver_opts o = {.size = sizeof(o), .prior = p, .n = 2, .keys = keys(), .method = "count"};
	o.terms = terms;
	expect_refused(&o, GR_EUNSUPPORTED, "dps");
	o.terms = NULL;
	o.method = "count:by=10";
	expect_refused(&o, GR_EARG, "from 0 to 9");
	o.method = "count:to=1";
	expect_refused(&o, GR_EARG, "to=1");
	o.method = "measured";
	expect_refused(&o, GR_EARG, "needs A");
	o.method = "nobody";
	expect_refused(&o, GR_EARG, "count");
	gr_term_free(dps);
	gr_operator_free(A);
	gr_prior_free(p);
}

Test(method, a_bad_record_is_refused)
{
	cr_assert_eq(gr_method_register(&count), GR_OK);
	cr_expect_eq(gr_method_register(&count), GR_EARG);
	gr_error_clear();
	gr_method nameless = count;
	nameless.name = NULL;
	cr_expect_eq(gr_method_register(&nameless), GR_EARG);
	gr_error_clear();
	cr_expect_eq(gr_method_register(NULL), GR_EARG);
	gr_error_clear();
}
