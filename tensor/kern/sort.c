/*
 * Order along one axis: argsort by a stable merge sort, and reading and adding through an index
 * that differs from line to line. Tensors are contiguous; one line belongs to one task.
 */
#include <math.h>
#include <string.h>

#include "kern.h"
#include "par.h"
#include "pool.h"
#include "slots.h"

#define GRAIN 16384

typedef struct line_ctx {
	int64_t n, m, inner; /* length of the axis in x, in y; elements after it */
	bool descending;
	const void *x;
	void *y;
	const int64_t *index;
	gr_slots slots;
} line_ctx;

typedef struct max_ctx {
	gr_pool_window window;
	int64_t h, w, ho, wo;
	const void *x;
	int64_t *index;
} max_ctx;

#define T float
#define FN(name) name##_f32
#include "sort_impl.h"
#undef T
#undef FN

#define T double
#define FN(name) name##_f64
#include "sort_impl.h"
#undef T
#undef FN

static int64_t inner_size(const gr_tensor *t, int axis)
{
	int64_t n = 1;
	for (int d = axis + 1; d < t->ndim; d++)
		n *= t->dims[d];
	return n;
}

static int64_t grain(int64_t work)
{
	return work < GRAIN ? GRAIN / (work > 0 ? work : 1) : 1;
}

gr_status gr__argsort(gr_tensor *order, const gr_tensor *x, int axis, bool descending)
{
	line_ctx c = {.n = x->dims[axis],
		.inner = inner_size(x, axis),
		.descending = descending,
		.x = x->data,
		.y = order->data};
	if (x->size == 0)
		return GR_OK;
	int64_t lines = x->size / c.n;
	size_t bytes = (size_t)c.n * (2 * sizeof(int64_t) + gr_dtype_bytes(x->dtype));
	gr_status status = gr__slots_open(&c.slots, lines, bytes);
	if (status != GR_OK)
		return status;
	gr__par_range(lines, grain(8 * c.n), x->dtype == GR_F32 ? argsort_task_f32 : argsort_task_f64,
		&c);
	gr__slots_close(&c.slots);
	return GR_OK;
}

gr_status gr__take_along(gr_tensor *y, const gr_tensor *x, int axis, const gr_tensor *index)
{
	line_ctx c = {.n = x->dims[axis],
		.m = y->dims[axis],
		.inner = inner_size(x, axis),
		.x = x->data,
		.y = y->data,
		.index = (const int64_t *)(const void *)index->data};
	if (y->size > 0)
		gr__par_range(y->size / c.inner, grain(c.inner),
			x->dtype == GR_F32 ? take_task_f32 : take_task_f64, &c);
	return GR_OK;
}

gr_status gr__scatter_along(gr_tensor *y, const gr_tensor *x, int axis, const gr_tensor *index)
{
	line_ctx c = {.n = x->dims[axis],
		.m = y->dims[axis],
		.inner = inner_size(x, axis),
		.x = x->data,
		.y = y->data,
		.index = (const int64_t *)(const void *)index->data};
	if (y->size > 0)
		gr__par_range(y->size / (c.m * c.inner), grain((c.n + c.m) * c.inner),
			x->dtype == GR_F32 ? scatter_task_f32 : scatter_task_f64, &c);
	return GR_OK;
}

gr_status gr__max_pool_index(gr_tensor *index, const gr_tensor *x, const gr_pool_window *window)
{
	max_ctx c = {.window = *window,
		.h = x->dims[1],
		.w = x->dims[2],
		.ho = index->dims[1],
		.wo = index->dims[2],
		.x = x->data,
		.index = (int64_t *)(void *)index->data};
	if (index->size > 0)
		gr__par_range(index->size / c.wo, grain(c.wo * window->kernel * window->kernel),
			x->dtype == GR_F32 ? max_task_f32 : max_task_f64, &c);
	return GR_OK;
}
