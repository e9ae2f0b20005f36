/*
 * Distributions over the streams of philox.c. Uniform: 53 upper bits. Normal: Box-Muller on the
 * two uniforms of one block, cosine for even and sine for odd numbers, in double.
 */
#include <math.h>

#include "gradus/random.h"
#include "par.h"
#include "philox_priv.h"
#include "tensor_int.h"

#define GRAIN 4096

static double unit(uint32_t low, uint32_t high)
{
	return (double)(((uint64_t)high << 32 | low) >> 11) * 0x1p-53;
}

double gr_key_uniform(gr_key key, uint64_t i)
{
	return (double)(gr_key_bits(key, i) >> 11) * 0x1p-53;
}

/* Numbers 2 block, 2 block + 1: sqrt(-2 log u) (cos, sin)(2 pi v), u in (0,1]. */
static void normal_pair(double out[2], gr_key key, uint64_t block)
{
	uint32_t r[4];
	gr__key_block(r, key, block);
	double radius = sqrt(-2.0 * log(1.0 - unit(r[0], r[1])));
	double angle = 6.283185307179586476925286766559 * unit(r[2], r[3]);
	out[0] = radius * cos(angle);
	out[1] = radius * sin(angle);
}

double gr_key_normal(gr_key key, uint64_t i)
{
	double pair[2];
	normal_pair(pair, key, i / 2);
	return pair[i % 2];
}

/* Rejection of the incomplete last run of n, each retry on a key of its own. */
uint64_t gr_key_below(gr_key key, uint64_t i, uint64_t n)
{
	if (n <= 1)
		return 0;
	uint64_t limit = UINT64_MAX - (UINT64_MAX % n + 1) % n;
	uint64_t bits = gr_key_bits(key, i);
	for (uint64_t retry = 1; bits > limit; retry++)
		bits = gr_key_bits(gr_key_fold(key, retry), i);
	return bits % n;
}

typedef struct fill_ctx {
	gr_tensor *t;
	gr_key key;
	double low, span;
	bool normal;
} fill_ctx;

static void store(gr_tensor *t, int64_t i, double value)
{
	if (t->dtype == GR_F64)
		((double *)(void *)t->data)[i] = value;
	else
		((float *)(void *)t->data)[i] = (float)value;
}

/* begin is even: GRAIN is. */
static void fill_range(int64_t begin, int64_t end, void *ctx)
{
	const fill_ctx *f = ctx;
	for (int64_t i = begin; i < end; i += 2) {
		double pair[2];
		if (f->normal) {
			normal_pair(pair, f->key, (uint64_t)i / 2);
		} else {
			pair[0] = f->low + f->span * gr_key_uniform(f->key, (uint64_t)i);
			pair[1] = f->low + f->span * gr_key_uniform(f->key, (uint64_t)i + 1);
		}
		store(f->t, i, pair[0]);
		if (i + 1 < end)
			store(f->t, i + 1, pair[1]);
	}
}

static gr_tensor *fill_new(const char *op, gr_dtype dtype, int ndim, const int64_t *dims,
	fill_ctx *f)
{
	if (dtype != GR_F32 && dtype != GR_F64) {
		gr__fail(GR_EDTYPE, op, "%s asked for, only f32 and f64 are drawn", gr_dtype_name(dtype));
		return NULL;
	}
	f->t = gr_empty(dtype, ndim, dims);
	if (f->t != NULL)
		gr__par_range(f->t->size, GRAIN, fill_range, f);
	return f->t;
}

gr_tensor *gr_random_normal(gr_key key, gr_dtype dtype, int ndim, const int64_t *dims)
{
	fill_ctx f = {.key = key, .normal = true};
	return fill_new("random_normal", dtype, ndim, dims, &f);
}

typedef struct each_ctx {
	gr_tensor *t;
	const gr_key *keys;
	int64_t size; /* of a sample */
} each_ctx;

/* Samples begin..end-1. */
static void fill_each(int64_t begin, int64_t end, void *ctx)
{
	const each_ctx *f = ctx;
	for (int64_t i = begin; i < end; i++) {
		for (int64_t j = 0; j < f->size; j += 2) {
			double pair[2];
			normal_pair(pair, f->keys[i], (uint64_t)j / 2);
			store(f->t, i * f->size + j, pair[0]);
			if (j + 1 < f->size)
				store(f->t, i * f->size + j + 1, pair[1]);
		}
	}
}

gr_tensor *gr_random_normal_each(int64_t n, const gr_key *keys, gr_dtype dtype, int ndim,
	const int64_t *dims)
{
	int64_t batch[GR_MAX_DIMS] = {n};
	if (dtype != GR_F32 && dtype != GR_F64) {
		gr__fail(GR_EDTYPE, "random_normal_each", "%s asked for, only f32 and f64 are drawn",
			gr_dtype_name(dtype));
		return NULL;
	}
	if (ndim < 0 || ndim >= GR_MAX_DIMS) {
		gr__fail(GR_ESHAPE, "random_normal_each", "%d dims of a sample, at most %d", ndim,
			GR_MAX_DIMS - 1);
		return NULL;
	}
	for (int i = 0; i < ndim; i++)
		batch[i + 1] = dims[i];
	each_ctx f = {.t = gr_empty(dtype, ndim + 1, batch), .keys = keys};
	if (f.t == NULL || f.t->size == 0)
		return f.t;
	f.size = f.t->size / n;
	gr__par_range(n, f.size < GRAIN ? GRAIN / f.size : 1, fill_each, &f);
	return f.t;
}

gr_tensor *gr_random_uniform(gr_key key, gr_dtype dtype, int ndim, const int64_t *dims, double low,
	double high)
{
	fill_ctx f = {.key = key, .low = low, .span = high - low};
	return fill_new("random_uniform", dtype, ndim, dims, &f);
}

/* Fisher-Yates, from the end. */
gr_tensor *gr_random_permutation(gr_key key, int64_t n)
{
	gr_tensor *t = gr_empty(GR_I64, GR_DIMS(n));
	if (t == NULL)
		return NULL;
	int64_t *p = gr_tensor_data(t);
	for (int64_t i = 0; i < n; i++)
		p[i] = i;
	for (int64_t i = n - 1; i > 0; i--) {
		int64_t j = (int64_t)gr_key_below(key, (uint64_t)i, (uint64_t)i + 1);
		int64_t swap = p[i];
		p[i] = p[j];
		p[j] = swap;
	}
	return t;
}
