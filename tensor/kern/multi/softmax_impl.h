/* Softmax over rows of d contiguous elements in type T. */
#include "real.h"

/* A NaN is left to exp(), which passes it on. */
static T GR_TS(row_max)(int64_t d, const T *x)
{
	T acc[GR_LANES];
	for (int l = 0; l < GR_LANES; l++)
		acc[l] = x[0];
	int64_t i = 0;
	for (; i + GR_LANES <= d; i += GR_LANES) {
		for (int l = 0; l < GR_LANES; l++)
			acc[l] = x[i + l] > acc[l] ? x[i + l] : acc[l];
	}
	for (; i < d; i++)
		acc[0] = x[i] > acc[0] ? x[i] : acc[0];
	for (int l = 1; l < GR_LANES; l++)
		acc[0] = acc[l] > acc[0] ? acc[l] : acc[0];
	return acc[0];
}

static T GR_TS(fold)(T *acc)
{
	for (int h = GR_LANES / 2; h >= 1; h /= 2) {
		for (int l = 0; l < h; l++)
			acc[l] += acc[l + h];
	}
	return acc[0];
}

/* One block: y = exp(x - max), added to the lanes. y NULL leaves the sum alone. */
static void GR_TS(exp_block)(T *restrict y, const T *restrict x, T max, T *restrict acc)
{
	T e[GR_BLOCK];
	for (int j = 0; j < GR_BLOCK; j++)
		e[j] = GR_M_exp(x[j] - max);
	for (int j = 0; j < GR_LANES; j++)
		acc[j] += e[j] + e[j + GR_LANES];
	for (int j = 0; j < GR_BLOCK; j++)
		y[j] = e[j];
}

/* y = exp(x - max) and its sum; beyond the row's end stands -infinity, that is 0. */
static T GR_TS(exp_row)(int64_t d, T *y, const T *x, T max)
{
	T acc[GR_LANES] = {0};
	int64_t i = 0;
	for (; i + GR_BLOCK <= d; i += GR_BLOCK)
		GR_TS(exp_block)(y + i, x + i, max, acc);
	if (i < d) {
		T in[GR_BLOCK];
		T out[GR_BLOCK];
		for (int j = 0; j < GR_BLOCK; j++)
			in[j] = i + j < d ? x[i + j] : (T)-HUGE_VAL;
		GR_TS(exp_block)(out, in, max, acc);
		memcpy(y + i, out, (size_t)(d - i) * sizeof(T));
	}
	return GR_TS(fold)(acc);
}

void GR_KT(softmax)(int64_t rows, int64_t d, void *y0, const void *x0)
{
	T *y = y0;
	const T *x = x0;
	for (int64_t r = 0; r < rows; r++) {
		T sum = GR_TS(exp_row)(d, y, x, GR_TS(row_max)(d, x));
		T scale = (T)1 / sum;
		for (int64_t i = 0; i < d; i++)
			y[i] *= scale;
		x += d;
		y += d;
	}
}

/* log softmax(x) = (x - max) - log sum exp(x - max) */
void GR_KT(log_softmax)(int64_t rows, int64_t d, void *y0, const void *x0)
{
	T *y = y0;
	const T *x = x0;
	for (int64_t r = 0; r < rows; r++) {
		T max = GR_TS(row_max)(d, x);
		T shift = GR_M_log(GR_TS(exp_row)(d, y, x, max));
		for (int64_t i = 0; i < d; i++)
			y[i] = (x[i] - max) - shift;
		x += d;
		y += d;
	}
}

/* dx = y (dy - sum(y dy)) */
void GR_KT(softmax_backward)(int64_t rows, int64_t d, void *dx0, const void *y0, const void *dy0)
{
	T *restrict dx = dx0;
	const T *restrict y = y0;
	const T *restrict dy = dy0;
	for (int64_t r = 0; r < rows; r++) {
		T acc[GR_LANES] = {0};
		int64_t i = 0;
		for (; i + GR_LANES <= d; i += GR_LANES) {
			for (int l = 0; l < GR_LANES; l++)
				acc[l] += y[i + l] * dy[i + l];
		}
		for (int l = 0; l < d - i; l++)
			acc[l] += y[i + l] * dy[i + l];
		T dot = GR_TS(fold)(acc);
		for (i = 0; i < d; i++)
			dx[i] = y[i] * (dy[i] - dot);
		dx += d;
		y += d;
		dy += d;
	}
}
