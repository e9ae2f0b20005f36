/*
 * The Brownian path of a sample (see gradus/method.h): W on [0,1] with W(0) = 0, from a dyadic tree.
 * W(1) ~ N(0, I); between two known times l < r
 *     W((l + r) / 2) = (W(l) + W(r)) / 2 + sqrt((r - l) / 4) n
 * with the draw n of the tree's node, children of node k being 2 k and 2 k + 1. So W(t) is a function
 * of the sample's key and t alone: nothing is kept, and steps of any size see one path. In a leaf, of
 * 2^-20, W is a bridge with the leaf's draw: exact for one time a leaf.
 */
#include <math.h>

#include "gradus/ops.h"
#include "solver_priv.h"

#define DEPTH 20

gr_tensor *gr_solver_path(gr_solver *s, double t)
{
	double l = 0.0;
	double r = 1.0;
	uint64_t node = 1;
	if (!(t >= 0.0 && t <= 1.0)) {
		gr_error_set(GR_EARG, "solver: time %g of a path on [0,1]", t);
		return NULL;
	}
	gr_tensor *at_r = gr_solver_noise(s, "path", 0);
	gr_tensor *at_l = gr_mul_s(at_r, 0.0);
	for (int depth = 0; depth < DEPTH && t > l && t < r; depth++) {
		double m = 0.5 * (l + r);
		gr_tensor *middle = gr_axpby(gr_axpby(at_l, 0.5, at_r, 0.5), 1.0,
			gr_solver_noise(s, "path", node), 0.5 * sqrt(r - l));
		node = 2 * node + (t > m);
		*(t > m ? &l : &r) = m;
		*(t > m ? &at_l : &at_r) = middle;
	}
	if (t == l || t == r)
		return t == l ? at_l : at_r;
	gr_tensor *mean = gr_axpby(at_l, (r - t) / (r - l), at_r, (t - l) / (r - l));
	return gr_axpby(mean, 1.0, gr_solver_noise(s, "path", node), sqrt((t - l) * (r - t) / (r - l)));
}
