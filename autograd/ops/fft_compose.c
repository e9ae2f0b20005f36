/* Inverse and two-dimensional transforms, and complex products: compositions over fft.c. */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include "gradus/ops.h"
#include "attr.h"
#include "compose_priv.h"
#include "ew_priv.h"
#include "fail.h"

extern const gr_op gr_op_fft, gr_op_rfft_adjoint;

#define FFT(...) (&(const gr_fft_attr){__VA_ARGS__})

/* A record that is one call of a public function on its operands. */
#define COMPOSED(name, call) \
	static gr_status name##_compose(int nin, gr_tensor *const *in, const void *attr, \
		gr_tensor **out) \
	{ \
		const gr_fft_attr *a = attr; \
		(void)nin, (void)a; \
		return gr__compose_out(out, call); \
	}

static gr_tensor *inverse(gr_tensor *x, int axis)
{
	int dim = axis < 0 ? axis - 1 : axis; /* the last dim does not count */
	int64_t n = x != NULL ? gr_tensor_dim(x, dim) : 1;
	return gr_apply1(&gr_op_fft, 1, &x, FFT(axis, 1, 0, 1.0 / (double)(n > 0 ? n : 1)));
}

gr_tensor *gr_ifft(gr_tensor *x, int axis)
{
	return gr__compose_given("ifft", 1, &x) ? inverse(x, axis) : NULL;
}

COMPOSED(ifft, gr_ifft(in[0], (int)a->axis))
static const gr_case ifft_cases[] = {
	{"eight", {{8, 2}}, .attr = FFT(0, 0, 0, 0)},
	{"columns", {{5, 3, 2}}, .attr = FFT(-2, 0, 0, 0)},
	{"empty", {{0, 4, 2}}, .attr = FFT(1, 0, 0, 0)},
};
const gr_op gr_op_ifft = {
	.name = "ifft",
	.sig = "x[...,n,2]",
	.math = "y_j = sum_k x_k exp(2 pi i jk / n) / n",
	.dmath = "dx_k = sum_j g_j exp(-2 pi i jk / n) / n",
	.doc = "Inverse of fft.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_fft_attr),
	GR_EW_CASES(ifft_cases),
	.compose = ifft_compose,
};

gr_tensor *gr_fft2(gr_tensor *x)
{
	if (!gr__compose_given("fft2", 1, &x))
		return NULL;
	gr_scope_begin();
	return gr__compose_leave(gr_fft(gr_fft(x, -1), -2));
}

COMPOSED(fft2, gr_fft2(in[0]))
static const gr_case fft2_cases[] = {
	{"images", {{2, 3, 4, 2}}},
	{"odd", {{5, 1, 2}}},
	{"empty", {{0, 2, 3, 2}}},
};
const gr_op gr_op_fft2 = {
	.name = "fft2",
	.sig = "x[...,H,W,2]",
	.math = "y_kl = sum_ij x_ij exp(-2 pi i (ik / H + jl / W))",
	.dmath = "dx_ij = sum_kl g_kl exp(2 pi i (ik / H + jl / W))",
	.doc = "fft along the last two axes.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	GR_EW_CASES(fft2_cases),
	.compose = fft2_compose,
};

gr_tensor *gr_ifft2(gr_tensor *x)
{
	if (!gr__compose_given("ifft2", 1, &x))
		return NULL;
	gr_scope_begin();
	return gr__compose_leave(inverse(inverse(x, -1), -2));
}

COMPOSED(ifft2, gr_ifft2(in[0]))
const gr_op gr_op_ifft2 = {
	.name = "ifft2",
	.sig = "x[...,H,W,2]",
	.math = "y_ij = sum_kl x_kl exp(2 pi i (ik / H + jl / W)) / (H W)",
	.dmath = "dx_kl = sum_ij g_ij exp(-2 pi i (ik / H + jl / W)) / (H W)",
	.doc = "Inverse of fft2.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	GR_EW_CASES(fft2_cases),
	.compose = ifft2_compose,
};

/* x_j = Re sum_k c_k y_k exp(2 pi i jk / n) / n: coefficients whose conjugates are left out count
 * twice, c_k = 2, all but the first and, for even n, the last. */
gr_tensor *gr_irfft(gr_tensor *y, int64_t n)
{
	if (!gr__compose_given("irfft", 1, &y))
		return NULL;
	if (n < 1 || gr_tensor_ndim(y) < 2 || gr_tensor_dim(y, -2) != n / 2 + 1) {
		char what[192];
		gr__fail(GR_ESHAPE, "irfft", "y has not the [...,%lld,2] of a line of %lld (y %s)",
			(long long)(n / 2 + 1), (long long)n, gr_tensor_describe(y, what, sizeof what));
		return NULL;
	}
	gr_scope_begin();
	gr_tensor *k = gr_arange(gr_tensor_dtype(y), n / 2 + 1, 0.0, 1.0);
	gr_tensor *inner = gr_gt_s(k, 0.0);
	if (n % 2 == 0)
		inner = gr_mul(inner, gr_rsub_s(gr_gt_s(k, (double)(n / 2) - 0.5), 1.0));
	gr_tensor *weighted = gr_mul(y, gr_unsqueeze(gr_add_s(inner, 1.0), -1));
	return gr__compose_leave(
		gr_apply1(&gr_op_rfft_adjoint, 1, &weighted, FFT(0, 0, n, 1.0 / (double)n)));
}

COMPOSED(irfft, gr_irfft(in[0], a->length))
static const gr_case irfft_cases[] = {
	{"even", {{2, 4, 2}}, .attr = FFT(0, 0, 6, 0)},
	{"odd", {{4, 2}}, .attr = FFT(0, 0, 7, 0)},
	{"one", {{3, 1, 2}}, .attr = FFT(0, 0, 1, 0)},
	{"two", {{2, 2}}, .attr = FFT(0, 0, 2, 0)},
	{"empty", {{0, 3, 2}}, .attr = FFT(0, 0, 4, 0)},
};
const gr_op gr_op_irfft = {
	.name = "irfft",
	.sig = "y[...,n/2+1,2]",
	.math = "x_j = Re sum_k c_k y_k exp(2 pi i jk / n) / n, c = 1, 2, 2, ...",
	.dmath = "dy_k = c_k sum_j g_j exp(-2 pi i jk / n) / n, c = 1, 2, 2, ...",
	.doc = "Inverse of rfft.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_fft_attr),
	GR_EW_CASES(irfft_cases),
	.compose = irfft_compose,
};

gr_tensor *gr_rfft2(gr_tensor *x)
{
	if (!gr__compose_given("rfft2", 1, &x))
		return NULL;
	gr_scope_begin();
	return gr__compose_leave(gr_fft(gr_rfft(x), -2));
}

COMPOSED(rfft2, gr_rfft2(in[0]))
static const gr_case rfft2_cases[] = {
	{"images", {{2, 3, 4}}},
	{"odd", {{4, 5}}},
	{"empty", {{0, 2, 3}}},
};
const gr_op gr_op_rfft2 = {
	.name = "rfft2",
	.sig = "x[...,H,W]",
	.math = "y_kl = sum_ij x_ij exp(-2 pi i (ik / H + jl / W)), l <= W/2",
	.dmath = "dx_ij = Re sum_kl g_kl exp(2 pi i (ik / H + jl / W)), l <= W/2",
	.doc = "rfft along the last axis, fft along the one before.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	GR_EW_CASES(rfft2_cases),
	.compose = rfft2_compose,
};

gr_tensor *gr_irfft2(gr_tensor *y, int64_t w)
{
	if (!gr__compose_given("irfft2", 1, &y))
		return NULL;
	gr_scope_begin();
	return gr__compose_leave(gr_irfft(inverse(y, -2), w));
}

COMPOSED(irfft2, gr_irfft2(in[0], a->length))
static const gr_case irfft2_cases[] = {
	{"images", {{2, 3, 3, 2}}, .attr = FFT(0, 0, 4, 0)},
	{"odd", {{4, 3, 2}}, .attr = FFT(0, 0, 5, 0)},
	{"empty", {{0, 2, 2, 2}}, .attr = FFT(0, 0, 3, 0)},
};
const gr_op gr_op_irfft2 = {
	.name = "irfft2",
	.sig = "y[...,H,W/2+1,2]",
	.math = "x = irfft(ifft(y, -2), w)",
	.dmath = "dy_kl = c_l sum_ij g_ij exp(-2 pi i (ik / H + jl / W)) / (H W), c = 1, 2, 2, ...",
	.doc = "Inverse of rfft2.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_fft_attr),
	GR_EW_CASES(irfft2_cases),
	.compose = irfft2_compose,
};

/* --- complex numbers ----------------------------------------------------------------------- */

static bool is_complex(const char *op, gr_tensor *x)
{
	char what[192];

	if (gr_tensor_ndim(x) > 0 && gr_tensor_dim(x, -1) == 2)
		return true;
	gr__fail(GR_ESHAPE, op, "a complex tensor has a last dim of 2 (x %s)",
		gr_tensor_describe(x, what, sizeof what));
	return false;
}

/* The real (0) or imaginary (1) part, [...,1]. */
static gr_tensor *part(gr_tensor *x, int which)
{
	return gr_slice(x, -1, which, which + 1, 1);
}

/* (ar + i ai)(br + i bi) = ar (br, bi) + ai (-bi, br) */
gr_tensor *gr_complex_mul(gr_tensor *a, gr_tensor *b)
{
	if (!gr__compose_given("complex_mul", 2, (gr_tensor *[]){a, b}) ||
		!is_complex("complex_mul", a) || !is_complex("complex_mul", b))
		return NULL;
	gr_scope_begin();
	gr_tensor *turned = gr_concat(2, (gr_tensor *[]){gr_neg(part(b, 1)), part(b, 0)}, -1);
	return gr__compose_leave(gr_muladd(part(a, 0), b, gr_mul(part(a, 1), turned)));
}

COMPOSED(complex_mul, gr_complex_mul(in[0], in[1]))
static const gr_case complex_mul_cases[] = {
	{"vectors", {{5, 2}, {5, 2}}},
	{"filter", {{2, 3, 2}, {3, 2}}},
	{"number", {{2}, {3, 2}}},
	{"empty", {{0, 2}, {2}}},
};
const gr_op gr_op_complex_mul = {
	.name = "complex_mul",
	.sig = "a[...,2] b[...,2]",
	.math = "y = a b",
	.dmath = "da = g conj(b), db = g conj(a)",
	.doc = "Product of complex numbers, broadcasting.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_BILINEAR,
	GR_EW_CASES(complex_mul_cases),
	.compose = complex_mul_compose,
};

gr_tensor *gr_complex_conj(gr_tensor *x)
{
	if (!gr__compose_given("complex_conj", 1, &x) || !is_complex("complex_conj", x))
		return NULL;
	gr_scope_begin();
	gr_tensor *signs = gr_from_f64(gr_tensor_dtype(x), (const double[]){1.0, -1.0}, GR_DIMS(2));
	return gr__compose_leave(gr_mul(x, signs));
}

COMPOSED(complex_conj, gr_complex_conj(in[0]))
static const gr_case complex_conj_cases[] = {
	{"vector", {{5, 2}}},
	{"number", {{2}}},
	{"empty", {{0, 2}}},
};
const gr_op gr_op_complex_conj = {
	.name = "complex_conj",
	.sig = "x[...,2]",
	.math = "y = conj(x)",
	.dmath = "dx = conj(g)",
	.doc = "Complex conjugate.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	GR_EW_CASES(complex_conj_cases),
	.compose = complex_conj_compose,
};
