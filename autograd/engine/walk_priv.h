/* The backward walk, shared by gr_grad and gr_pullback. */
#ifndef GRADUS_WALK_H
#define GRADUS_WALK_H

#include "gradus/autograd.h"

/* gr_grad with every option given. */
gr_status gr__walk(gr_tensor **grads, gr_tensor *y, int n, gr_tensor *const *x,
	const gr_grad_opts *opts);

#endif
