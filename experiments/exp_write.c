/*
 * The files of a table: Markdown to read, CSV and JSON with every interval, LaTeX (booktabs) to
 * paste. They depend on the rows' numbers alone: the same to the byte when run again, after --resume
 * and when merged from shards.
 */
#include <math.h>
#include <string.h>

#include "exp.h"
#include "gradus/io.h"
#include "gradus/json.h"

#define PATH_SIZE 4096

/* Columns that some line has a number in. */
static bool has_column(const gr_exp_table *t, int c)
{
	for (int i = 0; i < t->lines; i++) {
		if (!isnan(t->line[i].cell[c].one.mean))
			return true;
	}
	return false;
}

/* Whether no other line of the task is better in this column, as printed. */
static bool is_best(const gr_exp_table *t, int i, int c)
{
	const gr_score_column *column = &gr__score_columns[c];
	char own[32], other[32];
	double v = t->line[i].cell[c].one.mean;
	if (column->better == 0 || isnan(v))
		return false;
	snprintf(own, sizeof own, "%.*f", column->digits, v);
	for (int k = 0; k < t->lines; k++) {
		double w = t->line[k].cell[c].one.mean;
		if (strcmp(t->line[k].task, t->line[i].task) != 0 || isnan(w))
			continue;
		snprintf(other, sizeof other, "%.*f", column->digits, w);
		if ((w - v) * column->better > 0.0 && strcmp(own, other) != 0)
			return false;
	}
	return true;
}

static void print_summary(FILE *f, const gr_summary *s, int digits, bool sign)
{
	if (!isnan(s->mean))
		fprintf(f, sign ? "%+.*f [%+.*f, %+.*f]" : "%.*f [%.*f, %.*f]", digits, s->mean, digits,
			s->low, digits, s->high);
}

/* --- Markdown --- */

static void markdown_head(FILE *f, const gr_exp_table *t, const char *first)
{
	fprintf(f, "\n| %s", first);
	for (int c = 0; c < GR_SCORES; c++)
		if (has_column(t, c))
			fprintf(f, " | %s", gr__score_columns[c].title);
	fprintf(f, " |\n|---|---");
	for (int c = 0; c < GR_SCORES; c++)
		if (has_column(t, c))
			fprintf(f, "|---");
	fprintf(f, "|\n");
}

static void markdown_values(FILE *f, const gr_exp_table *t)
{
	markdown_head(f, t, "task | method");
	for (int i = 0; i < t->lines; i++) {
		const gr_exp_line *line = &t->line[i];
		fprintf(f, "| %s | %s", line->task, line->method);
		if (line->needs != NULL)
			fprintf(f, ": needs %s", line->needs);
		for (int c = 0; c < GR_SCORES; c++) {
			const char *mark = is_best(t, i, c) ? "**" : "";
			if (!has_column(t, c))
				continue;
			fprintf(f, " | %s", mark);
			print_summary(f, &line->cell[c].one, gr__score_columns[c].digits, false);
			fprintf(f, "%s", mark);
		}
		fprintf(f, " |\n");
	}
}

static void markdown_many(FILE *f, const gr_exp_table *t)
{
	bool any = false;
	for (int i = 0; i < t->lines; i++) {
		const gr_exp_line *line = &t->line[i];
		if (line->needs != NULL || line->samples < 2)
			continue;
		if (!any)
			fprintf(f,
				"\n| task | method | samples | PSNR of their mean | best PSNR of them |\n"
				"|---|---|---|---|---|\n");
		any = true;
		fprintf(f, "| %s | %s | %lld | ", line->task, line->method, (long long)line->samples);
		print_summary(f, &line->cell[GR_SCORE_PSNR].mean, 2, false);
		fprintf(f, " | ");
		print_summary(f, &line->cell[GR_SCORE_PSNR].best, 2, false);
		fprintf(f, " |\n");
	}
}

static void markdown_gains(FILE *f, const gr_exp_table *t)
{
	bool any = false;
	for (int i = 0; i < t->lines; i++) {
		const gr_exp_line *line = &t->line[i];
		if (line->entry == NULL || line->entry->row.baseline == NULL || line->needs != NULL)
			continue;
		if (!any) {
			fprintf(f,
				"\nAgainst the baseline, image by image: mean difference, its interval, p of "
				"no difference by changing signs.\n");
			markdown_head(f, t, "task | method - baseline");
		}
		any = true;
		fprintf(f, "| %s | %s - %s", line->task, line->method, line->entry->row.baseline);
		for (int c = 0; c < GR_SCORES; c++) {
			const gr_exp_cell *cell = &line->cell[c];
			if (!has_column(t, c))
				continue;
			fprintf(f, " | ");
			print_summary(f, &cell->gain, gr__score_columns[c].digits + 1, true);
			if (!isnan(cell->gain.mean))
				fprintf(f, ", p = %.4f", cell->p);
		}
		fprintf(f, " |\n");
	}
}

static void markdown_references(FILE *f, const gr_exp_table *t)
{
	bool any = false;
	for (int i = 0; i < t->lines; i++) {
		for (int c = 0; c < GR_SCORES; c++) {
			const gr_exp_line *line = &t->line[i];
			const gr_exp_number *r = line->cell[c].reference;
			if (r == NULL)
				continue;
			if (!any)
				fprintf(f,
					"\n| task | method | column | published | here - published | where |\n"
					"|---|---|---|---|---|---|\n");
			any = true;
			fprintf(f, "| %s | %s | %s | %g | ", line->task, line->method,
				gr__score_columns[c].title, r->value);
			if (!isnan(line->cell[c].one.mean))
				fprintf(f, "%+.*f", gr__score_columns[c].digits, line->cell[c].one.mean - r->value);
			fprintf(f, " | %s |\n", r->source);
		}
	}
}

void gr__exp_markdown(FILE *f, const gr_exp_set *e, const gr_exp_table *t)
{
	int64_t images = 0;
	for (int i = 0; i < t->lines; i++)
		images = t->line[i].images > images ? t->line[i].images : images;
	fprintf(f,
		"%s\n\nPreset `%s`, %lld images. Values are of one sample: its mean over the samples "
		"of an image, then over images, with the 95 %% interval by bootstrap over images.\n",
		e->x->title, gr__exp_preset_name(e->preset), (long long)images);
	markdown_values(f, t);
	markdown_many(f, t);
	markdown_gains(f, t);
	markdown_references(f, t);
	if (e->notes.text != NULL)
		fprintf(f, "\n%s", e->notes.text);
}

static void write_markdown(FILE *f, const gr_exp_set *e, const gr_exp_table *t)
{
	gr__exp_markdown(f, e, t);
}

/* --- CSV --- */

static void csv_summary(FILE *f, const gr_summary *s)
{
	if (isnan(s->mean))
		fprintf(f, ",,,");
	else
		fprintf(f, ",%.6f,%.6f,%.6f", s->mean, s->low, s->high);
}

static void csv_text(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++)
		fprintf(f, *text == '"' ? "\"\"" : "%c", *text);
	fputc('"', f);
}

static void write_csv(FILE *f, const gr_exp_set *e, const gr_exp_table *t)
{
	(void)e;
	fprintf(f,
		"task,method,images,samples,column,one,one_low,one_high,mean,mean_low,mean_high,best,"
		"best_low,best_high,gain,gain_low,gain_high,p,published\n");
	for (int i = 0; i < t->lines; i++) {
		const gr_exp_line *line = &t->line[i];
		for (int c = 0; c < GR_SCORES; c++) {
			const gr_exp_cell *cell = &line->cell[c];
			if (isnan(cell->one.mean))
				continue;
			csv_text(f, line->task);
			fputc(',', f);
			csv_text(f, line->method);
			fprintf(f, ",%lld,%lld,%s", (long long)line->images, (long long)line->samples,
				gr__score_columns[c].name);
			csv_summary(f, &cell->one);
			csv_summary(f, &cell->mean);
			csv_summary(f, &cell->best);
			csv_summary(f, &cell->gain);
			fprintf(f, isnan(cell->p) ? "," : ",%.6f", cell->p);
			fprintf(f, cell->reference != NULL ? ",%g\n" : ",\n",
				cell->reference != NULL ? cell->reference->value : 0.0);
		}
	}
}

/* --- LaTeX --- */

static void tex_text(FILE *f, const char *text)
{
	for (; *text; text++)
		fprintf(f, strchr("&%$#_{}", *text) != NULL ? "\\%c" : "%c", *text);
}

static void write_tex(FILE *f, const gr_exp_set *e, const gr_exp_table *t)
{
	fprintf(f, "%% %s, preset %s\n\\begin{tabular}{ll", e->x->name, gr__exp_preset_name(e->preset));
	for (int c = 0; c < GR_SCORES; c++)
		if (has_column(t, c))
			fputc('r', f);
	fprintf(f, "}\n\\toprule\nTask & Method");
	for (int c = 0; c < GR_SCORES; c++)
		if (has_column(t, c))
			fprintf(f, " & %s", gr__score_columns[c].title);
	fprintf(f, " \\\\\n\\midrule\n");
	for (int i = 0; i < t->lines; i++) {
		const gr_exp_line *line = &t->line[i];
		if (i > 0 && strcmp(line->task, t->line[i - 1].task) != 0)
			fprintf(f, "\\midrule\n");
		tex_text(f, line->task);
		fprintf(f, " & ");
		tex_text(f, line->method);
		for (int c = 0; c < GR_SCORES; c++) {
			const gr_summary *s = &line->cell[c].one;
			if (!has_column(t, c))
				continue;
			fprintf(f, " & ");
			if (!isnan(s->mean))
				fprintf(f, is_best(t, i, c) ? "\\textbf{%.*f}" : "%.*f",
					gr__score_columns[c].digits, s->mean);
		}
		fprintf(f, " \\\\\n");
	}
	fprintf(f, "\\bottomrule\n\\end{tabular}\n");
}

/* --- JSON --- */

static void json_summary(gr_text *t, const char *name, const gr_summary *s)
{
	if (!isnan(s->mean))
		gr__text_add(t, ", \"%s\": [%.6f, %.6f, %.6f]", name, s->mean, s->low, s->high);
}

static void json_cells(gr_text *out, const gr_exp_line *line)
{
	bool first = true;
	for (int c = 0; c < GR_SCORES; c++) {
		const gr_exp_cell *cell = &line->cell[c];
		if (isnan(cell->one.mean))
			continue;
		gr__text_add(out, "%s\n      {\"column\": \"%s\"", first ? "" : ",",
			gr__score_columns[c].name);
		first = false;
		json_summary(out, "one", &cell->one);
		json_summary(out, "mean", &cell->mean);
		json_summary(out, "best", &cell->best);
		json_summary(out, "gain", &cell->gain);
		if (!isnan(cell->p))
			gr__text_add(out, ", \"p\": %.6f", cell->p);
		if (cell->reference != NULL) {
			gr__text_add(out, ", \"published\": %g, \"where\": ", cell->reference->value);
			gr__text_json(out, cell->reference->source);
		}
		gr__text_add(out, "}");
	}
}

/* Where a line's numbers come from: the row's folder, its configuration as written there. */
static void json_origin(gr_text *out, const gr_exp_line *line)
{
	if (line->needs != NULL) {
		gr__text_add(out, ", \"needs\": ");
		gr__text_json(out, line->needs);
	} else if (line->entry != NULL) {
		gr__text_add(out, ", \"row\": \"rows/%s\", \"config\": ", line->entry->slug);
		char *config = gr__restore_config_text(&line->entry->config);
		if (config != NULL)
			gr__text_add(out, "%.*s", (int)strcspn(config, "}") + 1, config);
		gr_free(config);
	}
}

static void write_json(FILE *f, const gr_exp_set *e, const gr_exp_table *t)
{
	gr_text out = {0};
	gr__text_add(&out, "{\n  \"experiment\": \"%s\",\n  \"title\": ", e->x->name);
	gr__text_json(&out, e->x->title);
	gr__text_add(&out, ",\n  \"preset\": \"%s\",\n  \"lines\": [", gr__exp_preset_name(e->preset));
	for (int i = 0; i < t->lines; i++) {
		const gr_exp_line *line = &t->line[i];
		gr__text_add(&out, "%s\n    {\"task\": ", i > 0 ? "," : "");
		gr__text_json(&out, line->task);
		gr__text_add(&out, ", \"method\": ");
		gr__text_json(&out, line->method);
		gr__text_add(&out, ", \"images\": %lld, \"samples\": %lld", (long long)line->images,
			(long long)line->samples);
		json_origin(&out, line);
		gr__text_add(&out, ", \"cells\": [");
		json_cells(&out, line);
		gr__text_add(&out, "]}");
	}
	gr__text_add(&out, "\n  ]\n}\n");
	if (out.text != NULL)
		fputs(out.text, f);
	gr_free(out.text);
}

/* --- all of them --- */

gr_status gr__exp_write(const gr_exp_set *e, const gr_exp_table *t, const char *folder)
{
	static const struct {
		const char *name;
		void (*write)(FILE *f, const gr_exp_set *e, const gr_exp_table *t);
	} files[] = {{"table.md", write_markdown}, {"table.csv", write_csv}, {"table.tex", write_tex},
		{"table.json", write_json}};
	gr_status status = GR_OK;
	for (size_t i = 0; i < sizeof files / sizeof *files && status == GR_OK; i++) {
		char path[PATH_SIZE];
		gr_outfile *f;
		snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
		status = gr_outfile_open(&f, path);
		if (status != GR_OK)
			return status;
		files[i].write(gr_outfile_stream(f), e, t);
		status = gr_outfile_commit(f);
	}
	if (status == GR_OK)
		status = gr__exp_panel_write(e, folder);
	return status == GR_OK && e->curve != NULL ? gr__exp_curve_write(e, t, folder) : status;
}
