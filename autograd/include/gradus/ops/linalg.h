/*
 * Dense linear algebra by LAPACK, matrix by matrix: leading dims are a batch, equal in all
 * operands. Results belong to the scope; NULL on error, GR_ENUMERIC where a matrix has no result.
 */
#ifndef GRADUS_OPS_LINALG_H
#define GRADUS_OPS_LINALG_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* a [...,N,N] positive definite -> L lower, L L^T = (a + a^T) / 2. */
GR_API gr_tensor *gr_cholesky(gr_tensor *a);
/* a [...,N,N], b [...,N,K] -> x with a x = b, or a^T x = b; only a's lower (or upper) triangle is
 * read. */
GR_API gr_tensor *gr_triangular_solve(gr_tensor *a, gr_tensor *b, bool upper, bool transpose);
/* l from gr_cholesky, b [...,N,K] -> x with l l^T x = b. */
GR_API gr_tensor *gr_cholesky_solve(gr_tensor *l, gr_tensor *b);
/* a [...,N,N], b [...,N,K] -> x with a x = b, by LU with pivots. */
GR_API gr_tensor *gr_solve(gr_tensor *a, gr_tensor *b);
/* a [...,N,N] -> eigenvalues [...,N] of (a + a^T) / 2, rising, and in *vectors, unless that is
 * NULL, its eigenvectors [...,N,N] as columns, the entry of largest magnitude of each positive. The
 * gradient through the vectors needs distinct values; where two agree their coupling counts 0. */
GR_API gr_tensor *gr_eigh(gr_tensor *a, gr_tensor **vectors);
/* a [...,M,N] -> singular values [...,k], falling, k = min(M, N), and in *u [...,M,k] and
 * *v [...,N,k], unless they are NULL, the vectors as columns: a = u diag(s) v^T. Signs and
 * gradients as for gr_eigh, by u; the gradient of vectors of value 0 counts 0 beyond their span. */
GR_API gr_tensor *gr_svd(gr_tensor *a, gr_tensor **u, gr_tensor **v);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_cholesky(...) (gr_at(__FILE__, __LINE__), gr_cholesky(__VA_ARGS__))
#define gr_triangular_solve(...) (gr_at(__FILE__, __LINE__), gr_triangular_solve(__VA_ARGS__))
#define gr_cholesky_solve(...) (gr_at(__FILE__, __LINE__), gr_cholesky_solve(__VA_ARGS__))
#define gr_solve(...) (gr_at(__FILE__, __LINE__), gr_solve(__VA_ARGS__))
#define gr_eigh(...) (gr_at(__FILE__, __LINE__), gr_eigh(__VA_ARGS__))
#define gr_svd(...) (gr_at(__FILE__, __LINE__), gr_svd(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
