/*
 * Certificates of solvers: problems whose posterior is known, every solver's samples scored against
 * it, beside exact samples scored alike. A problem has several measurements, which one run of a
 * solver draws samples of at once, those of a measurement being a unit of particles.
 */
#ifndef GRADUS_INTERNAL_CERTIFY_H
#define GRADUS_INTERNAL_CERTIFY_H

#include <stdio.h>

#include "gradus/io.h"
#include "gradus/operator.h"
#include "gradus/statistics.h"
#include "posterior.h"

/* --- problems --- */

typedef enum gr_certify_kind {
	GR_CERTIFY_WHITE = 0,
	GR_CERTIFY_GAUSS,
	GR_CERTIFY_MODES,
	GR_CERTIFY_TOY_A,
	GR_CERTIFY_PHASE,
	GR_CERTIFY_FIELD,
} gr_certify_kind;

typedef struct gr_certify_row {
	const char *name;
	gr_certify_kind kind;
	const char *what;
	int64_t D, M;
	int64_t steps;
	int64_t quick, full; /* measurements; 0: not among those of --quick */
} gr_certify_row;

/* i = 0, 1, ..., NULL beyond. */
const gr_certify_row *gr__certify_row(int i);

typedef struct gr_certify_problem {
	const gr_certify_row *row;
	gr_archive *arrays; /* what the law is made of: gr__certify_law() */
	gr_law *law;
	gr_prior *prior;
	gr_operator *A;    /* on [N,C,H,W], N a multiple of the measurements */
	gr_tensor *matrix; /* [I,M,D] f64, retained */
	gr_tensor *y;      /* [I,M] f64, retained */
	int64_t I;
	double sigma;
	bool magnitude;
} gr_certify_problem;

/* Of I measurements, everything drawn from the seed. */
gr_status gr__certify_problem_new(gr_certify_problem **out, const gr_certify_row *row, int64_t I,
	uint64_t seed);
void gr__certify_problem_free(gr_certify_problem *p);
/* Measurement i, for gr__posterior_new(); tensors belong to the scope, the law to p. */
gr_posterior_problem gr__certify_measurement(const gr_certify_problem *p, int64_t i);
/* The law that arrays by these names describe: "spectrum" [H,W] and "mean" of a field, else
 * "means", "weights" and "variances" or "covariances" of a mixture. GR_EARG, GR_ESHAPE. */
gr_law *gr__certify_law(const gr_archive *arrays);

/* --- certificates --- */

typedef struct gr_certify_opts {
	bool quick;
	const char *solver;  /* one, with parameters; NULL: every one there is */
	const char *terms;   /* joined to each, as `gradus solve --term` takes them; or NULL */
	const char *problem; /* one, by name; or NULL */
	double scale;        /* weight of the DPS term, which methods without a measurement get */
	int64_t steps;       /* 0: the problem's own */
	uint64_t seed;
	void (*progress)(const char *line, void *payload); /* or NULL */
	void *payload;
} gr_certify_opts;

/* One solver on one problem. */
typedef struct gr_certificate {
	const char *problem;
	char solver[128];
	char skipped[256]; /* why it does not fit, or how it failed; "" when there are scores */
	gr_summary score[GR_DEVIATIONS];
	gr_summary exact[GR_DEVIATIONS]; /* of exact samples, as many: the noise floor */
	int64_t measurements;
	int64_t particles; /* of each measurement, of which `draws` are kept evenly */
	int64_t evaluations;
	int64_t steps;
	gr_tensor *shown; /* the first two numbers of samples of the first measurement, retained */
} gr_certificate;

/* A sampler's error against the exact flow, by steps. */
#define GR_CERTIFY_GRIDS 4
typedef struct gr_sampler_order {
	const char *solver;
	int expected;
	int64_t steps[GR_CERTIFY_GRIDS];
	double error[GR_CERTIFY_GRIDS];
	double slope; /* between the two finest */
	char skipped[256];
} gr_sampler_order;

typedef struct gr_certified {
	gr_certify_opts opts;
	int64_t draws, projections; /* draws of each measurement */
	int count;
	gr_certificate *row; /* by problem; exact samples first, with score = exact */
	int orders;
	gr_sampler_order order[8];
} gr_certified;

/* GR_EARG for a solver or problem that there is not; GR_ESTATE when interrupted. */
gr_status gr__certify_run(gr_certified **out, const gr_certify_opts *opts);
void gr__certified_free(gr_certified *c);
/* "exact" within 1.1 of the floor and 88 to 92 %, else what is off. */
const char *gr__certify_verdict(char *text, size_t size, const gr_certificate *row);

/* certify_order.c */
gr_status gr__certify_orders(gr_certified *c);

/* certify_report.c */
void gr__certify_print(FILE *stream, const gr_certified *c);
gr_status gr__certify_json(const char *path, const gr_certified *c);
gr_status gr__certify_picture(const char *path, const gr_certified *c);

#endif
