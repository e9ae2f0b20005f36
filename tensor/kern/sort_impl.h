/* Lines of one float type, included by sort.c for float and for double. */

/* Does a stand strictly before b in rising order? A NaN is larger than every number. */
static bool FN(rises)(T a, T b)
{
	return a < b || (b != b && a == a);
}

/* One merge of the runs [begin, middle) and [middle, end) of `from`; ties keep their order. */
static void FN(merge)(const T *value, bool descending, const int64_t *from, int64_t *to,
	const int64_t bounds[3])
{
	int64_t a = bounds[0], b = bounds[1];
	for (int64_t k = bounds[0]; k < bounds[2]; k++) {
		bool right = a == bounds[1];
		if (!right && b < bounds[2]) {
			T left_value = value[from[a]], right_value = value[from[b]];
			right = descending ? FN(rises)(left_value, right_value)
							   : FN(rises)(right_value, left_value);
		}
		to[k] = right ? from[b++] : from[a++];
	}
}

/* Units: lines. The line's values and two orders live in the slot. */
static void FN(argsort_task)(int64_t begin, int64_t end, void *ctx)
{
	line_ctx *c = ctx;
	int64_t n = c->n;
	int64_t *slot = gr__slots_take(&c->slots);
	T *value = (T *)(void *)(slot + 2 * n);
	for (int64_t u = begin; u < end; u++) {
		int64_t at = u / c->inner * n * c->inner + u % c->inner;
		int64_t *from = slot, *to = slot + n;
		for (int64_t i = 0; i < n; i++) {
			from[i] = i;
			value[i] = ((const T *)c->x)[at + i * c->inner];
		}
		for (int64_t run = 1; run < n; run *= 2) {
			for (int64_t i = 0; i < n; i += 2 * run) {
				int64_t middle = i + run < n ? i + run : n;
				int64_t last = i + 2 * run < n ? i + 2 * run : n;
				FN(merge)(value, c->descending, from, to, (const int64_t[]){i, middle, last});
			}
			int64_t *swap = from;
			from = to;
			to = swap;
		}
		for (int64_t i = 0; i < n; i++)
			((int64_t *)c->y)[at + i * c->inner] = from[i];
	}
	gr__slots_give(&c->slots, slot);
}

/* Units: rows (outer, i) of y. */
static void FN(take_task)(int64_t begin, int64_t end, void *ctx)
{
	const line_ctx *c = ctx;
	for (int64_t u = begin; u < end; u++) {
		const T *x = (const T *)c->x + u / c->m * c->n * c->inner;
		const int64_t *index = c->index + u * c->inner;
		T *y = (T *)c->y + u * c->inner;
		for (int64_t q = 0; q < c->inner; q++)
			y[q] = x[index[q] * c->inner + q];
	}
}

/* Units: outer. */
static void FN(scatter_task)(int64_t begin, int64_t end, void *ctx)
{
	const line_ctx *c = ctx;
	for (int64_t u = begin; u < end; u++) {
		const T *x = (const T *)c->x + u * c->n * c->inner;
		const int64_t *index = c->index + u * c->n * c->inner;
		T *y = (T *)c->y + u * c->m * c->inner;
		memset(y, 0, (size_t)(c->m * c->inner) * sizeof(T));
		for (int64_t i = 0; i < c->n * c->inner; i++)
			y[index[i] * c->inner + i % c->inner] += x[i];
	}
}

/* The place of the first maximum (or NaN) in the window whose corner is (top, left). */
static int64_t FN(window_max)(const max_ctx *c, const T *x, int64_t top, int64_t left)
{
	int64_t bottom = top + c->window.kernel, right = left + c->window.kernel;
	int64_t h0 = top > 0 ? top : 0, w0 = left > 0 ? left : 0;
	bottom = bottom < c->h ? bottom : c->h;
	right = right < c->w ? right : c->w;
	int64_t best = h0 * c->w + w0;
	for (int64_t h = h0; h < bottom; h++) {
		for (int64_t w = w0; w < right; w++) {
			if (FN(rises)(x[best], x[h * c->w + w]))
				best = h * c->w + w;
		}
	}
	return best;
}

/* Units: rows of the index. */
static void FN(max_task)(int64_t begin, int64_t end, void *ctx)
{
	const max_ctx *c = ctx;
	for (int64_t u = begin; u < end; u++) {
		const T *x = (const T *)c->x + u / c->ho * c->h * c->w;
		int64_t top = u % c->ho * c->window.stride - c->window.pad;
		for (int64_t j = 0; j < c->wo; j++)
			c->index[u * c->wo + j] =
				FN(window_max)(c, x, top, j * c->window.stride - c->window.pad);
	}
}
