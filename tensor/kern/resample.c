/* Images [B,H,W] by a whole factor: splits rows of pixels over threads. */
#include "kern_table.h"
#include "par.h"

typedef struct resample_ctx {
	void (*fn)(int64_t rows, int64_t w, int64_t f, double scale, void *y, const void *x);
	int64_t w, f; /* pixels of the smaller image's row */
	double scale;
	char *y;
	const char *x;
	size_t y_bytes, x_bytes; /* per row of the smaller image */
} resample_ctx;

static void resample_task(int64_t begin, int64_t end, void *ctx)
{
	const resample_ctx *c = ctx;
	c->fn(end - begin, c->w, c->f, c->scale, c->y + (size_t)begin * c->y_bytes,
		c->x + (size_t)begin * c->x_bytes);
}

static gr_status run(resample_ctx *c, const gr_tensor *small, int64_t f, double scale)
{
	if (small->size == 0)
		return GR_OK;
	c->w = small->dims[2];
	c->f = f;
	c->scale = scale;
	int64_t grain = GR_GRAIN / (c->w * f * f);
	gr__par_range(small->size / c->w, grain > 1 ? grain : 1, resample_task, c);
	return GR_OK;
}

gr_status gr__pool_mean(gr_tensor *y, const gr_tensor *x, int64_t f, double scale)
{
	size_t row = (size_t)y->dims[2] * gr_dtype_bytes(y->dtype);
	resample_ctx c = {.fn = gr__kern(x->dtype)->pool_mean,
		.y = y->data,
		.x = x->data,
		.y_bytes = row,
		.x_bytes = row * (size_t)(f * f)};
	return run(&c, y, f, scale);
}

gr_status gr__repeat(gr_tensor *y, const gr_tensor *x, int64_t f, double scale)
{
	size_t row = (size_t)x->dims[2] * gr_dtype_bytes(x->dtype);
	resample_ctx c = {.fn = gr__kern(x->dtype)->repeat,
		.y = y->data,
		.x = x->data,
		.y_bytes = row * (size_t)(f * f),
		.x_bytes = row};
	return run(&c, x, f, scale);
}
