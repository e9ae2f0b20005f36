/*
 * Running an experiment: row by row into folders of their own, each of which resumes by itself; then
 * the table of what they hold (see gradus/experiment.h).
 */
#include <math.h>
#include <string.h>

#include "exp.h"

#define PATH_SIZE 4096

/* Where a row's images lie: "shipped" are those beside the prior's weights, "shipped:NAME" those of
 * another prior. */
gr_status gr__exp_input(char *path, size_t size, const gr_restore_config *c)
{
	char prior[PATH_SIZE];
	const char *name = c->prior;
	if (strncmp(c->input, "shipped", 7) != 0 || (c->input[7] != '\0' && c->input[7] != ':')) {
		snprintf(path, size, "%s", c->input);
		return GR_OK;
	}
	if (c->input[7] == ':')
		name = c->input + 8;
	gr_status status = gr__prior_find(prior, sizeof prior, name);
	if (status == GR_OK && (size_t)snprintf(path, size, "%s/images", prior) >= size)
		status = gr_error_set(GR_EARG, "prior %s: the path is too long", name);
	return status;
}

static gr_status run_row(const gr_exp_set *e, int i, const gr_exp_opts *opts)
{
	const gr_exp_entry *row = &e->entry[i];
	char folder[PATH_SIZE];
	char input[PATH_SIZE];
	gr_restored *r = NULL;
	snprintf(folder, sizeof folder, "%s/rows/%s", opts->output, row->slug);
	if (gr__runfolder_has(folder, "run.json"))
		return GR_OK;
	if (!opts->quiet)
		fprintf(stderr, "row %d of %d: %s, %s\n", i + 1, e->entries, row->row.task,
			row->row.method);
	gr_restore_config config = row->config;
	gr_status status = gr__exp_input(input, sizeof input, &config);
	config.input = input;
	if (status == GR_OK)
		status = gr__restore_run(&r, &config,
			&(gr_restore_opts){.output = folder,
				.resume = true,
				.quiet = opts->quiet,
				.shard = opts->shard,
				.shards = opts->shards});
	gr__restored_free(r);
	if (status == GR_OK || gr_interrupted())
		return status;
	char message[1024];
	snprintf(message, sizeof message, "%s", gr_error_message());
	gr_error_clear();
	return gr_error_set(status, "%s, %s: %s", row->row.task, row->row.method, message);
}

gr_status gr__exp_tabulate(const gr_exp_set *e, const char *folder)
{
	gr_exp_table table = {0};
	gr_status status = gr__exp_collect(&table, e, folder);
	if (status == GR_OK)
		status = gr__exp_write(e, &table, folder);
	gr__exp_table_free(&table);
	return status;
}

static bool is_all_missing(const gr_exp_set *e)
{
	for (int i = 0; i < e->entries; i++) {
		if (e->entry[i].needs == NULL)
			return false;
	}
	return true;
}

gr_status gr_exp_run(const gr_experiment *x, const gr_exp_opts *opts)
{
	if (x == NULL || opts == NULL || opts->output == NULL)
		return gr_error_set(GR_EARG, "experiment: %s", x == NULL ? "it is NULL" : "no output");
	if (opts->shards < 0 || (opts->shards > 0 && opts->shard >= opts->shards) || opts->shard < 0)
		return gr_error_set(GR_EARG, "experiment: shard %lld of %lld; they are counted from 0",
			(long long)opts->shard, (long long)opts->shards);
	gr_exp_set *e = gr__exp_open(x, opts);
	if (e == NULL)
		return gr_error_code();
	if (is_all_missing(e)) {
		gr_error_set(GR_EIO, "experiment %s: no row can run here; the first needs %s", x->name,
			e->entry[0].needs);
		gr__exp_free(e);
		return gr_error_code();
	}
	char *config = gr__exp_config(e, opts);
	gr_status status =
		config == NULL ? gr_error_code() : gr__runfolder_open(opts->output, config, opts->resume);
	gr_free(config);
	for (int i = 0; i < e->entries && status == GR_OK; i++) {
		if (e->entry[i].needs == NULL)
			status = run_row(e, i, opts);
	}
	if (status == GR_OK && opts->shards <= 1)
		status = gr__exp_tabulate(e, opts->output);
	gr__exp_free(e);
	return status;
}

gr_status gr_exp_list(const gr_experiment *x, const gr_exp_opts *opts, FILE *stream)
{
	gr_exp_set *e = gr__exp_open(x, opts);
	if (e == NULL)
		return gr_error_code();
	fprintf(stream, "%s: %s, preset %s\n", x->name, x->title, gr__exp_preset_name(e->preset));
	for (int i = 0; i < e->entries; i++) {
		const gr_exp_entry *row = &e->entry[i];
		const gr_restore_config *c = &row->config;
		fprintf(stream, "%3d  %s, %s: ", i + 1, row->row.task, row->row.method);
		if (row->needs != NULL)
			fprintf(stream, "needs %s; ", row->needs);
		if (c->prior == NULL)
			fprintf(stream, "\n");
		else
			fprintf(stream,
				"--prior %s --operator %s --solver %s%s%s%s --input %s --sigma %g --scale %g "
				"--steps %lld --particles %lld --limit %lld --seed %lld\n",
				c->prior, c->spec, c->solver, *c->terms ? ", terms \"" : "", c->terms,
				*c->terms ? "\"," : "", c->input, c->sigma, c->scale, (long long)c->steps,
				(long long)c->particles, (long long)c->limit, (long long)c->seed);
	}
	gr__exp_free(e);
	return GR_OK;
}
