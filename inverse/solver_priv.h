/* A solver from inside: what solver.c (life and loop), solver_predict.c, solver_terms.c,
 * solver_inner.c, solver_step.c and method.c share. */
#ifndef GRADUS_INVERSE_SOLVER_PRIV_H
#define GRADUS_INVERSE_SOLVER_PRIV_H

#include "gradus/method.h"

#define GR_METHOD_MAX_PARAMS 16

struct gr_spectrum;

struct gr_solver {
	gr_solver_opts opts;
	const gr_method *method;
	double params[GR_METHOD_MAX_PARAMS];
	gr_schedule *schedule;
	int terms;
	gr_term *term[GR_SOLVER_MAX_TERMS];
	gr_hook hook[GR_SOLVER_MAX_TERMS];     /* where each joins */
	bool features;                         /* some term reads the network's features */
	gr_tensor *value[GR_SOLVER_MAX_TERMS]; /* filled during a step */
	gr_key *keys;                          /* [n] */
	gr_key *draw_keys;                     /* [n] */
	double *times;                         /* [n] */
	int64_t steps, done, evaluations, gradients;
	bool stopped;
	int states;
	const char *state_name[GR_SOLVER_MAX_STATES];
	gr_tensor *state[GR_SOLVER_MAX_STATES]; /* retained */
	gr_tensor *next[GR_SOLVER_MAX_STATES];  /* set by the step at work, owned by its scope */
	struct gr_spectrum *spectrum;           /* of A, once a method asked for it */
};

/* f32 or f64, of all states. */
gr_dtype gr__solver_dtype(const gr_solver *s);
/* *held, which the caller releases, becomes t; either may be NULL. */
void gr__solver_hold(gr_tensor **held, gr_tensor *t);
/* The spectrum of A (inverse/spectrum_priv.h), found at the first call and kept: `smallest` is the
 * same in all. NULL with an error where there is none. */
const struct gr_spectrum *gr__solver_spectrum(gr_solver *s, double smallest);

/* The method that `spec` names and the values of its parameters. */
gr_status gr__method_read(const gr_method **out, double *params, const char *spec);

/* Values of terms at the estimate were of an inner scope, which has ended. */
void gr__solver_forget_values(gr_solver *s);
/* How many terms join at `hook`. */
int gr__solver_count_terms(const gr_solver *s, gr_hook hook);
/* The weighted sum of the terms that join at ctx->hook, over all samples: *total, untouched when
 * there is none. Completes ctx with what all steps have alike; the values are kept for the report. */
gr_status gr__solver_add_terms(gr_solver *s, gr_term_ctx *ctx, gr_tensor **total);

/* The step of latent_dps, which resample_flow goes on from: x after it. */
gr_status gr__latent_dps_guided(gr_solver *s, gr_method_step *k, bool ramp, gr_tensor **x);

/* inverse/methods, one each. */
extern const gr_method gr__method_ddpm;
extern const gr_method gr__method_ddim;
extern const gr_method gr__method_euler;
extern const gr_method gr__method_heun;
extern const gr_method gr__method_dpmpp2m;
extern const gr_method gr__method_em;
extern const gr_method gr__method_latent_dps;
extern const gr_method gr__method_mmps;
extern const gr_method gr__method_pigdm;
extern const gr_method gr__method_tmpd;
extern const gr_method gr__method_ddnm;
extern const gr_method gr__method_ddrm;
extern const gr_method gr__method_daps;
extern const gr_method gr__method_latent_daps;
extern const gr_method gr__method_reddiff;
extern const gr_method gr__method_resample;
extern const gr_method gr__method_resample_flow;
extern const gr_method gr__method_flowdps;
extern const gr_method gr__method_flowchef;
extern const gr_method gr__method_fundps;
extern const gr_method gr__method_guided_eps;
extern const gr_method gr__method_mcg;
extern const gr_method gr__method_rlsd;
extern const gr_method gr__method_sds;
extern const gr_method gr__method_sitcom;
extern const gr_method gr__method_diffpir;
extern const gr_method gr__method_smc;

#endif
