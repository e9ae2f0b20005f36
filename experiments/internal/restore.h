/*
 * Solving one inverse problem for a set of images: measure, restore by a solver and by the
 * classical baseline, score, and leave a run folder behind.
 *
 * Images are worked on in chunks; what a chunk holds has no influence on any result. Finished
 * chunks and the state of the one in work are kept in the folder's state/, so that a run that was
 * killed continues where it was and ends with the same files.
 */
#ifndef GRADUS_INTERNAL_RESTORE_H
#define GRADUS_INTERNAL_RESTORE_H

#include "gradus/baseline.h"
#include "gradus/solver.h"
#include "gradus/term_kind.h"
#include "imageset.h"
#include "score.h"

/* What decides the results: all of it stands in config.json. */
typedef struct gr_restore_config {
	const char *prior;  /* a name or a folder */
	const char *spec;   /* the operator with its options, as gr_operator_new() takes it */
	const char *solver; /* a named solver, or a method, with parameters: gradus/solver.h */
	const char *terms;  /* further terms, as gr_term_open() takes them, separated by blanks */
	const char *input;  /* PNG or folder */
	double sigma;       /* of the noise, images in [-1,1] */
	double scale;       /* zeta of the DPS term, which methods without a measurement get */
	int64_t steps;
	int64_t particles; /* samples for each measurement */
	int64_t limit;     /* images to take, 0 for all */
	int64_t seed;
} gr_restore_config;

typedef struct gr_restore_opts {
	const char *output;
	bool resume;
	bool quiet;
	int64_t chunk;  /* samples at a time; default 32 */
	bool recompute; /* gradients run the network's stages again */
	/* Of the images those whose index is `shard` modulo `shards`; 0 of 0: all. */
	int64_t shard, shards;
} gr_restore_opts;

/* Tensors f32 [n,...] of a run; `samples` [n*particles,C,H,W], image by image. */
typedef struct gr_restored {
	gr_restore_config config;
	gr_imageset *images;
	const char *baseline_name;
	gr_tensor *y, *shown, *baseline, *samples,
		*mean;                /* shown: y as an image; mean over particles */
	gr_score *score_baseline; /* [n] */
	gr_score *score_sample;   /* [n*particles] */
	gr_score *score_mean;     /* [n] */
	char weights_sha[65];
	char prior_folder[4096];
	double seconds;
	/* Of the prior, in this process: for each chunk, and of these with a gradient; steps done. */
	int64_t evaluations, gradients, steps;
	int64_t steps_of_run; /* of a chunk; may be another number than was asked for */
} gr_restored;

/* GR_OK, or an error; GR_ESTATE with gr_interrupted() when a signal stopped it, state saved. */
gr_status gr__restore_run(gr_restored **out, const gr_restore_config *config,
	const gr_restore_opts *opts);
void gr__restored_free(gr_restored *r);

/* restore_plan.c: what a run takes, found without writing anything. */
typedef struct gr_restore_plan {
	int64_t images;
	double evaluations, gradients; /* of the prior for each sample */
	double flops;                  /* of the whole run, by the records of the ops */
	uint64_t bytes;                /* of tensors at the most, weights and images included */
	double seconds;                /* of the whole run, from some timed steps; 0 if not `timed` */
} gr_restore_plan;
gr_status gr__restore_plan(gr_restore_plan *out, const gr_restore_config *config, bool timed);

/* restore_terms.c: what config->solver and config->terms stand for. `method` is a text of at most
 * `size` bytes for gr_solver_opts; guided: the DPS term with weight `scale` belongs to it. GR_EARG
 * for a name that there is not. */
gr_status gr__restore_method(char *method, size_t size, bool *guided, const gr_restore_config *c);
/* All terms of the solver for a problem: the solver's own, then config->terms, of which one takes the
 * place of the solver's own of the same kind. terms[] ends with NULL; to be freed one by one, also on
 * failure. */
gr_status gr__restore_terms(gr_term *terms[GR_SOLVER_MAX_TERMS + 1], const gr_restore_config *c,
	const gr_term_problem *problem);
/* The solver's name without parameters, for labels and files: at most `size` bytes. */
const char *gr__restore_solver_name(char *name, size_t size, const gr_restore_config *c);

/* config.json of these options, a gr_alloc() block; and back, strings in gr_alloc() blocks. */
char *gr__restore_config_text(const gr_restore_config *c);
gr_status gr__restore_config_read(gr_restore_config *c, const char *path);
/* Frees the texts of a configuration that was read, also of one that failed. */
void gr__restore_config_clear(gr_restore_config *c);

/* Evaluations (gradients) of the prior for each sample of the whole run, from a count of r's. */
double gr__restore_nfe(const gr_restored *r, int64_t count);
/* restore_report.c: the files of a finished run, and the mean scores as Markdown rows. */
gr_status gr__restore_report(const gr_restored *r, const char *folder);
/* A table row per method; `task` names the operator in the first column. */
void gr__restore_rows(FILE *stream, const gr_restored *r, const char *task);
/* Header lines of that table, of runs with so many samples. */
void gr__restore_header(FILE *stream, int64_t particles);

/* A labelled picture: one strip of images per row. */
typedef struct gr_panel_row {
	const char *label;
	gr_tensor *images; /* [N,C,H,W] in [-1,1] */
} gr_panel_row;

gr_status gr__panel_write(const char *path, int rows, const gr_panel_row *row, int64_t columns);
/* Rows of r for gr__panel_write(); returns their number, at most 5. */
int gr__restore_panel_rows(const gr_restored *r, gr_panel_row rows[5]);

#endif
