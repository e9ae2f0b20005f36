/* Elementwise functions in type T: one block loop per line of ew.def.h, and the reader of operands. */
#include "real.h"

typedef void GR_TS(
	ew_fn)(int64_t nblocks, T *restrict out, const T *const *in, const int64_t *step, T s0, T s1);

/* step[k] is GR_BLOCK, or 0 where in[k] is one block that serves all. */
#define GR_EW_FN(NAME, nin, expr) \
	static void GR_TS(ew_##NAME)(int64_t nblocks, T *restrict out, const T *const *in, \
		const int64_t *step, T s0, T s1) \
	{ \
		const T *pa = in[0]; \
		const T *pb = in[nin > 1 ? 1 : 0]; \
		const T *pc = in[nin > 2 ? 2 : 0]; \
		int64_t sa = step[0]; \
		int64_t sb = step[nin > 1 ? 1 : 0]; \
		int64_t sc = step[nin > 2 ? 2 : 0]; \
		for (int64_t i = 0; i < nblocks; i++) { \
			for (int j = 0; j < GR_BLOCK; j++) { \
				T a = pa[j]; \
				T b = pb[j]; \
				T c = pc[j]; \
				out[j] = expr; \
				(void)b; \
				(void)c; \
			} \
			out += GR_BLOCK; \
			pa += sa; \
			pb += sb; \
			pc += sc; \
		} \
		(void)s0; \
		(void)s1; \
	}
GR_EW_LIST(GR_EW_FN)
#undef GR_EW_FN

static GR_TS(ew_fn) *const GR_TS(ew_fns)[GR_EW_COUNT] = {
#define GR_EW_ENTRY(NAME, nin, expr) GR_TS(ew_##NAME),
	GR_EW_LIST(GR_EW_ENTRY)
#undef GR_EW_ENTRY
};

/* dst[0..n-1] = the elements of a walk from `pos` on. */
static void GR_TS(ew_gather)(const gr_walk *w, const T *data, int64_t pos, int64_t n, T *dst)
{
	int64_t idx[GR_MAX_DIMS];
	int inner = w->ndim - 1;
	int64_t length = w->dims[inner];
	int64_t stride = w->strides[inner];
	const T *src = data + gr__walk_seek(w, pos, idx);
	int64_t run = length - idx[inner];
	src -= idx[inner] * stride;
	int64_t at = idx[inner];
	while (n > 0) {
		run = run < n ? run : n;
		if (stride == 1) {
			memcpy(dst, src + at, (size_t)run * sizeof(T));
		} else if (stride == 0) {
			T value = *src;
			for (int64_t i = 0; i < run; i++)
				dst[i] = value;
		} else {
			for (int64_t i = 0; i < run; i++)
				dst[i] = src[(at + i) * stride];
		}
		dst += run;
		n -= run;
		at = 0;
		run = length;
		if (n > 0)
			src += gr__walk_carry(w, inner - 1, idx);
	}
}

/*
 * Where elements pos..pos+n-1 of an operand can be read: in place, in `buf` (one chunk), or, with
 * *step 0, as one block that repeats.
 */
static const T *GR_TS(
	ew_read)(const gr_walk *w, const T *data, int64_t pos, int64_t n, T *buf, int64_t *step)
{
	int64_t idx[GR_MAX_DIMS];
	*step = GR_BLOCK;
	int inner = w->ndim - 1;
	int64_t stride = inner < 0 ? 0 : w->strides[inner];
	if (stride == 0 || stride == 1) {
		const T *src = data + gr__walk_seek(w, pos, idx);
		bool within = inner < 0 || idx[inner] + n <= w->dims[inner];
		if (within && stride == 1)
			return src;
		if (within) {
			T value = *src;
			for (int i = 0; i < GR_BLOCK; i++)
				buf[i] = value;
			*step = 0;
			return buf;
		}
	}
	GR_TS(ew_gather)(w, data, pos, n, buf);
	return buf;
}

/* n < GR_BLOCK elements by moves of fixed sizes: what compilers make of a memcpy whose size they can
 * bound costs more than all the rest of a call on a few elements. */
static inline void GR_TS(ew_copy_few)(T *restrict dst, const T *restrict src, int64_t n)
{
#define GR_EW_COPY(m) \
	if ((n & m) != 0) { \
		memcpy(dst, src, m * sizeof(T)); \
		dst += m; \
		src += m; \
	}
	GR_EW_COPY(32)
	GR_EW_COPY(16)
	GR_EW_COPY(8)
	GR_EW_COPY(4)
	GR_EW_COPY(2)
	GR_EW_COPY(1)
#undef GR_EW_COPY
}

/* Large arguments of sin and cos, for which the vector version is not meant. */
static void GR_TS(ew_repair)(const gr_ew_job *job, int64_t n, T *out, const T *a)
{
	int bad = 0;
	for (int64_t i = 0; i < n; i++)
		bad |= !(GR_M_abs(a[i]) <= (T)GR_SINCOS_MAX);
	if (!bad)
		return;
	for (int64_t i = 0; i < n; i++) {
		if (!(GR_M_abs(a[i]) <= (T)GR_SINCOS_MAX))
			out[i] = (T)(job->kind == GR_EW_SIN ? sin((double)a[i]) : cos((double)a[i]));
	}
}

static bool GR_TS(ew_is_plain)(const gr_walk *w)
{
	return w->ndim == 0 || (w->ndim == 1 && (w->strides[0] == 0 || w->strides[0] == 1));
}

/* All of fewer elements than a block: the operands padded, one block computed, the result cut. */
static void GR_TS(ew_few)(const gr_ew_job *job, GR_TS(ew_fn) * fn, int64_t n)
{
	static const int64_t step[GR_EW_MAX_IN] = {0};
	T block[GR_EW_MAX_IN + 1][GR_BLOCK];
	const T *in[GR_EW_MAX_IN] = {NULL};
	T *out = block[GR_EW_MAX_IN];
	for (int k = 0; k < job->nin; k++) {
		const T *src = job->in[k];
		bool one = job->walk[k].ndim == 0 || job->walk[k].strides[0] == 0;
		T fill = one ? *src : (T)1;
		for (int i = 0; i < GR_BLOCK; i++)
			block[k][i] = fill;
		if (!one)
			GR_TS(ew_copy_few)(block[k], src, n);
		in[k] = block[k];
	}
	fn(1, out, in, step, (T)job->s0, (T)job->s1);
	GR_TS(ew_copy_few)((T *)job->out, out, n);
}

void GR_KT(ew)(const gr_ew_job *job, int64_t begin, int64_t end)
{
	GR_TS(ew_fn) *fn = GR_TS(ew_fns)[job->kind];
	bool periodic = job->kind == GR_EW_SIN || job->kind == GR_EW_COS;
	T s0 = (T)job->s0;
	T s1 = (T)job->s1;

	/* Operands that are flat or one value need no cutting into chunks. */
	bool plain = !periodic;
	for (int k = 0; k < job->nin; k++)
		plain = plain && GR_TS(ew_is_plain)(&job->walk[k]);
	if (plain && begin == 0 && end < GR_BLOCK) {
		GR_TS(ew_few)(job, fn, end);
		return;
	}
	int64_t chunk = plain ? end - begin : GR_CHUNK;
	T buf[GR_EW_MAX_IN][GR_CHUNK];
	const T *in[GR_EW_MAX_IN] = {NULL};
	int64_t step[GR_EW_MAX_IN] = {0};

	for (int64_t pos = begin; pos < end; pos += chunk) {
		int64_t n = end - pos < chunk ? end - pos : chunk;
		T *out = (T *)job->out + pos;
		for (int k = 0; k < job->nin; k++)
			in[k] = GR_TS(ew_read)(&job->walk[k], job->in[k], pos, n, buf[k], &step[k]);
		const T *first = in[0];
		int64_t whole = n / GR_BLOCK;
		int64_t rest = n % GR_BLOCK;
		fn(whole, out, in, step, s0, s1);
		if (rest > 0) {
			T tail[GR_EW_MAX_IN + 1][GR_BLOCK];
			for (int k = 0; k < job->nin; k++) {
				if (step[k] == 0)
					continue;
				for (int i = 0; i < GR_BLOCK; i++)
					tail[k][i] = (T)1;
				GR_TS(ew_copy_few)(tail[k], in[k] + whole * GR_BLOCK, rest);
				in[k] = tail[k];
			}
			fn(1, tail[GR_EW_MAX_IN], in, step, s0, s1);
			GR_TS(ew_copy_few)(out + whole * GR_BLOCK, tail[GR_EW_MAX_IN], rest);
		}
		if (periodic && step[0] != 0)
			GR_TS(ew_repair)(job, n, out, first);
		else if (periodic && !(GR_M_abs(*first) <= (T)GR_SINCOS_MAX))
			for (int64_t i = 0; i < n; i++)
				GR_TS(ew_repair)(job, 1, out + i, first);
	}
}
