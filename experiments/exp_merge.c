/*
 * Shards put together: image i of a row is image i / N of shard i mod N. Nothing is computed again;
 * the tables follow from the merged metrics.csv as they do from those of one run.
 */
#include <string.h>

#include "exp.h"
#include "gradus/io.h"

#define PATH_SIZE 4096
#define MAX_SHARDS 4096

typedef struct merging {
	const char *output;
	const char *const *folder; /* by shard */
	int n;
} merging;

/* The shards' texts of one metrics.csv, and how far each has been taken. */
typedef struct part {
	char *text;
	const char *at;
} part;

static size_t line_length(const char *at)
{
	size_t n = strcspn(at, "\n");
	return at[n] == '\n' ? n + 1 : n;
}

static bool is_same_image(const char *a, const char *b)
{
	size_t n = strcspn(a, ",\n");
	return n == strcspn(b, ",\n") && memcmp(a, b, n) == 0;
}

/* The lines of the next image; false when there is none. */
static bool take_image(gr_text *out, part *p)
{
	const char *first = p->at;
	if (*first == '\0')
		return false;
	while (*p->at != '\0' && is_same_image(first, p->at)) {
		gr__text_add(out, "%.*s", (int)line_length(p->at), p->at);
		p->at += line_length(p->at);
	}
	return true;
}

static gr_status merge_metrics(const merging *m, part *parts, const char *row)
{
	char path[PATH_SIZE];
	gr_text out = {0};
	gr_status status = GR_OK;
	for (int i = 0; i < m->n && status == GR_OK; i++) {
		snprintf(path, sizeof path, "%s/rows/%s", m->folder[i], row);
		parts[i].text =
			gr__runfolder_has(path, "run.json") ? gr__runfolder_read(path, "metrics.csv") : NULL;
		if (parts[i].text == NULL && !gr_failed())
			status = gr_error_set(GR_EARG, "merge: %s is not finished; hint: --resume it", path);
		else if (parts[i].text == NULL)
			status = gr_error_code();
		if (status != GR_OK)
			break;
		parts[i].at = parts[i].text + line_length(parts[i].text);
		if (i == 0)
			gr__text_add(&out, "%.*s", (int)line_length(parts[0].text), parts[0].text);
	}
	bool more = status == GR_OK;
	for (int i = 0; more; i = (i + 1) % m->n)
		more = take_image(&out, &parts[i]);
	for (int i = 0; i < m->n && status == GR_OK; i++) {
		if (*parts[i].at != '\0')
			status =
				gr_error_set(GR_EARG, "merge: %s/rows/%s holds other images than shard %d of %d",
					m->folder[i], row, i + 1, m->n);
	}
	snprintf(path, sizeof path, "%s/rows/%s", m->output, row);
	if (status == GR_OK)
		status = gr__runfolder_write(path, "metrics.csv", out.text);
	gr_free(out.text);
	for (int i = 0; i < m->n; i++) {
		gr_free(parts[i].text);
		parts[i] = (part){0};
	}
	return status;
}

static gr_status merge_row(const merging *m, const gr_exp_entry *row, part *parts)
{
	char to[PATH_SIZE], from[PATH_SIZE];
	snprintf(to, sizeof to, "%s/rows/%s/images", m->output, row->slug);
	gr_status status = gr__runfolder_make(to);
	for (int i = 0; i < m->n && status == GR_OK; i++) {
		snprintf(from, sizeof from, "%s/rows/%s/images", m->folder[i], row->slug);
		status = gr__runfolder_copy(from, to);
	}
	snprintf(from, sizeof from, "%s/rows/%s", m->folder[0], row->slug);
	snprintf(to, sizeof to, "%s/rows/%s", m->output, row->slug);
	char *config = status == GR_OK ? gr__runfolder_read(from, "config.json") : NULL;
	if (status == GR_OK)
		status = config == NULL ? gr_error_code() : gr__runfolder_write(to, "config.json", config);
	gr_free(config);
	return status == GR_OK ? merge_metrics(m, parts, row->slug) : status;
}

/* Put the folders in the order of their shards; all of one experiment, each shard once. */
static gr_status sort_shards(const char **sorted, gr_exp_config *first, const char *const *folder,
	int n)
{
	char *text = NULL;
	gr_status status = GR_OK;
	for (int i = 0; i < n && status == GR_OK; i++) {
		gr_exp_config c;
		status = gr__exp_config_read(&c, folder[i]);
		const gr_experiment *x = gr_experiment_find(c.name);
		if (status == GR_OK && x == NULL)
			status = gr_error_set(GR_EARG, "merge: %s: no table '%s'", folder[i], c.name);
		if (status == GR_OK && (c.opts.shards != n || c.opts.shard < 0 || c.opts.shard >= n))
			status = gr_error_set(GR_EARG, "merge: %s is shard %lld of %lld, and %d were given",
				folder[i], (long long)c.opts.shard + 1, (long long)c.opts.shards, n);
		if (status == GR_OK && sorted[c.opts.shard] != NULL)
			status = gr_error_set(GR_EARG, "merge: %s and %s are the same shard", folder[i],
				sorted[c.opts.shard]);
		gr_exp_set *e = status == GR_OK ? gr__exp_open(x, &c.opts) : NULL;
		char *own = e != NULL ? gr__exp_config(e, &(gr_exp_opts){.preset = c.opts.preset}) : NULL;
		gr__exp_free(e);
		if (status == GR_OK && own == NULL)
			status = gr_error_code();
		if (status == GR_OK && text != NULL && strcmp(own, text) != 0)
			status =
				gr_error_set(GR_EARG, "merge: %s and %s have other settings", folder[0], folder[i]);
		if (status == GR_OK)
			sorted[c.opts.shard] = folder[i];
		if (text == NULL) {
			text = own;
			*first = c;
			first->opts.parameters = (const char *const *)first->setting;
			continue;
		}
		gr_free(own);
		gr__exp_config_clear(&c);
	}
	gr_free(text);
	return status;
}

gr_status gr_exp_merge(const char *output, const char *const *folder, int n)
{
	if (output == NULL || folder == NULL || n < 2 || n > MAX_SHARDS)
		return gr_error_set(GR_EARG, "merge: %d shards, expected 2 to %d", n, MAX_SHARDS);
	gr_exp_config c = {.name = ""};
	part *parts = gr_alloc((size_t)n * sizeof *parts);
	const char **sorted = gr_alloc((size_t)n * sizeof *sorted);
	gr_status status =
		parts != NULL && sorted != NULL ? sort_shards(sorted, &c, folder, n) : gr_error_code();
	const merging m = {output, sorted, n};
	c.opts.shard = c.opts.shards = 0;
	gr_exp_set *e = status == GR_OK ? gr__exp_open(gr_experiment_find(c.name), &c.opts) : NULL;
	char *config = e != NULL ? gr__exp_config(e, &c.opts) : NULL;
	if (status == GR_OK)
		status = config != NULL ? gr__runfolder_open(output, config, false) : gr_error_code();
	for (int i = 0; e != NULL && i < e->entries && status == GR_OK; i++) {
		if (e->entry[i].needs == NULL)
			status = merge_row(&m, &e->entry[i], parts);
	}
	if (status == GR_OK)
		status = gr__exp_tabulate(e, output);
	gr_free(config);
	gr__exp_free(e);
	gr__exp_config_clear(&c);
	gr_free(parts);
	gr_free(sorted);
	return status;
}
