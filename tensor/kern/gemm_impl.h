/* The driver of gemm.c, included for float and for double with T and FN(name) defined. */

typedef struct FN(product) {
	const FN(gr_gemm_kern) * kern;
	int64_t m;
	int64_t n;
	int64_t k;
	const T *a;
	int64_t ars;
	int64_t acs;
	const T *b;
	int64_t brs;
	int64_t bcs;
	T *c;
	int64_t crs;
	int64_t ccs;
	bool add;
	path path;
	bool swapped; /* computed as C^T = B^T A^T */
	bool serial;  /* in a task of a batch: its workspace is for one thread */
	bool aside;   /* C has no unit stride: computed in the workspace, then copied */
	int64_t copy; /* elements of the copy of B */
	int64_t part; /* of k packed at a time */
	T *apack;
	T *bpack;
	gr_slots *slots; /* for THIN, the panels of B of each task; NULL: bpack serves */
	int64_t mround;  /* m, n rounded up to whole panels */
	int64_t nround;
	int64_t tile_m;
	int64_t tile_n;
	int64_t mtiles;
	int64_t ntiles;
} FN(product);

const FN(gr_gemm_kern) * FN(gr__gemm_kern)(void)
{
#if !defined(GR_ISA_ONLY_BASELINE)
	switch (gr__isa()) {
	case GR_ISA_AMX:
	case GR_ISA_AVX512: return &GEMM_TABLE(avx512);
	case GR_ISA_AVX2: return &GEMM_TABLE(avx2);
	case GR_ISA_BASELINE: break;
	}
#endif
	return &GEMM_TABLE(base);
}

void FN(gr__gemm_pack_a)(const FN(gr_gemm_kern) * kern, int64_t m, int64_t kc, const T *a,
	int64_t ars, int64_t acs, T *dst)
{
	const int64_t mr = kern->mr;
	if (acs == 1) {
		for (int64_t i = 0; i < m; i += mr)
			kern->transpose(min64(mr, m - i), kc, a + i * ars, ars, dst + i * kc, mr);
		return;
	}
	/* All panels together, so that a column is read along its whole length. */
	for (int64_t k = 0; k < kc; k++)
		for (int64_t i = 0; i < m; i += mr) {
			const T *src = a + i * ars + k * acs;
			T *panel = dst + i * kc + k * mr;
			const int64_t rows = min64(mr, m - i);
			for (int64_t r = 0; r < rows; r++)
				panel[r] = src[r * ars];
		}
}

/* Block kb of k, a tile of columns: both as the task that computes them will read them. */
static void FN(pack_b_task)(int64_t task, void *ctx)
{
	const FN(product) *p = ctx;
	const int64_t kb = task / p->ntiles * GR_GEMM_KC;
	const int64_t j = task % p->ntiles * p->tile_n;
	const int64_t kc = min64(GR_GEMM_KC, p->k - kb);
	p->kern->pack_b(min64(p->tile_n, p->n - j), kc, p->b + kb * p->brs + j * p->bcs, p->brs, p->bcs,
		p->bpack + kb * p->nround + j * kc);
}

static void FN(pack_a_task)(int64_t task, void *ctx)
{
	const FN(product) *p = ctx;
	const int64_t kb = task / p->mtiles * GR_GEMM_KC;
	const int64_t i = task % p->mtiles * p->tile_m;
	const int64_t kc = min64(GR_GEMM_KC, p->k - kb);
	FN(gr__gemm_pack_a)
	(p->kern, min64(p->tile_m, p->m - i), kc, p->a + i * p->ars + kb * p->acs, p->ars, p->acs,
		p->apack + kb * p->mround + i * kc);
}

static void FN(packed_task)(int64_t task, void *ctx)
{
	const FN(product) *p = ctx;
	const int64_t i = task % p->mtiles * p->tile_m;
	const int64_t j = task / p->mtiles * p->tile_n;
	for (int64_t kb = 0; kb < p->k; kb += GR_GEMM_KC) {
		const int64_t kc = min64(GR_GEMM_KC, p->k - kb);
		p->kern->block_panel(min64(p->tile_m, p->m - i), min64(p->tile_n, p->n - j), kc,
			p->apack + kb * p->mround + i * kc, p->bpack + kb * p->nround + j * kc,
			p->c + i * p->crs + j, p->crs, p->add || kb > 0);
	}
}

static void FN(thin_task)(int64_t task, void *ctx)
{
	const FN(product) *p = ctx;
	const int64_t j = task * p->tile_n;
	const int64_t n = min64(p->tile_n, p->n - j);
	T *bpack = p->slots ? gr__slots_take(p->slots) : p->bpack;
	for (int64_t kb = 0; kb < p->k; kb += GR_GEMM_KC) {
		const int64_t kc = min64(GR_GEMM_KC, p->k - kb);
		p->kern->pack_b(n, kc, p->b + kb * p->brs + j * p->bcs, p->brs, p->bcs, bpack);
		p->kern->block_panel(p->m, n, kc, p->apack + kb * p->mround, bpack, p->c + j, p->crs,
			p->add || kb > 0);
	}
	if (p->slots)
		gr__slots_give(p->slots, bpack);
}

static void FN(run_packed)(FN(product) * p)
{
	const int64_t k = p->k;
	for (int64_t k0 = 0; k0 < k; k0 += p->part) {
		p->k = min64(p->part, k - k0);
		const int64_t blocks = ceil_div(p->k, GR_GEMM_KC);
		const int64_t work = p->serial ? 0 : p->m * p->n * p->k;
		for_tasks(blocks * p->mtiles, work, FN(pack_a_task), p);
		if (p->path == PACKED)
			for_tasks(blocks * p->ntiles, work, FN(pack_b_task), p);
		for_tasks(p->mtiles * p->ntiles, work, p->path == PACKED ? FN(packed_task) : FN(thin_task),
			p);
		p->a += p->part * p->acs;
		p->b += p->part * p->brs;
		p->add = true;
	}
}

static void FN(direct_task)(int64_t task, void *ctx)
{
	const FN(product) *p = ctx;
	const int64_t i = task % p->mtiles * p->tile_m;
	const int64_t j = task / p->mtiles * p->tile_n;
	p->kern->small(min64(p->tile_m, p->m - i), min64(p->tile_n, p->n - j), p->k, p->a + i * p->ars,
		p->ars, p->acs, p->b + j, p->brs, p->c + i * p->crs + j, p->crs, p->add);
}

static void FN(copy_b)(FN(product) * p, T *dst)
{
	if (p->brs == 1) {
		p->kern->transpose(p->n, p->k, p->b, p->bcs, dst, p->n);
	} else {
		for (int64_t k = 0; k < p->k; k++)
			for (int64_t j = 0; j < p->n; j++)
				dst[k * p->n + j] = p->b[k * p->brs + j * p->bcs];
	}
	p->b = dst;
	p->brs = p->n;
	p->bcs = 1;
}

static void FN(copy_c)(const FN(product) * p, T *aside, bool back)
{
	for (int64_t i = 0; i < p->m; i++)
		for (int64_t j = 0; j < p->n; j++) {
			T *c = p->c + i * p->crs + j * p->ccs;
			T *q = aside + i * p->n + j;
			if (back)
				*c = *q;
			else
				*q = *c;
		}
}

static void FN(swap_operands)(FN(product) * p)
{
	const FN(product) q = *p;
	p->m = q.n;
	p->n = q.m;
	p->a = q.b;
	p->ars = q.bcs;
	p->acs = q.brs;
	p->b = q.a;
	p->brs = q.acs;
	p->bcs = q.ars;
	p->crs = q.ccs;
	p->ccs = q.crs;
	p->swapped = true;
}

/* Brings C to unit stride along its rows and chooses the path; m, n, k > 0. */
static void FN(choose)(FN(product) * p)
{
	/* C^T = B^T A^T, the same bits. A column vector is better computed as a row. */
	const bool column = p->n == 1 && p->crs == 1;
	if (column || (p->n > 1 && p->ccs != 1 && (p->crs == 1 || p->m == 1)))
		FN(swap_operands)(p);
	if (p->m == 1)
		p->crs = p->n;
	if (p->n == 1) {
		p->ccs = 1;
		p->bcs = 1;
	}
	p->aside = p->ccs != 1;
	p->kern = FN(gr__gemm_kern)();
	p->tile_n = TILE_NR * p->kern->nr;
	/* Tiles of about TILE_M rows, all of one height: none of a row or two. */
	p->mtiles = max64(1, (p->m + TILE_M / 2) / TILE_M);
	p->tile_m = round_up(ceil_div(p->m, p->mtiles), p->kern->mr);
	p->mtiles = ceil_div(p->m, p->tile_m);
	p->ntiles = ceil_div(p->n, p->tile_n);
	const bool narrow = p->m <= p->kern->mr || p->n <= p->kern->nr;
	const bool little = p->m * p->n * p->k <= DIRECT_WORK;
	if (p->bcs == 1 && (narrow || little)) {
		p->path = DIRECT;
		return;
	}
	p->copy = p->k * p->n;
	if (little && p->copy <= COPY_B) {
		p->path = COPIED;
		return;
	}
	p->path = p->mtiles == 1 ? THIN : PACKED;
	p->mround = ceil_div(p->m, p->kern->mr) * p->kern->mr;
	p->nround = ceil_div(p->n, p->kern->nr) * p->kern->nr;
	const int64_t held = p->mround + (p->path == PACKED ? p->nround : 0);
	const int64_t deep = PACK_LIMIT / held / GR_GEMM_KC * GR_GEMM_KC;
	p->part = min64(p->k, deep > GR_GEMM_KC ? deep : GR_GEMM_KC);
}

static int64_t FN(whole_lines)(int64_t elements)
{
	const int64_t line = 64 / (int64_t)sizeof(T);
	return ceil_div(elements, line) * line;
}

/* Elements of B's panels that a task of the path THIN needs. */
static int64_t FN(thin_size)(const FN(product) * p)
{
	return GR_GEMM_KC * min64(p->tile_n, p->nround);
}

/* Elements of workspace that run() needs. */
static int64_t FN(space)(const FN(product) * p)
{
	int64_t size = p->aside ? FN(whole_lines)(p->m * p->n) : 0;
	switch (p->path) {
	case DIRECT: break;
	case COPIED: size += p->copy > STACK_B ? p->copy : 0; break;
	case THIN:
		size += FN(whole_lines)(p->part * p->mround) + (p->slots ? 0 : FN(thin_size)(p));
		break;
	case PACKED: size += FN(whole_lines)(p->part * p->mround) + p->part * p->nround; break;
	}
	return size;
}

static void FN(run)(const FN(product) * product, T *space)
{
	FN(product) p = *product;
	T stack[STACK_B];
	if (p.aside) {
		if (p.add)
			FN(copy_c)(product, space, false);
		p.c = space;
		p.crs = p.n;
		p.ccs = 1;
		space += FN(whole_lines)(p.m * p.n);
	}
	if (p.path == COPIED)
		FN(copy_b)(&p, p.copy > STACK_B ? space : stack);
	if (p.path == THIN || p.path == PACKED) {
		p.apack = space;
		p.bpack = space + FN(whole_lines)(p.part * p.mround);
		FN(run_packed)(&p);
	} else {
		for_tasks(p.mtiles * p.ntiles, p.serial ? 0 : p.m * p.n * p.k, FN(direct_task), &p);
	}
	if (p.aside)
		FN(copy_c)(product, p.c, true);
}

/* k = 0: a sum of nothing. */
static void FN(clear)(const FN(product) * p)
{
	for (int64_t i = 0; i < p->m && !p->add; i++)
		for (int64_t j = 0; j < p->n; j++)
			p->c[i * p->crs + j * p->ccs] = 0;
}

/* Whether gemm_split.c has computed this product, or the batch of which it is the first. */
static bool FN(
	split)(const FN(product) * p, int64_t batch, const int64_t strides[3], gr_status *status)
{
	if (!SPLIT_WANTED(p->k))
		return false;
	const gr_gemm_split s = {.batch = batch,
		.m = p->m,
		.n = p->n,
		.k = p->k,
		.a = (const void *)p->a,
		.a_bs = strides[0],
		.ars = p->ars,
		.acs = p->acs,
		.b = (const void *)p->b,
		.b_bs = strides[1],
		.brs = p->brs,
		.bcs = p->bcs,
		.c = (void *)p->c,
		.c_bs = strides[2],
		.crs = p->crs,
		.ccs = p->ccs,
		.add = p->add};
	*status = gr__gemm_split(&s);
	return true;
}

gr_status FN(gr__gemm)(int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, int64_t acs,
	const T *b, int64_t brs, int64_t bcs, T *c, int64_t crs, int64_t ccs, bool accumulate)
{
	FN(product)
	p = {.m = m,
		.n = n,
		.k = k,
		.a = a,
		.ars = ars,
		.acs = acs,
		.b = b,
		.brs = brs,
		.bcs = bcs,
		.c = c,
		.crs = crs,
		.ccs = ccs,
		.add = accumulate};
	if (m <= 0 || n <= 0)
		return GR_OK;
	if (k <= 0) {
		FN(clear)(&p);
		return GR_OK;
	}
	gr_status status;
	if (FN(split)(&p, 1, (const int64_t[3]){0}, &status))
		return status;
	FN(choose)(&p);
	gr_slots slots;
	if (p.path == THIN) {
		const size_t bytes = (size_t)FN(thin_size)(&p) * sizeof(T);
		if (gr__slots_open(&slots, p.ntiles, bytes) != GR_OK)
			return GR_EMEM;
		p.slots = &slots;
	}
	const int64_t size = FN(space)(&p);
	T *space = size > 0 ? gr__pool_alloc((size_t)size * sizeof(T)) : NULL;
	const bool ok = size == 0 || space;
	if (ok)
		FN(run)(&p, space);
	gr__pool_free(space);
	if (p.path == THIN)
		gr__slots_close(&slots);
	return ok ? GR_OK : GR_EMEM;
}

typedef struct FN(batch) {
	FN(product) p; /* the first; the others lie at these strides */
	int64_t a_bs;
	int64_t b_bs;
	int64_t c_bs;
	int64_t batch;
	int64_t grain; /* products of one task */
	gr_slots slots;
} FN(batch);

static void FN(batch_task)(int64_t task, void *ctx)
{
	FN(batch) *g = ctx;
	T *space = gr__slots_take(&g->slots);
	const int64_t end = min64(g->batch, (task + 1) * g->grain);
	for (int64_t i = task * g->grain; i < end; i++) {
		FN(product) p = g->p;
		p.a += i * g->a_bs;
		p.b += i * g->b_bs;
		p.c += i * g->c_bs;
		FN(run)(&p, space);
	}
	gr__slots_give(&g->slots, space);
}

gr_status FN(gr__gemm_batch)(int64_t batch, int64_t m, int64_t n, int64_t k, const T *a,
	int64_t a_bs, int64_t ars, int64_t acs, const T *b, int64_t b_bs, int64_t brs, int64_t bcs,
	T *c, int64_t c_bs, int64_t crs, int64_t ccs, bool accumulate)
{
	if (batch <= 0 || m <= 0 || n <= 0)
		return GR_OK;
	/* One matrix shared by a batch that lies like the rows (columns) of a taller one. */
	if (b_bs == 0 && a_bs == m * ars && c_bs == m * crs)
		return FN(gr__gemm)(batch * m, n, k, a, ars, acs, b, brs, bcs, c, crs, ccs, accumulate);
	if (a_bs == 0 && b_bs == n * bcs && c_bs == n * ccs)
		return FN(gr__gemm)(m, batch * n, k, a, ars, acs, b, brs, bcs, c, crs, ccs, accumulate);
	const int64_t work = m * n * (k > 0 ? k : 1);
	if (k <= 0 || batch == 1 || (work > BATCH_WORK && !SPLIT_WANTED(k))) {
		gr_status status = GR_OK;
		for (int64_t i = 0; i < batch && status == GR_OK; i++)
			status = FN(gr__gemm)(m, n, k, a + i * a_bs, ars, acs, b + i * b_bs, brs, bcs,
				c + i * c_bs, crs, ccs, accumulate);
		return status;
	}
	FN(batch) g = {.a_bs = a_bs, .b_bs = b_bs, .c_bs = c_bs, .batch = batch};
	g.p = (FN(product)){.m = m,
		.n = n,
		.k = k,
		.a = a,
		.ars = ars,
		.acs = acs,
		.b = b,
		.brs = brs,
		.bcs = bcs,
		.c = c,
		.crs = crs,
		.ccs = ccs,
		.add = accumulate};
	gr_status status;
	if (FN(split)(&g.p, batch, (const int64_t[3]){a_bs, b_bs, c_bs}, &status))
		return status;
	FN(choose)(&g.p);
	g.p.serial = true;
	if (g.p.swapped) {
		g.a_bs = b_bs;
		g.b_bs = a_bs;
	}
	g.grain = work > SERIAL_WORK ? 1 : min64(batch, SERIAL_WORK / work);
	const int64_t tasks = ceil_div(batch, g.grain);
	if (gr__slots_open(&g.slots, tasks, (size_t)FN(space)(&g.p) * sizeof(T)) != GR_OK)
		return GR_EMEM;
	for_tasks(tasks, batch * work, FN(batch_task), &g);
	gr__slots_close(&g.slots);
	return GR_OK;
}
