/*
 * The numbers of a table, from the metrics.csv of its rows: means over images with intervals, and
 * each method against its baseline image by image. A table depends on these files alone, so that
 * merged shards give the table of one run.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exp.h"

#define PATH_SIZE 4096
#define MAX_COLUMNS 32

/* metrics.csv of a row: [GR_SCORES][n][k] of its samples, [GR_SCORES][n] of their mean and of the
 * classical baseline. */
typedef struct row_data {
	int64_t n, k;
	char baseline[96];
	double *sample, *mean, *classical;
} row_data;

static void free_data(row_data *d)
{
	gr_free(d->sample);
	gr_free(d->mean);
	gr_free(d->classical);
	*d = (row_data){0};
}

/* --- reading --- */

/* The next line of *text without its end, which moves behind it; NULL at the end. */
static char *next_line(char **text)
{
	char *line = *text;
	if (*line == '\0')
		return NULL;
	char *end = line + strcspn(line, "\n");
	*text = *end ? end + 1 : end;
	*end = '\0';
	return line;
}

/* Cut a line at commas; the number of fields. */
static int cut(char *line, char *field[MAX_COLUMNS])
{
	int n = 0;
	for (char *at = line; at && n < MAX_COLUMNS; n++) {
		field[n] = at;
		at = strchr(at, ',');
		if (at)
			*at++ = '\0';
	}
	return n;
}

/* Which scores the fields of a line are, from the header; -1: not a score. */
typedef struct header {
	int score[MAX_COLUMNS];
	int fields;
} header;

static gr_status read_header(header *h, char *line, const char *path)
{
	char *field[MAX_COLUMNS];
	h->fields = line ? cut(line, field) : 0;
	if (h->fields < 4 || strcmp(field[0], "image") != 0 || strcmp(field[2], "particle") != 0)
		return gr_error_set(GR_EFORMAT, "%s: not a metrics.csv", path);
	for (int i = 0; i < h->fields; i++)
		h->score[i] = i < 3 ? -1 : gr__score_find(field[i], strlen(field[i]));
	return GR_OK;
}

static void take(const header *h, char *const *field, double *to, int64_t stride)
{
	for (int i = 3; i < h->fields; i++) {
		if (h->score[i] >= 0)
			to[h->score[i] * stride] = *field[i] ? strtod(field[i], NULL) : (double)NAN;
	}
}

/* One line into d; *image is the number of the one it is about. */
static gr_status read_line(row_data *d, const header *h, char *line, int64_t *image,
	const char *path)
{
	char *field[MAX_COLUMNS];
	if (cut(line, field) != h->fields)
		return gr_error_set(GR_EFORMAT, "%s: a line of another length", path);
	bool sample = *field[2] != '\0';
	bool mean = !sample && strcmp(field[1], "mean") == 0;
	if (!sample && !mean) { /* every image begins with its classical baseline */
		++*image;
		snprintf(d->baseline, sizeof d->baseline, "%s", field[1]);
	}
	long long particle = sample ? strtoll(field[2], NULL, 10) : 0;
	if (*image < 0 || *image >= d->n || particle < 0 || particle >= d->k)
		return gr_error_set(GR_EFORMAT, "%s: lines in another order", path);
	if (sample)
		take(h, field, d->sample + *image * d->k + particle, d->n * d->k);
	else
		take(h, field, (mean ? d->mean : d->classical) + *image, d->n);
	return GR_OK;
}

/* Images and samples in a text; it ends each image's lines with those of the next. */
static void count(row_data *d, const char *text)
{
	int64_t samples = 0;
	d->n = 0;
	for (const char *line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
		const char *particle = strchr(line + 1, ',');
		particle = particle ? strchr(particle + 1, ',') : NULL;
		if (particle && particle[1] >= '0' && particle[1] <= '9')
			samples++;
		else if (particle && strncmp(particle - 5, ",mean", 5) != 0)
			d->n++;
	}
	d->k = d->n > 0 ? samples / d->n : 0;
}

static gr_status read_data(row_data *d, const char *folder)
{
	char path[PATH_SIZE + 32];
	header h;
	int64_t image = -1;
	snprintf(path, sizeof path, "%s/metrics.csv", folder);
	char *text = gr__runfolder_read(folder, "metrics.csv");
	if (!text)
		return gr_error_code();
	count(d, text);
	size_t n = (size_t)(d->n > 0 ? d->n : 1);
	size_t k = (size_t)(d->k > 0 ? d->k : 1);
	d->sample = gr_alloc(GR_SCORES * n * k * sizeof(double));
	d->mean = gr_alloc(GR_SCORES * n * sizeof(double));
	d->classical = gr_alloc(GR_SCORES * n * sizeof(double));
	gr_status status = d->sample && d->mean && d->classical ? GR_OK : gr_error_code();
	for (size_t i = 0; i < GR_SCORES * n && !status; i++)
		d->mean[i] = d->classical[i] = (double)NAN;
	for (size_t i = 0; i < GR_SCORES * n * k && !status; i++)
		d->sample[i] = (double)NAN;
	char *at = text;
	if (!status && (d->n == 0 || d->k == 0))
		status = gr_error_set(GR_EFORMAT, "%s: it holds no images", path);
	if (!status)
		status = read_header(&h, next_line(&at), path);
	for (char *line; !status && (line = next_line(&at)) != NULL;)
		status = read_line(d, &h, line, &image, path);
	gr_free(text);
	return status;
}

/* --- numbers --- */

static const gr_summary nothing = {(double)NAN, (double)NAN, (double)NAN};

static gr_summary summarize(const double *value, int64_t n, gr_key key)
{
	gr_summary s = nothing;
	for (int64_t i = 0; i < n; i++) {
		if (!isnan(value[i]))
			return gr_summarize(&s, value, n, key) == GR_OK ? s : nothing;
	}
	return s;
}

/* The mean over samples (or, of what belongs to all of them, that number), image by image. */
static void per_image(double *out, const row_data *d, int c)
{
	for (int64_t i = 0; i < d->n; i++) {
		const double *v = d->sample + ((int64_t)c * d->n + i) * d->k;
		double sum = 0.0;
		for (int64_t k = 0; k < d->k; k++)
			sum += v[k] / (double)d->k;
		out[i] = c == GR_SCORE_SPREAD ? d->mean[(int64_t)c * d->n + i] : sum;
	}
}

static void best_of(double *out, const row_data *d, int c)
{
	int better = gr__score_columns[c].better;
	for (int64_t i = 0; i < d->n; i++) {
		const double *v = d->sample + ((int64_t)c * d->n + i) * d->k;
		out[i] = better == 0 || d->k == 1 ? (double)NAN : v[0];
		for (int64_t k = 1; k < d->k; k++)
			out[i] = better > 0 ? fmax(out[i], v[k])
				: better < 0    ? fmin(out[i], v[k])
								: (double)NAN;
	}
}

static const gr_exp_number *find_reference(const gr_exp_set *e, const char *task,
	const char *method, int c)
{
	for (int i = 0; i < e->numbers; i++) {
		const gr_exp_number *r = &e->number[i];
		if (strcmp(r->task, task) == 0 && strcmp(r->method, method) == 0 &&
			strcmp(r->column, gr__score_columns[c].name) == 0)
			return r;
	}
	return NULL;
}

/* Draws follow the experiment, task and column, so that methods are compared on the same ones. */
static gr_key draw_key(const gr_exp_set *e, const char *task, int c)
{
	gr_key key = gr_key_fold_name(gr_key_seed(0), e->x->name);
	return gr_key_fold(gr_key_fold_name(key, task), (uint64_t)c);
}

static gr_status fill(gr_exp_line *line, const gr_exp_set *e, const row_data *d,
	const row_data *base)
{
	double *own = gr_alloc(2 * (size_t)d->n * sizeof(double));
	if (!own)
		return gr_error_code();
	double *other = own + d->n;
	gr_status status = GR_OK;
	for (int c = 0; c < GR_SCORES && !status; c++) {
		gr_exp_cell *cell = &line->cell[c];
		gr_key key = draw_key(e, line->task, c);
		*cell = (gr_exp_cell){nothing, nothing, nothing, nothing, (double)NAN, NULL};
		cell->reference = find_reference(e, line->task, line->method, c);
		cell->mean =
			c == GR_SCORE_SPREAD || d->k == 1 ? nothing : summarize(d->mean + c * d->n, d->n, key);
		best_of(own, d, c);
		cell->best = summarize(own, d->n, key);
		per_image(own, d, c);
		cell->one = summarize(own, d->n, key);
		if (!base || base->n != d->n)
			continue;
		per_image(other, base, c);
		for (int64_t i = 0; i < d->n; i++)
			own[i] -= other[i];
		cell->gain = summarize(own, d->n, key);
		if (!isnan(cell->gain.mean))
			status = gr_paired_test(&cell->p, own, d->n, key);
	}
	gr_free(own);
	line->images = d->n;
	line->samples = d->k;
	return status ? status : gr_error_code();
}

static gr_status add_classical(gr_exp_table *t, const gr_exp_set *e, const gr_exp_entry *row,
	row_data *d)
{
	gr_exp_line *line = &t->line[t->lines];
	row_data own = {.n = d->n, .k = 1, .sample = d->classical, .mean = d->classical};
	snprintf(line->task, sizeof line->task, "%s", row->row.task);
	snprintf(line->method, sizeof line->method, "%s", d->baseline);
	t->lines++;
	return fill(line, e, &own, NULL);
}

static int find_row(const gr_exp_set *e, const char *task, const char *method)
{
	for (int i = 0; i < e->entries; i++) {
		if (strcmp(e->entry[i].row.task, task) == 0 && strcmp(e->entry[i].row.method, method) == 0)
			return i;
	}
	return -1;
}

static bool begins_task(const gr_exp_set *e, int i)
{
	for (int k = 0; k < i; k++) {
		if (!e->entry[k].needs && strcmp(e->entry[k].row.task, e->entry[i].row.task) == 0)
			return false;
	}
	return true;
}

gr_status gr__exp_collect(gr_exp_table *out, const gr_exp_set *e, const char *folder)
{
	char path[PATH_SIZE];
	gr_status status = GR_OK;
	row_data *data = gr_alloc((size_t)e->entries * sizeof *data);
	*out = (gr_exp_table){.line = gr_alloc(2 * (size_t)e->entries * sizeof *out->line)};
	if (!data || !out->line)
		status = gr_error_code();
	for (int i = 0; i < e->entries && !status; i++) {
		snprintf(path, sizeof path, "%s/rows/%s", folder, e->entry[i].slug);
		status = e->entry[i].needs ? GR_OK : read_data(&data[i], path);
	}
	for (int i = 0; i < e->entries && !status; i++) {
		const gr_exp_entry *row = &e->entry[i];
		if (!row->needs && begins_task(e, i))
			status = add_classical(out, e, row, &data[i]);
		if (status)
			break;
		gr_exp_line *line = &out->line[out->lines++];
		int base = row->row.baseline ? find_row(e, row->row.task, row->row.baseline) : -1;
		base = base >= 0 && e->entry[base].needs ? -1 : base;
		line->entry = row;
		line->needs = row->needs;
		snprintf(line->task, sizeof line->task, "%s", row->row.task);
		snprintf(line->method, sizeof line->method, "%s", row->row.method);
		for (int c = 0; c < GR_SCORES; c++)
			line->cell[c] = (gr_exp_cell){nothing, nothing, nothing, nothing, (double)NAN,
				find_reference(e, line->task, line->method, c)};
		if (!row->needs)
			status = fill(line, e, &data[i], base >= 0 ? &data[base] : NULL);
	}
	for (int i = 0; i < e->entries && data; i++)
		free_data(&data[i]);
	gr_free(data);
	return status;
}

void gr__exp_table_free(gr_exp_table *t)
{
	gr_free(t->line);
	*t = (gr_exp_table){0};
}
