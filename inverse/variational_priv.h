/*
 * What variational methods share: the particle is itself the variable, moved by Adam along the
 * difference of predicted and added noise. States are the particle, then the two moments of Adam.
 */
#ifndef GRADUS_INVERSE_VARIATIONAL_PRIV_H
#define GRADUS_INVERSE_VARIATIONAL_PRIV_H

#include "solver_priv.h"

/* Add states `name` and its moments, zeros. */
gr_status gr__variational_add(gr_solver *s, const char *const names[3], gr_tensor *start);

/* Noise particle z to the level of the step, ask the prior there: k->x_t, k->eps and k->x0_hat; and
 *     delta = eps_hat - eps + d(weighted terms at the estimate) / dz,
 * a constant. Terms see z, and as the noisy state z_t, whose gradient counts as that of z. */
gr_tensor *gr__variational_delta(gr_solver *s, gr_method_step *k, gr_tensor *z);

/* The sum over samples of mean((y - A(image))^2) / 2, the mean over what is measured of all
 * particles of a unit. */
gr_tensor *gr__variational_misfit(gr_solver *s, gr_tensor *image);
/* The same mean of a tensor of one entry for each of an image's, or a state's. */
gr_tensor *gr__variational_mean_square(gr_solver *s, gr_tensor *difference);

/* Adam (0.9, 0.99, 1e-8) on state i with moments i+1 and i+2, in the step's scope. */
gr_tensor *gr__variational_move(gr_solver *s, const gr_method_step *k, int i, gr_tensor *gradient,
	double lr);

/* One step of a particle without an image of its own:
 *     d/dz [misfit(D(z)) data + weight mean(delta z)],  the misfit left out when data is 0. */
gr_status gr__variational_step(gr_solver *s, gr_method_step *k, double data, double weight,
	double lr);
/* sqrt((1 - A) / A), the usual weight. */
double gr__variational_sigma(const gr_method_step *k);

#endif
