/* See plane_mixture.h. */
#include "plane_mixture.h"

#include <math.h>

#include "gradus/ops.h"

static const double weights[] = {0.5, 0.3, 0.2};
static const double means[] = {-1.0, 0.5, 1.5, -0.5, 0.0, 2.0};
/* [3,2,2] */
static const double covariances[] = {0.3, 0.1, 0.1, 0.2, 0.5, -0.2, -0.2, 0.4, 0.25, 0.0, 0.0, 0.6};
static const double variances[] = {0.3, 0.2, 0.5, 0.4, 0.25, 0.6};

gr_law *plane_mixture_law(bool full)
{
	return gr_law_mixture(
		GR_OPTS(gr_mixture_opts, .means = gr_from_f64(GR_F64, means, GR_DIMS(3, 2)),
			.weights = gr_from_f64(GR_F64, weights, GR_DIMS(3)),
			.variances = full ? NULL : gr_from_f64(GR_F64, variances, GR_DIMS(3, 2)),
			.covariances = full ? gr_from_f64(GR_F64, covariances, GR_DIMS(3, 2, 2)) : NULL));
}

static double density(const double x[2])
{
	double sum = 0.0;
	for (int k = 0; k < 3; k++) {
		const double *c = covariances + 4 * k;
		double det = c[0] * c[3] - c[1] * c[2];
		double u = x[0] - means[2 * k];
		double v = x[1] - means[2 * k + 1];
		double square = (c[3] * u * u - 2.0 * c[1] * u * v + c[0] * v * v) / det;
		sum += weights[k] * exp(-0.5 * square) / (2.0 * acos(-1.0) * sqrt(det));
	}
	return sum;
}

void plane_mixture_integrate(double out[6], const double *x_t, double A, const double *h, double y,
	double sigma)
{
	const double step = 0.02;
	const double pi = acos(-1.0);
	for (int i = 0; i < 6; i++)
		out[i] = 0.0;
	for (int i = -400; i <= 400; i++)
		for (int j = -400; j <= 400; j++) {
			double x[] = {step * i, step * j};
			double p = density(x) * step * step;
			if (x_t) {
				double u = x_t[0] - sqrt(A) * x[0];
				double v = x_t[1] - sqrt(A) * x[1];
				p *= exp(-0.5 * (u * u + v * v) / (1.0 - A)) / (2.0 * pi * (1.0 - A));
			}
			if (h) {
				double r = (y - h[0] * x[0] - h[1] * x[1]) / sigma;
				p *= exp(-0.5 * r * r) / (sqrt(2.0 * pi) * sigma);
			}
			const double part[] = {p, p * x[0], p * x[1], p * x[0] * x[0], p * x[0] * x[1],
				p * x[1] * x[1]};
			for (int m = 0; m < 6; m++)
				out[m] += part[m];
		}
	for (int m = 1; m < 6; m++)
		out[m] /= out[0];
}

static gr_tensor *apply(void *self, gr_tensor *x)
{
	gr_tensor *h = gr_from_f64(gr_tensor_dtype(x), self, GR_DIMS(2, 1));
	return gr_matmul(x, h);
}

gr_operator *plane_operator(double h[2])
{
	return gr_operator_user("projection", apply, h,
		GR_OPTS(gr_operator_user_opts, .channels = 1, .height = 1, .width = 2));
}
