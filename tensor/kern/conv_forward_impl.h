/* The tiled convolution of conv_forward.c, included for float and for double. */

typedef struct FN(conv_run) {
	conv_plan plan;
	const FN(gr_gemm_kern) * kern;
	const T *x;
	const T *w;
	T *wpack; /* [group][block of channels][panel][c r s][mr] */
	const int64_t *off;
	const T *bias;
	T *y;
	gr_slots slots; /* of each task: the tile of y if it is computed aside, then the rows of x */
} FN(conv_run);

typedef struct FN(conv_tile) {
	int64_t sample;
	int64_t group;
	int64_t i0; /* output pixels [i0, i0 + rows) x [j0, j0 + cols) */
	int64_t j0;
	int64_t rows;
	int64_t cols;
	int64_t o0; /* output channels of the group */
	int64_t co;
} FN(conv_tile);

/* One block of channels of one group; with the taps of a channel adjacent in w, as transposes. */
static void FN(pack_weights)(int64_t task, void *ctx)
{
	const FN(conv_run) *run = ctx;
	const conv_plan *p = &run->plan;
	const gr_conv_low *l = p->l;
	const int64_t taps = l->nr * l->ns;
	const int64_t mr = run->kern->mr;
	const int64_t g = task / p->blocks;
	const int64_t c0 = task % p->blocks * p->cb;
	const int64_t cb = min64(p->cb, l->ci - c0);
	const T *w = run->w + g * l->w_group + c0 * l->w_c;
	T *dst = run->wpack + (g * l->ci + c0) * taps * p->co_round;
	const bool dense = l->w_s == 1 && l->w_r == l->ns;
	if (dense && l->w_c == taps) {
		FN(gr__gemm_pack_a)(run->kern, l->co, cb * taps, w, l->w_o, 1, dst);
		return;
	}
	for (int64_t o = 0; o < l->co; o += mr) {
		const int64_t rows = min64(mr, l->co - o);
		for (int64_t c = 0; c < cb; c++, dst += taps * mr) {
			const T *src = w + o * l->w_o + c * l->w_c;
			if (dense) {
				run->kern->transpose(rows, taps, src, l->w_o, dst, mr);
				continue;
			}
			for (int64_t t = 0; t < taps; t++)
				for (int64_t i = 0; i < rows; i++)
					dst[t * mr + i] = src[i * l->w_o + t / l->ns * l->w_r + t % l->ns * l->w_s];
		}
	}
}

/* Channels [c0, c0 + cb) of the tile into the layout that fill_offsets() describes. */
static void FN(
	pack_tile)(const FN(conv_run) * run, const FN(conv_tile) * t, int64_t c0, int64_t cb, T *buffer)
{
	const conv_plan *p = &run->plan;
	const gr_conv_low *l = p->l;
	const T *x = run->x + ((t->sample * l->groups + t->group) * l->ci + c0) * l->hi * l->wi;
	const int64_t span = p->span - (p->rows - t->rows) * l->sh;
	for (int64_t phase = 0; phase < l->sh; phase++) {
		if (!phase_used(p, phase))
			continue;
		const int64_t first = t->i0 * l->sh + l->r0 + p->r_min + phase;
		const int64_t all = ceil_div(span - phase, l->sh);
		const int64_t lo = steps_to(first, l->sh, 0, all);
		const int64_t hi = max64(lo, steps_to(first, l->sh, l->hi, all));
		for (int64_t s = 0; s < l->ns; s++) {
			const int64_t col = t->j0 * l->sw + l->s0 + s * l->ds;
			const int64_t left = steps_to(col, l->sw, 0, t->cols);
			const int64_t right = max64(left, steps_to(col, l->sw, l->wi, t->cols));
			const gr_gemm_rows rows = {.planes = cb,
				.rows = hi - lo,
				.cols = t->cols,
				.lo = left,
				.hi = right,
				.step = l->sw,
				.sps = l->hi * l->wi,
				.srs = l->sh * l->wi,
				.dps = p->c_stride,
				.drs = p->cols};
			T *dst = buffer + s * p->s_stride + phase * p->q_rows * p->cols;
			run->kern->copy_rows(&rows, x + (first + lo * l->sh) * l->wi + col, dst + lo * p->cols);
			for (int64_t c = 0; c < cb && hi - lo < all; c++, dst += p->c_stride) {
				memset(dst, 0, (size_t)(lo * p->cols) * sizeof(T));
				memset(dst + hi * p->cols, 0, (size_t)((all - hi) * p->cols) * sizeof(T));
			}
		}
	}
}

static void FN(
	run_tile)(const FN(conv_run) * run, const FN(conv_tile) * t, T *buffer, T *y, int64_t y_plane)
{
	const conv_plan *p = &run->plan;
	const gr_conv_low *l = p->l;
	const int64_t taps = l->nr * l->ns;
	const T *bias = run->bias ? run->bias + t->group * l->co + t->o0 : NULL;
	const T *wg = run->wpack + t->group * l->ci * taps * p->co_round;
	for (int64_t c0 = 0; c0 == 0 || c0 < l->ci; c0 += p->cb) {
		const int64_t cb = min64(p->cb, l->ci - c0);
		const int64_t kc = cb * taps;
		FN(pack_tile)(run, t, c0, cb, buffer);
		/* With columns tiled a tile is one row, so its pixels lie together in the buffer too. */
		run->kern->block_off(t->co, t->rows * t->cols, kc,
			wg + c0 * taps * p->co_round + t->o0 * kc, buffer, run->off, y, y_plane, bias, c0 > 0);
	}
}

static void FN(conv_task)(int64_t task, void *ctx)
{
	FN(conv_run) *run = ctx;
	const conv_plan *p = &run->plan;
	const gr_conv_low *l = p->l;
	FN(conv_tile) t;
	t.o0 = task % p->co_parts * p->co_part;
	task /= p->co_parts;
	t.j0 = task % p->col_tiles * p->cols;
	task /= p->col_tiles;
	t.i0 = task % p->row_tiles * p->rows;
	task /= p->row_tiles;
	t.group = task % l->groups;
	t.sample = task / l->groups;
	t.co = min64(p->co_part, l->co - t.o0);
	t.rows = min64(p->rows, l->ho - t.i0);
	t.cols = min64(p->cols, l->wo - t.j0);
	if (t.rows <= 0)
		return;
	const int64_t pixels = t.rows * t.cols;
	T *slot = gr__slots_take(&run->slots);
	T *y = run->y + ((t.sample * l->groups + t.group) * l->co + t.o0) * l->y_plane +
		t.i0 * l->y_row + t.j0 * l->y_col;
	if (p->aside == 0) {
		FN(run_tile)(run, &t, slot, y, l->y_plane);
	} else {
		FN(run_tile)(run, &t, slot + p->aside, slot, pixels);
		for (int64_t o = 0; o < t.co; o++)
			for (int64_t i = 0; i < t.rows; i++)
				for (int64_t j = 0; j < t.cols; j++)
					y[o * l->y_plane + i * l->y_row + j * l->y_col] =
						slot[o * pixels + i * t.cols + j];
	}
	gr__slots_give(&run->slots, slot);
}

gr_status FN(gr__conv_low_run)(const gr_conv_low *l, const T *x, const T *w, const T *bias, T *y)
{
	if (l->n * l->groups * l->co * l->ho * l->wo == 0)
		return GR_OK;
	FN(conv_run) run = {.kern = FN(gr__gemm_kern)(), .x = x, .w = w, .bias = bias, .y = y};
	conv_plan *p = &run.plan;
	make_plan(p, l, run.kern->mr, 64 / (int64_t)sizeof(T));
	const int64_t taps = l->nr * l->ns;
	run.wpack = gr__pool_alloc((size_t)(l->groups * p->co_round * l->ci * taps) * sizeof(T) + 64);
	int64_t *off = gr__pool_alloc((size_t)(p->cb * taps) * sizeof(int64_t) + 64);
	run.off = off;
	const int64_t tasks = l->n * l->groups * p->row_tiles * p->col_tiles * p->co_parts;
	const int64_t slot = p->aside + p->cb * p->c_stride;
	gr_status status = run.wpack && off ? GR_OK : GR_EMEM;
	if (status == GR_OK)
		status = gr__slots_open(&run.slots, tasks, (size_t)slot * sizeof(T));
	if (status == GR_OK) {
		fill_offsets(p, off);
		const int64_t work = l->n * l->groups * l->co * l->ci * taps * l->ho * l->wo;
		for_tasks(l->groups * p->blocks, l->groups * l->co * l->ci * taps * PACK_COST,
			FN(pack_weights), &run);
		for_tasks(tasks, work, FN(conv_task), &run);
		gr__slots_close(&run.slots);
	}
	gr__pool_free(run.wpack);
	gr__pool_free(off);
	return status;
}
