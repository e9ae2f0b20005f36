/* Latent priors: encode and decode with scale and shift, solving through the decoder. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "tiny_latent.h"

Test(prior_latent, scale_and_shift)
{
	gr_prior *p = tiny_latent_prior(1);
	cr_assert_not_null(p, "%s", gr_error_message());
	gr_vae *vae = tiny_vae();
	gr_tensor *image = nn_normal(1, GR_F32, GR_DIMS(2, 1, 8, 8));
	gr_tensor *z = nn_normal(2, GR_F32, GR_DIMS(2, 4, 4, 4));
	gr_tensor *encoded = gr_mul_s(gr_add_s(gr_vae_encode(vae, image, NULL), -0.1), 2.0);
	gr_tensor *decoded = gr_vae_decode(vae, gr_add_s(gr_mul_s(z, 0.5), 0.1));
	cr_expect(nn_distance(gr_prior_encode(p, image), encoded) < 1e-6);
	cr_expect(nn_distance(gr_prior_decode(p, z), decoded) < 1e-6);
	cr_expect(!gr_is_tracked(gr_prior_decode(p, z)), "parameters are constants");
	gr_tensor *wide = gr_watch(gr_cast(z, GR_F64));
	cr_expect_eq(gr_tensor_dtype(gr_prior_decode(p, wide)), GR_F64);
	cr_expect(gr_is_tracked(gr_prior_decode(p, wide)));
	gr_vae_free(vae);
	gr_prior_free(p);
}

/* DPS through the decoder: one evaluation and one gradient a step, latents beyond [-1,1]. */
Test(prior_latent, guided_through_the_decoder)
{
	gr_prior *p = tiny_latent_prior(1);
	gr_operator *A = gr_operator_new("inpaint_box",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 8, .width = 8));
	gr_tensor *y = gr_operator_apply(A, nn_normal(3, GR_F32, GR_DIMS(2, 1, 8, 8)));
	gr_term *terms[] = {gr_dps_term(A, y, 0.3), NULL};
	gr_tensor *x[2];
	for (int guided = 0; guided < 2; guided++) {
		gr_solver *s;
		cr_assert_eq(gr_solver_new(&s,
						 GR_OPTS(gr_solver_opts, .prior = p, .n = 2, .keys = some_keys(1, 2),
							 .method = "euler", .respacing = "10", .terms = guided ? terms : NULL)),
			GR_OK, "%s", gr_error_message());
		cr_assert_eq(gr_solver_run(s), GR_OK, "%s", gr_error_message());
		cr_expect_eq(gr_solver_evaluations(s), 10);
		cr_expect_eq(gr_solver_gradients(s), guided ? 10 : 0);
		x[guided] = gr_solver_result(s);
		cr_expect(gr_tensor_dim(x[guided], 1) == 4 && gr_tensor_dim(x[guided], 2) == 4);
		gr_solver_free(s);
	}
	cr_expect(nn_distance(x[1], x[0]) > 1e-3);
	gr_tensor *clipped = gr_clamp(x[0], -1.0, 1.0);
	cr_expect(nn_distance(clipped, x[0]) > 1e-3, "latents are not clipped");
	double before = dot(gr_sub(y, gr_operator_apply(A, gr_prior_decode(p, x[0]))),
		gr_sub(y, gr_operator_apply(A, gr_prior_decode(p, x[0]))));
	double after = dot(gr_sub(y, gr_operator_apply(A, gr_prior_decode(p, x[1]))),
		gr_sub(y, gr_operator_apply(A, gr_prior_decode(p, x[1]))));
	cr_expect(after < before, "%g, without guidance %g", after, before);
	gr_term_free(terms[0]);
	gr_operator_free(A);
	gr_prior_free(p);
}

/* What is wrapped is freed when it fails, and a method for images says why it does not serve. */
Test(prior_latent, refused)
{
	const gr_latent_opts opts = {.size = sizeof(opts), .channels = 1, .height = 8, .width = 8};
	const gr_latent_opts small = {.size = sizeof(small), .channels = 1, .height = 4, .width = 4};
	cr_expect_null(gr_prior_vae_new(gr_prior_sit_new(tiny_sit(1), NULL), tiny_vae(), &small));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_expect_null(gr_prior_vae_new(tiny_latent_prior(1), tiny_vae(), &opts));
	cr_expect_not_null(strstr(gr_error_message(), "already"), "%s", gr_error_message());
	gr_error_clear();
	cr_expect_null(gr_prior_vae_new(NULL, tiny_vae(), &opts));
	gr_error_clear();
	gr_prior *p = tiny_latent_prior(1);
	gr_operator *A = gr_operator_new("inpaint_box",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 8, .width = 8));
	gr_solver *s = NULL;
	cr_expect_eq(gr_solver_new(&s,
					 GR_OPTS(gr_solver_opts, .prior = p, .n = 1, .keys = some_keys(1, 1),
						 .method = "pigdm", .A = A, .y = gr_zeros(GR_F32, GR_DIMS(1, 1, 8, 8)))),
		GR_EUNSUPPORTED);
	cr_expect_not_null(strstr(gr_error_message(), "latents"), "%s", gr_error_message());
	gr_error_clear();
	gr_operator_free(A);
	gr_prior_free(p);
}
