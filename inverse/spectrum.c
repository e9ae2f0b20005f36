/*
 * Spectra of linear operators and what is made of them (see spectrum_priv.h): with s the singular
 * values and V the right singular vectors, completed to a basis,
 *     V f(s) V^T x = f(0) x + V_r (f(s) - f(0)) V_r^T x,       A^+ = V s^-2 V^T A^T  (s > 0)
 * where V_r are those of s > 0. Forms of V_r (g) V_r^T:
 *     one value:  g A^T A / s^2
 *     separable:  V_h (g * (V_h^T x V_w)) V_w^T, s_h s_w^T the values
 *     Fourier:    F^-1 g F, g even because A is real
 */
#include "spectrum_priv.h"

#include <math.h>

#include "separable_priv.h"

typedef enum kind {
	FLAT,
	SEPARABLE,
	FOURIER,
} kind;

struct gr_spectrum {
	const gr_operator *A;
	kind kind;
	int64_t rows, columns; /* of values: 1 x 1; k_h x k_w; H x W */
	double *value;
	gr_constant v[2]; /* V_h^T [k_h,H], V_w^T [k_w,W] */
};

void gr__spectrum_free(gr_spectrum *sp)
{
	if (!sp)
		return;
	gr__constant_clear(&sp->v[0]);
	gr__constant_clear(&sp->v[1]);
	gr_free(sp->value);
	gr_free(sp);
}

/* --- what rows tell --- */

static gr_status reserve(gr_spectrum *sp, kind k, int64_t rows, int64_t columns)
{
	sp->kind = k;
	sp->rows = rows;
	sp->columns = columns;
	sp->value = gr_alloc((size_t)(rows * columns) * sizeof(*sp->value));
	return sp->value ? GR_OK : gr_error_code();
}

gr_status gr__spectrum_set_flat(gr_spectrum *sp, double s)
{
	gr_status status = reserve(sp, FLAT, 1, 1);
	if (!status)
		sp->value[0] = s;
	return status;
}

gr_status gr__spectrum_set_separable(gr_spectrum *sp)
{
	gr_tensor *s[2];
	for (int i = 0; i < 2; i++) {
		gr_tensor *v = NULL;
		s[i] = gr_svd(sp->A->part[i].f64, NULL, &v);
		gr_status status = gr__constant_set(&sp->v[i], gr_transpose(v, 0, 1));
		if (status)
			return status;
	}
	int64_t rows = gr_tensor_dim(s[0], 0);
	int64_t columns = gr_tensor_dim(s[1], 0);
	gr_status status = reserve(sp, SEPARABLE, rows, columns);
	return status ? status : gr_tensor_to_f64(gr_outer(s[0], s[1]), sp->value);
}

gr_status gr__spectrum_set_power(gr_spectrum *sp, gr_tensor *power)
{
	gr_status status = reserve(sp, FOURIER, sp->A->in[1], sp->A->in[2]);
	return status ? status : gr_tensor_to_f64(gr_sqrt(power), sp->value);
}

/* Whether images differ in what is measured of them. */
static bool draws_masks(const gr_operator *A)
{
	bool draws = A->row->keyed;
	for (int i = 0; !draws && gr_operator_made_of(A, i); i++)
		draws = draws_masks(gr_operator_made_of(A, i));
	return draws;
}

/* All values alike, if A A^T w = s^2 w for a w of its range: Cauchy and Schwarz are equal. */
static gr_status probe(gr_spectrum *sp)
{
	const gr_operator *A = sp->A;
	gr_tensor *x = gr_random_normal(gr_key_fold_name(gr_key_seed(0), "spectrum"), GR_F64,
		GR_DIMS(1, A->in[0], A->in[1], A->in[2]));
	gr_tensor *w = gr_operator_apply(A, x);
	gr_tensor *back = gr_operator_apply(A, gr_operator_adjoint(A, w));
	if (!back)
		return gr_error_code();
	if (gr_estimating())
		return gr__spectrum_set_flat(sp, 1.0);
	double ww = gr_item(gr_sumsq(w, GR_ALL_AXES, false));
	double wb = gr_item(gr_sum(gr_mul(w, back), GR_ALL_AXES, false));
	double bb = gr_item(gr_sumsq(back, GR_ALL_AXES, false));
	return wb * wb > (1.0 - 1e-10) * ww * bb ? gr__spectrum_set_flat(sp, sqrt(wb / ww)) : GR_OK;
}

/* No values where they are not known. */
static gr_status fill(gr_spectrum *sp, double smallest)
{
	const gr_operator *A = sp->A;
	gr_status status = A->row->spectrum ? A->row->spectrum(A, sp) : GR_OK;
	if (!status && !sp->value && !A->nonlinear && !draws_masks(A))
		status = probe(sp);
	double largest = 0.0;
	for (int64_t i = 0; i < sp->rows * sp->columns && !status; i++)
		largest = fmax(largest, sp->value[i]);
	for (int64_t i = 0; i < sp->rows * sp->columns && !status; i++)
		if (sp->value[i] <= smallest * largest)
			sp->value[i] = 0.0;
	return status;
}

gr_status gr__spectrum_find(gr_spectrum **out, const gr_operator *A, double smallest)
{
	*out = NULL;
	gr_spectrum *sp = gr_alloc(sizeof(*sp));
	if (!sp)
		return gr_error_code();
	sp->A = A;
	bool recording = gr_set_recording(false);
	gr_scope_begin();
	gr_status status = fill(sp, smallest);
	gr_status ended = gr_scope_end();
	gr_set_recording(recording);
	if (!status && !ended && sp->value)
		*out = sp;
	else
		gr__spectrum_free(sp);
	return status ? status : ended;
}

gr_status gr__spectrum_new(gr_spectrum **out, const gr_operator *A, double smallest)
{
	gr_status status = gr__spectrum_find(out, A, smallest);
	if (status || *out)
		return status;
	return gr_error_set(GR_EUNSUPPORTED, "operator %s: %s", gr_operator_name(A),
		A->nonlinear         ? "it is not linear and has no singular values"
			: draws_masks(A) ? "its singular vectors are not known, and differ from image to image"
							 : "its singular vectors are not known; hint: methods that iterate "
							   "instead (ddnm without noise, diffpir, mmps)");
}

/* --- use --- */

/* f(s) - f(0) where s > 0, else 0: [rows, columns]; of one value over s^2. */
static gr_tensor *gains(const gr_spectrum *sp, gr_dtype dtype, gr_spectrum_fn f, const void *self,
	double f0)
{
	gr_tensor *gain = gr_zeros(GR_F64, GR_DIMS(sp->rows, sp->columns));
	double *g = gain && !gr_estimating() ? gr_tensor_data(gain) : NULL;
	for (int64_t i = 0; g && i < sp->rows * sp->columns; i++) {
		double s = sp->value[i];
		if (s > 0.0)
			g[i] = (f(s, self) - f0) / (sp->kind == FLAT ? s * s : 1.0);
	}
	return gr_cast(gain, dtype);
}

gr_tensor *gr__spectrum_filter(const gr_spectrum *sp, gr_tensor *x, gr_spectrum_fn f,
	const void *self)
{
	if (!x)
		return NULL;
	gr_dtype dtype = gr_tensor_dtype(x);
	double f0 = f(0.0, self);
	gr_tensor *g = gains(sp, dtype, f, self, f0);
	gr_tensor *seen = NULL;
	if (sp->kind == FLAT) {
		seen = gr_mul(gr_operator_adjoint(sp->A, gr_operator_apply(sp->A, x)), g);
	} else if (sp->kind == SEPARABLE) {
		gr_tensor *rows = gr__constant_get(&sp->v[0], dtype);
		gr_tensor *columns = gr__constant_get(&sp->v[1], dtype);
		seen = gr_mul(gr__separable_apply(rows, columns, x), g);
		seen = gr__separable_adjoint(rows, columns, seen);
	} else {
		int ndim = gr_tensor_ndim(x);
		gr_tensor *pair[] = {x, gr_mul_s(x, 0.0)};
		gr_tensor *z = gr_mul(gr_fft2(gr_stack(2, pair, ndim)), gr_unsqueeze(g, 2));
		seen = gr_squeeze(gr_slice(gr_ifft2(z), ndim, 0, 1, 1), ndim);
	}
	return f0 == 0.0 ? seen : gr_axpby(x, f0, seen, 1.0);
}

static double inverse_square(double s, const void *self)
{
	(void)self;
	return s > 0.0 ? 1.0 / (s * s) : 0.0;
}

gr_tensor *gr__spectrum_pinv(const gr_spectrum *sp, gr_tensor *y)
{
	return gr__spectrum_filter(sp, gr_operator_adjoint(sp->A, y), inverse_square, NULL);
}

gr_tensor *gr_operator_pinv(const gr_operator *A, gr_tensor *y, double smallest)
{
	gr_spectrum *sp = NULL;
	if (!A || !y) {
		if (!gr_failed())
			gr_error_set(GR_EARG, "operator pinv: the %s is NULL", A ? "tensor" : "operator");
		return NULL;
	}
	if (gr__spectrum_new(&sp, A, smallest > 0.0 ? smallest : 1e-4))
		return NULL;
	gr_dtype dtype = gr_tensor_dtype(y);
	gr_tensor *x = gr_cast(gr__spectrum_pinv(sp, gr_cast(y, GR_F64)), dtype);
	gr__spectrum_free(sp);
	return x;
}
