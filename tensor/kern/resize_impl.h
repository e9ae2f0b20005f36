/* Sparse rows times lines of contiguous elements, included by resize.c for float and for double. */

/* Units: output rows (outer, i), each `inner` elements. Entries are added in their order. */
static void FN(rows_task)(int64_t begin, int64_t end, void *ctx)
{
	const rows_ctx *c = ctx;
	const gr_rows *rows = c->rows;
	int64_t inner = c->inner;
	for (int64_t u = begin; u < end; u++) {
		int64_t o = u / rows->rows, i = u % rows->rows;
		T *restrict y = (T *)c->y + u * inner;
		const T *x = (const T *)c->x + o * rows->columns * inner;
		int64_t first = rows->start[i], last = rows->start[i + 1];
		if (inner == 1) {
			T sum = (T)0;
			for (int64_t k = first; k < last; k++)
				sum += (T)rows->weight[k] * x[rows->column[k]];
			y[0] = sum;
			continue;
		}
		memset(y, 0, (size_t)inner * sizeof(T));
		for (int64_t k = first; k < last; k++) {
			const T *restrict row = x + rows->column[k] * inner;
			T weight = (T)rows->weight[k];
			for (int64_t q = 0; q < inner; q++)
				y[q] += weight * row[q];
		}
	}
}
