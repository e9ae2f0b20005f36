/*
 * The brackets of a forward pass: see nn/internal/block.h.
 */
#include "block.h"

gr_tensor *gr__block_leave(gr_tensor *y)
{
	y = gr_escape(y);
	gr_scope_end();
	return y;
}

gr_tensor *gr__block_advance(gr_tensor *h, gr_block_apply *apply, const void *layer,
	const void *shared)
{
	gr_scope_begin();
	gr_tensor *y = gr_tensor_retain(apply(layer, h, shared));
	gr_scope_end();
	gr_tensor_release(h);
	return y;
}
