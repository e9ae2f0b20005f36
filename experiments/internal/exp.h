/*
 * An experiment from inside: what exp.c (rows and parameters), exp_config.c (config.json), exp_run.c
 * (running them), exp_merge.c, exp_plan.c, exp_cells.c (numbers of the table) and exp_write.c (its
 * files) share.
 */
#ifndef GRADUS_INTERNAL_EXP_H
#define GRADUS_INTERNAL_EXP_H

#include "gradus/experiment.h"
#include "gradus/statistics.h"
#include "restore.h"
#include "runfolder.h"

typedef struct gr_exp_entry {
	gr_exp_row row;           /* texts owned by the experiment */
	const char *needs;        /* NULL: it runs */
	char slug[128];           /* its folder below rows/ */
	gr_restore_config config; /* of a row that runs */
} gr_exp_entry;

typedef struct gr_exp_number {
	const char *task, *method, *column, *source;
	double value;
} gr_exp_number;

struct gr_exp_set {
	const gr_experiment *x;
	gr_preset preset;
	void *params;
	gr_exp_entry *entry;
	int entries, room;
	gr_exp_number *number;
	int numbers, number_room;
	const char *abscissa, *curve;
	gr_text notes;
	char **text; /* owned texts */
	int texts, text_room;
	gr_status status; /* the first error of the body */
};

/* The rows of x for a preset with other parameters; NULL with an error recorded. */
gr_exp_set *gr__exp_open(const gr_experiment *x, const gr_exp_opts *opts);
void gr__exp_free(gr_exp_set *e);
const char *gr__exp_preset_name(gr_preset p);
/* config.json of the run, a gr_alloc() block. */
char *gr__exp_config(const gr_exp_set *e, const gr_exp_opts *opts);
/* And back: name and options as they were given, parameters included; GR_EIO, GR_EFORMAT. The texts
 * are freed by gr__exp_config_clear(), also on failure. */
#define GR_EXP_MAX_PARAMS 32
typedef struct gr_exp_config {
	char name[64];
	gr_exp_opts opts;
	char *setting[GR_EXP_MAX_PARAMS + 1]; /* opts.parameters */
} gr_exp_config;
gr_status gr__exp_config_read(gr_exp_config *c, const char *folder);
void gr__exp_config_clear(gr_exp_config *c);
/* The folder that the images of a row's configuration lie in. */
gr_status gr__exp_input(char *path, size_t size, const gr_restore_config *c);

/* Numbers of one method on one task. */
typedef struct gr_exp_cell {
	gr_summary one;                 /* a sample: mean over the samples of an image */
	gr_summary mean;                /* the mean of the samples, as an image */
	gr_summary best;                /* the best sample of each image */
	gr_summary gain;                /* of `one` over the baseline's, image by image */
	double p;                       /* of gain 0, by changing signs; NaN without a baseline */
	const gr_exp_number *reference; /* or NULL */
} gr_exp_cell;

/* A line of the table: a row, or the classical baseline of a task (entry NULL). */
typedef struct gr_exp_line {
	const gr_exp_entry *entry;
	char task[64], method[96];
	const char *needs;
	int64_t images, samples;
	gr_exp_cell cell[GR_SCORES];
} gr_exp_line;

typedef struct gr_exp_table {
	gr_exp_line *line;
	int lines;
} gr_exp_table;

/* The table of a folder whose rows are done. */
gr_status gr__exp_collect(gr_exp_table *out, const gr_exp_set *e, const char *folder);
void gr__exp_table_free(gr_exp_table *t);
/* exp_run.c: collect and write. */
gr_status gr__exp_tabulate(const gr_exp_set *e, const char *folder);
/* table.md, table.csv, table.tex, table.json, panel.png and, of a study, curve.svg. */
gr_status gr__exp_write(const gr_exp_set *e, const gr_exp_table *t, const char *folder);
/* table.md alone, to a stream. */
void gr__exp_markdown(FILE *stream, const gr_exp_set *e, const gr_exp_table *t);
/* exp_curve.c: a line chart with intervals as SVG. */
gr_status gr__exp_curve_write(const gr_exp_set *e, const gr_exp_table *t, const char *folder);
/* exp_panel.c: for each task the images, the measurements and a sample of every row. */
gr_status gr__exp_panel_write(const gr_exp_set *e, const char *folder);

#endif
