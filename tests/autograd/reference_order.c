/* References of what walks an axis: order, indices of every line, running sums and products. */
#include "reference.h"

#include <math.h>
#include <stdlib.h>

#include "attr.h"

/* A tensor as [outer, n, inner] about one axis. */
typedef struct lines {
	int64_t n, inner;
} lines;

static int64_t size_of(const gr_ref_tensor *t)
{
	int64_t size = 1;

	for (int i = 0; i < t->ndim; i++)
		size *= t->dims[i];
	return size;
}

static lines lines_of(const gr_ref_tensor *t, int64_t axis)
{
	lines l = {.inner = 1};
	int at = (int)(axis < 0 ? axis + t->ndim : axis);

	l.n = t->dims[at];
	for (int i = at + 1; i < t->ndim; i++)
		l.inner *= t->dims[i];
	return l;
}

/* Element i of the line that element k of a tensor with lines `of` belongs to, in `in`. */
static double *on_line(const gr_ref_tensor *t, lines in, lines of, int64_t k, int64_t i)
{
	return &t->data[(k / of.inner / of.n * in.n + i) * in.inner + k % of.inner];
}

static void ref_take_along(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t axis = ((const gr_axis_attr *)attr)->axis;

	(void)nin;
	for (int64_t k = 0; k < size_of(out); k++)
		out->data[k] =
			*on_line(in, lines_of(in, axis), lines_of(out, axis), k, (int64_t)in[1].data[k]);
}

static void ref_scatter_along(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	int64_t axis = ((const gr_scatter_attr *)attr)->axis;

	(void)nin;
	for (int64_t k = 0; k < size_of(in); k++)
		*on_line(out, lines_of(out, axis), lines_of(in, axis), k, (int64_t)in[1].data[k]) +=
			in->data[k];
}

static void ref_one_hot(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t classes = ((const gr_one_hot_attr *)attr)->classes;

	(void)nin;
	for (int64_t k = 0; k < size_of(out); k++)
		out->data[k] = (double)(k % classes) == in->data[k / classes];
}

/* The place in its line of the element that has `rank` others before it. */
static int64_t ranked(const gr_ref_tensor *in, lines l, lines of, int64_t k, int64_t rank,
	bool descending)
{
	for (int64_t i = 0; i < l.n; i++) {
		double mine = *on_line(in, l, of, k, i);
		int64_t before = 0;
		for (int64_t j = 0; j < l.n; j++) {
			double other = *on_line(in, l, of, k, j);
			before += (descending ? other > mine : other < mine) || (other == mine && j < i);
		}
		if (before == rank)
			return i;
	}
	return -1;
}

/* out[0]: values if there are two outputs, else the order; the last output is the order. */
static void order(const gr_order_attr *a, bool descending, int nout, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	lines l = lines_of(in, a->axis), of = lines_of(out, a->axis);

	for (int64_t k = 0; k < size_of(out); k++) {
		int64_t at = ranked(in, l, of, k, k / of.inner % of.n, descending);
		out[nout - 1].data[k] = (double)at;
		if (nout == 2)
			out[0].data[k] = *on_line(in, l, of, k, at);
	}
}

static void ref_argsort(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)nin;
	order(attr, ((const gr_order_attr *)attr)->descending != 0, 1, in, out);
}

static void ref_sort(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)nin;
	order(attr, ((const gr_order_attr *)attr)->descending != 0, 2, in, out);
}

static void ref_topk(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)nin;
	order(attr, true, 2, in, out);
}

static void ref_median(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	lines l = lines_of(in, ((const gr_order_attr *)attr)->axis), of = {.n = 1, .inner = l.inner};

	(void)nin;
	for (int64_t k = 0; k < size_of(out); k++) {
		int64_t at = ranked(in, l, of, k, (l.n - 1) / 2, false);
		out->data[k] = *on_line(in, l, of, k, at);
	}
}

static void scan(const gr_scan_attr *a, bool product, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	lines l = lines_of(in, a->axis);

	for (int64_t k = 0; k < size_of(out); k++) {
		int64_t at = k / l.inner % l.n;
		double y = product ? 1.0 : 0.0;
		for (int64_t i = 0; i < l.n; i++) {
			double x = *on_line(in, l, l, k, i);
			if (a->reverse ? i < at : i > at)
				continue;
			y = product ? y * x : y + x;
		}
		out->data[k] = y;
	}
}

static void ref_cumsum(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)nin;
	scan(attr, false, in, out);
}

static void ref_cumprod(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)nin;
	scan(attr, true, in, out);
}

const gr_ref gr_refs_order[] = {
	{"take_along", ref_take_along},
	{"scatter_along", ref_scatter_along},
	{"one_hot", ref_one_hot},
	{"argsort", ref_argsort},
	{"sort", ref_sort},
	{"topk", ref_topk},
	{"median", ref_median},
	{"cumsum", ref_cumsum},
	{"cumprod", ref_cumprod},
	{NULL, NULL},
};
