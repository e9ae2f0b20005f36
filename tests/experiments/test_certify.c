/* Certificates: problems are what they say, tables do not depend on threads, verdicts hold. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "certify.h"
#include "gradus/noise.h"
#include "gradus/ops.h"

static const gr_certify_row *row_named(const char *name)
{
	int i = 0;
	while (strcmp(gr__certify_row(i)->name, name) != 0)
		i++;
	return gr__certify_row(i);
}

/* The operator of a problem is its matrices, and its adjoint theirs, sample block by sample block. */
Test(certify, operators_are_their_matrices)
{
	static const char *const names[] = {"gauss-8", "modes-8x2", "phase-2", "field-32"};
	for (int k = 0; k < 4; k++) {
		gr_certify_problem *p = NULL;
		const int64_t I = 3, n = 2;
		cr_assert_eq(gr__certify_problem_new(&p, row_named(names[k]), I, 5), GR_OK, "%s",
			gr_error_message());
		const int64_t *in = gr_operator_in_dims(p->A);
		gr_tensor *x =
			gr_random_normal(gr_key_seed(1), GR_F64, GR_DIMS(I * n, in[0], in[1], in[2]));
		gr_tensor *y = gr_operator_apply(p->A, x);
		gr_tensor *rows = gr_reshape(x, GR_DIMS(I, n, p->row->D));
		gr_tensor *expected = gr_matmul(rows, gr_transpose(p->matrix, 1, 2));
		if (p->magnitude)
			expected = gr_abs(expected);
		gr_tensor *off = gr_sub(gr_reshape(y, GR_DIMS(I, n, p->row->M)), expected);
		cr_expect(gr_item(gr_max(gr_abs(off), GR_ALL_AXES, false)) < 1e-12, "%s", names[k]);
		if (!p->magnitude) {
			gr_tensor *w = gr_random_normal(gr_key_seed(2), GR_F64, 4, gr_tensor_dims(y));
			double left = gr_item(gr_sum(gr_mul(y, w), GR_ALL_AXES, false));
			gr_tensor *back = gr_operator_adjoint(p->A, w);
			double right = gr_item(gr_sum(gr_mul(x, back), GR_ALL_AXES, false));
			cr_expect(fabs(left - right) < 1e-11, "%s: %g %g", names[k], left, right);
		}
		gr__certify_problem_free(p);
	}
}

/* Singular values in (0,1), the same for all measurements; sigma below the largest. */
Test(certify, mixtures_are_as_published)
{
	gr_certify_problem *p = NULL;
	cr_assert_eq(gr__certify_problem_new(&p, row_named("modes-8x4"), 2, 0), GR_OK);
	gr_tensor *s = gr_svd(p->matrix, NULL, NULL);
	for (int64_t i = 0; i < 4; i++) {
		double v = gr_tensor_at(s, (const int64_t[]){0, i});
		cr_expect(v > 0.0 && v < 1.0);
		cr_expect(fabs(v - gr_tensor_at(s, (const int64_t[]){1, i})) < 1e-12);
	}
	cr_expect(p->sigma > 0.0 && p->sigma < gr_tensor_at(s, (const int64_t[]){0, 0}));
	cr_expect_eq(gr_law_components(p->law), 25);
	gr_tensor *means = gr_law_means(p->law, NULL);
	cr_expect_eq(gr_tensor_at(means, (const int64_t[]){0, 0}), -16.0);
	cr_expect_eq(gr_tensor_at(means, (const int64_t[]){1, 1}), -8.0);
	cr_expect_eq(gr_tensor_at(means, (const int64_t[]){24, 7}), 16.0);
	gr__certify_problem_free(p);
}

static char *table_of(const gr_certify_opts *opts)
{
	gr_certified *c = NULL;
	char *text = NULL;
	size_t size = 0;
	cr_assert_eq(gr__certify_run(&c, opts), GR_OK, "%s", gr_error_message());
	FILE *stream = open_memstream(&text, &size);
	gr__certify_print(stream, c);
	fclose(stream);
	gr__certified_free(c);
	return text;
}

Test(certify, the_same_bytes_for_a_seed)
{
	gr_certify_opts opts = {.quick = true,
		.solver = "mmps",
		.problem = "gauss-8",
		.scale = 1.0,
		.steps = 8};
	int threads = gr_threads();
	char *one = table_of(&opts);
	cr_assert_eq(gr_set_threads(threads == 1 ? 2 : 1), GR_OK);
	char *two = table_of(&opts);
	cr_expect_str_eq(one, two);
	opts.seed = 1;
	char *other = table_of(&opts);
	cr_expect_str_neq(one, other);
	free(one);
	free(two);
	free(other);
}

/* What does not fit has its reason in the table, and the run goes on. */
Test(certify, what_does_not_fit_is_told)
{
	gr_certify_opts opts = {.quick = true,
		.solver = "mmps",
		.problem = "phase-2",
		.scale = 1.0,
		.steps = 4};
	char *text = table_of(&opts);
	cr_expect_not_null(strstr(text, "needs a linear operator"), "%s", text);
	free(text);
	gr_certified *c = NULL;
	opts.problem = "nowhere";
	cr_expect_eq(gr__certify_run(&c, &opts), GR_EARG);
	gr_error_clear();
	opts.problem = "toy-a";
	opts.solver = "nobody";
	cr_expect_eq(gr__certify_run(&c, &opts), GR_EARG);
	gr_error_clear();
}

/* Exact on Gaussians, and twisted Monte Carlo on modes too; DPS is not. */
Test(certify, verdicts)
{
	static const struct {
		const char *solver, *problem;
		bool exact;
	} known[] = {
		{"mmps", "white-8", true},
		{"pigdm", "white-8", true},
		{"mmps", "gauss-8", true},
		{"smc", "gauss-8", true},
		{"dps", "gauss-8", false},
	};
	for (int i = 0; i < 5; i++) {
		gr_certified *c = NULL;
		char verdict[256];
		const gr_certify_opts opts = {.quick = true,
			.solver = known[i].solver,
			.problem = known[i].problem,
			.scale = 1.0};
		cr_assert_eq(gr__certify_run(&c, &opts), GR_OK, "%s", gr_error_message());
		cr_assert_eq(c->count, 2);
		gr__certify_verdict(verdict, sizeof verdict, &c->row[1]);
		cr_expect((strcmp(verdict, "exact") == 0) == known[i].exact, "%s on %s: %s",
			known[i].solver, known[i].problem, verdict);
		gr__certified_free(c);
	}
}

/* The error of ddim halves with the step. */
Test(certify, order)
{
	gr_certified c = {0};
	cr_assert_eq(gr__certify_orders(&c), GR_OK, "%s", gr_error_message());
	cr_assert(c.orders >= 1);
	for (int i = 0; i < c.orders; i++)
		cr_expect(fabs(c.order[i].slope - c.order[i].expected) < 0.15 * c.order[i].expected,
			"%s: %g", c.order[i].solver, c.order[i].slope);
}
