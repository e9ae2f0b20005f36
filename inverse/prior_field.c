/*
 * Stationary Gaussian fields on a torus (see gradus/law.h). Every function of the covariance is a
 * filter: C, its square root and (A C + (1-A) I)^-1 multiply the Fourier transform of a field by a
 * real even function of the frequency, of which the half that gr_rfft2() keeps is held.
 *     eps = sqrt(1-A) (A C + (1-A) I)^-1 (x_t - sqrt(A) m)
 *     log p_t = -sum_f log(A S(f) + 1-A) / 2 - <x_t - sqrt(A) m, (A C + (1-A) I)^-1 (...)> / 2
 * where the sum is over all H W frequencies.
 */
#include <math.h>

#include "law_priv.h"

typedef struct field {
	int64_t H, W;
	double *spectrum; /* [H,W] */
} field;

static void field_free(void *self)
{
	field *f = self;
	if (!f)
		return;
	gr_free(f->spectrum);
	gr_free(f);
}

/* How a filter treats a frequency of variance S. */
typedef double (*response)(double S, double A);

static double response_covariance(double S, double A)
{
	(void)A;
	return S;
}

static double response_root(double S, double A)
{
	(void)A;
	return sqrt(S);
}

static double response_precision(double S, double A)
{
	return 1.0 / (A * S + 1.0 - A);
}

/* Fields in rows [R, H W] -> the same. */
static gr_tensor *filter(const gr_law *law, gr_tensor *rows, response h, double A)
{
	const field *f = law->self;
	int64_t half = f->W / 2 + 1;
	gr_tensor *gain = gr_empty(GR_F64, GR_DIMS(f->H, half, 1));
	if (!gain || !rows)
		return NULL;
	double *g = gr_tensor_data(gain);
	for (int64_t i = 0; i < f->H; i++)
		for (int64_t j = 0; j < half; j++)
			g[i * half + j] = h(f->spectrum[i * f->W + j], A);
	int64_t R = gr_tensor_dim(rows, 0);
	gr_tensor *spectrum = gr_rfft2(gr_reshape(rows, GR_DIMS(R, f->H, f->W)));
	return gr_reshape(gr_irfft2(gr_mul(spectrum, gain), f->W), GR_DIMS(R, law->D));
}

static gr_tensor *field_covariance(const gr_law *law, int64_t k, gr_tensor *rows)
{
	(void)k;
	return filter(law, rows, response_covariance, 1.0);
}

static gr_tensor *field_colour(const gr_law *law, int64_t k, gr_tensor *rows)
{
	(void)k;
	return filter(law, rows, response_root, 1.0);
}

static gr_tensor *centred(const gr_law *law, gr_tensor *x, double A)
{
	return gr_sub(x, gr_mul_s(law->means, sqrt(A)));
}

static gr_tensor *field_eps(const gr_law *law, gr_tensor *x, double A)
{
	return gr_mul_s(filter(law, centred(law, x, A), response_precision, A), sqrt(1.0 - A));
}

static gr_tensor *field_log_density(const gr_law *law, gr_tensor *x, double A)
{
	const field *f = law->self;
	gr_tensor *e = centred(law, x, A);
	gr_tensor *square = gr_sum(gr_mul(e, filter(law, e, response_precision, A)), GR_AXES(1), false);
	double log_det = 0.0;
	for (int64_t i = 0; i < law->D; i++)
		log_det += log(A * f->spectrum[i] + 1.0 - A);
	return gr_affine(square, -0.5, -0.5 * log_det);
}

/* --- construction --- */

/* Cycles per pixel of index i of n. */
static double frequency(int64_t i, int64_t n)
{
	return (double)(2 * i <= n ? i : i - n) / (double)n;
}

static void matern(field *f, const gr_field_opts *o)
{
	double variance = o->variance != 0.0 ? o->variance : 1.0;
	double length = o->length != 0.0 ? o->length : 4.0;
	double nu = o->smoothness != 0.0 ? o->smoothness : 1.5;
	double scale = 2.0 * acos(-1.0) * length;
	double sum = 0.0;
	for (int64_t i = 0; i < f->H; i++)
		for (int64_t j = 0; j < f->W; j++) {
			double v = frequency(i, f->H);
			double u = frequency(j, f->W);
			double S = pow(1.0 + scale * scale * (v * v + u * u) / (2.0 * nu), -nu - 1.0);
			f->spectrum[i * f->W + j] = S;
			sum += S;
		}
	for (int64_t i = 0; i < f->H * f->W; i++)
		f->spectrum[i] *= variance * (double)(f->H * f->W) / sum;
}

static gr_status check_spectrum(const field *f)
{
	for (int64_t i = 0; i < f->H; i++)
		for (int64_t j = 0; j < f->W; j++) {
			double S = f->spectrum[i * f->W + j];
			double mirror = f->spectrum[(f->H - i) % f->H * f->W + (f->W - j) % f->W];
			if (!(S >= 0.0) || !isfinite(S) || fabs(S - mirror) > 1e-9 * (S + mirror))
				return gr_error_set(GR_EARG,
					"law field: its spectrum at [%lld,%lld] is %g, at the mirrored place %g; "
					"expected equal and not negative",
					(long long)i, (long long)j, S, mirror);
		}
	return GR_OK;
}

static gr_status read_options(field *f, const gr_field_opts *o)
{
	int64_t D = o->height * o->width;
	if (o->variance < 0.0 || o->length < 0.0 || o->smoothness < 0.0 ||
		!isfinite(o->variance + o->length + o->smoothness))
		return gr_error_set(GR_EARG, "law field: variance %g, length %g, smoothness %g",
			o->variance, o->length, o->smoothness);
	if ((o->mean && gr_tensor_size(o->mean) != D) ||
		(o->spectrum && gr_tensor_size(o->spectrum) != D))
		return gr_error_set(GR_ESHAPE, "law field: mean and spectrum have %lld numbers",
			(long long)D);
	f->H = o->height;
	f->W = o->width;
	f->spectrum = gr_alloc((size_t)D * sizeof(*f->spectrum));
	if (!f->spectrum)
		return gr_error_code();
	if (!o->spectrum) {
		matern(f, o);
		return GR_OK;
	}
	gr_status status = gr_tensor_to_f64(o->spectrum, f->spectrum);
	return status ? status : check_spectrum(f);
}

gr_law *gr_law_field(const gr_field_opts *opts)
{
	static const gr_law_table table = {.name = "field",
		.covariance = field_covariance,
		.colour = field_colour,
		.eps = field_eps,
		.log_density = field_log_density,
		.free = field_free};
	if (!opts || opts->height < 1 || opts->width < 1) {
		gr_error_set(GR_EARG, "law field: height and width are needed");
		return NULL;
	}
	field *f = gr_alloc(sizeof(*f));
	if (!f)
		return NULL;
	if (read_options(f, opts)) {
		field_free(f);
		return NULL;
	}
	int64_t D = f->H * f->W;
	gr_scope_begin();
	gr_tensor *mean =
		opts->mean ? gr_reshape(opts->mean, GR_DIMS(1, D)) : gr_zeros(GR_F64, GR_DIMS(1, D));
	gr_law *law = gr__law_new(&table, f, NULL, mean);
	gr_scope_end();
	if (law) {
		law->height = f->H;
		law->width = f->W;
	}
	return law;
}
