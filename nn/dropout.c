/*
 * Dropout by a mask drawn from a key: recomputing a forward pass (checkpointing) draws it again.
 */
#include "gradus/layers.h"
#include "gradus/ops.h"

#include "block.h"

gr_tensor *gr_dropout(gr_tensor *x, double rate, gr_key key)
{
	if (x == NULL)
		return NULL;
	if (!(rate >= 0.0 && rate < 1.0)) {
		gr_error_set(GR_EARG, "dropout: the rate is %g, not in 0 <= rate < 1", rate);
		return NULL;
	}
	if (rate == 0.0)
		return x;
	gr_scope_begin();
	gr_tensor *u =
		gr_random_uniform(key, gr_tensor_dtype(x), gr_tensor_ndim(x), gr_tensor_dims(x), 0.0, 1.0);
	/* u in [0,1): kept with probability 1 - rate. */
	gr_tensor *mask = gr_mul_s(gr_gt_s(u, rate), 1.0 / (1.0 - rate));
	return gr__block_leave(gr_mul(x, mask));
}
