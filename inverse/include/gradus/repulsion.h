/*
 * Repulsion between the particles of a measurement: Zilberstein, Mardani and Segarra, "Repulsive
 * latent score distillation for solving inverse problems", ICLR 2025, arXiv 2406.16683; and what
 * particle guidance (Corso et al. 2024, arXiv 2310.13102) does otherwise.
 *
 * phi^i is a vector of particle i: of its pixels, its latent state, or its features. Over the N - 1
 * others, with bandwidths, kernels and directions constant,
 *
 *     d_ij = |phi^i - phi^j|,   h_i = median_j(d_ij)^2 / ln(N - 1)   (the lower median)
 *     k_ij = exp(-d_ij^2 / h_i),   K_i = sum_j k_ij
 *     R_i = J_i^T G_i / K_i,   G_i = sum_j (2 / h_i) k_ij (phi^i - phi^j),   J_i = d phi^i / d x^i
 *
 * The term's value is sum_i log K_i for each unit, whose gradient is -R_i: going down, particles move
 * apart. Units do not see each other.
 *
 * Two particles have no bandwidth by ln(N - 1) = 0: the kernel is flat and nothing is repelled, a run
 * that looks as if it worked. It is an error unless asked for.
 */
#ifndef GRADUS_REPULSION_H
#define GRADUS_REPULSION_H

#include "gradus/feature.h"
#include "gradus/term.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gr_bandwidth {
	GR_BANDWIDTH_PER_PARTICLE = 0, /* h_i as above */
	GR_BANDWIDTH_MEDIAN = 1,       /* the lower median of all h_i of the unit, for all */
	GR_BANDWIDTH_LN_N = 2,         /* ln N in place of ln(N - 1): serves two particles. Ours */
} gr_bandwidth;

/* What the weight is multiplied by, from the step's A = alpha_bar. */
typedef enum gr_anneal {
	GR_ANNEAL_SIGMA = 0, /* sqrt(1 - A): the paper's sigma_t */
	GR_ANNEAL_RATIO = 1, /* sqrt((1 - A) / A): particle guidance's */
	GR_ANNEAL_NONE = 2,
} gr_anneal;

/* Of which state phi is taken. */
typedef enum gr_repulsion_source {
	GR_REPULSE_DEFAULT = 0, /* noisy where the solver publishes x_t, else clean */
	GR_REPULSE_NOISY = 1,   /* x_t, the newest code's */
	GR_REPULSE_CLEAN = 2,   /* the estimate of x_0 */
} gr_repulsion_source;

/* The kernel alone, for those who have vectors. */
typedef struct gr_kernel_opts {
	size_t size;
	gr_bandwidth bandwidth;
	bool
		undivided; /* G_i in place of G_i / K_i, as particle guidance has it; the value: sum_i K_i */
	bool pairs;    /* let two particles be, without effect, where ln(N - 1) is 0 */
	bool with_self; /* j = i counts in median, N and sum, as in Stein variational descent */
} gr_kernel_opts;

/* Values [U] of phi [U N,V], N particles to a unit; gradient as above. GR_EARG for N = 1, and for N
 * = 2 as said. opts may be NULL. */
GR_API gr_tensor *gr_repulsion(gr_tensor *phi, int64_t particles, const gr_kernel_opts *opts);

typedef struct gr_repulsion_opts {
	size_t size;
	double weight; /* gamma */
	gr_kernel_opts kernel;
	gr_repulsion_source source;
	bool decoded;        /* phi of the image: decoded; default: of the state itself */
	gr_feature *feature; /* phi is its vector, of the image or state that it takes; retained */
	gr_anneal anneal;
	double sigma_break; /* active in the first so many thousandths of the base steps, 0..1000;
	                     * default 1000: in all */
	double least_ratio; /* active while sqrt((1 - A) / A) is at least this; default 0 */
} gr_repulsion_opts;

/* Joins the prediction and the estimate. */
GR_API gr_term *gr_repulsion_term(const gr_repulsion_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
