/* Hard data consistency, as ReSample has it: a state or an image moved until it explains y. */
#ifndef GRADUS_INVERSE_CONSISTENCY_PRIV_H
#define GRADUS_INVERSE_CONSISTENCY_PRIV_H

#include "solver_priv.h"

typedef struct gr_consistency {
	double lr;
	int64_t iterations; /* at most */
	bool image;         /* the variable is an image, not a state */
	double scale;       /* of the mean square of y - A x, which decides when it is enough: 1e-6 */
	int64_t window;     /* see gr_inner_opts */
} gr_consistency;

/* x moved by AdamW (decay 0.01) to lower scale mean((y - A(D(x)))^2), the mean over all entries of y;
 * with the terms at the estimate where it is a state. */
gr_tensor *gr__consistency_fit(gr_solver *s, gr_method_step *k, gr_tensor *x,
	const gr_consistency *opts);

/* N((v a x + u z) / (v + u), v u / (v + u)): the product of N(a x, u) and N(z, v), drawn by the step. */
gr_tensor *gr__consistency_draw(gr_solver *s, const gr_method_step *k, gr_tensor *x, double a,
	double u, gr_tensor *z, double v);

/* Variances of the flow version, of times t and t_next: v of the guided state, u of the other. */
typedef struct gr_consistency_law {
	double a, u, v;
} gr_consistency_law;
/* mode 0: as released; 1: consistent with the linear path, by one constant (see resample_flow.c). */
gr_consistency_law gr__consistency_flow(double t, double t_next, int mode, double constant);

#endif
