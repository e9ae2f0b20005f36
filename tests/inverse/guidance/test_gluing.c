/* PSLD's gluing and GML: values written out, both transposes, derivatives, named solvers, misuse. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/regularisers.h"
#include "term_check.h"

static gr_operator *operator_of(const char *spec)
{
	return gr_operator_new(spec,
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 8, .width = 8, .taps = 3,
			.blur_sigma = 1.0));
}

static const char *const specs[] = {"inpaint_box", "sr_mean:factor=2", "blur_gauss"};

Test(gluing, value_and_derivative)
{
	gr_prior *p = toy_latent_prior();
	gr_tensor *z = nn_normal(1, GR_F64, GR_DIMS(2, 2, 4, 4));
	gr_tensor *x = gr_prior_decode(p, z);
	for (int i = 0; i < 3; i++)
		for (int t = 0; t < 2; t++) {
			gr_operator *A = operator_of(specs[i]);
			const int64_t *out = gr_operator_out_dims(A);
			gr_tensor *y = nn_normal(2, GR_F64, GR_DIMS(2, out[0], out[1], out[2]));
			y = i == 0 ? gr_operator_apply(A, y) : y;
			gr_term *term = gr_gluing_term(1.0, A, y, (gr_glue)t);
			cr_assert(term, "%s", gr_error_message());
			gr_tensor *r = gr_sub(y, gr_operator_apply(A, x));
			gr_tensor *back = t == 0 ? gr_operator_adjoint(A, r)
				: i == 1             ? gr_upsample_nearest2d(r, 2)
									 : r;
			gr_tensor *d = gr_sub(gr_prior_encode(p, gr_add(x, back)), z);
			gr_term_ctx ctx = toy_ctx(p, GR_HOOK_ESTIMATE, z, 1);
			gr_tensor *value = gr_term_eval(term, &ctx);
			for (int64_t n = 0; n < 2; n++) {
				gr_tensor *dn = batch_of(d, n, n + 1);
				cr_expect_float_eq(gr_tensor_at(value, &n), sqrt(dot(dn, dn)), 1e-12);
			}
			cr_expect_lt(toy_gradient_error(term, p, GR_HOOK_PREDICT, z, 1), 1e-6, "%s", specs[i]);
			cr_expect_lt(toy_gradient_error(term, p, GR_HOOK_ESTIMATE, z, 1), 1e-6, "%s", specs[i]);
			gr_term_free(term);
			gr_operator_free(A);
		}
	/* GML is the same with nothing glued */
	gr_term *gml = gr_gml_term(1.0);
	gr_tensor *d = gr_sub(gr_prior_encode(p, x), z);
	double expected = 0.0;
	for (int64_t n = 0; n < 2; n++)
		expected += sqrt(dot(batch_of(d, n, n + 1), batch_of(d, n, n + 1)));
	cr_expect_float_eq(toy_value(gml, p, GR_HOOK_ESTIMATE, z, 1, NULL), expected, 1e-12);
	cr_expect_lt(toy_gradient_error(gml, p, GR_HOOK_PREDICT, z, 1), 1e-6);
	gr_term_free(gml);
	gr_prior_free(p);
}

/* The transpose of the paper is the adjoint where A keeps pixels; of block means it is 4 times it. */
Test(gluing, transposes)
{
	gr_prior *p = toy_latent_prior();
	gr_tensor *z = nn_normal(3, GR_F64, GR_DIMS(1, 2, 4, 4));
	double value[2][2];
	for (int i = 0; i < 2; i++) {
		gr_operator *A = operator_of(specs[i]);
		gr_tensor *y = gr_operator_apply(A, nn_normal(4, GR_F64, GR_DIMS(1, 1, 8, 8)));
		for (int t = 0; t < 2; t++) {
			gr_term *term = gr_gluing_term(1.0, A, y, (gr_glue)t);
			value[i][t] = toy_value(term, p, GR_HOOK_ESTIMATE, z, 1, NULL);
			gr_term_free(term);
		}
		gr_operator_free(A);
	}
	cr_expect_eq(value[0][0], value[0][1]);
	cr_expect_neq(value[1][0], value[1][1]);
	gr_prior_free(p);
}

Test(gluing, named_solvers_and_bits)
{
	gr_prior *p = toy_latent_prior();
	gr_operator *A = operator_of("sr_mean:factor=2");
	gr_tensor *y = nn_normal(5, GR_F32, GR_DIMS(3, 1, 4, 4));
	const char *const names[] = {"psld", "gml_dps"};
	for (int i = 0; i < 2; i++) {
		const gr_named_solver *named = gr_named_solver_find(names[i]);
		cr_assert(named);
		cr_expect_str_eq(named->method, "ddim");
		gr_term *part[3] = {NULL};
		for (int64_t n = 0; n <= 3; n++) {
			const gr_term_problem problem = {.size = sizeof problem,
				.prior = p,
				.A = A,
				.y = n < 3 ? batch_of(y, n, n + 1) : y};
			part[0] = gr_dps_term(A, problem.y, 0.3);
			part[1] = gr_term_open(named->terms, &problem);
			cr_assert(part[1], "%s", gr_error_message());
			static gr_tensor *alone[3];
			if (n < 3) {
				alone[n] = toy_solve(p, "ddim", part, 90 + (uint64_t)n, 1, 1, GR_F32);
			} else {
				gr_tensor *all = toy_solve(p, "ddim", part, 90, 3, 1, GR_F32);
				gr_term *zero[] = {part[0], gr_term_open("gluing:0", &problem), NULL};
				gr_term *only[] = {part[0], NULL};
				for (int64_t m = 0; m < 3; m++)
					cr_expect(nn_same_bits(alone[m], batch_of(all, m, m + 1)));
				cr_expect(nn_same_bits(toy_solve(p, "ddim", zero, 90, 3, 1, GR_F32),
					toy_solve(p, "ddim", only, 90, 3, 1, GR_F32)));
				gr_term_free(zero[1]);
			}
			gr_term_free(part[0]);
			gr_term_free(part[1]);
		}
	}
	gr_operator_free(A);
	gr_prior_free(p);
}

static void expect_error(const char *text, const gr_term_problem *problem, const char *word)
{
	gr_term *term = gr_term_open(text, problem);
	cr_expect_null(term, "%s", text);
	cr_expect_not_null(strstr(gr_error_message(), word), "%s: %s", text, gr_error_message());
	gr_error_clear();
}

Test(gluing, misuse_is_an_error)
{
	gr_prior *latent = toy_latent_prior();
	gr_prior *pixel = toy_pixel_prior();
	gr_operator *hdr = operator_of("hdr");
	gr_operator *box = operator_of("cs_hadamard");
	gr_tensor *y = gr_zeros(GR_F32, GR_DIMS(1, 1, 8, 8));
	gr_term_problem problem = {.size = sizeof problem, .prior = pixel, .A = hdr, .y = y};
	expect_error("gluing:1", &problem, "no encoder");
	expect_error("gml:1", &problem, "no encoder");
	problem.prior = latent;
	expect_error("gluing:1", &problem, "hdr is none");
	problem.A = box;
	expect_error("gluing:1,transpose=paper", &problem, "transpose=adjoint");
	gr_term *gml = gr_gml_term(1.0);
	cr_expect(isnan(
		toy_value(gml, pixel, GR_HOOK_ESTIMATE, gr_zeros(GR_F64, GR_DIMS(1, 1, 8, 8)), 1, NULL)));
	gr_error_clear();
	gr_term_free(gml);
	gr_operator_free(hdr);
	gr_operator_free(box);
	gr_prior_free(latent);
	gr_prior_free(pixel);
}
