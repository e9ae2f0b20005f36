/*
 * Accuracy of the vectorisable mathematics, in units of the last place against libm's long double:
 * dense sweeps of every binade and of the range where things happen, and the special values. The
 * bounds are those of the table in kern/multi/vmath.h.
 */
#include "kern_case.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef long double ld;

static ld sigmoid_ld(ld x)
{
	return x > 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x));
}

static ld softplus_ld(ld x)
{
	return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x)));
}

static ld gelu_ld(ld x)
{
	return x == 0 ? x : 0.5L * x * erfcl(-x * sqrtl(0.5L));
}

typedef struct function {
	const char *name;
	gr_ew_kind kind;
	ld (*exact)(ld x);
	double low, high; /* dense sweep */
	double ulp_f32, ulp_f64;
} function;

static const function functions[] = {
	{"exp", GR_EW_EXP, expl, -110.0, 95.0, 1.0, 1.0},
	{"exp, far", GR_EW_EXP, expl, -760.0, 720.0, 1.0, 1.0},
	{"exp, near 0", GR_EW_EXP, expl, -1.0, 1.0, 1.0, 1.0},
	{"log", GR_EW_LOG, logl, 0.0, 10.0, 1.0, 1.0},
	{"log, near 1", GR_EW_LOG, logl, 0.9, 1.1, 1.0, 1.0},
	{"log, far", GR_EW_LOG, logl, 0.0, 1e30, 1.0, 1.0},
	{"sin", GR_EW_SIN, sinl, -10.0, 10.0, 2.0, 1.0},
	{"sin, far", GR_EW_SIN, sinl, -1.1e6, 1.1e6, 2.0, 1.0},
	{"cos", GR_EW_COS, cosl, -10.0, 10.0, 2.0, 1.0},
	{"cos, far", GR_EW_COS, cosl, -1.1e6, 1.1e6, 2.0, 1.0},
	{"tanh", GR_EW_TANH, tanhl, -12.0, 12.0, 2.5, 2.5},
	{"tanh, near 0", GR_EW_TANH, tanhl, -1.0, 1.0, 2.5, 2.5},
	{"erf", GR_EW_ERF, erfl, -6.5, 6.5, 2.5, 2.0},
	{"erf, near 0", GR_EW_ERF, erfl, -1.2, 1.2, 2.5, 2.0},
	{"sigmoid", GR_EW_SIGMOID, sigmoid_ld, -105.0, 105.0, 2.5, 2.5},
	{"sigmoid, near 0", GR_EW_SIGMOID, sigmoid_ld, -3.0, 3.0, 2.5, 2.5},
	{"softplus", GR_EW_SOFTPLUS, softplus_ld, -105.0, 105.0, 2.0, 2.0},
	{"softplus, near 0", GR_EW_SOFTPLUS, softplus_ld, -3.0, 3.0, 2.0, 2.0},
	{"gelu", GR_EW_GELU, gelu_ld, -12.5, 12.5, 6.5, 6.5},
	{"gelu, near 0", GR_EW_GELU, gelu_ld, -2.0, 2.0, 6.5, 6.5},
};

/* Distance in units of the last place of the type at `exact`; denormals have a fixed unit. */
static double ulps(gr_dtype dtype, double got, ld exact)
{
	ld rounded = dtype == GR_F32 ? (ld)(float)exact : (ld)(double)exact;
	if (isnan(got) || isnan((double)exact))
		return isnan(got) && isnan((double)exact) ? 0.0 : INFINITY;
	if (isinf((double)rounded) || isinf(got))
		return (ld)got == rounded ? 0.0 : INFINITY;
	int e;
	frexpl(exact, &e);
	int digits = dtype == GR_F32 ? FLT_MANT_DIG : DBL_MANT_DIG;
	int lowest = dtype == GR_F32 ? FLT_MIN_EXP : DBL_MIN_EXP;
	e = e < lowest ? lowest : e;
	return (double)(fabsl((ld)got - exact) / ldexpl(1, e - digits));
}

static double worst(const function *f, const gr_tensor *x, double *at)
{
	gr_tensor *y = kc_like(x);
	const gr_tensor *in[] = {x};
	cr_assert_eq(gr__ew(f->kind, y, in, 0.0, 0.0), GR_OK);
	double most = 0.0;
	for (int64_t i = 0; i < x->size; i++) {
		double u = ulps(x->dtype, kc_get(y, i), f->exact((ld)kc_get(x, i)));
		if (u > most) {
			most = u;
			*at = kc_get(x, i);
		}
	}
	return most;
}

/* Values of all magnitudes: mantissas drawn at random in every binade, both signs. */
static gr_tensor *binades(gr_dtype dtype, bool positive)
{
	int low = dtype == GR_F32 ? -149 : -1074;
	int high = dtype == GR_F32 ? 128 : 1024;
	int64_t each = 16;
	gr_tensor *x = gr_empty(dtype, 1, (int64_t[]){(high - low) * each});
	gr_key key = gr_key_seed(5);
	for (int64_t i = 0; i < x->size; i++) {
		double m = 1.0 + gr_key_uniform(key, (uint64_t)i);
		double v = ldexp(m, low + (int)(i / each));
		kc_set(x, i, positive || i % 2 != 0 ? v : -v);
	}
	return x;
}

GR_KERN_TEST(vmath, accuracy)
{
	for (int t = 0; t < 2; t++) {
		gr_dtype dtype = t == 0 ? GR_F32 : GR_F64;
		for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
			const function *f = &functions[i];
			gr_scope_begin();
			double bound = t == 0 ? f->ulp_f32 : f->ulp_f64;
			double at = 0.0;
			const int64_t n = 40001;
			gr_tensor *x = kc_random(dtype, 1, &n, KC_PLAIN, i, f->low, f->high);
			double u = worst(f, x, &at);
			if (getenv("GR_TEST_VERBOSE") != NULL)
				fprintf(stderr, "%s %-18s %.3f ulp at %a\n", gr_dtype_name(dtype), f->name, u, at);
			cr_expect(u <= bound, "%s %s: %.3f ulp at %a", f->name, gr_dtype_name(dtype), u, at);
			u = worst(f, binades(dtype, f->kind == GR_EW_LOG), &at);
			cr_expect(u <= bound, "%s %s: %.3f ulp at %a", f->name, gr_dtype_name(dtype), u, at);
			gr_scope_end();
		}
	}
}

static const double specials[] = {0.0, -0.0, INFINITY, -INFINITY, NAN, 1.0, -1.0, 0.5, 2.0, -2.0,
	3.0, -3.0, 1e-320, 1e-310, 1e-40, -1e-40, FLT_MIN, FLT_MAX, -FLT_MAX, 88.8, -88.8, -104.0,
	710.0, -746.0, 1e6, 1e9, 3.5e8, -1e15, 7.0, -7.0, 0x1p24, 0x1p52, 0x1p53, 0.9999999, 1.0000001};
#define SPECIALS ((int64_t)(sizeof(specials) / sizeof(specials[0])))

GR_KERN_TEST(vmath, specials)
{
	for (int t = 0; t < 2; t++) {
		gr_dtype dtype = t == 0 ? GR_F32 : GR_F64;
		gr_tensor *x = gr_from_f64(dtype, specials, GR_DIMS(SPECIALS));
		for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
			const function *f = &functions[i];
			double at = 0.0;
			double u = worst(f, x, &at);
			cr_expect(u <= 3.0, "%s %s: %.3f ulp at %a", f->name, gr_dtype_name(dtype), u, at);
			/* The sign of zero. */
			gr_tensor *y = kc_like(x);
			const gr_tensor *in[] = {x};
			gr__ew(f->kind, y, in, 0.0, 0.0);
			for (int64_t k = 0; k < 2; k++)
				cr_expect_eq(!signbit(kc_get(y, k)), !signbit((double)f->exact((ld)kc_get(x, k))),
					"%s of zero %d", f->name, (int)k);
		}
	}
}

static ld pow_exact(gr_dtype dtype, double x, double y)
{
	return dtype == GR_F32 ? powl((ld)(float)x, (ld)(float)y) : powl((ld)x, (ld)y);
}

GR_KERN_TEST(vmath, powers)
{
	for (int t = 0; t < 2; t++) {
		gr_dtype dtype = t == 0 ? GR_F32 : GR_F64;
		const int64_t dims[] = {SPECIALS, SPECIALS};
		gr_tensor *s = gr_from_f64(dtype, specials, GR_DIMS(SPECIALS));
		gr_tensor *a = gr__scope_own(gr__view_reshape(s, 2, (int64_t[]){SPECIALS, 1}));
		gr_tensor *y = gr_empty(dtype, 2, dims);
		const gr_tensor *in[] = {a, s};
		gr__ew(GR_EW_POW, y, in, 0.0, 0.0);
		for (int64_t i = 0; i < y->size; i++) {
			double b = kc_get(s, i / SPECIALS);
			double e = kc_get(s, i % SPECIALS);
			ld exact = pow_exact(dtype, b, e);
			double got = kc_get(y, i);
			cr_expect(ulps(dtype, got, exact) <= 1.0, "%s: %a ^ %a is %a, not %La",
				gr_dtype_name(dtype), b, e, got, exact);
			cr_expect(isnan(got) || !signbit(got) == !signbit(exact), "sign of %a ^ %a", b, e);
		}
		const int64_t n = 100001;
		gr_tensor *x = kc_random(dtype, 1, &n, KC_PLAIN, 1, 0.0, 20.0);
		gr_tensor *p = kc_random(dtype, 1, &n, KC_PLAIN, 2, -20.0, 20.0);
		gr_tensor *z = kc_like(x);
		gr__ew(GR_EW_POW, z, (const gr_tensor *const[]){x, p}, 0.0, 0.0);
		double most = 0.0;
		for (int64_t i = 0; i < n; i++)
			most = fmax(most, ulps(dtype, kc_get(z, i), powl((ld)kc_get(x, i), (ld)kc_get(p, i))));
		cr_expect(most <= 1.0, "pow %s: %.3f ulp", gr_dtype_name(dtype), most);
		gr__ew(GR_EW_POW_S, z, (const gr_tensor *const[]){x}, 2.5, 0.0);
		most = 0.0;
		for (int64_t i = 0; i < n; i++)
			most = fmax(most, ulps(dtype, kc_get(z, i), powl((ld)kc_get(x, i), 2.5L)));
		cr_expect(most <= 1.0, "pow_s %s: %.3f ulp", gr_dtype_name(dtype), most);
	}
}
