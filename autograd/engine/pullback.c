/* One recorded graph, many cotangents: y and x are held, and each walk keeps the graph. */
#include <string.h>

#include "pool.h"
#include "tensor_int.h"
#include "walk_priv.h"

struct gr_pullback {
	gr_tensor *y;
	int n;
	gr_tensor *x[]; /* [n] */
};

gr_pullback *gr_pullback_new(gr_tensor *y, int n, gr_tensor *const *x)
{
	if (y == NULL || n < 0)
		return NULL;
	gr_pullback *p = gr_alloc(sizeof *p + (size_t)n * sizeof *x);
	if (p == NULL)
		return NULL;
	p->y = gr_tensor_retain(y);
	p->n = n;
	for (int i = 0; i < n; i++)
		p->x[i] = gr_tensor_retain(x[i]);
	return p;
}

gr_status gr_pullback_apply(gr_pullback *p, gr_tensor *cotangent, gr_tensor **grads)
{
	if (p == NULL)
		return gr_failed() ? gr_error_code()
						   : gr__fail(GR_EARG, "pullback_apply", "the pullback is NULL");
	gr_grad_opts opts = {.size = sizeof opts,
		.cotangent = cotangent,
		.keep_graph = true,
		.allow_unused = true};
	return gr__walk(grads, p->y, p->n, p->x, &opts, 0);
}

void gr_pullback_free(gr_pullback *p)
{
	if (p == NULL)
		return;
	for (int i = 0; i < p->n; i++)
		gr_tensor_release(p->x[i]);
	gr_tensor_release(p->y);
	gr_free(p);
}
