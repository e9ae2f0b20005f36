/*
 * Noise schedules of variance-preserving diffusion, as tables in double.
 *
 * The forward process is q(x_t | x_0) = N(sqrt(A_t) x_0, (1 - A_t) I) with A_t = prod (1 - beta_s)
 * over s <= t (Ho et al. 2020, eq. 4; "alpha_bar" there). A schedule may be respaced: it then
 * keeps a subset of the T base steps, step j of it being base step gr_schedule_timestep(s, j),
 * which is what the network is told; every table is rebuilt from the kept A_t (Nichol and
 * Dhariwal 2021, section 4).
 *
 * Ownership: the caller frees the schedule. Threads: immutable after creation.
 */
#ifndef GRADUS_SCHEDULE_H
#define GRADUS_SCHEDULE_H

#include "gradus/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_schedule gr_schedule;

typedef enum gr_schedule_kind {
	GR_SCHEDULE_LINEAR = 0,      /* beta evenly spaced: DDPM, ADM, DPS */
	GR_SCHEDULE_COSINE = 1,      /* A_t = cos^2: Nichol and Dhariwal, eq. 17 */
	GR_SCHEDULE_SQRT_LINEAR = 2, /* sqrt(beta) evenly spaced: latent diffusion */
	GR_SCHEDULE_FLOW = 3,        /* times (i+1)/T of the linear path (1-t) x_0 + t eps, which is
	                              * x_t / (sqrt(A) + sqrt(1-A)): A = 0 at the last step */
	GR_SCHEDULE_EDM = 4,         /* sigma^(1/rho) evenly spaced, A = 1 / (1 + sigma^2): Karras et
	                              * al. 2022, eq. 5 */
} gr_schedule_kind;

typedef struct gr_schedule_opts {
	size_t size;
	gr_schedule_kind kind;
	int64_t steps; /* T, default 1000 */
	/* First and last beta of the two linear kinds; defaults 1e-4 * 1000/T and 0.02 * 1000/T
	 * (linear), 0.0015 and 0.0195 (sqrt-linear). */
	double beta_first, beta_last;
	/* Steps to keep, default all: "100" spread over 0..T-1 (of a flow, at even times up to 1);
	 * "10,15,20" that many in each of three equal sections; "ddim50" every (T/50)-th from 0;
	 * "rlsd:500" the 499 of RLSD, 999, 997, ..., 3. Or levels of noise, which may lie between base
	 * steps: "flow:28,shift=4", "edm:18,min=0.002,max=80,rho=7", "daps:50,min=0.1,max=100,rho=7",
	 * "em:250,last=0.04" (inverse/schedule_steps.c has the formulas; these numbers are the
	 * defaults, but shift's, 1; defaults keep within the process, others are refused there). */
	const char *respacing;
	double sigma_min, sigma_max, rho; /* EDM; defaults 0.002, 80, 7 */
} gr_schedule_opts;

/* The tables, or NULL: GR_EARG (beta outside (0,1), a respacing that does not fit), GR_EMEM. */
GR_API gr_schedule *gr_schedule_new(const gr_schedule_opts *opts);
/* Accepts NULL. */
GR_API void gr_schedule_free(gr_schedule *s);

/* Number of steps kept; T, the number of base steps. */
GR_API int64_t gr_schedule_count(const gr_schedule *s);
GR_API int64_t gr_schedule_base_steps(const gr_schedule *s);

/*
 * Entry j of a table, 0 <= j < count; otherwise GR_EARG is recorded and the result is NaN (-1 for
 * the base step). Step 0 is the least noisy one.
 */
/* Base step of step j: what the network is conditioned on; of a level between two, fractional here
 * and the nearest one there. */
GR_API double gr_schedule_time(const gr_schedule *s, int64_t j);
GR_API int64_t gr_schedule_timestep(const gr_schedule *s, int64_t j);
/* beta_j. */
GR_API double gr_schedule_beta(const gr_schedule *s, int64_t j);
/* A_j, and A_{j-1} with 1 before the first. */
GR_API double gr_schedule_alpha_bar(const gr_schedule *s, int64_t j);
GR_API double gr_schedule_alpha_bar_prev(const gr_schedule *s, int64_t j);
/* sqrt((1 - A_j) / A_j): the noise level of x_j / sqrt(A_j); infinite where A is 0. */
GR_API double gr_schedule_sigma(const gr_schedule *s, int64_t j);
/* Posterior q(x_{j-1} | x_j, x_0) = N(c1_j x_0 + c2_j x_j, v_j I). */
GR_API double gr_schedule_posterior_c1(const gr_schedule *s, int64_t j);
GR_API double gr_schedule_posterior_c2(const gr_schedule *s, int64_t j);
/* v_j; it is 0 at j = 0. */
GR_API double gr_schedule_posterior_variance(const gr_schedule *s, int64_t j);
/* log v_j, with v_1 in the place of v_0 (beta_0 when there is one step only). */
GR_API double gr_schedule_posterior_log_variance(const gr_schedule *s, int64_t j);

#ifdef __cplusplus
}
#endif

#endif
