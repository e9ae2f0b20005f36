/*
 * A Markov chain whose law is that of the clean state u given a measurement and a Gaussian of deviation
 * sigma around x_0': S is the gradient of its log density,
 *     S(u) = -d|y - A(D(u))|^2/du / tau2 + (x_0' - u) / sigma2 - d(terms)/du
 *     Langevin:      u += h S + sqrt(2 h) z
 *     with momentum: q = momentum q + sqrt(h) S + sqrt(2 (1 - momentum)) z,  u += sqrt(h) q
 */
#ifndef GRADUS_INVERSE_CHAIN_PRIV_H
#define GRADUS_INVERSE_CHAIN_PRIV_H

#include "solver_priv.h"

typedef struct gr_chain {
	int64_t steps;
	double h, tau2, sigma2;
	double momentum; /* 0: Langevin; else q starts from N(0, I) */
	bool clamp;      /* the misfit's gradient, to [-1, 1] element by element */
	gr_tensor *x0;   /* x_0', where it starts; NULL gives NULL */
} gr_chain;

/* u after all steps, a constant. Draws are of the solver's step and the chain's. */
gr_tensor *gr__chain_run(gr_solver *s, gr_method_step *k, const gr_chain *law);

#endif
