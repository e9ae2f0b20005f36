/*
 * Dense linear algebra by LAPACK, as OpenBLAS brings it. Matrices of a batch are done one after the
 * other on the calling thread (the serial build is not made to be entered twice), so a matrix gives
 * the same bits alone and in a batch. LAPACK counts columns first: a row-major matrix is its
 * transpose there.
 */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "dry.h"
#include "kern.h"
#include "pool.h"

/* Fortran's routines; the lengths of character arguments come last. */
#define LAPACK_DECLARE(p, T) \
	void p##potrf_(const char *uplo, const int *n, T *a, const int *lda, int *info, size_t); \
	void p##getrf_(const int *m, const int *n, T *a, const int *lda, int *pivot, int *info); \
	void p##getrs_(const char *trans, const int *n, const int *nrhs, const T *a, const int *lda, \
		const int *pivot, T *b, const int *ldb, int *info, size_t); \
	void p##syevd_(const char *job, const char *uplo, const int *n, T *a, const int *lda, T *w, \
		T *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t); \
	void p##gesdd_(const char *job, const int *m, const int *n, T *a, const int *lda, T *s, T *u, \
		const int *ldu, T *vt, const int *ldvt, T *work, const int *lwork, int *iwork, int *info, \
		size_t);

LAPACK_DECLARE(s, float)
LAPACK_DECLARE(d, double)

#define T float
#define FN(name) name##_f32
#define LAPACK(name) s##name##_
#define TRSM cblas_strsm
#include "lapack_impl.h"
#undef T
#undef FN
#undef LAPACK
#undef TRSM

#define T double
#define FN(name) name##_f64
#define LAPACK(name) d##name##_
#define TRSM cblas_dtrsm
#include "lapack_impl.h"
#undef T
#undef FN
#undef LAPACK
#undef TRSM

/* Matrices in the batch of t [...,R,C]; 0 where there is nothing to do. */
static int64_t batch_of(const gr_tensor *t)
{
	int64_t each = t->dims[t->ndim - 2] * t->dims[t->ndim - 1];
	return each > 0 ? t->size / each : 0;
}

static int rows_of(const gr_tensor *t)
{
	return (int)t->dims[t->ndim - 2];
}

static int columns_of(const gr_tensor *t)
{
	return (int)t->dims[t->ndim - 1];
}

gr_status gr__cholesky(gr_tensor *l, const gr_tensor *a)
{
	int n = rows_of(a);
	gr_status status = GR_OK;
	for (int64_t b = 0; b < batch_of(a) && status == GR_OK; b++)
		status = a->dtype == GR_F32 ? cholesky_f32(n, b, l->data, a->data)
									: cholesky_f64(n, b, l->data, a->data);
	return status;
}

gr_status gr__triangular_solve(gr_tensor *x, const gr_tensor *a, const gr_tensor *b, bool upper,
	bool transpose)
{
	int n = rows_of(b), k = columns_of(b);
	gr_status status = GR_OK;
	for (int64_t i = 0; i < batch_of(b) && status == GR_OK; i++)
		status = a->dtype == GR_F32
			? triangular_f32(n, k, i, x->data, a->data, b->data, upper, transpose)
			: triangular_f64(n, k, i, x->data, a->data, b->data, upper, transpose);
	return status;
}

gr_status gr__lu_solve(gr_tensor *x, const gr_tensor *a, const gr_tensor *b, bool transpose)
{
	int n = rows_of(b), k = columns_of(b);
	gr_status status = GR_OK;
	for (int64_t i = 0; i < batch_of(b) && status == GR_OK; i++)
		status = a->dtype == GR_F32 ? lu_solve_f32(n, k, i, x->data, a->data, b->data, transpose)
									: lu_solve_f64(n, k, i, x->data, a->data, b->data, transpose);
	return status;
}

gr_status gr__eigh(gr_tensor *w, gr_tensor *v, const gr_tensor *a)
{
	int n = rows_of(a);
	gr_status status = GR_OK;
	for (int64_t b = 0; b < batch_of(a) && status == GR_OK; b++)
		status = a->dtype == GR_F32 ? eigh_f32(n, b, w->data, v->data, a->data)
									: eigh_f64(n, b, w->data, v->data, a->data);
	return status;
}

gr_status gr__svd(gr_tensor *u, gr_tensor *s, gr_tensor *v, const gr_tensor *a)
{
	int m = rows_of(a), n = columns_of(a);
	gr_status status = GR_OK;
	for (int64_t b = 0; b < batch_of(a) && status == GR_OK; b++)
		status = a->dtype == GR_F32 ? svd_f32(m, n, b, u->data, s->data, v->data, a->data)
									: svd_f64(m, n, b, u->data, s->data, v->data, a->data);
	return status;
}
