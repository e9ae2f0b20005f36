/*
 * Discrete Fourier transforms of lines of any length; docs/design/009-fft.md says why they are our
 * own. A line is read to double, transformed there and written back, so float results are good to
 * float's own rounding.
 *
 * Lengths whose prime factors are at most GREATEST_RADIX: Stockham's self-sorting passes. With
 * n = p m in a pass, W_n = exp(-2 pi i / n) and s the product of the factors done,
 *     y[k + s (p q + j)] = W_n^(j q) sum_r W_p^(j r) x[k + s (q + m r)],   q < m, j < p, k < s.
 * Other lengths (Bluestein 1970): jk = (j^2 + k^2 - (j - k)^2) / 2 turns the transform into a
 * convolution with the chirp exp(pi i j^2 / n), done by transforms of a power of two.
 */
#include <math.h>
#include <string.h>

#include "kern.h"
#include "par.h"
#include "pool.h"
#include "slots.h"

#define PI 3.14159265358979323846
#define GREATEST_RADIX 13
#define MOST_FACTORS 64
#define GRAIN 16384

typedef struct cplx {
	double re, im;
} cplx;

/* One length made of small factors. */
typedef struct passes {
	int64_t n;
	int count;
	int64_t factor[MOST_FACTORS];
	cplx *w; /* [n] exp(-2 pi i k / n) */
} passes;

typedef struct plan {
	int64_t n;
	passes direct;  /* of n, or of the power of two that carries the convolution */
	cplx *chirp;    /* [n] exp(-pi i j^2 / n), NULL where n is made of small factors */
	cplx *spectrum; /* [direct.n] of the conjugate chirp, divided by direct.n */
} plan;

static cplx times(cplx a, cplx b)
{
	return (cplx){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

static cplx plus(cplx a, cplx b)
{
	return (cplx){a.re + b.re, a.im + b.im};
}

static cplx minus(cplx a, cplx b)
{
	return (cplx){a.re - b.re, a.im - b.im};
}

/* exp(-2 pi i k / n), by the nearest quarter turn so that no large angle is taken. */
static cplx root(int64_t k, int64_t n)
{
	int64_t turn = 4 * k / n;
	double angle = 2.0 * PI * ((double)k - (double)turn * (double)n / 4.0) / (double)n;
	double c = cos(angle), s = sin(angle);
	switch (turn & 3) {
	case 0: return (cplx){c, -s};
	case 1: return (cplx){-s, -c};
	case 2: return (cplx){-c, s};
	default: return (cplx){s, c};
	}
}

/* The factors of n, fours first; what is left when none of them divides it any more. */
static int64_t factorise(passes *p, int64_t n)
{
	static const int64_t radices[] = {4, 2, 3, 5, 7, 11, GREATEST_RADIX};
	for (int i = 0; i < 7; i++) {
		for (; n % radices[i] == 0; n /= radices[i])
			p->factor[p->count++] = radices[i];
	}
	return n;
}

static bool passes_init(passes *p, int64_t n)
{
	p->n = n;
	p->w = gr__pool_alloc((size_t)n * sizeof *p->w);
	for (int64_t k = 0; p->w != NULL && k < n; k++)
		p->w[k] = root(k, n);
	return p->w != NULL;
}

static void radix_4(const passes *p, int64_t m, int64_t s, const cplx *x, cplx *y)
{
	for (int64_t q = 0; q < m; q++) {
		cplx w1 = p->w[q * s], w2 = p->w[2 * q * s], w3 = p->w[3 * q * s];
		for (int64_t k = 0; k < s; k++) {
			const cplx *from = x + k + s * q;
			cplx *to = y + k + s * 4 * q;
			cplx a = from[0], b = from[s * m], c = from[2 * s * m], d = from[3 * s * m];
			cplx ac = plus(a, c), a_c = minus(a, c), bd = plus(b, d), b_d = minus(b, d);
			cplx turned = {b_d.im, -b_d.re}; /* -i (b - d) */
			to[0] = plus(ac, bd);
			to[s] = times(plus(a_c, turned), w1);
			to[2 * s] = times(minus(ac, bd), w2);
			to[3 * s] = times(minus(a_c, turned), w3);
		}
	}
}

static void radix_any(const passes *p, int64_t r, const int64_t ms[2], const cplx *x, cplx *y)
{
	int64_t m = ms[0], s = ms[1], step = p->n / r;
	for (int64_t q = 0; q < m; q++) {
		for (int64_t k = 0; k < s; k++) {
			for (int64_t j = 0; j < r; j++) {
				cplx sum = {0.0, 0.0};
				for (int64_t i = 0; i < r; i++)
					sum = plus(sum, times(x[k + s * (q + m * i)], p->w[i * j % r * step]));
				y[k + s * (r * q + j)] = times(sum, p->w[j * q * s]);
			}
		}
	}
}

/* Transforms x in place; y is workspace of the same length. */
static void passes_run(const passes *p, cplx *x, cplx *y)
{
	cplx *from = x, *to = y;
	int64_t s = 1, n = p->n;
	for (int i = 0; i < p->count; i++) {
		int64_t r = p->factor[i];
		n /= r;
		if (r == 4)
			radix_4(p, n, s, from, to);
		else
			radix_any(p, r, (const int64_t[]){n, s}, from, to);
		s *= r;
		cplx *swap = from;
		from = to;
		to = swap;
	}
	if (from != x)
		memcpy(x, from, (size_t)p->n * sizeof *x);
}

static void plan_free(plan *p)
{
	gr__pool_free(p->direct.w);
	gr__pool_free(p->chirp);
	gr__pool_free(p->spectrum);
}

static gr_status plan_chirp(plan *p)
{
	int64_t n = p->n, m = 1;
	while (m < 2 * n - 1)
		m *= 2;
	p->direct = (passes){0};
	(void)factorise(&p->direct, m);
	p->chirp = gr__pool_alloc((size_t)n * sizeof *p->chirp);
	p->spectrum = gr__pool_alloc((size_t)m * sizeof *p->spectrum);
	cplx *work = gr__pool_alloc((size_t)m * sizeof *work);
	bool room = p->chirp != NULL && p->spectrum != NULL && work != NULL;
	room = room && passes_init(&p->direct, m);
	if (room) {
		memset(p->spectrum, 0, (size_t)m * sizeof *p->spectrum);
		for (int64_t j = 0; j < n; j++) {
			p->chirp[j] = root(j * j % (2 * n), 2 * n);
			cplx b = {p->chirp[j].re / (double)m, -p->chirp[j].im / (double)m};
			p->spectrum[j] = b;
			p->spectrum[(m - j) % m] = b;
		}
		passes_run(&p->direct, p->spectrum, work);
	}
	gr__pool_free(work);
	return room ? GR_OK : GR_EMEM;
}

static gr_status plan_init(plan *p, int64_t n)
{
	*p = (plan){.n = n};
	if (factorise(&p->direct, n) > 1)
		return plan_chirp(p);
	return passes_init(&p->direct, n) ? GR_OK : GR_EMEM;
}

/* Complex numbers of workspace: a line and what the passes need. */
static int64_t plan_room(const plan *p)
{
	return 2 * p->direct.n;
}

/* The transform of work[0..n-1], in place. */
static void plan_run(const plan *p, cplx *work)
{
	int64_t m = p->direct.n;
	if (p->chirp == NULL) {
		passes_run(&p->direct, work, work + m);
		return;
	}
	for (int64_t j = 0; j < p->n; j++)
		work[j] = times(work[j], p->chirp[j]);
	memset(work + p->n, 0, (size_t)(m - p->n) * sizeof *work);
	passes_run(&p->direct, work, work + m);
	for (int64_t k = 0; k < m; k++) { /* conjugated: the next forward pass is then the inverse */
		cplx c = times(work[k], p->spectrum[k]);
		work[k] = (cplx){c.re, -c.im};
	}
	passes_run(&p->direct, work, work + m);
	for (int64_t k = 0; k < p->n; k++)
		work[k] = times((cplx){work[k].re, -work[k].im}, p->chirp[k]);
}

/* --- lines --------------------------------------------------------------------------------- */

typedef struct line_ctx {
	const plan *plan;
	int64_t in, out, inner; /* numbers of a line read and written; lines side by side */
	bool real_in, real_out, inverse;
	double scale;
	bool single;
	const void *x;
	void *y;
	gr_slots slots;
} line_ctx;

static double number(const line_ctx *c, int64_t at)
{
	return c->single ? (double)((const float *)c->x)[at] : ((const double *)c->x)[at];
}

static void store(const line_ctx *c, int64_t at, double value)
{
	if (c->single)
		((float *)c->y)[at] = (float)value;
	else
		((double *)c->y)[at] = value;
}

/* Units: lines. The inverse is the forward transform between exchanges of real and imaginary. */
static void line_task(int64_t begin, int64_t end, void *ctx)
{
	line_ctx *c = ctx;
	cplx *work = gr__slots_take(&c->slots);
	for (int64_t u = begin; u < end; u++) {
		int64_t outer = u / c->inner, q = u % c->inner;
		memset(work, 0, (size_t)c->plan->n * sizeof *work);
		for (int64_t j = 0; j < c->in; j++) {
			int64_t at = (outer * c->in + j) * c->inner + q;
			cplx v = {number(c, c->real_in ? at : 2 * at),
				c->real_in ? 0.0 : number(c, 2 * at + 1)};
			work[j] = c->inverse ? (cplx){v.im, v.re} : v;
		}
		plan_run(c->plan, work);
		for (int64_t k = 0; k < c->out; k++) {
			int64_t at = (outer * c->out + k) * c->inner + q;
			cplx v = c->inverse ? (cplx){work[k].im, work[k].re} : work[k];
			store(c, c->real_out ? at : 2 * at, c->scale * v.re);
			if (!c->real_out)
				store(c, 2 * at + 1, c->scale * v.im);
		}
	}
	gr__slots_give(&c->slots, work);
}

static gr_status run(line_ctx *c, gr_tensor *y, const gr_tensor *x, int64_t n, int64_t lines)
{
	plan p;
	if (y->size == 0)
		return GR_OK;
	gr_status status = plan_init(&p, n);
	c->plan = &p;
	c->single = y->dtype == GR_F32;
	c->x = x->data;
	c->y = y->data;
	if (status == GR_OK)
		status = gr__slots_open(&c->slots, lines, (size_t)plan_room(&p) * sizeof(cplx));
	if (status == GR_OK) {
		gr__par_range(lines, 16 * n < GRAIN ? GRAIN / (16 * n) : 1, line_task, c);
		gr__slots_close(&c->slots);
	}
	plan_free(&p);
	return status;
}

gr_status gr__fft(gr_tensor *y, const gr_tensor *x, int axis, bool inverse, double scale)
{
	int64_t n = x->dims[axis];
	line_ctx c = {.in = n, .out = n, .inner = 1, .inverse = inverse, .scale = scale};
	for (int d = axis + 1; d < x->ndim - 1; d++)
		c.inner *= x->dims[d];
	return run(&c, y, x, n, n > 0 ? x->size / (2 * n) : 0);
}

gr_status gr__rfft(gr_tensor *y, const gr_tensor *x, double scale)
{
	int64_t n = x->dims[x->ndim - 1];
	line_ctx c = {.in = n, .out = n / 2 + 1, .inner = 1, .real_in = true, .scale = scale};
	return run(&c, y, x, n, n > 0 ? x->size / n : 0);
}

gr_status gr__rfft_adjoint(gr_tensor *x, const gr_tensor *y, double scale)
{
	int64_t n = x->dims[x->ndim - 1];
	line_ctx c = {.in = n / 2 + 1, .out = n, .inner = 1, .real_out = true, .scale = scale};
	c.inverse = true;
	return run(&c, x, y, n, n > 0 ? x->size / n : 0);
}
