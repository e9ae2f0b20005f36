/*
 * The end of a forward pass: see nn/internal/block.h.
 */
#include "block.h"

gr_tensor *gr__block_leave(gr_tensor *y)
{
	y = gr_escape(y);
	gr_scope_end();
	return y;
}
