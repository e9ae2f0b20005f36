/* Blocks of attention.c, included for float and for double. */

typedef struct FN(attention_run) {
	attention_plan plan;
	const FN(gr_gemm_kern) * kern;
	const gr_kern_table *table;
	const T *q;
	const T *k;
	const T *v;
	const T *g;
	T *y;
	T *dq; /* NULL where not wanted */
	T *dk;
	T *dv;
	T *k_turned; /* [B][D][column] */
	T *v_turned; /* [B][E][column], for the gradient */
	T *sums;     /* [B][parts - 1][M][D + E]: parts after the first */
	T scale;
	gr_slots slots; /* of each task: rows of q, three times rows of scores, a part's sums */
} FN(attention_run);

/* Workspace of a task. */
typedef struct FN(attention_space) {
	T *q; /* [rows][D], times the scale */
	T *scores;
	T *weights;
	T *grad;
	T *sums; /* [M][D + E] */
} FN(attention_space);

static int64_t FN(space_size)(const attention_plan *p, bool backward)
{
	const int64_t scores = p->rows * p->M;
	return round_up(p->rows * p->D, 16) + (backward ? 3 : 2) * round_up(scores, 16) +
		(backward && !p->split && p->parts > 1 ? p->M * (p->D + p->E) : 0);
}

static FN(attention_space) FN(space_at)(const attention_plan *p, T *at, bool backward)
{
	const int64_t scores = round_up(p->rows * p->M, 16);
	FN(attention_space) s = {.q = at, .scores = at + round_up(p->rows * p->D, 16)};
	s.weights = s.scores + scores;
	s.grad = s.weights + scores;
	s.sums = s.grad + (backward ? scores : 0);
	return s;
}

/* x [M,width] of some tokens of a problem, by column. */
static void FN(turn)(const FN(attention_run) * run, int64_t task, const T *x, int64_t width, T *to)
{
	const attention_plan *p = &run->plan;
	const int64_t chunks = ceil_div(p->M, TURN_TOKENS);
	const int64_t b = task / chunks;
	const int64_t m = task % chunks * TURN_TOKENS;
	run->kern->transpose(min64(TURN_TOKENS, p->M - m), width, x + (b * p->M + m) * width, width,
		to + b * width * p->column + m, p->column);
}

static void FN(turn_task)(int64_t task, void *ctx)
{
	const FN(attention_run) *run = ctx;
	FN(turn)(run, task, run->k, run->plan.D, run->k_turned);
	if (run->v_turned != NULL)
		FN(turn)(run, task, run->v, run->plan.E, run->v_turned);
}

/* Softmax of the scores of n queries from i on. */
static void FN(weigh)(const FN(attention_run) * run, int64_t b, int64_t i, int64_t n,
	const FN(attention_space) * s)
{
	const attention_plan *p = &run->plan;
	const T *q = run->q + (b * p->L + i) * p->D;
	for (int64_t j = 0; j < n * p->D; j++)
		s->q[j] = run->scale * q[j];
	run->kern->small(n, p->M, p->D, s->q, p->D, 1, run->k_turned + b * p->D * p->column, p->column,
		s->scores, p->M, false);
	run->table->softmax(n, p->M, s->weights, s->scores);
}

static void FN(forward_task)(int64_t task, void *ctx)
{
	FN(attention_run) *run = ctx;
	const attention_plan *p = &run->plan;
	const int64_t b = task / p->blocks;
	const int64_t i = task % p->blocks * p->rows;
	const int64_t n = min64(p->rows, p->L - i);
	T *slot = gr__slots_take(&run->slots);
	const FN(attention_space) s = FN(space_at)(p, slot, false);
	FN(weigh)(run, b, i, n, &s);
	run->kern->small(n, p->E, p->M, s.weights, p->M, 1, run->v + b * p->M * p->E, p->E,
		run->y + (b * p->L + i) * p->E, p->E, false);
	gr__slots_give(&run->slots, slot);
}

/* One block of queries: its rows of dq; dk and dv are added to, or begun. */
static void FN(backward_block)(const FN(attention_run) * run, int64_t b, int64_t i, T *dk, T *dv,
	bool add, const FN(attention_space) * s)
{
	const attention_plan *p = &run->plan;
	const int64_t n = min64(p->rows, p->L - i);
	const T *g = run->g + (b * p->L + i) * p->E;
	FN(weigh)(run, b, i, n, s);
	if (run->dv != NULL)
		run->kern->small(p->M, p->E, n, s->weights, 1, p->M, g, p->E, dv, p->E, add);
	if (run->dq == NULL && run->dk == NULL)
		return;
	run->kern->small(n, p->M, p->E, g, p->E, 1, run->v_turned + b * p->E * p->column, p->column,
		s->scores, p->M, false);
	run->table->softmax_backward(n, p->M, s->grad, s->weights, s->scores);
	if (run->dq != NULL) {
		T *dq = run->dq + (b * p->L + i) * p->D;
		run->kern->small(n, p->D, p->M, s->grad, p->M, 1, run->k + b * p->M * p->D, p->D, dq, p->D,
			false);
		for (int64_t j = 0; j < n * p->D; j++)
			dq[j] *= run->scale;
	}
	if (run->dk != NULL)
		run->kern->small(p->M, p->D, n, s->grad, 1, p->M, s->q, p->D, dk, p->D, add);
}

static void FN(add_to)(int64_t n, T *restrict sum, const T *restrict more)
{
	for (int64_t i = 0; i < n; i++)
		sum[i] += more[i];
}

/* Adds the sums [M][D + E] of a part to those of the problem. */
static void FN(add_part)(const FN(attention_run) * run, int64_t b, const T *sums)
{
	const attention_plan *p = &run->plan;
	if (run->dk != NULL)
		FN(add_to)(p->M * p->D, run->dk + b * p->M * p->D, sums);
	if (run->dv != NULL)
		FN(add_to)(p->M * p->E, run->dv + b * p->M * p->E, sums + p->M * p->D);
}

/* The blocks of a part: the first part's sums are the problem's own dk, dv. */
static void FN(run_part)(const FN(attention_run) * run, int64_t b, int64_t part, T *sums,
	const FN(attention_space) * s)
{
	const attention_plan *p = &run->plan;
	T *dk = run->dk != NULL ? run->dk + b * p->M * p->D : NULL;
	T *dv = run->dv != NULL ? run->dv + b * p->M * p->E : NULL;
	if (part > 0) {
		dk = sums;
		dv = sums + p->M * p->D;
	}
	const int64_t begin = part * p->blocks / p->parts;
	const int64_t end = (part + 1) * p->blocks / p->parts;
	for (int64_t block = begin; block < end; block++)
		FN(backward_block)(run, b, block * p->rows, dk, dv, block > begin, s);
}

static void FN(backward_task)(int64_t task, void *ctx)
{
	FN(attention_run) *run = ctx;
	const attention_plan *p = &run->plan;
	T *slot = gr__slots_take(&run->slots);
	const FN(attention_space) s = FN(space_at)(p, slot, true);
	if (p->split) {
		const int64_t b = task / p->parts;
		const int64_t part = task % p->parts;
		const int64_t at = b * (p->parts - 1) + part - 1;
		FN(run_part)(run, b, part, part > 0 ? run->sums + at * p->M * (p->D + p->E) : NULL, &s);
	} else {
		for (int64_t part = 0; part < p->parts; part++) {
			FN(run_part)(run, task, part, s.sums, &s);
			if (part > 0)
				FN(add_part)(run, task, s.sums);
		}
	}
	gr__slots_give(&run->slots, slot);
}

static void FN(sum_task)(int64_t b, void *ctx)
{
	const FN(attention_run) *run = ctx;
	const attention_plan *p = &run->plan;
	for (int64_t part = 1; part < p->parts; part++)
		FN(add_part)(run, b, run->sums + (b * (p->parts - 1) + part - 1) * p->M * (p->D + p->E));
}

static gr_status FN(
	forward)(gr_tensor *y, const gr_tensor *q, const gr_tensor *k, const gr_tensor *v, double scale)
{
	FN(attention_run)
	run = {.plan = plan_of(q, k, v),
		.kern = FN(gr__gemm_kern)(),
		.table = gr__kern(y->dtype),
		.q = (const T *)(const void *)q->data,
		.k = (const T *)(const void *)k->data,
		.v = (const T *)(const void *)v->data,
		.y = (T *)(void *)y->data,
		.scale = (T)scale};
	const attention_plan *p = &run.plan;
	run.k_turned = gr__pool_alloc((size_t)(p->B * p->D * p->column) * sizeof(T));
	if (run.k_turned == NULL)
		return GR_EMEM;
	gr_status status =
		gr__slots_open(&run.slots, p->B * p->blocks, (size_t)FN(space_size)(p, false) * sizeof(T));
	if (status == GR_OK) {
		gr__par_for(p->B * ceil_div(p->M, TURN_TOKENS), FN(turn_task), &run);
		gr__par_for(p->B * p->blocks, FN(forward_task), &run);
		gr__slots_close(&run.slots);
	}
	gr__pool_free(run.k_turned);
	return status;
}

static T *FN(data_or_null)(gr_tensor *t)
{
	return t == NULL ? NULL : (T *)(void *)t->data;
}

static gr_status FN(backward)(gr_tensor *const grads[3], const gr_tensor *q, const gr_tensor *k,
	const gr_tensor *v, const gr_tensor *g, double scale)
{
	FN(attention_run)
	run = {.plan = plan_of(q, k, v),
		.kern = FN(gr__gemm_kern)(),
		.table = gr__kern(g->dtype),
		.q = (const T *)(const void *)q->data,
		.k = (const T *)(const void *)k->data,
		.v = (const T *)(const void *)v->data,
		.g = (const T *)(const void *)g->data,
		.dq = FN(data_or_null)(grads[0]),
		.dk = FN(data_or_null)(grads[1]),
		.dv = FN(data_or_null)(grads[2]),
		.scale = (T)scale};
	const attention_plan *p = &run.plan;
	const int64_t sums = p->split ? p->B * (p->parts - 1) * p->M * (p->D + p->E) : 0;
	const int64_t turned = p->B * p->column;
	run.k_turned = gr__pool_alloc((size_t)(turned * p->D) * sizeof(T));
	run.v_turned = gr__pool_alloc((size_t)(turned * p->E) * sizeof(T));
	run.sums = sums > 0 ? gr__pool_alloc((size_t)sums * sizeof(T)) : NULL;
	const bool fits = run.k_turned != NULL && run.v_turned != NULL && (sums == 0 || run.sums);
	const int64_t tasks = p->split ? p->B * p->parts : p->B;
	gr_status status = fits ? GR_OK : GR_EMEM;
	if (status == GR_OK)
		status = gr__slots_open(&run.slots, tasks, (size_t)FN(space_size)(p, true) * sizeof(T));
	if (status == GR_OK) {
		gr__par_for(p->B * ceil_div(p->M, TURN_TOKENS), FN(turn_task), &run);
		gr__par_for(tasks, FN(backward_task), &run);
		if (p->split && p->parts > 1)
			gr__par_for(p->B, FN(sum_task), &run);
		gr__slots_close(&run.slots);
	}
	gr__pool_free(run.k_turned);
	gr__pool_free(run.v_turned);
	gr__pool_free(run.sums);
	return status;
}
