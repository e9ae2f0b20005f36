/* Softmax over the last dim: splits rows over threads. The loops are in multi/softmax_impl.h. */
#include "kern_table.h"
#include "par.h"

typedef struct softmax_ctx {
	void (*row)(int64_t rows, int64_t d, void *y, const void *x);
	void (*row_backward)(int64_t rows, int64_t d, void *dx, const void *y, const void *dy);
	int64_t d;
	size_t bytes; /* of a row */
	char *out;
	const char *x;
	const char *dy;
} softmax_ctx;

static void softmax_task(int64_t begin, int64_t end, void *ctx)
{
	const softmax_ctx *c = ctx;
	size_t at = (size_t)begin * c->bytes;
	if (c->row != NULL)
		c->row(end - begin, c->d, c->out + at, c->x + at);
	else
		c->row_backward(end - begin, c->d, c->out + at, c->x + at, c->dy + at);
}

static gr_status run(softmax_ctx *c, gr_tensor *out, const gr_tensor *x)
{
	if (x->size == 0)
		return GR_OK;
	c->d = x->ndim > 0 ? x->dims[x->ndim - 1] : 1;
	c->bytes = (size_t)c->d * gr_dtype_bytes(x->dtype);
	c->out = out->data;
	c->x = x->data;
	int64_t grain = GR_GRAIN / 4 / c->d;
	gr__par_range(x->size / c->d, grain > 1 ? grain : 1, softmax_task, c);
	return GR_OK;
}

gr_status gr__softmax(gr_tensor *y, const gr_tensor *x)
{
	softmax_ctx c = {.row = gr__kern(x->dtype)->softmax};
	return run(&c, y, x);
}

gr_status gr__log_softmax(gr_tensor *y, const gr_tensor *x)
{
	softmax_ctx c = {.row = gr__kern(x->dtype)->log_softmax};
	return run(&c, y, x);
}

gr_status gr__softmax_backward(gr_tensor *dx, const gr_tensor *y, const gr_tensor *dy)
{
	softmax_ctx c = {.row_backward = gr__kern(y->dtype)->softmax_backward, .dy = dy->data};
	return run(&c, dx, y);
}
