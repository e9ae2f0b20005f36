/* The weight gradient of conv_wgrad.c, included for float and for double. */

typedef struct FN(wgrad_run) {
	wgrad_plan plan;
	const FN(gr_gemm_kern) * kern;
	const T *gy;
	const T *x;
	const int64_t *off;
	T *acc; /* [part][group][tap][kg][cg], or [part][group][kg][cg r s] with x_col */
	T *gw;
	gr_slots slots; /* of each task: packed gy, packed x, lines of x_col */
} FN(wgrad_run);

typedef struct FN(wgrad_chunk) {
	int64_t group;
	int64_t n0;
	int64_t i0;
	int64_t j0;
	int64_t nn;
	int64_t rows;
	int64_t cols;
	int64_t pixels;
} FN(wgrad_chunk);

static FN(wgrad_chunk) FN(chunk_at)(const wgrad_plan *p, int64_t group, int64_t index)
{
	FN(wgrad_chunk) h = {.group = group};
	h.j0 = index % p->col_chunks * p->cols;
	index /= p->col_chunks;
	h.i0 = index % p->row_chunks * p->rows;
	h.n0 = index / p->row_chunks * p->nn;
	h.nn = min64(p->nn, p->g->n - h.n0);
	h.rows = max64(0, min64(p->rows, p->g->ho - h.i0));
	h.cols = min64(p->cols, p->g->wo - h.j0);
	h.pixels = h.nn * h.rows * h.cols;
	return h;
}

/* Panels of gy: channels [k0, k0 + kk), pixels in blocks of PIXEL_BLOCK. */
static void FN(
	pack_gy)(const FN(wgrad_run) * run, const FN(wgrad_chunk) * h, int64_t k0, int64_t kk, T *dst)
{
	const gr_conv_geom *g = run->plan.g;
	const int64_t mr = run->kern->mr;
	const int64_t plane = g->ho * g->wo;
	const int64_t k_round = ceil_div(kk, mr) * mr;
	const int64_t per = h->rows * h->cols; /* pixels of one sample, adjacent in gy */
	for (int64_t p0 = 0; p0 < h->pixels; p0 += PIXEL_BLOCK) {
		const int64_t pc = min64(PIXEL_BLOCK, h->pixels - p0);
		for (int64_t p = p0; p < p0 + pc;) {
			const int64_t n = p / per;
			const int64_t run_len = min64((n + 1) * per, p0 + pc) - p;
			const int64_t channel = (h->n0 + n) * g->k + h->group * run->plan.kg + k0;
			const T *src = run->gy + channel * plane + h->i0 * g->wo + h->j0 + (p - n * per);
			for (int64_t k = 0; k < kk; k += mr)
				run->kern->transpose(min64(mr, kk - k), run_len, src + k * plane, plane,
					dst + k * pc + (p - p0) * mr, mr);
			p += run_len;
		}
		dst += k_round * pc;
	}
}

/* Columns of x that fall into an image of width `size` when they start at `first`. */
static void FN(clip)(int64_t first, int64_t count, int64_t size, int64_t *lo, int64_t *hi)
{
	*lo = min64(count, max64(0, -first));
	*hi = max64(*lo, min64(count, size - first));
}

/* Channels [c0, c0 + cc) of the rows under the chunk, channels last, zeros outside the image. */
static void FN(
	pack_x)(const FN(wgrad_run) * run, const FN(wgrad_chunk) * h, int64_t c0, int64_t cc, T *dst)
{
	const wgrad_plan *p = &run->plan;
	const gr_conv_geom *g = p->g;
	const int64_t plane = g->h * g->w;
	const int64_t col = h->j0 * g->stride_w - g->pad_left;
	int64_t lo;
	int64_t hi;
	FN(clip)(col, p->in_cols, g->w, &lo, &hi);
	for (int64_t n = 0; n < h->nn; n++) {
		const T *xn = run->x + ((h->n0 + n) * g->c + h->group * p->cg + c0) * plane;
		for (int64_t i = 0; i < p->in_rows; i++) {
			const int64_t row = h->i0 * g->stride_h - g->pad_top + i;
			T *d = dst + (n * p->in_rows + i) * p->in_cols * p->pixel;
			if (row < 0 || row >= g->h) {
				memset(d, 0, (size_t)(p->in_cols * p->pixel) * sizeof(T));
				continue;
			}
			memset(d, 0, (size_t)(lo * p->pixel) * sizeof(T));
			memset(d + hi * p->pixel, 0, (size_t)((p->in_cols - hi) * p->pixel) * sizeof(T));
			run->kern->transpose(cc, hi - lo, xn + row * g->w + col + lo, plane, d + lo * p->pixel,
				p->pixel);
		}
	}
}

/* x_col of the chunk, [pixel][(c,r,s)]: its rows, a line of pixels at a time, then turned. */
static void FN(pack_columns)(const FN(wgrad_run) * run, const FN(wgrad_chunk) * h, T *lines, T *dst)
{
	const wgrad_plan *p = &run->plan;
	const gr_conv_geom *g = p->g;
	const int64_t terms = p->cg * p->taps;
	const int64_t per = h->rows * h->cols;
	for (int64_t n = 0; n < h->nn; n++) {
		const T *x = run->x + ((h->n0 + n) * g->c + h->group * p->cg) * g->h * g->w;
		for (int64_t t = 0; t < p->taps; t++) {
			const int64_t row = h->i0 * g->stride_h - g->pad_top + t / g->s * g->dil_h;
			const int64_t col = h->j0 * g->stride_w - g->pad_left + t % g->s * g->dil_w;
			const int64_t top = steps_to(row, g->stride_h, 0, h->rows);
			const int64_t bottom = max64(top, steps_to(row, g->stride_h, g->h, h->rows));
			const int64_t lo = steps_to(col, g->stride_w, 0, h->cols);
			const gr_gemm_rows rows = {.planes = p->cg,
				.rows = bottom - top,
				.cols = h->cols,
				.lo = lo,
				.hi = max64(lo, steps_to(col, g->stride_w, g->w, h->cols)),
				.step = g->stride_w,
				.sps = g->h * g->w,
				.srs = g->stride_h * g->w,
				.dps = p->taps * per,
				.drs = h->cols};
			T *d = lines + t * per;
			run->kern->copy_rows(&rows, x + (row + top * g->stride_h) * g->w + col,
				d + top * h->cols);
			for (int64_t c = 0; c < p->cg; c++, d += rows.dps) {
				memset(d, 0, (size_t)(top * h->cols) * sizeof(T));
				memset(d + bottom * h->cols, 0, (size_t)((h->rows - bottom) * h->cols) * sizeof(T));
			}
		}
		run->kern->transpose(terms, per, lines, per, dst + n * per * p->pixel, p->pixel);
	}
}

/* Adds the chunk's product for channels [k0, k0 + kk) x [c0, c0 + cc) to `acc` of the group. */
static void FN(add_chunk)(const FN(wgrad_run) * run, const FN(wgrad_chunk) * h, const T *gy_pack,
	const T *x_pack, T *acc, const int64_t size[2], bool add)
{
	const wgrad_plan *p = &run->plan;
	const gr_conv_geom *g = p->g;
	const int64_t kk = size[0];
	const int64_t cc = size[1];
	const int64_t k_round = ceil_div(kk, run->kern->mr) * run->kern->mr;
	for (int64_t p0 = 0; p0 < h->pixels; p0 += PIXEL_BLOCK) {
		const int64_t pc = min64(PIXEL_BLOCK, h->pixels - p0);
		const T *a = gy_pack + p0 * k_round;
		const bool more = add || p0 > 0;
		if (p->columns) {
			const int64_t n = p->cg * p->taps;
			run->kern->block_off(kk, n, pc, a, x_pack, run->off + p0, acc, n, NULL, more);
			continue;
		}
		for (int64_t r = 0; r < g->r; r++)
			for (int64_t s = 0; s < g->s; s++)
				run->kern->block_off(kk, cc, pc, a,
					x_pack + (r * g->dil_h * p->in_cols + s * g->dil_w) * p->pixel, run->off + p0,
					acc + (r * g->s + s) * p->kg * p->cg, p->cg, NULL, more);
	}
}

static void FN(wgrad_task)(int64_t task, void *ctx)
{
	FN(wgrad_run) *run = ctx;
	const wgrad_plan *p = &run->plan;
	const gr_conv_geom *g = p->g;
	const int64_t c0 = task % p->c_parts * p->c_part;
	task /= p->c_parts;
	const int64_t k0 = task % p->k_parts * p->k_part;
	task /= p->k_parts;
	const int64_t group = task % g->groups;
	const int64_t part = task / g->groups;
	const int64_t size[2] = {min64(p->k_part, p->kg - k0), min64(p->c_part, p->cg - c0)};
	T *gy_pack = gr__slots_take(&run->slots);
	T *x_pack = gy_pack + p->gy_size;
	T *acc = run->acc + (part * g->groups + group) * p->kg * p->cg * p->taps;
	acc += k0 * p->cg * (p->columns ? p->taps : 1) + c0;
	const int64_t chunks = p->n_chunks * p->row_chunks * p->col_chunks;
	const int64_t begin = part * chunks / p->parts;
	const int64_t end = (part + 1) * chunks / p->parts;
	for (int64_t q = begin; q < end; q++) {
		const FN(wgrad_chunk) h = FN(chunk_at)(p, group, q);
		FN(pack_gy)(run, &h, k0, size[0], gy_pack);
		if (p->columns)
			FN(pack_columns)(run, &h, x_pack + p->x_size, x_pack);
		else
			FN(pack_x)(run, &h, c0, size[1], x_pack);
		FN(add_chunk)(run, &h, gy_pack, x_pack, acc, size, q > begin);
	}
	gr__slots_give(&run->slots, gy_pack);
}

/* Adds the parts of one output channel, in order, and puts the taps innermost. */
static void FN(reduce_task)(int64_t channel, void *ctx)
{
	const FN(wgrad_run) *run = ctx;
	const wgrad_plan *p = &run->plan;
	const int64_t all = p->g->k * p->cg * p->taps;
	/* The accumulator's run of a channel and a tap; with x_col all taps are one run, in order. */
	const int64_t length = p->columns ? p->cg * p->taps : p->cg;
	const int64_t runs = p->cg * p->taps / length;
	T *acc = run->acc + channel / p->kg * p->kg * p->cg * p->taps + channel % p->kg * length;
	for (int64_t t = 0; t < runs && p->parts > 1; t++) {
		T *restrict sum = acc + t * p->kg * length;
		for (int64_t part = 1; part < p->parts; part++) {
			const T *restrict more = sum + part * all;
			for (int64_t i = 0; i < length; i++)
				sum[i] += more[i];
		}
	}
	run->kern->transpose(runs, length, acc, p->kg * length, run->gw + channel * p->cg * p->taps,
		runs);
}

gr_status FN(gr__conv_low_weight_grad)(const gr_conv_geom *g, const T *gy, const T *x, T *gw)
{
	const int64_t size = g->k * (g->c / g->groups) * g->r * g->s;
	if (size == 0)
		return GR_OK;
	if (g->n * g->ho * g->wo == 0) {
		memset(gw, 0, (size_t)size * sizeof(T));
		return GR_OK;
	}
	/* Without taps to tell apart the pixels of a 1x1 are a line, whatever the image's shape. */
	gr_conv_geom flat = *g;
	if (g->r == 1 && g->s == 1 && g->stride_h == 1 && g->stride_w == 1 && g->pad_top == 0 &&
		g->pad_left == 0 && g->h == g->ho && g->w == g->wo) {
		flat.w = g->h * g->w;
		flat.wo = flat.w;
		flat.h = 1;
		flat.ho = 1;
	}
	FN(wgrad_run) run = {.kern = FN(gr__gemm_kern)(), .gy = gy, .x = x, .gw = gw};
	wgrad_plan *p = &run.plan;
	make_plan(p, &flat, run.kern->mr, run.kern->nr, 64 / (int64_t)sizeof(T));
	int64_t *off = gr__pool_alloc((size_t)(p->nn * p->rows * p->cols) * sizeof(int64_t));
	run.off = off;
	run.acc = gr__pool_alloc((size_t)(p->parts * size) * sizeof(T));
	const int64_t tasks = p->parts * g->groups * p->k_parts * p->c_parts;
	const int64_t slot = p->gy_size + p->x_size + p->lines;
	gr_status status = off && run.acc ? GR_OK : GR_EMEM;
	if (status == GR_OK)
		status = gr__slots_open(&run.slots, tasks, (size_t)slot * sizeof(T));
	if (status == GR_OK) {
		fill_offsets(p, off);
		gr__par_for(tasks, FN(wgrad_task), &run);
		gr__par_for(g->k, FN(reduce_task), &run);
		gr__slots_close(&run.slots);
	}
	gr__pool_free(off);
	gr__pool_free(run.acc);
	return status;
}
