/* Windows of f x f pixels in type T, one output (or input) row of pixels after the other. */
#include "real.h"

/* Rows of y; each sums f rows of x, pixel by pixel of the window in row-major order. */
void GR_KT(
	pool_mean)(int64_t rows, int64_t w_out, int64_t f, double scale, void *y0, const void *x0)
{
	T *restrict y = y0;
	const T *restrict x = x0;
	int64_t w_in = w_out * f;
	T factor = (T)(scale / ((double)f * (double)f));
	for (int64_t r = 0; r < rows; r++) {
		if (f == 2) {
			const T *restrict below = x + w_in;
			for (int64_t j = 0; j < w_out; j++)
				y[j] = (((x[2 * j] + x[2 * j + 1]) + below[2 * j]) + below[2 * j + 1]) * factor;
		} else {
			for (int64_t j = 0; j < w_out; j++) {
				T sum = (T)0;
				for (int64_t p = 0; p < f; p++) {
					for (int64_t q = 0; q < f; q++)
						sum += x[p * w_in + j * f + q];
				}
				y[j] = sum * factor;
			}
		}
		y += w_out;
		x += f * w_in;
	}
}

/* Rows of x; each becomes f rows of y. */
void GR_KT(repeat)(int64_t rows, int64_t w_in, int64_t f, double scale, void *y0, const void *x0)
{
	T *restrict y = y0;
	const T *restrict x = x0;
	int64_t w_out = w_in * f;
	T factor = (T)scale;
	for (int64_t r = 0; r < rows; r++) {
		if (f == 2) {
			for (int64_t j = 0; j < w_in; j++) {
				T v = x[j] * factor;
				y[2 * j] = v;
				y[2 * j + 1] = v;
			}
		} else {
			for (int64_t j = 0; j < w_in; j++) {
				T v = x[j] * factor;
				for (int64_t q = 0; q < f; q++)
					y[j * f + q] = v;
			}
		}
		for (int64_t p = 1; p < f; p++)
			memcpy(y + p * w_out, y, (size_t)w_out * sizeof(T));
		x += w_in;
		y += f * w_out;
	}
}
