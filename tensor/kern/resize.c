/*
 * Resampling of one axis as a sparse matrix: the only place that knows the weights.
 *
 * Pixel j of a line covers [j, j + 1) with its centre at j + 1/2. Output i is centred on
 *     c = scale (i + 1/2),   or   c = i (in - 1) / (out - 1) + 1/2   with align_corners,
 * and y_i = sum_j K((j + 1/2 - c) / s) x_j over the j within s (linear) or 2 s (cubic) of c, the
 * weights divided by their sum. K is the hat 1 - |r|, or Keys' cubic (IEEE Trans. ASSP 29, 1981)
 *     K(r) = (a + 2) |r|^3 - (a + 3) |r|^2 + 1                for |r| <= 1
 *          = a |r|^3 - 5 a |r|^2 + 8 a |r| - 4 a              for 1 < |r| <= 2.
 * With antialias s = max(scale, 1), else 1. What falls outside the line is, by default, given to
 * the edge pixel (s = 1 always), or with antialias left out before dividing, as PyTorch does both;
 * with `mirror` it is mirrored about the line's outer edge, as MATLAB's imresize does.
 */
#include <math.h>
#include <string.h>

#include "kern.h"
#include "par.h"
#include "pool.h"

/* Elements of work below which a second thread costs more than it gives. */
#define GRAIN 16384

static double hat(double r)
{
	r = fabs(r);
	return r < 1.0 ? 1.0 - r : 0.0;
}

static double keys_cubic(double r, double a)
{
	r = fabs(r);
	if (r <= 1.0)
		return ((a + 2.0) * r - (a + 3.0)) * r * r + 1.0;
	if (r <= 2.0)
		return ((a * r - 5.0 * a) * r + 8.0 * a) * r - 4.0 * a;
	return 0.0;
}

static double stretch_of(const gr_resize_rule *rule)
{
	return rule->antialias && rule->scale > 1.0 ? rule->scale : 1.0;
}

static double centre_of(const gr_resize_rule *rule, int64_t i)
{
	if (!rule->align_corners)
		return rule->scale * ((double)i + 0.5);
	return rule->out > 1 ? (double)i * (double)(rule->in - 1) / (double)(rule->out - 1) + 0.5 : 0.5;
}

/* Where pixel j counts: a column, or -1 for nowhere. */
static int64_t column_of(const gr_resize_rule *rule, int64_t j)
{
	int64_t n = rule->in;
	if (rule->mirror) {
		int64_t at = j % (2 * n);
		at += at < 0 ? 2 * n : 0;
		return at < n ? at : 2 * n - 1 - at;
	}
	if (j >= 0 && j < n)
		return j;
	return rule->antialias ? -1 : (j < 0 ? 0 : n - 1);
}

/* Adds a weight to the entry of `column` among `count` that ascend; the new count. */
static int64_t add_weight(int64_t *columns, double *weights, int64_t count, int64_t column,
	double weight)
{
	int64_t at = count;
	while (at > 0 && columns[at - 1] > column)
		at--;
	if (at > 0 && columns[at - 1] == column) {
		weights[at - 1] += weight;
		return count;
	}
	for (int64_t k = count; k > at; k--) {
		columns[k] = columns[k - 1];
		weights[k] = weights[k - 1];
	}
	columns[at] = column;
	weights[at] = weight;
	return count + 1;
}

/* Row i from `at` on; the number of its entries. */
static int64_t fill_row(const gr_resize_rule *rule, int64_t i, int64_t *columns, double *weights)
{
	double stretch = stretch_of(rule), centre = centre_of(rule, i), sum = 0.0;
	double reach = (rule->cubic ? 2.0 : 1.0) * stretch;
	int64_t first = (int64_t)ceil(centre - reach - 0.5), count = 0;
	int64_t last = (int64_t)floor(centre + reach - 0.5);
	for (int64_t j = first; j <= last; j++) {
		double r = ((double)j + 0.5 - centre) / stretch;
		double weight = rule->cubic ? keys_cubic(r, rule->a) : hat(r);
		int64_t column = column_of(rule, j);
		if (column < 0 || weight == 0.0)
			continue;
		sum += weight;
		count = add_weight(columns, weights, count, column, weight);
	}
	for (int64_t k = 0; k < count; k++)
		weights[k] /= sum;
	return count;
}

/* Arrays for rows and entries in one block, zeroed. */
static gr_status rows_new(gr_rows *r, int64_t rows, int64_t columns, int64_t entries)
{
	size_t starts = (size_t)(rows + 1) * sizeof(int64_t), each = (size_t)entries * sizeof(int64_t);
	char *block = gr__pool_alloc(starts + 2 * each);
	*r = (gr_rows){.rows = rows, .columns = columns};
	if (block == NULL)
		return GR_EMEM;
	memset(block, 0, starts + 2 * each);
	r->start = (int64_t *)(void *)block;
	r->column = (int64_t *)(void *)(block + starts);
	r->weight = (double *)(void *)(block + starts + each);
	return GR_OK;
}

void gr__rows_free(gr_rows *rows)
{
	gr__pool_free(rows->start);
	*rows = (gr_rows){0};
}

gr_status gr__resize_rows(gr_rows *rows, const gr_resize_rule *rule)
{
	/* At most so many pixels lie within reach, and so many columns are there. */
	int64_t most = (int64_t)(4.0 * stretch_of(rule)) + 2;
	most = most < rule->in ? most : rule->in;
	gr_status status = rows_new(rows, rule->out, rule->in, rule->out * most);
	for (int64_t i = 0; i < rule->out && status == GR_OK; i++) {
		int64_t at = rows->start[i];
		rows->start[i + 1] = at + fill_row(rule, i, rows->column + at, rows->weight + at);
	}
	return status;
}

gr_status gr__rows_transpose(gr_rows *t, const gr_rows *rows)
{
	int64_t entries = rows->start[rows->rows];
	gr_status status = rows_new(t, rows->columns, rows->rows, entries);
	if (status != GR_OK)
		return status;
	/* Count, sum, then place: start[j + 1] walks from the first entry of row j to its end. */
	for (int64_t k = 0; k < entries; k++)
		if (rows->column[k] + 2 <= t->rows)
			t->start[rows->column[k] + 2]++;
	for (int64_t j = 2; j <= t->rows; j++)
		t->start[j] += t->start[j - 1];
	for (int64_t i = 0; i < rows->rows; i++) {
		for (int64_t k = rows->start[i]; k < rows->start[i + 1]; k++) {
			int64_t at = t->start[rows->column[k] + 1]++;
			t->column[at] = i;
			t->weight[at] = rows->weight[k];
		}
	}
	return GR_OK;
}

typedef struct rows_ctx {
	const gr_rows *rows;
	int64_t inner;
	void *y;
	const void *x;
} rows_ctx;

#define T float
#define FN(name) name##_f32
#include "resize_impl.h"
#undef T
#undef FN

#define T double
#define FN(name) name##_f64
#include "resize_impl.h"
#undef T
#undef FN

gr_status gr__rows_apply(gr_tensor *y, const gr_tensor *x, int axis, const gr_rows *rows)
{
	rows_ctx c = {.rows = rows, .inner = 1, .y = y->data, .x = x->data};
	if (y->size == 0)
		return GR_OK;
	for (int d = axis + 1; d < x->ndim; d++)
		c.inner *= x->dims[d];
	int64_t work = (rows->start[rows->rows] / rows->rows + 1) * c.inner;
	int64_t grain = GRAIN / work > 0 ? GRAIN / work : 1;
	gr__par_range(y->size / c.inner, grain, y->dtype == GR_F32 ? rows_task_f32 : rows_task_f64, &c);
	return GR_OK;
}
