/* The tests of test_gemm.c, included for float and for double: T, FN(name), EPS, SUFFIX. */

static T *FN(numbers)(int64_t n, uint32_t seed)
{
	T *p = malloc((size_t)(n > 0 ? n : 1) * sizeof(T));
	uint32_t state = seed * 2654435761u + 12345u;
	for (int64_t i = 0; i < n; i++) {
		state = state * 1664525u + 1013904223u;
		p[i] = (T)((double)(state >> 8) / 8388608.0 - 1.0);
	}
	return p;
}

/* A matrix of logical size rows x cols inside `p`: strides, and where element (0, 0) is. */
typedef struct FN(matrix) {
	T *p;
	T *origin;
	int64_t size;
	int64_t rs;
	int64_t cs;
} FN(matrix);

enum { FN(ROWS), FN(COLUMNS), FN(PADDED), FN(SPREAD), FN(FLIPPED), FN(LAYOUTS) };

static FN(matrix) FN(matrix_new)(int64_t rows, int64_t cols, int layout, uint32_t seed)
{
	FN(matrix) m = {.rs = cols, .cs = 1};
	if (layout == FN(COLUMNS)) {
		m.rs = 1;
		m.cs = rows;
	} else if (layout == FN(PADDED)) {
		m.rs = cols + 5;
	} else if (layout == FN(SPREAD)) {
		m.rs = 3 * cols + 1;
		m.cs = 3;
	}
	m.size = rows * cols * 3 + rows * 5 + 8;
	m.p = FN(numbers)(m.size, seed);
	m.origin = m.p;
	if (layout == FN(FLIPPED) && rows > 0) {
		m.rs = -cols;
		m.origin = m.p + (rows - 1) * cols;
	}
	return m;
}

/* |C - C_ref| against the worst case of any order of summation, (k + 2) eps sum |a b|. */
static void FN(
	check_product)(int64_t m, int64_t n, int64_t k, const int layout[3], bool add, int64_t step)
{
	FN(matrix) a = FN(matrix_new)(m, k, layout[0], 1);
	FN(matrix) b = FN(matrix_new)(k, n, layout[1], 2);
	FN(matrix) c = FN(matrix_new)(m, n, layout[2], 3);
	T *before = malloc((size_t)c.size * sizeof(T));
	memcpy(before, c.p, (size_t)c.size * sizeof(T));
	const gr_status status = FN(
		gr__gemm)(m, n, k, a.origin, a.rs, a.cs, b.origin, b.rs, b.cs, c.origin, c.rs, c.cs, add);
	cr_assert_eq(status, GR_OK);
	for (int64_t i = 0; i < m; i += step)
		for (int64_t j = 0; j < n; j++) {
			double sum = add ? (double)before[(c.origin - c.p) + i * c.rs + j * c.cs] : 0.0;
			double size = fabs(sum);
			for (int64_t l = 0; l < k; l++) {
				const double ab =
					(double)a.origin[i * a.rs + l * a.cs] * (double)b.origin[l * b.rs + j * b.cs];
				sum += ab;
				size += fabs(ab);
			}
			T *cij = c.origin + i * c.rs + j * c.cs;
			cr_assert(fabs((double)*cij - sum) <= (double)(k + 2) * EPS * size,
				"%s %dx%dx%d layouts %d %d %d add %d at (%d,%d): %g, not %g", SUFFIX, (int)m,
				(int)n, (int)k, layout[0], layout[1], layout[2], add, (int)i, (int)j, (double)*cij,
				sum);
			before[cij - c.p] = *cij;
		}
	/* Nothing outside C was touched: every element is an element of C or as it was. */
	if (step == 1)
		cr_assert(memcmp(before, c.p, (size_t)c.size * sizeof(T)) == 0, "%s wrote outside C",
			SUFFIX);
	free(a.p);
	free(b.p);
	free(c.p);
	free(before);
}

static void FN(check_shapes)(void)
{
	static const int64_t shapes[][3] = {{1, 1, 1}, {1, 16, 16}, {3, 5, 7}, {8, 48, 200},
		{9, 49, 193}, {17, 1, 33}, {1, 100, 400}, {100, 1, 400}, {5, 64, 192}, {7, 95, 385},
		{33, 65, 31}, {130, 70, 90}, {64, 64, 64}, {0, 5, 3}, {5, 0, 3}, {4, 6, 0}, {2, 3, 500},
		{12, 80, 12}, {150, 130, 200}};
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
		for (int la = 0; la < FN(LAYOUTS); la++)
			for (int lb = 0; lb < FN(LAYOUTS); lb++)
				for (int lc = 0; lc < FN(FLIPPED); lc++) {
					const int layout[3] = {la, lb, lc};
					const bool add = (la + lb + lc) % 2;
					FN(check_product)
					(shapes[s][0], shapes[s][1], shapes[s][2], layout, add,
						shapes[s][0] > 100 ? 7 : 1);
				}
}

/* Rows of A one by one, some together, columns of B some together: the bits of the whole. */
static void FN(check_invariance)(int64_t m, int64_t n, int64_t k, bool transposed)
{
	T *a = FN(numbers)(m * k, 4);
	T *b = FN(numbers)(k * n, 5);
	T *c = FN(numbers)(m * n, 6);
	T *d = FN(numbers)(m * n, 7);
	const int64_t brs = transposed ? 1 : n;
	const int64_t bcs = transposed ? k : 1;
	FN(gr__gemm)(m, n, k, a, k, 1, b, brs, bcs, c, n, 1, false);
	static const int64_t heights[] = {1, 2, 3, 5, 8, 13, 40};
	for (size_t h = 0; h < sizeof(heights) / sizeof(heights[0]); h++) {
		for (int64_t i = 0; i < m; i += heights[h]) {
			const int64_t rows = m - i < heights[h] ? m - i : heights[h];
			FN(gr__gemm)(rows, n, k, a + i * k, k, 1, b, brs, bcs, d + i * n, n, 1, false);
		}
		cr_assert(memcmp(c, d, (size_t)(m * n) * sizeof(T)) == 0, "%s %d rows of %dx%dx%d", SUFFIX,
			(int)heights[h], (int)m, (int)n, (int)k);
		for (int64_t j = 0; j < n; j += heights[h]) {
			const int64_t cols = n - j < heights[h] ? n - j : heights[h];
			FN(gr__gemm)(m, cols, k, a, k, 1, b + j * bcs, brs, bcs, d + j, n, 1, false);
		}
		cr_assert(memcmp(c, d, (size_t)(m * n) * sizeof(T)) == 0, "%s %d columns of %dx%dx%d",
			SUFFIX, (int)heights[h], (int)m, (int)n, (int)k);
	}
	/* The transposed product, into a C of columns. */
	FN(gr__gemm)(n, m, k, b, bcs, brs, a, 1, k, d, 1, n, false);
	cr_assert(memcmp(c, d, (size_t)(m * n) * sizeof(T)) == 0, "%s transposed", SUFFIX);
	free(a);
	free(b);
	free(c);
	free(d);
}

static void FN(check_threads)(int64_t batch, int64_t m, int64_t n, int64_t k)
{
	T *a = FN(numbers)(batch * m * k, 8);
	T *b = FN(numbers)(batch * k * n, 9);
	T *c = FN(numbers)(batch * m * n, 10);
	T *d = FN(numbers)(batch * m * n, 11);
	const int threads = gr_threads();
	cr_assert_eq(gr_set_threads(1), GR_OK);
	FN(gr__gemm_batch)(batch, m, n, k, a, m * k, k, 1, b, k * n, n, 1, c, m * n, n, 1, false);
	cr_assert_eq(gr_set_threads(3), GR_OK);
	FN(gr__gemm_batch)(batch, m, n, k, a, m * k, k, 1, b, k * n, n, 1, d, m * n, n, 1, false);
	cr_assert(memcmp(c, d, (size_t)(batch * m * n) * sizeof(T)) == 0, "%s threads", SUFFIX);
	for (int64_t i = 0; i < batch; i++)
		FN(gr__gemm)(m, n, k, a + i * m * k, k, 1, b + i * k * n, n, 1, d + i * m * n, n, 1, false);
	cr_assert(memcmp(c, d, (size_t)(batch * m * n) * sizeof(T)) == 0, "%s batch", SUFFIX);
	/* One B for all, and one A for all side by side. */
	FN(gr__gemm_batch)(batch, m, n, k, a, m * k, k, 1, b, 0, n, 1, d, m * n, n, 1, false);
	FN(gr__gemm)(batch * m, n, k, a, k, 1, b, n, 1, c, n, 1, false);
	cr_assert(memcmp(c, d, (size_t)(batch * m * n) * sizeof(T)) == 0, "%s shared B", SUFFIX);
	FN(gr__gemm_batch)
	(batch, m, n, k, a, 0, k, 1, b, n, batch * n, 1, d, n, batch * n, 1, false);
	FN(gr__gemm)(m, batch * n, k, a, k, 1, b, batch * n, 1, c, batch * n, 1, false);
	cr_assert(memcmp(c, d, (size_t)(batch * m * n) * sizeof(T)) == 0, "%s shared A", SUFFIX);
	gr_set_threads(threads);
	free(a);
	free(b);
	free(c);
	free(d);
}
