/*
 * Running sums and products along one axis of contiguous tensors. A line is walked by one thread
 * from its end to the other, in double, so that its bits depend on itself alone.
 */
#include "kern.h"
#include "par.h"

/* Lines side by side that one task walks together. */
#define TILE 64
#define GRAIN 32768

typedef struct scan_ctx {
	int64_t n, inner, tiles;
	bool product, reverse;
	void *y;
	const void *x, *dy;
} scan_ctx;

#define T float
#define FN(name) name##_f32
#include "scan_impl.h"
#undef T
#undef FN

#define T double
#define FN(name) name##_f64
#include "scan_impl.h"
#undef T
#undef FN

static gr_status run(scan_ctx *c, gr_tensor *y, const gr_tensor *x, int axis,
	void (*task)(int64_t begin, int64_t end, void *ctx))
{
	if (y->size == 0)
		return GR_OK;
	c->y = y->data;
	c->x = x->data;
	c->n = x->dims[axis];
	c->inner = 1;
	for (int d = axis + 1; d < x->ndim; d++)
		c->inner *= x->dims[d];
	c->tiles = (c->inner + TILE - 1) / TILE;
	int64_t work = c->n * (c->inner < TILE ? c->inner : TILE);
	int64_t units = y->size / (c->n * c->inner) * c->tiles;
	gr__par_range(units, work < GRAIN ? GRAIN / work : 1, task, c);
	return GR_OK;
}

gr_status gr__cumsum(gr_tensor *y, const gr_tensor *x, int axis, bool reverse)
{
	scan_ctx c = {.reverse = reverse};
	return run(&c, y, x, axis, y->dtype == GR_F32 ? scan_task_f32 : scan_task_f64);
}

gr_status gr__cumprod(gr_tensor *y, const gr_tensor *x, int axis)
{
	scan_ctx c = {.product = true};
	return run(&c, y, x, axis, y->dtype == GR_F32 ? scan_task_f32 : scan_task_f64);
}

gr_status gr__cumprod_backward(gr_tensor *dx, const gr_tensor *x, const gr_tensor *dy, int axis)
{
	scan_ctx c = {.dy = dy->data};
	return run(&c, dx, x, axis, dx->dtype == GR_F32 ? product_back_f32 : product_back_f64);
}
