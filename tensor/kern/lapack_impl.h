/* Matrix number `b` of a batch, included by lapack.c for float and for double. */

/* LAPACK may loop for ever on infinities. */
static bool FN(is_finite)(const T *a, int64_t n)
{
	bool finite = true;
	for (int64_t i = 0; i < n; i++)
		finite = finite && isfinite(a[i]);
	return finite;
}

/* s = (a + a^T) / 2, all of it. */
static void FN(symmetrise)(int64_t n, T *s, const T *a)
{
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = 0; j < n; j++)
			s[i * n + j] = (T)0.5 * (a[i * n + j] + a[j * n + i]);
}

/* LAPACK's upper triangle is the lower one here. */
static gr_status FN(cholesky)(int n, int64_t b, void *l0, const void *a0)
{
	const int64_t nn = (int64_t)n * n;
	const T *a = (const T *)a0 + b * nn;
	T *l = (T *)l0 + b * nn;
	int info = 0;
	if (gr__is_dry())
		return GR_OK;
	FN(symmetrise)(n, l, a);
	if (!gr__is_dry() && !FN(is_finite)(l, nn))
		return GR_ENUMERIC;
	LAPACK(potrf)("U", &n, l, &n, &info, 1);
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = i + 1; j < n; j++)
			l[i * n + j] = (T)0;
	return info == 0 ? GR_OK : GR_ENUMERIC;
}

static gr_status FN(triangular)(int n, int k, int64_t at, void *x0, const void *a0, const void *b0,
	bool upper, bool transpose)
{
	const int64_t nk = (int64_t)n * k;
	const T *a = (const T *)a0 + at * n * n, *b = (const T *)b0 + at * nk;
	T *x = (T *)x0 + at * nk;
	if (gr__is_dry())
		return GR_OK;
	for (int64_t i = 0; i < n; i++)
		if (a[i * n + i] == (T)0)
			return GR_ENUMERIC;
	memcpy(x, b, (size_t)nk * sizeof(T));
	TRSM(CblasRowMajor, CblasLeft, upper ? CblasUpper : CblasLower,
		transpose ? CblasTrans : CblasNoTrans, CblasNonUnit, n, k, (T)1, a, n, x, k);
	return GR_OK;
}

/* What LAPACK sees of a is a^T, so that `transpose` is no transpose there. */
static gr_status FN(
	lu_solve)(int n, int k, int64_t at, void *x0, const void *a0, const void *b0, bool transpose)
{
	const int64_t nn = (int64_t)n * n, nk = (int64_t)n * k;
	const T *a = (const T *)a0 + at * nn, *b = (const T *)b0 + at * nk;
	T *x = (T *)x0 + at * nk;
	int info = 0;
	if (!gr__is_dry() && !FN(is_finite)(a, nn))
		return GR_ENUMERIC;
	T *lu = gr__pool_alloc((size_t)(nn + nk) * sizeof(T) + (size_t)n * sizeof(int));
	if (lu == NULL)
		return GR_EMEM;
	if (gr__is_dry()) {
		gr__pool_free(lu);
		return GR_OK;
	}
	T *columns = lu + nn;
	int *pivot = (int *)(void *)(columns + nk);
	memcpy(lu, a, (size_t)nn * sizeof(T));
	for (int64_t i = 0; i < nk; i++)
		columns[i % k * n + i / k] = b[i];
	LAPACK(getrf)(&n, &n, lu, &n, pivot, &info);
	if (info == 0)
		LAPACK(getrs)(transpose ? "N" : "T", &n, &k, lu, &n, pivot, columns, &n, &info, 1);
	for (int64_t i = 0; i < nk; i++)
		x[i] = columns[i % k * n + i / k];
	gr__pool_free(lu);
	return info == 0 ? GR_OK : GR_ENUMERIC;
}

/* -1 where the entry of largest magnitude of x[0], x[step], ... is negative, else 1. */
static T FN(sign_of)(int64_t n, int64_t step, const T *x)
{
	T best = (T)0;
	for (int64_t i = 0; i < n; i++)
		if (fabs((double)x[i * step]) > fabs((double)best))
			best = x[i * step];
	return best < (T)0 ? (T)-1 : (T)1;
}

static gr_status FN(eigh)(int n, int64_t b, void *w0, void *v0, const void *a0)
{
	const int64_t nn = (int64_t)n * n;
	const T *a = (const T *)a0 + b * nn;
	T *w = (T *)w0 + b * n, *v = (T *)v0 + b * nn, size = (T)0;
	int info = 0, query = -1, isize = 0;
	if (!gr__is_dry() && !FN(is_finite)(a, nn))
		return GR_ENUMERIC;
	LAPACK(syevd)("V", "L", &n, NULL, &n, NULL, &size, &query, &isize, &query, &info, 1, 1);
	int lwork = (int)size + 1;
	T *z = gr__pool_alloc((size_t)(nn + lwork) * sizeof(T) + (size_t)isize * sizeof(int));
	if (z == NULL)
		return GR_EMEM;
	if (gr__is_dry()) {
		gr__pool_free(z);
		return GR_OK;
	}
	int *iwork = (int *)(void *)(z + nn + lwork);
	FN(symmetrise)(n, z, a);
	LAPACK(syevd)("V", "L", &n, z, &n, w, z + nn, &lwork, iwork, &isize, &info, 1, 1);
	for (int64_t k = 0; k < n; k++) {
		T sign = FN(sign_of)(n, 1, z + k * n);
		for (int64_t i = 0; i < n; i++)
			v[i * n + k] = sign * z[k * n + i];
	}
	gr__pool_free(z);
	return info == 0 ? GR_OK : GR_ENUMERIC;
}

/* a^T = U s V^T as LAPACK sees it, so u is its V and v its U. */
static gr_status FN(svd)(int m, int n, int64_t b, void *u0, void *s0, void *v0, const void *a0)
{
	const int k = m < n ? m : n;
	const int64_t mn = (int64_t)m * n;
	const T *a = (const T *)a0 + b * mn;
	T *u = (T *)u0 + b * m * k, *s = (T *)s0 + b * k, *v = (T *)v0 + b * n * k, size = (T)0;
	int info = 0, query = -1;
	if (!gr__is_dry() && !FN(is_finite)(a, mn))
		return GR_ENUMERIC;
	LAPACK(gesdd)("S", &n, &m, NULL, &n, NULL, NULL, &n, NULL, &k, &size, &query, NULL, &info, 1);
	int lwork = (int)size + 1;
	int64_t entries = mn + (int64_t)n * k + lwork;
	T *copy = gr__pool_alloc((size_t)entries * sizeof(T) + 8 * (size_t)k * sizeof(int));
	if (copy == NULL)
		return GR_EMEM;
	if (gr__is_dry()) {
		gr__pool_free(copy);
		return GR_OK;
	}
	T *left = copy + mn, *work = left + (int64_t)n * k;
	int *iwork = (int *)(void *)(work + lwork);
	memcpy(copy, a, (size_t)mn * sizeof(T));
	LAPACK(gesdd)("S", &n, &m, copy, &n, s, left, &n, u, &k, work, &lwork, iwork, &info, 1);
	for (int64_t c = 0; c < k; c++) {
		T sign = FN(sign_of)(m, k, u + c);
		for (int64_t i = 0; i < m; i++)
			u[i * k + c] *= sign;
		for (int64_t j = 0; j < n; j++)
			v[j * k + c] = sign * left[c * n + j];
	}
	gr__pool_free(copy);
	return info == 0 ? GR_OK : GR_ENUMERIC;
}
