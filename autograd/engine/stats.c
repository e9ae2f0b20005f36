/* Statistics of values. They are for people, so they read element by element and in double. */
#include "stats_priv.h"

#include <math.h>
#include <string.h>

#include "tensor_int.h"

void gr__stats_index(int64_t *idx, const gr_tensor *t, int64_t place)
{
	for (int i = t->ndim - 1; i >= 0; i--) {
		int64_t dim = t->dims[i] > 0 ? t->dims[i] : 1;
		idx[i] = place % dim;
		place /= dim;
	}
}

void gr__stats_place(char *buf, size_t size, const gr_tensor *t, int64_t place)
{
	int64_t idx[GR_MAX_DIMS];
	gr__stats_index(idx, t, place);
	buf[0] = '\0';
	if (t->ndim > 0)
		gr__dims_print(buf, size, t->ndim, idx);
}

/* Deviations are summed about the mean so far (Welford), so that a large mean costs no digits. */
gr_stats gr__stats(const gr_tensor *t)
{
	gr_stats s = {.bad = -1};
	int64_t idx[GR_MAX_DIMS], n = 0;
	double squares = 0.0;
	for (int64_t i = 0; i < t->size; i++) {
		gr__stats_index(idx, t, i);
		double x = gr_tensor_at(t, idx);
		if (!isfinite(x)) {
			s.nan += isnan(x) ? 1 : 0;
			s.inf += isnan(x) ? 0 : 1;
			s.bad = s.bad < 0 ? i : s.bad;
			continue;
		}
		n++;
		s.min = n == 1 || x < s.min ? x : s.min;
		s.max = n == 1 || x > s.max ? x : s.max;
		double from_mean = x - s.mean;
		s.mean += from_mean / (double)n;
		squares += from_mean * (x - s.mean);
	}
	s.std = n > 0 ? sqrt(squares / (double)n) : 0.0;
	return s;
}

/* A number is finite when its exponent is not all ones; counting vectorises. */
static bool finite_f32(const float *x, int64_t n)
{
	int bad = 0;
	for (int64_t i = 0; i < n; i++) {
		uint32_t bits;
		memcpy(&bits, &x[i], sizeof bits);
		bad |= (bits & 0x7f800000u) == 0x7f800000u;
	}
	return bad == 0;
}

static bool finite_f64(const double *x, int64_t n)
{
	int bad = 0;
	for (int64_t i = 0; i < n; i++) {
		uint64_t bits;
		memcpy(&bits, &x[i], sizeof bits);
		bad |= (bits & 0x7ff0000000000000u) == 0x7ff0000000000000u;
	}
	return bad == 0;
}

bool gr__is_finite(const gr_tensor *t)
{
	if (t->dtype == GR_I64 || t->dtype == GR_U8 || t->storage->blank)
		return true;
	if (t->dtype == GR_F32 && gr_is_contiguous(t))
		return finite_f32(gr_tensor_data_const(t), t->size);
	if (t->dtype == GR_F64 && gr_is_contiguous(t))
		return finite_f64(gr_tensor_data_const(t), t->size);
	return gr__stats(t).bad < 0;
}
