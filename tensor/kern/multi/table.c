/* The tables of one instruction set. */
#include "kern/multi/multi.h"

#define GR_TABLE(S) \
	{ \
		.ew = GR_K(ew_##S), .reduce_along = GR_K(reduce_along_##S), \
		.reduce_across = GR_K(reduce_across_##S), .reduce_finish = GR_K(reduce_finish_##S), \
		.argmax = GR_K(argmax_##S), .softmax = GR_K(softmax_##S), \
		.log_softmax = GR_K(log_softmax_##S), .softmax_backward = GR_K(softmax_backward_##S), \
		.group_norm = GR_K(group_norm_##S), .group_norm_backward = GR_K(group_norm_backward_##S), \
		.layer_norm = GR_K(layer_norm_##S), .layer_norm_backward = GR_K(layer_norm_backward_##S), \
		.add = GR_K(add_##S), .pool_mean = GR_K(pool_mean_##S), .repeat = GR_K(repeat_##S), \
	}

const gr_kern_table GR_K(table)[2] = {GR_TABLE(f32), GR_TABLE(f64)};
