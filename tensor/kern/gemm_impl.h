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
	/* packed operands of the part of k in work */
	T *apack;
	T *bpack;
	int64_t mround; /* m, n rounded up to whole panels */
	int64_t nround;
	int64_t tile_n;
	int64_t mtiles;
	int64_t ntiles;
	atomic_int status;
} FN(product);

const FN(gr_gemm_kern) * FN(gr__gemm_kern)(void)
{
#if !defined(GR_ISA_ONLY_BASELINE)
	switch (gr__isa()) {
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
	const int64_t i = task % p->mtiles * TILE_M;
	const int64_t kc = min64(GR_GEMM_KC, p->k - kb);
	FN(gr__gemm_pack_a)
	(p->kern, min64(TILE_M, p->m - i), kc, p->a + i * p->ars + kb * p->acs, p->ars, p->acs,
		p->apack + kb * p->mround + i * kc);
}

static void FN(packed_task)(int64_t task, void *ctx)
{
	const FN(product) *p = ctx;
	const int64_t i = task % p->mtiles * TILE_M;
	const int64_t j = task / p->mtiles * p->tile_n;
	for (int64_t kb = 0; kb < p->k; kb += GR_GEMM_KC) {
		const int64_t kc = min64(GR_GEMM_KC, p->k - kb);
		p->kern->block_panel(min64(TILE_M, p->m - i), min64(p->tile_n, p->n - j), kc,
			p->apack + kb * p->mround + i * kc, p->bpack + kb * p->nround + j * kc,
			p->c + i * p->crs + j, p->crs, p->add || kb > 0);
	}
}

/* The same with one tile of rows: B is read once, so it is packed where it is used. */
static void FN(thin_task)(int64_t task, void *ctx)
{
	FN(product) *p = ctx;
	const int64_t j = task * p->tile_n;
	const int64_t n = min64(p->tile_n, p->n - j);
	T *bpack = gr__pool_alloc((size_t)(GR_GEMM_KC * p->tile_n) * sizeof(T));
	if (!bpack) {
		atomic_store(&p->status, GR_EMEM);
		return;
	}
	for (int64_t kb = 0; kb < p->k; kb += GR_GEMM_KC) {
		const int64_t kc = min64(GR_GEMM_KC, p->k - kb);
		p->kern->pack_b(n, kc, p->b + kb * p->brs + j * p->bcs, p->brs, p->bcs, bpack);
		p->kern->block_panel(p->m, n, kc, p->apack + kb * p->mround, bpack, p->c + j, p->crs,
			p->add || kb > 0);
	}
	gr__pool_free(bpack);
}

static gr_status FN(run_packed)(FN(product) * p)
{
	const int64_t k = p->k;
	const int64_t mr = p->kern->mr;
	const bool thin = p->mtiles == 1;
	p->mround = ceil_div(p->m, mr) * mr;
	p->nround = thin ? 0 : ceil_div(p->n, p->kern->nr) * p->kern->nr;
	const int64_t deep = PACK_LIMIT / (p->mround + p->nround) / GR_GEMM_KC * GR_GEMM_KC;
	const int64_t part = min64(k, deep > GR_GEMM_KC ? deep : GR_GEMM_KC);
	p->apack = gr__pool_alloc((size_t)(part * p->mround) * sizeof(T));
	p->bpack = thin ? NULL : gr__pool_alloc((size_t)(part * p->nround) * sizeof(T));
	const bool ok = p->apack && (thin || p->bpack);
	for (int64_t k0 = 0; k0 < k && ok; k0 += part) {
		p->k = min64(part, k - k0);
		const int64_t blocks = ceil_div(p->k, GR_GEMM_KC);
		const int64_t work = p->m * p->n * p->k;
		for_tasks(blocks * p->mtiles, work, FN(pack_a_task), p);
		if (!thin)
			for_tasks(blocks * p->ntiles, work, FN(pack_b_task), p);
		for_tasks(p->mtiles * p->ntiles, work, thin ? FN(thin_task) : FN(packed_task), p);
		p->a += part * p->acs;
		p->b += part * p->brs;
		p->add = true;
	}
	gr__pool_free(p->apack);
	gr__pool_free(p->bpack);
	return ok ? atomic_load(&p->status) : GR_EMEM;
}

static void FN(direct_task)(int64_t task, void *ctx)
{
	const FN(product) *p = ctx;
	const int64_t i = task % p->mtiles * TILE_M;
	const int64_t j = task / p->mtiles * p->tile_n;
	p->kern->small(min64(TILE_M, p->m - i), min64(p->tile_n, p->n - j), p->k, p->a + i * p->ars,
		p->ars, p->acs, p->b + j, p->brs, p->c + i * p->crs + j, p->crs, p->add);
}

/* B read in place; where its rows have no unit stride, from a copy that does. */
static gr_status FN(run_direct)(FN(product) * p)
{
	T stack[STACK_B];
	T *copy = NULL;
	if (p->bcs != 1) {
		T *dst = stack;
		if (p->k * p->n > STACK_B) {
			copy = gr__pool_alloc((size_t)(p->k * p->n) * sizeof(T));
			if (!copy)
				return GR_EMEM;
			dst = copy;
		}
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
	for_tasks(p->mtiles * p->ntiles, p->m * p->n * p->k, FN(direct_task), p);
	gr__pool_free(copy);
	return GR_OK;
}

/* Needs unit stride along the rows of C. */
static gr_status FN(run_rows)(FN(product) * p)
{
	p->kern = FN(gr__gemm_kern)();
	p->tile_n = TILE_NR * p->kern->nr;
	p->mtiles = ceil_div(p->m, TILE_M);
	p->ntiles = ceil_div(p->n, p->tile_n);
	const bool thin = p->bcs == 1 && (p->m <= p->kern->mr || p->n <= p->kern->nr);
	const int64_t work = p->m * p->n * p->k;
	if (thin || (work <= DIRECT_WORK && (p->bcs == 1 || p->k * p->n <= COPY_B)))
		return FN(run_direct)(p);
	return FN(run_packed)(p);
}

/* C without a unit stride: computed aside. */
static gr_status FN(run_strided)(FN(product) * p)
{
	T *c = p->c;
	T *aside = gr__pool_alloc((size_t)(p->m * p->n) * sizeof(T));
	if (!aside)
		return GR_EMEM;
	FN(product) q = *p;
	q.c = aside;
	q.crs = p->n;
	q.ccs = 1;
	if (p->add)
		for (int64_t i = 0; i < p->m; i++)
			for (int64_t j = 0; j < p->n; j++)
				aside[i * p->n + j] = c[i * p->crs + j * p->ccs];
	const gr_status status = FN(run_rows)(&q);
	if (status == GR_OK)
		for (int64_t i = 0; i < p->m; i++)
			for (int64_t j = 0; j < p->n; j++)
				c[i * p->crs + j * p->ccs] = aside[i * p->n + j];
	gr__pool_free(aside);
	return status;
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
}

gr_status FN(gr__gemm)(int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, int64_t acs,
	const T *b, int64_t brs, int64_t bcs, T *c, int64_t crs, int64_t ccs, bool accumulate)
{
	if (m <= 0 || n <= 0)
		return GR_OK;
	if (k <= 0) {
		for (int64_t i = 0; i < m && !accumulate; i++)
			for (int64_t j = 0; j < n; j++)
				c[i * crs + j * ccs] = 0;
		return GR_OK;
	}
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
	if (n == 1)
		p.ccs = 1;
	if (m == 1)
		p.crs = n == 1 ? 1 : crs;
	/* C^T = B^T A^T, the same bits. A column vector is better computed as a row. */
	if (p.ccs != 1 && (crs == 1 || m == 1)) {
		p.crs = 1;
		FN(swap_operands)(&p);
	} else if (n == 1 && crs == 1) {
		FN(swap_operands)(&p);
	}
	return p.ccs == 1 ? FN(run_rows)(&p) : FN(run_strided)(&p);
}

typedef struct FN(batch) {
	FN(product) p;
	int64_t a_bs;
	int64_t b_bs;
	int64_t c_bs;
	int64_t batch;
	int64_t grain; /* products of one task */
	atomic_int status;
} FN(batch);

static void FN(batch_task)(int64_t task, void *ctx)
{
	FN(batch) *g = ctx;
	const FN(product) *p = &g->p;
	const int64_t end = min64(g->batch, (task + 1) * g->grain);
	for (int64_t i = task * g->grain; i < end; i++) {
		const gr_status status = FN(gr__gemm)(p->m, p->n, p->k, p->a + i * g->a_bs, p->ars, p->acs,
			p->b + i * g->b_bs, p->brs, p->bcs, p->c + i * g->c_bs, p->crs, p->ccs, p->add);
		if (status != GR_OK)
			atomic_store(&g->status, status);
	}
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
	FN(batch) g = {.a_bs = a_bs, .b_bs = b_bs, .c_bs = c_bs, .batch = batch, .status = GR_OK};
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
	const int64_t work = m * n * (k > 0 ? k : 1);
	g.grain = work > SERIAL_WORK ? 1 : min64(batch, SERIAL_WORK / work);
	if (work > BATCH_WORK) {
		for (int64_t i = 0; i < batch; i++)
			FN(batch_task)(i, &g);
	} else {
		for_tasks(ceil_div(batch, g.grain), batch * work, FN(batch_task), &g);
	}
	return atomic_load(&g.status);
}
