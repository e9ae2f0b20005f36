/*
 * Spectra and pseudo-inverses of every operator of the table that has one, by identities: functions
 * of A^T A against A and A^T themselves, Moore and Penrose's conditions, and who is refused.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "inverse_check.h"
#include "spectrum_priv.h"

static double one(double s, const void *self)
{
	(void)s;
	(void)self;
	return 1.0;
}

static double identity(double s, const void *self)
{
	(void)self;
	return s;
}

static double square(double s, const void *self)
{
	(void)self;
	return s * s;
}

static double seen(double s, const void *self)
{
	(void)self;
	return s > 0.0 ? 1.0 : 0.0;
}

static gr_tensor *normal_equation(const gr_operator *A, gr_tensor *x)
{
	return gr_operator_adjoint(A, gr_operator_apply(A, x));
}

static void expect_near(gr_tensor *a, gr_tensor *b, double allowed, const char *spec,
	const char *what)
{
	double off = nn_distance(a, b);
	cr_expect(off < allowed, "%s: %s: %g %s", spec, what, off, gr_error_message());
}

static void check_spectrum(const gr_operator *A, const gr_spectrum *sp, const char *spec)
{
	const int64_t *in = gr_operator_in_dims(A);
	const int64_t *out = gr_operator_out_dims(A);
	gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(2, in[0], in[1], in[2]));
	gr_tensor *y = nn_normal(2, GR_F64, GR_DIMS(2, out[0], out[1], out[2]));
	expect_near(gr__spectrum_filter(sp, x, one, NULL), x, 1e-12, spec, "V V^T = I");
	/* values below 1e-3 of the largest are left out */
	gr_tensor *ata = gr__spectrum_filter(sp, x, square, NULL);
	expect_near(ata, normal_equation(A, x), 2e-5, spec, "V s^2 V^T = A^T A");
	gr_tensor *root = gr__spectrum_filter(sp, x, identity, NULL);
	expect_near(gr__spectrum_filter(sp, root, identity, NULL), ata, 1e-12, spec, "its root");
	/* Moore and Penrose, on what is not left out */
	gr_tensor *P = gr__spectrum_filter(sp, x, seen, NULL);
	gr_tensor *AP = gr_operator_apply(A, P);
	gr_tensor *pinv = gr__spectrum_pinv(sp, AP);
	expect_near(pinv, P, 1e-8, spec, "A^+ A = P");
	expect_near(gr_operator_apply(A, pinv), AP, 1e-9, spec, "A A^+ A = A");
	gr_tensor *x0 = gr__spectrum_pinv(sp, y);
	expect_near(gr__spectrum_pinv(sp, gr_operator_apply(A, x0)), x0, 1e-7, spec, "A^+ A A^+ = A^+");
	gr_tensor *AAy = gr_operator_apply(A, x0);
	gr_tensor *z = nn_normal(3, GR_F64, GR_DIMS(2, out[0], out[1], out[2]));
	gr_tensor *AAz = gr_operator_apply(A, gr__spectrum_pinv(sp, z));
	cr_expect(fabs(dot(AAy, z) - dot(y, AAz)) < 1e-8, "%s: A A^+ is not symmetric", spec);
}

/* NULL where nothing is refused. */
static const char *refusal(const char *name, int64_t H, const char *spec)
{
	if (strcmp(name, "phase") == 0 || strcmp(name, "hdr") == 0)
		return "not linear";
	bool motion = strcmp(name, "blur_motion") == 0 && !strstr(spec, "circular");
	bool padded = strcmp(name, "cs_hadamard") == 0 && H != 8;
	return motion || padded ? "not known" : NULL;
}

static void check_spec(const char *name, const char *spec, int64_t H, int64_t W)
{
	gr_operator *A = gr_operator_new(spec,
		GR_OPTS(gr_operator_opts, .channels = 3, .height = H, .width = W, .n = 2,
			.keys = some_keys(1, 2)));
	cr_assert_not_null(A, "%s: %s", spec, gr_error_message());
	gr_spectrum *sp = NULL;
	gr_status status = gr__spectrum_new(&sp, A, 1e-3);
	const char *reason = refusal(name, H, spec);
	if (reason) {
		cr_expect_eq(status, GR_EUNSUPPORTED, "%s", spec);
		cr_expect_not_null(strstr(gr_error_message(), reason), "%s: %s", spec, gr_error_message());
		gr_error_clear();
	} else {
		cr_expect_eq(status, GR_OK, "%s: %s", spec, gr_error_message());
		check_spectrum(A, sp, spec);
	}
	gr__spectrum_free(sp);
	gr_operator_free(A);
}

Test(spectrum, of_every_operator)
{
	for (int i = 0; i < gr_operator_count(); i++) {
		const char *spec;
		for (int k = 0; (spec = gr_operator_list_example(i, k)) != NULL; k++) {
			gr_scope_begin();
			check_spec(gr_operator_list_name(i), spec, 8, 8);
			check_spec(gr_operator_list_name(i), spec, 9, 13);
			gr_scope_end();
		}
	}
}

static gr_tensor *doubled(void *self, gr_tensor *x)
{
	(void)self;
	return gr_mul_s(gr_flip(x, 3), 2.0);
}

Test(spectrum, pseudo_inverse_of_what_probing_finds_alike)
{
	gr_operator *A = gr_operator_user("doubled", doubled, NULL,
		GR_OPTS(gr_operator_user_opts, .channels = 1, .height = 3, .width = 5));
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(2, 1, 3, 5));
	gr_tensor *back = gr_operator_pinv(A, gr_operator_apply(A, x), 0.0);
	cr_expect_eq(gr_tensor_dtype(back), GR_F32);
	cr_expect(nn_distance(back, x) < 1e-6, "%s", gr_error_message());
	gr_operator_free(A);
	A = gr_operator_new("blur_gauss+inpaint_random",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 8, .width = 8, .n = 2,
			.keys = some_keys(1, 2)));
	cr_expect_null(gr_operator_pinv(A, nn_normal(1, GR_F32, GR_DIMS(2, 1, 8, 8)), 0.0));
	cr_expect_eq(gr_error_code(), GR_EUNSUPPORTED);
	cr_expect_not_null(strstr(gr_error_message(), "image to image"), "%s", gr_error_message());
	gr_error_clear();
	gr_operator_free(A);
}

Test(spectrum, small_singular_values_count_as_zero)
{
	gr_operator *A = gr_operator_new("blur_gauss:boundary=zero",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 16, .width = 16));
	gr_tensor *y = nn_normal(1, GR_F32, GR_DIMS(1, 1, 16, 16));
	double tight = dot(gr_operator_pinv(A, y, 0.3), gr_operator_pinv(A, y, 0.3));
	double loose = dot(gr_operator_pinv(A, y, 1e-3), gr_operator_pinv(A, y, 1e-3));
	cr_expect(tight < 256.0 / (0.3 * 0.3) && loose > 100.0 * tight, "%g, %g", tight, loose);
	gr_operator_free(A);
}
