/* Random fields and the datasets made of them (pde.h). */
#include <math.h>
#include <string.h>

#include "gradus/ops.h"
#include "pde.h"

#define PI 3.14159265358979323846
#define FLOW_STEPS 50 /* tests/experiments/test_pde.c: the error of the step is below 1e-7 */

gr_status gr__field_square(double *out, int64_t s, double alpha, double tau, gr_key key)
{
	double *C = gr_alloc((size_t)(3 * s * s) * sizeof *C);
	if (C == NULL)
		return gr_error_code();
	double *L = C + s * s, *half = L + s * s;
	for (int64_t k = 0; k < s; k++) {
		const double norm = sqrt((k == 0 ? 1.0 : 2.0) / (double)s);
		for (int64_t i = 0; i < s; i++) {
			const double law = PI * PI * (double)(k * k + i * i) + tau * tau;
			C[k * s + i] = norm * cos(PI * (double)((2 * i + 1) * k) / (2.0 * (double)s));
			L[k * s + i] = (double)s * pow(tau, alpha - 1.0) * pow(law, -0.5 * alpha) *
				gr_key_normal(key, (uint64_t)(k * s + i));
		}
	}
	L[0] = 0.0;
	memset(half, 0, (size_t)(s * s) * sizeof *half);
	memset(out, 0, (size_t)(s * s) * sizeof *out);
	for (int64_t k = 0; k < s; k++) { /* half = L C, over the second index */
		for (int64_t l = 0; l < s; l++) {
			for (int64_t j = 0; j < s; j++)
				half[k * s + j] += L[k * s + l] * C[l * s + j];
		}
	}
	for (int64_t k = 0; k < s; k++) { /* out = C^T half */
		for (int64_t i = 0; i < s; i++) {
			for (int64_t j = 0; j < s; j++)
				out[i * s + j] += C[k * s + i] * half[k * s + j];
		}
	}
	gr_free(C);
	return GR_OK;
}

gr_status gr__field_torus(double *out, int64_t s, double alpha, double tau, double sigma,
	gr_key key)
{
	gr_status status = gr_scope_begin();
	if (status != GR_OK)
		return status;
	gr_tensor *c = gr_zeros(GR_F64, GR_DIMS(s, s, 2));
	double *v = c != NULL ? gr_tensor_data(c) : NULL;
	for (int64_t at = 1; v != NULL && at < s * s; at++) {
		const int64_t i = at / s, j = at % s;
		const double kx = (double)(i <= s / 2 ? i : i - s), ky = (double)(j <= s / 2 ? j : j - s);
		const double law = 4.0 * PI * PI * (kx * kx + ky * ky) + tau * tau;
		const double size = (double)(s * s) * sqrt(2.0) * sigma * pow(law, -0.5 * alpha);
		v[2 * at] = size * gr_key_normal(key, (uint64_t)(2 * at));
		v[2 * at + 1] = size * gr_key_normal(key, (uint64_t)(2 * at + 1));
	}
	const gr_tensor *x = gr_ifft2(c);
	for (int64_t at = 0; x != NULL && at < s * s; at++)
		out[at] = ((const double *)gr_tensor_data_const(x))[2 * at];
	return gr_scope_end();
}

gr_status gr__pde_named(gr_pde *out, const char *name)
{
	static const char *const names[] = {"darcy", "poisson", "helmholtz", "navier_stokes"};
	for (int i = 0; i < 4; i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = (gr_pde)i;
			return GR_OK;
		}
	}
	return gr_error_set(GR_EARG, "equation '%s' is not darcy, poisson, helmholtz or navier_stokes",
		name);
}

static void clear_boundary(double *a, int64_t s)
{
	for (int64_t i = 0; i < s; i++)
		a[i] = a[(s - 1) * s + i] = a[i * s] = a[i * s + s - 1] = 0.0;
}

/* A sample of an equation at rest. */
static gr_status solve(double *a, double *u, gr_pde equation, int64_t s, gr_key key)
{
	gr_status status = gr__field_square(a, s, 2.0, 3.0, key);
	if (status != GR_OK)
		return status;
	if (equation == GR_PDE_DARCY) {
		for (int64_t i = 0; i < s * s; i++)
			a[i] = a[i] >= 0.0 ? 12.0 : 3.0;
		return gr__pde_darcy(u, a, NULL, s);
	}
	if (equation == GR_PDE_HELMHOLTZ)
		clear_boundary(a, s);
	return gr__pde_helmholtz(u, a, s, equation == GR_PDE_HELMHOLTZ ? 1.0 : 0.0);
}

gr_status gr__pde_samples(double *a, double *u, gr_pde equation, int64_t s, int64_t first,
	int64_t n, gr_key key)
{
	const gr_flow flow =
		{.n = n, .s = s, .viscosity = 1e-3, .forcing = 0.1, .time = 1.0, .steps = FLOW_STEPS};
	gr_status status = GR_OK;
	for (int64_t i = 0; i < n && status == GR_OK; i++) {
		gr_key own = gr_key_fold(key, (uint64_t)(first + i));
		double *field = a + i * s * s;
		status = equation == GR_PDE_NAVIER_STOKES
			? gr__field_torus(field, s, 2.5, 7.0, pow(7.0, 1.5), own)
			: solve(field, u + i * s * s, equation, s, own);
	}
	if (status != GR_OK || equation != GR_PDE_NAVIER_STOKES)
		return status;
	memcpy(u, a, (size_t)(n * s * s) * sizeof *u);
	return gr__pde_flow(u, &flow);
}
