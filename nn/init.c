/*
 * Laws of initial values, one per gr_init_rule. Value i of a parameter is a pure function of its
 * key and i, so a tensor drawn again is the same to the bit.
 */
#include "module_priv.h"

#include <math.h>

/* Beyond this many standard deviations a truncated normal is drawn again. */
#define CUT 2.0
#define MAX_DRAWS 64

/* Rejection is per element: draw number k of element i comes from the key folded by k. Sixty-four
 * rejections in a row have probability 1e-86; then the value is clamped. In f64: the copy into the
 * parameter converts. */
static gr_tensor *trunc_normal(const gr_param *p, gr_key key)
{
	gr_tensor *t = gr_empty(GR_F64, p->ndim, p->dims);
	double *x = gr_tensor_data(t);
	if (x == NULL)
		return NULL;
	for (int64_t i = 0; i < p->size; i++) {
		double z = CUT + 1.0;
		for (uint64_t k = 0; k < MAX_DRAWS && fabs(z) > CUT; k++)
			z = gr_key_normal(gr_key_fold(key, k), (uint64_t)i);
		x[i] = p->scale * fmax(-CUT, fmin(CUT, z));
	}
	return t;
}

/* N(0, std^2): scaled while copying, since no op may record here. */
static gr_tensor *normal(const gr_param *p, gr_dtype dtype, gr_key key, double std)
{
	gr_tensor *t = gr_random_normal(key, dtype, p->ndim, p->dims);
	if (t == NULL || std == 1.0)
		return t;
	if (dtype == GR_F64) {
		double *x = gr_tensor_data(t);
		for (int64_t i = 0; i < p->size; i++)
			x[i] *= std;
	} else {
		float *x = gr_tensor_data(t);
		for (int64_t i = 0; i < p->size; i++)
			x[i] *= (float)std;
	}
	return t;
}

/*
 * The fixed position table of ViT-like networks. Token S y + x of width D: the first half tells the
 * column, the second the row, each as [sin(u w_j)], [cos(u w_j)], w_j = 10000^(-j / (D/4)), j < D/4.
 */
static gr_tensor *sincos_2d(const gr_param *p)
{
	const int64_t width = p->ndim < 2 ? 0 : p->dims[p->ndim - 1];
	const int64_t tokens = p->ndim < 2 ? 0 : p->dims[p->ndim - 2];
	const int64_t side = (int64_t)sqrt((double)tokens), quarter = width / 4;
	if (width % 4 != 0 || width == 0 || side * side != tokens || p->size != tokens * width) {
		gr_error_set(GR_ESHAPE, "module: '%s' is no table of positions of a square grid", p->name);
		return NULL;
	}
	gr_tensor *t = gr_empty(GR_F64, p->ndim, p->dims);
	double *row = gr_tensor_data(t);
	for (int64_t i = 0; row != NULL && i < tokens; i++, row += width) {
		for (int64_t j = 0; j < quarter; j++) {
			const double w = pow(10000.0, -(double)j / (double)quarter);
			const double x = (double)(i % side) * w, y = (double)(i / side) * w;
			row[j] = sin(x);
			row[quarter + j] = cos(x);
			row[2 * quarter + j] = sin(y);
			row[3 * quarter + j] = cos(y);
		}
	}
	return t;
}

static gr_tensor *uniform(const gr_param *p, gr_dtype dtype, gr_key key, double bound)
{
	return gr_random_uniform(key, dtype, p->ndim, p->dims, -bound, bound);
}

gr_tensor *gr__init_draw(const gr_param *p, gr_dtype dtype, gr_key key)
{
	const double fan_in = p->fan_in > 0 ? (double)p->fan_in : 1.0;
	const double fan_out = p->fan_out > 0 ? (double)p->fan_out : 1.0;
	if (gr_estimating())
		return gr_empty(dtype, p->ndim, p->dims);
	switch (p->rule) {
	case GR_INIT_DEFAULT:
	case GR_INIT_ZEROS: return gr_zeros(dtype, p->ndim, p->dims);
	case GR_INIT_ONES: return gr_full(dtype, p->ndim, p->dims, 1.0);
	case GR_INIT_CONSTANT: return gr_full(dtype, p->ndim, p->dims, p->scale);
	case GR_INIT_NORMAL: return normal(p, dtype, key, p->scale);
	case GR_INIT_UNIFORM: return uniform(p, dtype, key, p->scale);
	case GR_INIT_FAN_IN_UNIFORM: return uniform(p, dtype, key, p->scale / sqrt(fan_in));
	case GR_INIT_XAVIER_UNIFORM:
		return uniform(p, dtype, key, p->scale * sqrt(6.0 / (fan_in + fan_out)));
	case GR_INIT_TRUNC_NORMAL: return trunc_normal(p, key);
	case GR_INIT_SINCOS_2D: return sincos_2d(p);
	}
	gr_error_set(GR_EARG, "module: parameter '%s' has an unknown rule %d", p->name, (int)p->rule);
	return NULL;
}
