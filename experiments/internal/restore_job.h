/*
 * A restoration being worked on: what restore_job.c finds and opens, restore.c runs and scores, and
 * restore_plan.c only looks at.
 */
#ifndef GRADUS_INTERNAL_RESTORE_JOB_H
#define GRADUS_INTERNAL_RESTORE_JOB_H

#include "restore.h"

typedef struct gr_restore_job {
	gr_restored *r;
	const gr_restore_opts *opts;
	gr_prior *prior;
	gr_key *keys;       /* [n] measurement keys */
	char encoder[4096]; /* folder of the network that the prior was aligned with; "" for none */
	int64_t per_chunk, chunks, chunk;
	double started, saved, printed;
	int64_t steps_total, steps_before; /* of this process, for the remaining time */
} gr_restore_job;

/* Prior, images, keys, measurement and baseline of j->r->config: everything that can be wrong with
 * the input is found here, and nothing is written. Closed also on failure. */
gr_status gr__restore_job_open(gr_restore_job *j, const gr_restore_config *config,
	const gr_restore_opts *opts);
/* Frees what j->r does not own; j->r is gr__restored_free()'s. */
void gr__restore_job_close(gr_restore_job *j);

/* The measurement of images begin..end-1, each `copies` times. */
gr_operator *gr__restore_operator(const gr_restore_job *j, int64_t begin, int64_t end,
	int64_t copies);

/* restore_encoder.c: the folder that the prior in `folder` was aligned with, of at most `size` bytes;
 * "" for none. GR_EFORMAT unless it is the one that config.json tells. */
gr_status gr__restore_encoder(char *path, size_t size, const char *folder);

/* What the solver of some images stands on. */
typedef struct gr_restore_solving {
	gr_operator *A;
	gr_key *keys;
	gr_term *terms[GR_SOLVER_MAX_TERMS + 1];
	gr_solver *s;
} gr_restore_solving;

/* The solver of images begin..end-1, to be closed also on failure. */
gr_status gr__restore_solving_open(const gr_restore_job *j, gr_restore_solving *v, int64_t begin,
	int64_t end, gr_solver_on_step on_step, void *payload);
void gr__restore_solving_close(gr_restore_solving *v);

#endif
