/*
 * Vorticity on the torus (pde.h). In Fourier space, L = -nu 4 pi^2 |k|^2 and N the transform of
 * q - v . grad w, without frequencies at or above two thirds of the highest in either direction, on
 * the way in and out, so that the product folds nothing back. One step d with E = exp(L d / 2):
 *
 *	k1 = N(w)   k2 = N(E (w + d/2 k1))   k3 = N(E w + d/2 k2)   k4 = N(E^2 w + d E k3)
 *	w := E^2 w + d/6 (E^2 k1 + 2 E (k2 + k3) + k4)
 */
#include <math.h>
#include <string.h>

#include "gradus/ops.h"
#include "pde.h"

#define PI 3.14159265358979323846

/* Transforms are [n,s,K,2], K = s/2 + 1: rows have both signs of their frequency, columns one. */
typedef struct flow_state {
	gr_flow f;
	int64_t K, size;              /* doubles in a transform of all fields */
	double *w, *stage, *k[4], *E; /* E [s,K] */
} flow_state;

static double frequency(int64_t i, int64_t s)
{
	return (double)(i <= s / 2 ? i : i - s);
}

static bool is_kept(const flow_state *z, int64_t i, int64_t j)
{
	const double most = (double)z->f.s / 3.0;
	return fabs(frequency(i, z->f.s)) < most && (double)j < most;
}

/* Transforms of v_x, v_y, w_x, w_y, [4,n,s,K,2], from that of w. */
static void differentiate(const flow_state *z, double *out, const double *w)
{
	const int64_t s = z->f.s, K = z->K;
	memset(out, 0, (size_t)(4 * z->size) * sizeof *out);
	for (int64_t at = 0; at < z->f.n * s * K; at++) {
		const int64_t i = at / K % s, j = at % K;
		if (!is_kept(z, i, j) || (i == 0 && j == 0))
			continue;
		const double kx = 2.0 * PI * frequency(i, s), ky = 2.0 * PI * (double)j;
		const double re = w[2 * at], im = w[2 * at + 1], k2 = kx * kx + ky * ky;
		/* Multiplied by i c: (re, im) -> (-c im, c re). */
		const double c[4] = {ky / k2, -kx / k2, kx, ky};
		for (int p = 0; p < 4; p++) {
			out[p * z->size + 2 * at] = -c[p] * im;
			out[p * z->size + 2 * at + 1] = c[p] * re;
		}
	}
}

/* q - v . grad w at every node, from its four factors [4,n,s,s]. */
static gr_tensor *combine(const flow_state *z, const gr_tensor *factors)
{
	const int64_t s = z->f.s, all = z->f.n * s * s;
	gr_tensor *out = gr_empty(GR_F64, GR_DIMS(z->f.n, s, s));
	const double *p = factors != NULL ? gr_tensor_data_const(factors) : NULL;
	double *to = out != NULL ? gr_tensor_data(out) : NULL;
	for (int64_t at = 0; p != NULL && to != NULL && at < all; at++) {
		const double phase = 2.0 * PI * (double)(at / s % s + at % s) / (double)s;
		to[at] = z->f.forcing * (sin(phase) + cos(phase)) - p[at] * p[2 * all + at] -
			p[all + at] * p[3 * all + at];
	}
	return p != NULL ? out : NULL;
}

static gr_status nonlinear(const flow_state *z, double *out, const double *w)
{
	const int64_t s = z->f.s, K = z->K;
	gr_status status = gr_scope_begin();
	if (status != GR_OK)
		return status;
	gr_tensor *four = gr_empty(GR_F64, GR_DIMS(4, z->f.n, s, K, 2));
	if (four != NULL)
		differentiate(z, gr_tensor_data(four), w);
	const gr_tensor *found = gr_rfft2(combine(z, gr_irfft2(four, s)));
	const double *from = found != NULL ? gr_tensor_data_const(found) : NULL;
	for (int64_t at = 0; from != NULL && at < z->f.n * s * K; at++) {
		const bool kept = is_kept(z, at / K % s, at % K);
		out[2 * at] = kept ? from[2 * at] : 0.0;
		out[2 * at + 1] = kept ? from[2 * at + 1] : 0.0;
	}
	return gr_scope_end();
}

static gr_status step(flow_state *z, double d)
{
	const int64_t each = z->f.s * z->K;
	double *w = z->w, *x = z->stage, **k = z->k;
	gr_status status = nonlinear(z, k[0], w);
	for (int64_t i = 0; i < z->size; i++)
		x[i] = z->E[i / 2 % each] * (w[i] + 0.5 * d * k[0][i]);
	if (status == GR_OK)
		status = nonlinear(z, k[1], x);
	for (int64_t i = 0; i < z->size; i++)
		x[i] = z->E[i / 2 % each] * w[i] + 0.5 * d * k[1][i];
	if (status == GR_OK)
		status = nonlinear(z, k[2], x);
	for (int64_t i = 0; i < z->size; i++) {
		const double E = z->E[i / 2 % each];
		x[i] = E * (E * w[i] + d * k[2][i]);
	}
	if (status == GR_OK)
		status = nonlinear(z, k[3], x);
	for (int64_t i = 0; i < z->size; i++) {
		const double E = z->E[i / 2 % each];
		w[i] = E * E * w[i] + d / 6.0 * (E * E * k[0][i] + 2.0 * E * (k[1][i] + k[2][i]) + k[3][i]);
	}
	return status;
}

/* Between nodes [n,s,s] and z->w. */
static gr_status transform(flow_state *z, double *w, bool back)
{
	const int64_t s = z->f.s;
	const size_t nodes = (size_t)(z->f.n * s * s) * sizeof *w;
	gr_status status = gr_scope_begin();
	if (status != GR_OK)
		return status;
	if (back) {
		const gr_tensor *x = gr_irfft2(gr_from_f64(GR_F64, z->w, GR_DIMS(z->f.n, s, z->K, 2)), s);
		if (x != NULL)
			memcpy(w, gr_tensor_data_const(x), nodes);
	} else {
		const gr_tensor *x = gr_rfft2(gr_from_f64(GR_F64, w, GR_DIMS(z->f.n, s, s)));
		if (x != NULL)
			memcpy(z->w, gr_tensor_data_const(x), (size_t)z->size * sizeof *z->w);
	}
	return gr_scope_end();
}

gr_status gr__pde_flow(double *w, const gr_flow *f)
{
	flow_state z = {.f = *f, .K = f->s / 2 + 1, .size = f->n * f->s * (f->s / 2 + 1) * 2};
	if (f->n < 1 || f->s < 4 || f->s % 2 != 0 || f->steps < 1 || !(f->time > 0.0) ||
		!(f->viscosity >= 0.0))
		return gr_error_set(GR_EARG,
			"flow: %lld fields of side %lld in %lld steps to time %g with viscosity %g: an even "
			"side, "
			"and what is positive",
			(long long)f->n, (long long)f->s, (long long)f->steps, f->time, f->viscosity);
	const double d = f->time / (double)f->steps;
	z.w = gr_alloc((size_t)(6 * z.size + f->s * z.K) * sizeof *z.w);
	if (z.w == NULL)
		return gr_error_code();
	z.stage = z.w + z.size;
	for (int i = 0; i < 4; i++)
		z.k[i] = z.w + (2 + i) * z.size;
	z.E = z.w + 6 * z.size;
	for (int64_t at = 0; at < f->s * z.K; at++) {
		const double i = frequency(at / z.K, f->s), j = (double)(at % z.K);
		z.E[at] = exp(-0.5 * d * f->viscosity * 4.0 * PI * PI * (i * i + j * j));
	}
	const bool recording = gr_set_recording(false);
	gr_status status = transform(&z, w, false);
	for (int64_t i = 0; i < f->steps && status == GR_OK; i++)
		status = step(&z, d);
	if (status == GR_OK && !isfinite(z.w[0]))
		status = gr_error_set(GR_ENUMERIC, "flow: %lld steps are too few", (long long)f->steps);
	if (status == GR_OK)
		status = transform(&z, w, true);
	gr_set_recording(recording);
	gr_free(z.w);
	return status;
}
