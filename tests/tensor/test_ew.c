/*
 * Elementwise functions: values against the same expressions in long double, under every layout,
 * and the promise on bits: an element does not depend on where it stands, on layout or threads.
 */
#include "kern_case.h"

#include <math.h>

typedef long double ld;

/* The list's vocabulary in long double. */
#define T ld
#define GR_M_exp(x) expl(x)
#define GR_M_log(x) logl(x)
#define GR_M_pow(x, y) powl(x, y)
#define GR_M_sin(x) sinl(x)
#define GR_M_cos(x) cosl(x)
#define GR_M_tanh(x) tanhl(x)
#define GR_M_erf(x) erfl(x)
#define GR_M_sigmoid(x) (1 / (1 + expl(-(x))))
#define GR_M_softplus(x) log1pl(expl(x))
#define GR_M_silu_grad(x) silu_grad(x)
#define GR_M_gelu_grad(x) gelu_grad(x)
#define GR_M_gelu(x) (0.5L * (x)*erfcl(-(x) / sqrtl(2)))
#define GR_M_gelu_inner(x) gelu_inner(x)
#define GR_M_gelu_tanh_grad(x) gelu_tanh_grad(x)
#define GR_M_sqrt(x) sqrtl(x)
#define GR_M_abs(x) fabsl(x)
#define GR_M_floor(x) floorl(x)
#define GR_M_round(x) rintl(x)

static ld silu_grad(ld x)
{
	ld s = GR_M_sigmoid(x);
	return s * (1 + x * (1 - s));
}

static ld gelu_grad(ld x)
{
	return 0.5L * (1 + erfl(x / sqrtl(2))) + x * expl(-x * x / 2) / sqrtl(2 * acosl(-1));
}

static ld gelu_inner(ld x)
{
	return 2 * sqrtl(2 / acosl(-1)) * (x + 0.044715L * x * x * x);
}

static ld gelu_tanh_grad(ld x)
{
	ld t = tanhl(gelu_inner(x) / 2);
	ld slope = sqrtl(2 / acosl(-1)) * (1 + 3 * 0.044715L * x * x);
	return 0.5L * (1 + t) + 0.5L * x * (1 - t * t) * slope;
}

static ld exact(gr_ew_kind kind, ld a, ld b, ld c, ld s0, ld s1)
{
	(void)c;
	switch (kind) {
#define CASE(NAME, nin, expr) \
	case GR_EW_##NAME: return expr;
		GR_EW_LIST(CASE)
#undef CASE
	default: return 0;
	}
}

static const struct {
	const char *name;
	int nin;
} list[] = {
#define ENTRY(NAME, nin, expr) {#NAME, nin},
	GR_EW_LIST(ENTRY)
#undef ENTRY
};

/* Powers and logarithms need positive operands; the rest see both signs. */
static double low_of(gr_ew_kind kind)
{
	bool positive = kind == GR_EW_POW || kind == GR_EW_POW_S || kind == GR_EW_LOG ||
		kind == GR_EW_SQRT || kind == GR_EW_RSQRT;
	return positive ? 0.1 : -3.0;
}

static void check(gr_ew_kind kind, gr_dtype dtype, int ndim, const int64_t *dims,
	const gr_tensor *const *in, gr_tensor *out)
{
	double s0 = 1.25;
	double s1 = 2.5;
	cr_assert_eq(gr__ew(kind, out, in, s0, s1), GR_OK);
	for (int64_t i = 0; i < out->size; i++) {
		ld v[4] = {0};
		for (int k = 0; k < list[kind].nin; k++) {
			gr_tensor *wide = gr__scope_own(gr__view_expand(in[k], ndim, dims));
			v[k] = (ld)kc_get(wide, i);
		}
		double want = (double)exact(kind, v[0], v[1], v[2], s0, s1);
		double got = kc_get(out, i);
		cr_expect(kc_near(got, want, 16 * kc_eps(dtype)), "%s %s, element %d: %.17g, not %.17g",
			list[kind].name, gr_dtype_name(dtype), (int)i, got, want);
	}
}

GR_KERN_TEST(ew, values)
{
	const int64_t dims[] = {3, 5, 7};
	for (int t = 0; t < 2; t++) {
		gr_dtype dtype = t == 0 ? GR_F32 : GR_F64;
		for (int kind = 0; kind < GR_EW_COUNT; kind++) {
			gr_scope_begin();
			const gr_tensor *in[4] = {NULL};
			for (int k = 0; k < list[kind].nin; k++)
				in[k] =
					kc_random(dtype, 3, dims, KC_PLAIN, (uint64_t)k, low_of((gr_ew_kind)kind), 3.0);
			check((gr_ew_kind)kind, dtype, 3, dims, in, gr_empty(dtype, 3, dims));
			gr_scope_end();
		}
	}
}

GR_KERN_TEST(ew, comparisons_and_nan)
{
	const double a[] = {1.0, 2.0, 2.0, NAN, 0.0, -0.0, INFINITY};
	const double b[] = {2.0, 2.0, 1.0, 0.0, NAN, 0.0, INFINITY};
	const double eq[] = {0, 1, 0, 0, 0, 1, 1};
	const double lt[] = {1, 0, 0, 0, 0, 0, 0};
	const double le[] = {1, 1, 0, 0, 0, 1, 1};
	const double nan_mask[] = {0, 0, 0, 1, 0, 0, 0};
	for (int t = 0; t < 2; t++) {
		gr_dtype dtype = t == 0 ? GR_F32 : GR_F64;
		const gr_tensor *in[] = {gr_from_f64(dtype, a, GR_DIMS(7)),
			gr_from_f64(dtype, b, GR_DIMS(7))};
		const gr_ew_kind kinds[] = {GR_EW_EQ, GR_EW_LT, GR_EW_LE, GR_EW_ISNAN};
		const double *want[] = {eq, lt, le, nan_mask};
		gr_tensor *out = kc_like(in[0]);
		for (int k = 0; k < 4; k++) {
			gr__ew(kinds[k], out, in, 0.0, 0.0);
			for (int64_t i = 0; i < 7; i++)
				cr_expect_eq(kc_get(out, i), want[k][i], "kind %d element %d", k, (int)i);
		}
	}
}

GR_KERN_TEST(ew, layouts_and_broadcasting)
{
	for (uint64_t seed = 0; seed < 60; seed++) {
		gr_scope_begin();
		gr_dtype dtype = seed % 2 == 0 ? GR_F32 : GR_F64;
		int64_t dims[GR_MAX_DIMS];
		int ndim = kc_shape(seed, GR_MAX_DIMS, 3000, dims);
		const gr_tensor *in[3];
		for (int k = 0; k < 3; k++) {
			/* Some leading dims are absent, others 1. */
			gr_key key = gr_key_seed(seed * 3 + (uint64_t)k);
			int skip = ndim > 0 ? (int)gr_key_below(key, 0, (uint64_t)ndim) : 0;
			skip = k == 0 ? 0 : skip;
			int64_t own[GR_MAX_DIMS];
			for (int d = skip; d < ndim; d++) {
				bool one = k > 0 && gr_key_below(key, 1 + (uint64_t)d, 3) == 0;
				own[d - skip] = one ? 1 : dims[d];
			}
			kc_layout layout = (kc_layout)((seed + (uint64_t)k) % KC_LAYOUTS);
			in[k] = kc_random(dtype, ndim - skip, own, layout, seed, -2.0, 2.0);
		}
		check(GR_EW_MULADD, dtype, ndim, dims, in, gr_empty(dtype, ndim, dims));
		check(GR_EW_SILU_GRAD, dtype, ndim, dims, in, gr_empty(dtype, ndim, dims));
		gr_scope_end();
	}
}

GR_KERN_TEST(ew, empty_and_scalar)
{
	const int64_t dims[] = {3, 0, 2};
	gr_tensor *none = gr_empty(GR_F32, 3, dims);
	cr_assert_eq(gr__ew(GR_EW_EXP, none, (const gr_tensor *const[]){none}, 0.0, 0.0), GR_OK);
	gr_tensor *one = gr_scalar(GR_F64, 1.0);
	gr_tensor *out = gr_empty(GR_F64, GR_SCALAR);
	cr_assert_eq(gr__ew(GR_EW_ADD, out, (const gr_tensor *const[]){one, one}, 0.0, 0.0), GR_OK);
	cr_assert_eq(gr_item(out), 2.0);
}

/* Element i is the same in a tensor of any length, at any place, from any layout. */
GR_KERN_TEST(ew, bits_do_not_depend_on_place)
{
	const int64_t n = 1000;
	for (int t = 0; t < 2; t++) {
		gr_dtype dtype = t == 0 ? GR_F32 : GR_F64;
		for (int kind = 0; kind < GR_EW_COUNT; kind++) {
			gr_scope_begin();
			const gr_tensor *in[4] = {NULL};
			for (int k = 0; k < list[kind].nin; k++)
				in[k] =
					kc_random(dtype, 1, &n, KC_PLAIN, (uint64_t)k, low_of((gr_ew_kind)kind), 9.0);
			gr_tensor *whole = gr_empty(dtype, 1, &n);
			gr__ew((gr_ew_kind)kind, whole, in, 1.7, 2.3);
			for (int64_t begin = 0; begin < n; begin += 37) {
				int64_t end = begin + 1 + begin * 7 % 95;
				end = end < n ? end : n;
				for (int64_t step = 1; step <= 3; step += 2) {
					const gr_tensor *part[4];
					for (int k = 0; k < list[kind].nin; k++)
						part[k] = gr__scope_own(gr__view_slice(in[k], 0, begin, end, step));
					gr_tensor *out = kc_like(part[0]);
					gr__ew((gr_ew_kind)kind, out, part, 1.7, 2.3);
					gr_tensor *want =
						kc_plain(gr__scope_own(gr__view_slice(whole, 0, begin, end, step)));
					cr_expect(kc_same_bits(out, want), "%s %s at %d", list[kind].name,
						gr_dtype_name(dtype), (int)begin);
				}
			}
			gr_scope_end();
		}
	}
}

GR_KERN_TEST(ew, threads)
{
	const int64_t dims[] = {5, 40, 1001};
	for (int t = 0; t < 2; t++) {
		gr_dtype dtype = t == 0 ? GR_F32 : GR_F64;
		const gr_tensor *in[] = {kc_random(dtype, 3, dims, KC_TURNED, 1, -2.0, 2.0),
			kc_random(dtype, 2, (int64_t[]){40, 1}, KC_PLAIN, 2, -2.0, 2.0)};
		gr_tensor *one = gr_empty(dtype, 3, dims);
		gr_tensor *four = gr_empty(dtype, 3, dims);
		cr_assert_eq(gr_set_threads(1), GR_OK);
		gr__ew(GR_EW_SILU_GRAD, one, in, 0.0, 0.0);
		cr_assert_eq(gr_set_threads(4), GR_OK);
		gr__ew(GR_EW_SILU_GRAD, four, in, 0.0, 0.0);
		cr_assert(kc_same_bits(one, four));
	}
}
