/*
 * Which baseline goes with which operator, and the four of them (see gradus/baseline.h). All work
 * in double and hand back y's type.
 *
 * Harmonic fill: with m the mask and L = D^T D the graph Laplacian of the image (no neighbour
 * beyond the edge), the missing part u = (1-m) u solves (1-m) L u = -(1-m) L (m y). A region
 * that touches no measured pixel stays 0.
 *
 * Grey: what is not linear has no baseline but the image 0.
 *
 * Wiener: min |y - A x|^2 / sigma^2 + |D x|^2 / tau^2 has the normal equations
 *     (A^T A + lambda L) x = A^T y,  lambda = sigma^2 / tau^2.
 * tau = 0.15 is about the standard deviation of the difference of neighbouring pixels in small
 * photographs in [-1,1]; lambda is at least 1e-6, which keeps the system solvable at sigma = 0.
 */
#include "gradus/baseline.h"

#include <math.h>
#include <string.h>

#include "cg_priv.h"
#include "gradus/ops.h"
#include "operator_priv.h"
#include "separable_priv.h"

#define TAU 0.15
#define LAMBDA_MIN 1e-6

typedef enum baseline_kind {
	HARMONIC,
	BICUBIC,
	WIENER,
	GREY,
} baseline_kind;

static baseline_kind kind_of(const gr_operator *A)
{
	if (A->nonlinear)
		return GREY;
	if (A->row->multiplies)
		return HARMONIC;
	return A->factor > 0 ? BICUBIC : WIENER;
}

const char *gr_baseline_name(const gr_operator *A)
{
	static const char *const names[] = {"harmonic", "bicubic", "wiener", "grey"};
	return A ? names[kind_of(A)] : NULL;
}

/* A system of the smooth images: L by one-dimensional Laplacians. */
typedef struct smooth {
	const gr_operator *A;
	gr_tensor *rows, *columns; /* [H,H], [W,W] */
	gr_tensor *missing;        /* 1 - m */
	double lambda;
} smooth;

/* L x = L_h x + x L_w. */
static gr_tensor *laplacian(const smooth *s, gr_tensor *x)
{
	return gr_add(gr_matmul(s->rows, x), gr_matmul(x, s->columns));
}

static gr_tensor *harmonic_system(void *self, gr_tensor *u)
{
	const smooth *s = self;
	return gr_mul(s->missing, laplacian(s, gr_mul(s->missing, u)));
}

static gr_tensor *harmonic(smooth *s, gr_tensor *y)
{
	gr_tensor *mask = gr_operator_support(s->A, GR_F64);
	s->missing = gr_rsub_s(mask, 1.0);
	gr_tensor *known = gr_mul(mask, y);
	gr_tensor *b = gr_neg(gr_mul(s->missing, laplacian(s, known)));
	gr_tensor *u = gr__cg_solve(harmonic_system, s, b, NULL);
	return gr_add(known, gr_mul(s->missing, u));
}

static gr_tensor *bicubic(const smooth *s, gr_tensor *y)
{
	const int64_t *in = gr_operator_in_dims(s->A);
	const int64_t *out = gr_operator_out_dims(s->A);
	/* The factor that made `out` is not stored by name; both sides share it. */
	int64_t f = (in[1] + out[1] - 1) / out[1];
	return gr__separable_apply(gr__separable_bicubic_up(in[1], f),
		gr__separable_bicubic_up(in[2], f), y);
}

static gr_tensor *wiener_system(void *self, gr_tensor *x)
{
	const smooth *s = self;
	gr_tensor *AtAx = gr_operator_adjoint(s->A, gr_operator_apply(s->A, x));
	return gr_axpby(AtAx, 1.0, laplacian(s, x), s->lambda);
}

static gr_tensor *wiener(smooth *s, gr_tensor *y, double sigma)
{
	s->lambda = fmax(sigma * sigma / (TAU * TAU), LAMBDA_MIN);
	return gr__cg_solve(wiener_system, s, gr_operator_adjoint(s->A, y), NULL);
}

static gr_tensor *restore(const gr_operator *A, gr_tensor *y, double sigma)
{
	const int64_t *in = gr_operator_in_dims(A);
	smooth s = {
		.A = A,
		.rows = gr__separable_laplacian(in[1]),
		.columns = gr__separable_laplacian(in[2]),
	};
	y = gr_cast(y, GR_F64);
	switch (kind_of(A)) {
	case HARMONIC: return harmonic(&s, y);
	case BICUBIC: return bicubic(&s, y);
	case WIENER: return wiener(&s, y, sigma);
	case GREY: return gr_zeros(GR_F64, GR_DIMS(gr_tensor_dim(y, 0), in[0], in[1], in[2]));
	}
	return NULL;
}

gr_tensor *gr_baseline_restore(const gr_operator *A, gr_tensor *y, double sigma)
{
	const int64_t *dims = gr_operator_out_dims(A);
	char is[96];
	if (!A || !y)
		return NULL;
	if (!(sigma >= 0.0) || gr_tensor_ndim(y) != 4 ||
		memcmp(gr_tensor_dims(y) + 1, dims, 3 * sizeof(*dims)) != 0) {
		gr_error_set(GR_ESHAPE, "baseline: y is %s, expected [N,%lld,%lld,%lld]; sigma is %g",
			gr_tensor_describe(y, is, sizeof(is)), (long long)dims[0], (long long)dims[1],
			(long long)dims[2], sigma);
		return NULL;
	}
	bool recording = gr_set_recording(false);
	gr_scope_begin();
	gr_tensor *x = gr_escape(gr_cast(restore(A, gr_stop_gradient(y), sigma), gr_tensor_dtype(y)));
	gr_status status = gr_scope_end();
	gr_set_recording(recording);
	return status ? NULL : x;
}
