/*
 * Conversions between element types, contiguous. To f16 and bf16: round to nearest, ties to even,
 * overflow to infinity, denormals exact. A float to an integer: truncated towards zero, saturated,
 * NaN gives 0. An integer to u8 saturates. f64 to a 16-bit type rounds once (through an f32 rounded
 * to odd); i64 goes to floats through f64.
 */
#include "kern/multi/multi.h"
#include "kern/multi/vmath.h"

typedef struct half {
	uint16_t bits;
} half;

typedef struct bhalf {
	uint16_t bits;
} bhalf;

/* f16 -> f32: scaling by 2^112 moves the exponent and makes denormals normal, exactly. */
GR_INLINE float f16_to_f32(half h)
{
	uint32_t u = (uint32_t)(h.bits & 0x7fffu) << 13;
	uint32_t sign = (uint32_t)(h.bits & 0x8000u) << 16;
	uint32_t scaled = bits_f32(from_bits_f32(u) * 0x1p112f);
	uint32_t special = u | 0x7f800000u;
	return from_bits_f32((u >= 0x0f800000u ? special : scaled) | sign);
}

GR_INLINE half f32_to_f16(float x)
{
	uint32_t u = bits_f32(x);
	uint32_t sign = u & 0x80000000u;
	u ^= sign;
	/* Adding 1/2 lets the adder round a denormal result to its last place, 2^-24. */
	uint32_t denormal = bits_f32(from_bits_f32(u) + 0.5f) - 0x3f000000u;
	uint32_t normal = (u + 0xc8000fffu + ((u >> 13) & 1u)) >> 13;
	uint32_t r = u < 0x38800000u ? denormal : normal;
	r = u >= 0x477ff000u ? 0x7c00u : r;
	r = u > 0x7f800000u ? 0x7e00u | ((u >> 13) & 0x3ffu) : r;
	return (half){(uint16_t)(r | (sign >> 16))};
}

GR_INLINE float bf16_to_f32(bhalf h)
{
	return from_bits_f32((uint32_t)h.bits << 16);
}

GR_INLINE bhalf f32_to_bf16(float x)
{
	uint32_t u = bits_f32(x);
	uint32_t r = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
	r = (u & 0x7fffffffu) > 0x7f800000u ? (u >> 16) | 0x40u : r;
	return (bhalf){(uint16_t)r};
}

/* Truncated, with the last bit set if that lost something: a second rounding is then exact. */
GR_INLINE float f64_to_f32_odd(double x)
{
	float f = (float)x;
	double back = (double)f;
	uint32_t u = bits_f32(f);
	u -= fabs(back) > fabs(x) ? 1u : 0u;
	u |= back != x && x == x ? 1u : 0u;
	return from_bits_f32(u);
}

GR_INLINE int64_t f64_to_i64(double x)
{
	if (!(x > -0x1p63))
		return x <= -0x1p63 ? INT64_MIN : 0;
	return x >= 0x1p63 ? INT64_MAX : (int64_t)x;
}

GR_INLINE uint8_t f32_to_u8(float x)
{
	float low = x > 0.0f ? x : 0.0f;
	return (uint8_t)(int32_t)(low < 255.0f ? low : 255.0f);
}

GR_INLINE uint8_t f64_to_u8(double x)
{
	double low = x > 0.0 ? x : 0.0;
	return (uint8_t)(int32_t)(low < 255.0 ? low : 255.0);
}

GR_INLINE uint8_t i64_to_u8(int64_t x)
{
	int64_t low = x > 0 ? x : 0;
	return (uint8_t)(low < 255 ? low : 255);
}

/* X(to, from, type to, type from, expression in x) */
#define GR_CONVERSIONS(X) \
	X(f32, f64, float, double, (float)x) \
	X(f32, i64, float, int64_t, (float)(double)x) \
	X(f32, u8, float, uint8_t, (float)x) \
	X(f32, f16, float, half, f16_to_f32(x)) \
	X(f32, bf16, float, bhalf, bf16_to_f32(x)) \
	X(f64, f32, double, float, (double)x) \
	X(f64, i64, double, int64_t, (double)x) \
	X(f64, u8, double, uint8_t, (double)x) \
	X(f64, f16, double, half, (double)f16_to_f32(x)) \
	X(f64, bf16, double, bhalf, (double)bf16_to_f32(x)) \
	X(i64, f32, int64_t, float, f64_to_i64((double)x)) \
	X(i64, f64, int64_t, double, f64_to_i64(x)) \
	X(i64, u8, int64_t, uint8_t, (int64_t)x) \
	X(i64, f16, int64_t, half, f64_to_i64((double)f16_to_f32(x))) \
	X(i64, bf16, int64_t, bhalf, f64_to_i64((double)bf16_to_f32(x))) \
	X(u8, f32, uint8_t, float, f32_to_u8(x)) \
	X(u8, f64, uint8_t, double, f64_to_u8(x)) \
	X(u8, i64, uint8_t, int64_t, i64_to_u8(x)) \
	X(u8, f16, uint8_t, half, f32_to_u8(f16_to_f32(x))) \
	X(u8, bf16, uint8_t, bhalf, f32_to_u8(bf16_to_f32(x))) \
	X(f16, f32, half, float, f32_to_f16(x)) \
	X(f16, f64, half, double, f32_to_f16(f64_to_f32_odd(x))) \
	X(f16, i64, half, int64_t, f32_to_f16(f64_to_f32_odd((double)x))) \
	X(f16, u8, half, uint8_t, f32_to_f16((float)x)) \
	X(f16, bf16, half, bhalf, f32_to_f16(bf16_to_f32(x))) \
	X(bf16, f32, bhalf, float, f32_to_bf16(x)) \
	X(bf16, f64, bhalf, double, f32_to_bf16(f64_to_f32_odd(x))) \
	X(bf16, i64, bhalf, int64_t, f32_to_bf16(f64_to_f32_odd((double)x))) \
	X(bf16, u8, bhalf, uint8_t, f32_to_bf16((float)x)) \
	X(bf16, f16, bhalf, half, f32_to_bf16(f16_to_f32(x)))

#define GR_CONVERT(to, from, TO, FROM, expr) \
	static void convert_##to##_##from(int64_t n, void *dst, const void *src) \
	{ \
		TO *restrict d = dst; \
		const FROM *restrict s = src; \
		for (int64_t i = 0; i < n; i++) { \
			FROM x = s[i]; \
			d[i] = expr; \
		} \
	}
GR_CONVERSIONS(GR_CONVERT)

/*
 * Copies by element size, through memcpy so that elements of any type may pass. Strides are in
 * elements.
 */
#define GR_COPIES(TYPE) \
	GR_INLINE TYPE get_##TYPE(const char *p, int64_t i) \
	{ \
		TYPE v; \
		memcpy(&v, p + i * (int64_t)sizeof(v), sizeof(v)); \
		return v; \
	} \
	GR_INLINE void put_##TYPE(char *p, int64_t i, TYPE v) \
	{ \
		memcpy(p + i * (int64_t)sizeof(v), &v, sizeof(v)); \
	} \
	static void strided_##TYPE(int64_t rows, int64_t cols, void *dst, int64_t drs, int64_t dcs, \
		const void *src, int64_t srs, int64_t scs) \
	{ \
		for (int64_t i = 0; i < rows; i++) { \
			char *restrict d = (char *)dst + i * drs * (int64_t)sizeof(TYPE); \
			const char *restrict s = (const char *)src + i * srs * (int64_t)sizeof(TYPE); \
			if (dcs == 1 && scs == 1) { \
				memcpy(d, s, (size_t)cols * sizeof(TYPE)); \
			} else if (dcs == 1 && scs == 0) { \
				TYPE value = get_##TYPE(s, 0); \
				for (int64_t j = 0; j < cols; j++) \
					put_##TYPE(d, j, value); \
			} else { \
				for (int64_t j = 0; j < cols; j++) \
					put_##TYPE(d, j *dcs, get_##TYPE(s, j *scs)); \
			} \
		} \
	} \
	/* b = the halves of a, interleaved: the index's bits rotate by one place. */ \
	GR_INLINE void shuffle_##TYPE(TYPE *restrict b, const TYPE *restrict a) \
	{ \
		for (int i = 0; i < TILE * TILE / 2; i++) { \
			b[2 * i] = a[i]; \
			b[2 * i + 1] = a[i + TILE * TILE / 2]; \
		} \
	} \
	/* Rotating by half of the bits swaps row and column. */ \
	static void tile_##TYPE(int64_t rows, int64_t cols, char *restrict d, int64_t drs, \
		const char *restrict s, int64_t scs) \
	{ \
		TYPE a[TILE * TILE]; \
		TYPE b[TILE * TILE]; \
		if (rows == TILE && cols == TILE) { \
			for (int j = 0; j < TILE; j++) \
				memcpy(a + j * TILE, s + j * scs, sizeof(TYPE) * TILE); \
		} else { \
			memset(a, 0, sizeof(a)); \
			for (int j = 0; j < cols; j++) \
				memcpy(a + j * TILE, s + j * scs, sizeof(TYPE) * (size_t)rows); \
		} \
		shuffle_##TYPE(b, a); \
		shuffle_##TYPE(a, b); \
		shuffle_##TYPE(b, a); \
		shuffle_##TYPE(a, b); \
		if (rows == TILE && cols == TILE) { \
			for (int i = 0; i < TILE; i++) \
				memcpy(d + i * drs, a + i * TILE, sizeof(TYPE) * TILE); \
		} else { \
			for (int i = 0; i < rows; i++) \
				memcpy(d + i * drs, a + i * TILE, sizeof(TYPE) * (size_t)cols); \
		} \
	} \
	/* Tile by tile, so that each cache line is read and written once while it is at hand. */ \
	static void transpose_##TYPE(int64_t rows, int64_t cols, void *dst, int64_t drs, \
		const void *src, int64_t scs) \
	{ \
		const int64_t each = (int64_t)sizeof(TYPE); \
		for (int64_t j = 0; j < cols; j += TILE) { \
			for (int64_t i = 0; i < rows; i += TILE) { \
				int64_t ni = rows - i < TILE ? rows - i : TILE; \
				int64_t nj = cols - j < TILE ? cols - j : TILE; \
				char *d = (char *)dst + (i * drs + j) * each; \
				const char *s = (const char *)src + (j * scs + i) * each; \
				tile_##TYPE(ni, nj, d, drs *each, s, scs *each); \
			} \
		} \
	}
#define TILE 16
GR_COPIES(uint8_t)
GR_COPIES(uint16_t)
GR_COPIES(uint32_t)
GR_COPIES(uint64_t)

#define AT_f32 GR_F32
#define AT_f64 GR_F64
#define AT_i64 GR_I64
#define AT_u8 GR_U8
#define AT_f16 GR_F16
#define AT_bf16 GR_BF16
#define GR_CONVERT_ENTRY(to, from, TO, FROM, expr) [AT_##to][AT_##from] = convert_##to##_##from,

const gr_copy_table GR_K(copy_table) = {
	.convert = {GR_CONVERSIONS(GR_CONVERT_ENTRY)},
	.strided = {strided_uint8_t, strided_uint16_t, strided_uint32_t, strided_uint64_t},
	.transpose = {transpose_uint8_t, transpose_uint16_t, transpose_uint32_t, transpose_uint64_t},
};
