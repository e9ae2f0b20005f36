/*
 * Copies between layouts and types. Conversions are held against arithmetic on exact values: every
 * f16 and bf16, ties and their neighbours, the edges of the integer types.
 */
#include "kern_case.h"

#include <math.h>
#include <string.h>

static const gr_dtype types[] = {GR_F32, GR_F64, GR_I64, GR_U8, GR_F16, GR_BF16};

/* A 16-bit float with `digits` of mantissa, by definition. */
static double value16(unsigned bits, int digits, int bias)
{
	double sign = (bits & 0x8000u) != 0 ? -1.0 : 1.0;
	unsigned field = bits >> digits & ((1u << (15 - digits)) - 1u);
	unsigned mantissa = bits & ((1u << digits) - 1u);
	if (field == (1u << (15 - digits)) - 1u)
		return mantissa != 0 ? NAN : sign * INFINITY;
	if (field == 0)
		return sign * ldexp(mantissa, 1 - bias - digits);
	return sign * ldexp(mantissa + (1u << digits), (int)field - bias - digits);
}

static gr_tensor *copy_to(gr_dtype dtype, const gr_tensor *src)
{
	gr_tensor *out = gr_empty(dtype, src->ndim, src->dims);
	cr_assert_eq(gr__copy(out, src), GR_OK);
	return out;
}

GR_KERN_TEST(copy, layouts_of_one_type)
{
	for (uint64_t seed = 0; seed < 216; seed++) {
		gr_scope_begin();
		int64_t dims[GR_MAX_DIMS];
		int ndim = kc_shape(seed / 36, 6, 3000, dims);
		gr_dtype dtype = types[seed % 6];
		kc_layout from = (kc_layout)(seed % KC_LAYOUTS);
		kc_layout to = (kc_layout)(seed / 6 % KC_BROADCAST);
		gr_tensor *src = kc_random(dtype, ndim, dims, from, seed, 0.0, 200.0);
		gr_tensor *dst = kc_random(dtype, ndim, dims, to, seed + 1, 0.0, 1.0);
		cr_assert_eq(gr__copy(dst, src), GR_OK);
		cr_expect(kc_same_bits(kc_plain(dst), kc_plain(src)), "seed %d", (int)seed);
		gr_scope_end();
	}
}

GR_KERN_TEST(copy, layouts_of_two_types)
{
	for (uint64_t seed = 0; seed < 216; seed++) {
		gr_scope_begin();
		int64_t dims[GR_MAX_DIMS];
		int ndim = kc_shape(seed / 12, 5, 3000, dims);
		gr_dtype from = types[seed % 4];
		gr_dtype to = types[(seed / 4 + 1) % 4];
		gr_tensor *src =
			kc_random(from, ndim, dims, (kc_layout)(seed % KC_LAYOUTS), seed, 0.0, 200.0);
		gr_tensor *dst =
			kc_random(to, ndim, dims, (kc_layout)(seed / 7 % KC_BROADCAST), seed + 1, 0.0, 1.0);
		cr_assert_eq(gr__copy(dst, src), GR_OK);
		for (int64_t i = 0; i < dst->size; i++) {
			double v = kc_get(src, i);
			double want = to == GR_F32 ? (double)(float)v : to == GR_F64 ? v : trunc(v);
			cr_expect_eq(kc_get(dst, i), want, "seed %d element %d", (int)seed, (int)i);
		}
		gr_scope_end();
	}
}

GR_KERN_TEST(copy, large_transposes_and_threads)
{
	const int perms[][3] = {{0, 2, 1}, {2, 1, 0}, {1, 0, 2}, {2, 0, 1}};
	const int64_t shapes[][3] = {{3, 70, 257}, {130, 33, 40}, {2, 300, 300}, {70000, 2, 1}};
	for (size_t p = 0; p < 4; p++) {
		for (size_t s = 0; s < 4; s++) {
			for (size_t t = 0; t < 6; t++) {
				gr_scope_begin();
				gr_tensor *x = kc_random(types[t], 3, shapes[s], KC_PLAIN, s, 0.0, 250.0);
				gr_tensor *view = gr__scope_own(gr__view_permute(x, perms[p]));
				gr_set_threads(t % 2 == 0 ? 1 : 4);
				cr_expect(kc_same_bits(copy_to(types[t], view), kc_plain(view)));
				gr_scope_end();
			}
		}
	}
	const int64_t n = 100003;
	gr_tensor *x = kc_random(GR_F64, 1, &n, KC_PLAIN, 1, -5.0, 5.0);
	gr_tensor *y = copy_to(GR_F32, x);
	for (int64_t i = 0; i < n; i++)
		cr_assert_eq(kc_get(y, i), (double)(float)kc_get(x, i));
	cr_expect(kc_same_bits(copy_to(GR_F64, x), x));
}

GR_KERN_TEST(copy, every_sixteen_bit_value)
{
	const struct {
		gr_dtype dtype;
		int digits, bias;
	} formats[] = {{GR_F16, 10, 15}, {GR_BF16, 7, 127}};
	const int64_t n = 65536;
	for (int f = 0; f < 2; f++) {
		gr_tensor *h = gr_empty(formats[f].dtype, 1, &n);
		for (int64_t i = 0; i < n; i++)
			kc_set(h, i, (double)i);
		gr_tensor *x = copy_to(GR_F32, h);
		gr_tensor *d = copy_to(GR_F64, h);
		for (int64_t i = 0; i < n; i++) {
			double want = value16((unsigned)i, formats[f].digits, formats[f].bias);
			cr_expect(kc_near(kc_get(x, i), want, 0.0) && kc_near(kc_get(d, i), want, 0.0));
			cr_expect_eq(!signbit(kc_get(x, i)), !(i & 0x8000));
		}
		/* And back; a NaN stays one. */
		gr_tensor *back = copy_to(formats[f].dtype, x);
		gr_tensor *back64 = copy_to(formats[f].dtype, d);
		for (int64_t i = 0; i < n; i++) {
			if (isnan(kc_get(x, i))) {
				unsigned b = (unsigned)kc_get(back, i);
				cr_expect(isnan(value16(b, formats[f].digits, formats[f].bias)));
			} else {
				cr_expect_eq(kc_get(back, i), (double)i);
				cr_expect_eq(kc_get(back64, i), (double)i);
			}
		}
	}
}

/* Between two neighbours a < b: the middle goes to the even one, anything beside it to the nearer. */
GR_KERN_TEST(copy, ties_to_even)
{
	const struct {
		gr_dtype dtype;
		int digits, bias;
		unsigned infinity;
	} formats[] = {{GR_F16, 10, 15, 0x7c00}, {GR_BF16, 7, 127, 0x7f80}};
	for (int f = 0; f < 2; f++) {
		int64_t n = formats[f].infinity;
		for (int t = 0; t < 2; t++) {
			gr_dtype wide = t == 0 ? GR_F32 : GR_F64;
			gr_tensor *x = gr_empty(wide, 2, (int64_t[]){n, 3});
			for (int64_t i = 0; i < n; i++) {
				double a = value16((unsigned)i, formats[f].digits, formats[f].bias);
				double below = i > 0 ? value16((unsigned)i - 1, formats[f].digits, formats[f].bias)
									 : -value16(1, formats[f].digits, formats[f].bias);
				double step = i + 1 < n
					? value16((unsigned)i + 1, formats[f].digits, formats[f].bias) - a
					: a - below;
				double middle = a + step / 2;
				kc_set(x, 3 * i, middle);
				kc_set(x, 3 * i + 1,
					t == 0 ? (double)nextafterf((float)middle, 0.0f) : nextafter(middle, 0));
				kc_set(x, 3 * i + 2,
					t == 0 ? (double)nextafterf((float)middle, INFINITY)
						   : nextafter(middle, INFINITY));
			}
			gr_tensor *h = copy_to(formats[f].dtype, x);
			for (int64_t i = 0; i < n; i++) {
				cr_expect_eq(kc_get(h, 3 * i), (double)(i + i % 2), "middle above %x", (unsigned)i);
				/* bf16's smallest denormals have middles that are f32 denormals: still exact. */
				cr_expect_eq(kc_get(h, 3 * i + 1), (double)i, "below the middle above %x",
					(unsigned)i);
				cr_expect_eq(kc_get(h, 3 * i + 2), (double)(i + 1), "above the middle of %x",
					(unsigned)i);
			}
		}
	}
}

GR_KERN_TEST(copy, integers_truncate_and_saturate)
{
	const double x[] = {0.0, 0.9, -0.9, 1.5, -1.5, 254.9, 255.0, 256.0, 1e30, -1e30, NAN, INFINITY,
		-INFINITY, 9223372036854774784.0, 9223372036854775808.0, -9223372036854775808.0};
	const int64_t want[] = {0, 0, 0, 1, -1, 254, 255, 256, INT64_MAX, INT64_MIN, 0, INT64_MAX,
		INT64_MIN, 9223372036854774784, INT64_MAX, INT64_MIN};
	gr_tensor *d = gr_from_f64(GR_F64, x, GR_DIMS(16));
	const gr_tensor *i64 = copy_to(GR_I64, d);
	const gr_tensor *u8 = copy_to(GR_U8, d);
	const gr_tensor *u8f = copy_to(GR_U8, copy_to(GR_F32, d));
	const gr_tensor *u8i = copy_to(GR_U8, i64);
	for (int64_t i = 0; i < 16; i++) {
		cr_expect_eq(((const int64_t *)(const void *)i64->data)[i], want[i], "%g", x[i]);
		int64_t clamped = want[i] < 0 ? 0 : want[i] > 255 ? 255 : want[i];
		cr_expect_eq(kc_get(u8, i), (double)clamped, "%g", x[i]);
		/* 254.9 is 254.9 in float too; 0.9 stays below 1. */
		cr_expect_eq(kc_get(u8f, i), (double)clamped, "%g", x[i]);
		cr_expect_eq(kc_get(u8i, i), (double)clamped, "%g", x[i]);
	}
	gr_tensor *h = copy_to(GR_F16, copy_to(GR_I64, gr_from_f64(GR_F64, x + 5, GR_DIMS(3))));
	cr_expect_eq(kc_get(copy_to(GR_F32, h), 2), 256.0);
}

GR_KERN_TEST(copy, fill)
{
	for (size_t t = 0; t < 6; t++) {
		for (int layout = 0; layout < KC_BROADCAST; layout++) {
			gr_tensor *x = kc_random(types[t], 3, (int64_t[]){4, 5, 6}, (kc_layout)layout, 1, 0, 9);
			cr_assert_eq(gr__fill(x, 3.0), GR_OK);
			double first = kc_get(copy_to(GR_F64, x), 0);
			cr_expect_eq(first, 3.0);
			for (int64_t i = 0; i < x->size; i++)
				cr_expect_eq(kc_get(x, i), kc_get(x, 0));
		}
	}
	gr_tensor *none = gr_empty(GR_F32, GR_DIMS(0));
	cr_assert_eq(gr__fill(none, 1.0), GR_OK);
}

/* Elements between those of a sliced destination keep their values. */
GR_KERN_TEST(copy, writes_nothing_else)
{
	gr_tensor *base = gr_zeros(GR_F32, GR_DIMS(8, 9));
	gr_tensor *view = gr__scope_own(gr__view_slice(base, 1, 1, 9, 2));
	gr__fill(view, 1.0);
	for (int64_t i = 0; i < base->size; i++)
		cr_expect_eq(kc_get(base, i), (double)(i % 9 % 2));
}
