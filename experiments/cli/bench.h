/*
 * Cases of `gradus bench`: a family sets up what its parts work on and each part is one thing to
 * time. bench_ops.c holds single ops, bench_nets.c networks; cmd_bench.c measures and prints.
 * To add a case, add a line to a table; to add a family, a table entry and its functions.
 */
#ifndef GRADUS_CLI_BENCH_H
#define GRADUS_CLI_BENCH_H

#include "gradus/layers.h"
#include "gradus/ops.h"
#include "gradus/optim.h"
#include "gradus/unet.h"
#include "gradus/vae.h"
#include "gradus/vit.h"

#define GR_BENCH_PARTS 4

/* What a case works on: made once, used by every repetition. Tensors belong to the case's scope,
 * the rest is freed after it. */
typedef struct gr_bench_data {
	gr_tensor *x, *w, *b, *g;
	gr_unet *unet;
	gr_vit *vit;
	gr_vae *vae;
	gr_module *tree;   /* a network made here */
	gr_module *module; /* that of the network, borrowed */
	gr_linear *layers[3];
	gr_params params;
	gr_optim *optim;
	gr_tensor *(*forward)(struct gr_bench_data *d, gr_tensor *x); /* of the network */
} gr_bench_data;

typedef gr_status gr_bench_run(gr_bench_data *d, const int64_t *p);

/* One thing to time: its work is `factor` times that of the family. */
typedef struct gr_bench_part {
	const char *suffix, *variant;
	gr_bench_run *run;
	double factor;
	int64_t count;        /* the time printed is that of a run over this; default 1 */
	gr_bench_run *before; /* optional: what each run needs and is not timed */
} gr_bench_part;

/* Parts that share their data. */
typedef struct gr_bench_family {
	gr_bench_run *setup;
	double (*flops)(const int64_t *p);
	gr_bench_part parts[GR_BENCH_PARTS];
} gr_bench_family;

/* The meaning of p is the family's. */
typedef struct gr_bench_case {
	const char *name;
	const gr_bench_family *family;
	int64_t p[6];
} gr_bench_case;

/* Tables that end with an entry without name. */
extern const gr_bench_case gr__bench_ops[], gr__bench_nets[];

/* Normal numbers of this seed, owned by the scope. */
gr_tensor *gr__bench_noise(uint64_t seed, int ndim, const int64_t *dims);
/* GR_OK for a tensor, else the recorded error. */
gr_status gr__bench_done(const gr_tensor *t);

#endif
