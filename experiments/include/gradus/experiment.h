/*
 * Experiments: a table or a figure as a program. It names its parameters once, with their values in
 * three presets, and adds rows; the runner does the rest: it runs every row, resumes, splits the
 * images over shards, and writes the table with intervals and paired tests.
 *
 *     #define PARAMS(P) P(int, steps, 1000, 100, 4, "reverse steps") \
 *                       P(text, prior, "", "fashion", "fashion", "the prior")
 *
 *     GR_EXPERIMENT(my_table, "DPS at two noise levels", PARAMS)
 *     {
 *         GR_EXP_ROW(e, .task = "hole", .method = "DPS", .operator_ = "inpaint_box",
 *             .solver = "dps", .prior = p->prior, .steps = p->steps, .scale = 1.0);
 *     }
 *
 * A row that cannot run as it stands says what it needs (gr_exp_needs); a number that a paper prints
 * stands beside ours (gr_exp_reference). Presets: `full` is the published setting, with checkpoints
 * and images that the user has; `small` is for two cores; `smoke` takes seconds.
 *
 * Ownership: texts given to the functions below are copied. Threads: one experiment at a time.
 */
#ifndef GRADUS_EXPERIMENT_H
#define GRADUS_EXPERIMENT_H

#include <stddef.h>
#include <stdio.h>

#include "gradus/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gr_preset {
	GR_PRESET_FULL = 0,
	GR_PRESET_SMALL = 1,
	GR_PRESET_SMOKE = 2,
} gr_preset;

/* The preset of that name; `small`, with an error recorded, for a name that there is not. */
GR_API gr_preset gr_preset_named(const char *name);

typedef enum gr_exp_kind { GR_EXP_int = 0, GR_EXP_double = 1, GR_EXP_text = 2 } gr_exp_kind;

typedef struct gr_exp_param {
	const char *name;
	gr_exp_kind kind;
	size_t offset;        /* in the parameters' struct */
	const char *value[3]; /* as written in the source, by preset */
	const char *help;
} gr_exp_param;

typedef struct gr_exp_set gr_exp_set;

typedef struct gr_experiment {
	const char *name, *title;
	const gr_exp_param *params; /* ends with one without name */
	size_t bytes;               /* of the parameters' struct */
	void (*rows)(gr_exp_set *e, const void *p);
} gr_experiment;

typedef int64_t gr_exp_type_int;
typedef double gr_exp_type_double;
typedef const char *gr_exp_type_text;
#define GR_EXP_FIELD(type, name, full, small, smoke, help) gr_exp_type_##type name;
#define GR_EXP_PARAM(type, name, full, small, smoke, help) \
	{#name, GR_EXP_##type, offsetof(gr_exp_params, name), {#full, #small, #smoke}, help},
/* Defines `const gr_experiment gr_experiment_NAME`; followed by the body that adds rows, with e and
 * p in scope. One to a file. */
#define GR_EXPERIMENT(id, text, PARAMS) \
	typedef struct gr_exp_params { \
		PARAMS(GR_EXP_FIELD) \
	} gr_exp_params; \
	static void id##_rows(gr_exp_set *e, const gr_exp_params *p); \
	static void id##_any(gr_exp_set *e, const void *p) \
	{ \
		id##_rows(e, (const gr_exp_params *)p); \
	} \
	static const gr_exp_param id##_params[] = {PARAMS(GR_EXP_PARAM){0}}; \
	extern const gr_experiment gr_experiment_##id; \
	const gr_experiment gr_experiment_##id = {#id, text, id##_params, sizeof(gr_exp_params), \
		id##_any}; \
	static void id##_rows(gr_exp_set *e, const gr_exp_params *p)

/* --- in the body --- */

/* One row: what `gradus solve` would be told. Texts that are NULL and numbers that are 0 have the
 * defaults of that command. */
typedef struct gr_exp_row {
	const char *task;     /* what is measured: a group of rows */
	const char *method;   /* its label, once in a task */
	const char *baseline; /* label of the row of the task that this one is compared with */
	double at;            /* a study's abscissa */
	const char *prior, *operator_, *solver, *terms, *input;
	const char *networks; /* further trained networks that the terms name, separated by blanks */
	double sigma, scale;
	int64_t steps, particles, images, seed;
} gr_exp_row;

/* A row whose prior or networks are not there says so in the table and is not run. */
#define GR_EXP_ROW(e, ...) gr_exp_add((e), &(const gr_exp_row){__VA_ARGS__})
GR_API void gr_exp_add(gr_exp_set *e, const gr_exp_row *row);
/* A row that is not run here, and what it would need. */
GR_API void gr_exp_needs(gr_exp_set *e, const char *task, const char *method, const char *what);
/* A published number of a column ("psnr", ...; gradus table prints the names) and where it stands. */
GR_API void gr_exp_reference(gr_exp_set *e, const char *task, const char *method,
	const char *column, double value, const char *source);
/* A sentence below the table: what it says, at what scale. */
GR_API void gr_exp_note(gr_exp_set *e, const char *text);
/* A study: `column` is drawn over .at, one curve for each word that methods begin with up to " @". */
GR_API void gr_exp_curve(gr_exp_set *e, const char *abscissa, const char *column);
/* A text made as printf does, valid as long as the experiment. */
GR_API const char *gr_exp_text_of(gr_exp_set *e, const char *format, ...) GR_PRINTF(2, 3);

/* --- running --- */

typedef struct gr_exp_opts {
	size_t size;
	gr_preset preset;
	const char *output;            /* folder to make */
	const char *const *parameters; /* "steps=50", ..., ends with NULL: in place of the preset's */
	bool resume;
	bool quiet;
	int64_t shard, shards; /* the images with index `shard` modulo `shards`; 0 of 0: all */
} gr_exp_opts;

/* Run what is not yet done and write table.md, .csv, .tex, .json and panel.png to the folder; a shard
 * writes its rows alone. GR_ESTATE when interrupted, to be resumed. */
GR_API GR_MUST_USE gr_status gr_exp_run(const gr_experiment *x, const gr_exp_opts *opts);
/* Print what would run: every row with its settings, what is missing, nothing else. */
GR_API GR_MUST_USE gr_status gr_exp_list(const gr_experiment *x, const gr_exp_opts *opts,
	FILE *stream);

/* The folder `output` of one run of the experiment whose shards lie in folder[0..n-1], all of them,
 * finished: their rows' numbers and images, and the same files to the byte as one run writes.
 * GR_EARG naming what does not belong together. */
GR_API GR_MUST_USE gr_status gr_exp_merge(const char *output, const char *const *folder, int n);

/* What each row will take, found by a dry run and a few timed steps: nothing is written. */
typedef struct gr_exp_plan {
	const char *task, *method,
		*needs;                    /* needs: NULL, or why the rest is 0; valid during the call */
	int64_t images, samples;       /* samples of all images */
	double evaluations, gradients; /* of the prior for a sample */
	double flops;                  /* of all samples, by the records of the ops */
	uint64_t bytes;                /* tensors at the most, weights included */
	double seconds;                /* of all samples, by timed steps on this machine */
} gr_exp_plan;
/* fn is called for each row; `timed` false leaves out the steps, and seconds is 0. */
GR_API GR_MUST_USE gr_status gr_exp_plan_rows(const gr_experiment *x, const gr_exp_opts *opts,
	bool timed, void (*fn)(const gr_exp_plan *plan, void *payload), void *payload);

/* The library's: i = 0, 1, ..., NULL beyond; by name, NULL if there is none. */
GR_API const gr_experiment *gr_experiment_at(int i);
GR_API const gr_experiment *gr_experiment_find(const char *name);

#ifdef __cplusplus
}
#endif

#endif
