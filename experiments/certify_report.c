/* A certificate as Markdown tables, as JSON, and as a picture (see certify.h). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "canvas.h"
#include "certify.h"
#include "gradus/io.h"
#include "gradus/json.h"

/* --- tables --- */

static void print_summary(FILE *stream, const gr_summary *s)
{
	if (isnan(s->mean))
		fprintf(stream, " |");
	else
		fprintf(stream, " %.3f [%.3f, %.3f] |", s->mean, s->low, s->high);
}

static void print_row(FILE *stream, const gr_certificate *r)
{
	char verdict[256];
	fprintf(stream, "| %s |", r->solver);
	if (*r->skipped != '\0') {
		fprintf(stream, " | | | | | | %s |\n", r->skipped);
		return;
	}
	for (int d = 0; d < GR_DEVIATIONS; d++)
		print_summary(stream, &r->score[d]);
	if (r->evaluations > 0)
		fprintf(stream, " %lld |", (long long)r->evaluations);
	else
		fprintf(stream, " |");
	bool is_floor = r->evaluations == 0 && r->steps == 0;
	fprintf(stream, " %s |\n",
		is_floor ? "the noise floor" : gr__certify_verdict(verdict, sizeof verdict, r));
}

static void print_orders(FILE *stream, const gr_certified *c)
{
	if (c->orders == 0)
		return;
	fprintf(stream,
		"\n### Order of samplers\n\n"
		"Error against the exact flow of a Gaussian, root mean square.\n\n| sampler |");
	for (int g = 0; g < GR_CERTIFY_GRIDS; g++)
		fprintf(stream, " %lld steps |", (long long)c->order[0].steps[g]);
	fprintf(stream, " slope | expected |\n|---|---|---|---|---|---|---|\n");
	for (int i = 0; i < c->orders; i++) {
		const gr_sampler_order *o = &c->order[i];
		fprintf(stream, "| %s |", o->solver);
		for (int g = 0; g < GR_CERTIFY_GRIDS; g++)
			fprintf(stream, " %.3g |", o->error[g]);
		fprintf(stream, " %.2f | %d |\n", o->slope, o->expected);
	}
}

static const gr_certify_row *row_named(const char *name)
{
	int i = 0;
	while (strcmp(gr__certify_row(i)->name, name) != 0)
		i++;
	return gr__certify_row(i);
}

void gr__certify_print(FILE *stream, const gr_certified *c)
{
	const char *problem = "";
	for (int i = 0; i < c->count; i++) {
		const gr_certificate *r = &c->row[i];
		if (strcmp(problem, r->problem) != 0) {
			const gr_certify_row *about = row_named(r->problem);
			problem = r->problem;
			fprintf(stream,
				"%s### %s: %s\n\n%lld measurements, %lld draws of each, %lld steps.\n\n",
				i > 0 ? "\n" : "", problem, about->what, (long long)r->measurements,
				(long long)c->draws, (long long)(c->opts.steps > 0 ? c->opts.steps : about->steps));
			fprintf(stream, "| solver |");
			for (int d = 0; d < GR_DEVIATIONS; d++)
				fprintf(stream, " %s |", gr__deviation_name((gr_deviation)d));
			fprintf(stream, " NFE | |\n|---|---|---|---|---|---|---|---|\n");
		}
		print_row(stream, r);
	}
	print_orders(stream, c);
}

/* --- JSON --- */

static void write_number(FILE *f, double v)
{
	if (isfinite(v))
		fprintf(f, "%.17g", v);
	else
		fprintf(f, "null");
}

static void write_summaries(FILE *f, const char *name, const gr_summary s[GR_DEVIATIONS])
{
	fprintf(f, ", \"%s\": {", name);
	for (int d = 0; d < GR_DEVIATIONS; d++) {
		fprintf(f, "%s\"%s\": [", d > 0 ? ", " : "", gr__deviation_name((gr_deviation)d));
		write_number(f, s[d].mean);
		fprintf(f, ", ");
		write_number(f, s[d].low);
		fprintf(f, ", ");
		write_number(f, s[d].high);
		fprintf(f, "]");
	}
	fprintf(f, "}");
}

static void write_row(FILE *f, const gr_certificate *r)
{
	fprintf(f, "    {\"problem\": \"%s\", \"solver\": ", r->problem);
	gr_json_write_string(f, r->solver);
	if (*r->skipped != '\0') {
		fprintf(f, ", \"skipped\": ");
		gr_json_write_string(f, r->skipped);
	} else {
		fprintf(f,
			", \"measurements\": %lld, \"particles\": %lld, \"evaluations\": %lld, \"steps\": %lld",
			(long long)r->measurements, (long long)r->particles, (long long)r->evaluations,
			(long long)r->steps);
		write_summaries(f, "score", r->score);
		write_summaries(f, "exact", r->exact);
	}
	fprintf(f, "}");
}

static void write_order(FILE *f, const gr_sampler_order *o)
{
	fprintf(f, "    {\"sampler\": \"%s\", \"expected\": %d, \"steps\": [", o->solver, o->expected);
	for (int g = 0; g < GR_CERTIFY_GRIDS; g++)
		fprintf(f, "%s%lld", g > 0 ? ", " : "", (long long)o->steps[g]);
	fprintf(f, "], \"error\": [");
	for (int g = 0; g < GR_CERTIFY_GRIDS; g++) {
		fprintf(f, "%s", g > 0 ? ", " : "");
		write_number(f, o->error[g]);
	}
	fprintf(f, "], \"slope\": ");
	write_number(f, o->slope);
	fprintf(f, "}");
}

gr_status gr__certify_json(const char *path, const gr_certified *c)
{
	gr_outfile *file = NULL;
	gr_status status = gr_outfile_open(&file, path);
	if (status != GR_OK)
		return status;
	FILE *f = gr_outfile_stream(file);
	fprintf(f,
		"{\n  \"version\": \"%s\",\n  \"seed\": %llu,\n  \"draws\": %lld,\n"
		"  \"projections\": %lld,\n  \"certificates\": [\n",
		gr_version(), (unsigned long long)c->opts.seed, (long long)c->draws,
		(long long)c->projections);
	for (int i = 0; i < c->count; i++) {
		write_row(f, &c->row[i]);
		fprintf(f, "%s\n", i + 1 < c->count ? "," : "");
	}
	fprintf(f, "  ],\n  \"orders\": [\n");
	for (int i = 0; i < c->orders; i++) {
		write_order(f, &c->order[i]);
		fprintf(f, "%s\n", i + 1 < c->orders ? "," : "");
	}
	fprintf(f, "  ]\n}\n");
	return gr_outfile_commit(file);
}

/* --- picture --- */

#define CELL 96 /* pixels of a scatter plot's side */
#define GAP 4
#define LABEL 12  /* of a line of text above it */
#define MARGIN 88 /* left, for names of problems */

/* Middle and half width that hold all exact points of an axis. */
static void frame(double middle[2], double *half, const gr_tensor *points)
{
	const double *v = gr_tensor_data_const(points);
	*half = 0.0;
	for (int d = 0; d < 2; d++) {
		double low = v[d], high = v[d];
		for (int64_t i = 0; i < gr_tensor_dim(points, 0); i++) {
			low = fmin(low, v[2 * i + d]);
			high = fmax(high, v[2 * i + d]);
		}
		middle[d] = 0.5 * (low + high);
		*half = fmax(*half, 0.6 * (high - low));
	}
}

/* Points as dots in a grey square; those outside the frame stick to its edge. */
static gr_status plot(gr_canvas *canvas, const gr_tensor *points, const double middle[2],
	double half, int64_t left, int64_t top)
{
	gr_tensor *cell = gr_full(GR_F32, GR_DIMS(1, CELL, CELL), 0.85);
	if (cell == NULL)
		return gr_error_code();
	float *pixel = gr_tensor_data(cell);
	const double *v = gr_tensor_data_const(points);
	for (int64_t i = 0; i < gr_tensor_dim(points, 0); i++) {
		double at[2];
		for (int d = 0; d < 2; d++) {
			double part = 0.5 + 0.5 * (v[2 * i + d] - middle[d]) / half;
			at[d] = fmin(fmax(part * CELL, 0.0), CELL - 1.0);
		}
		pixel[(CELL - 1 - (int64_t)at[1]) * CELL + (int64_t)at[0]] = -1.0f;
	}
	return gr__canvas_image(canvas, cell, left, top, 1);
}

/* Rows of problems, columns of solvers in the order of the table. */
static gr_status paint(gr_canvas *canvas, const gr_certified *c)
{
	gr_status status = GR_OK;
	int row = -1, column = 0;
	double middle[2] = {0.0, 0.0}, half = 1.0;
	for (int i = 0; i < c->count && status == GR_OK; i++) {
		const gr_certificate *r = &c->row[i];
		char label[17];
		if (i == 0 || strcmp(r->problem, c->row[i - 1].problem) != 0) {
			row++;
			column = 0;
			frame(middle, &half, r->shown);
		}
		int64_t left = MARGIN + column++ * (CELL + GAP), top = row * (CELL + LABEL + GAP) + GAP;
		if (column == 1)
			gr__canvas_text(canvas, r->problem, GAP, top + LABEL, 1);
		snprintf(label, sizeof label, "%.16s", r->solver);
		gr__canvas_text(canvas, label, left, top, 1);
		gr_scope_begin();
		if (r->shown != NULL)
			status = plot(canvas, r->shown, middle, half, left, top + LABEL);
		else
			gr__canvas_text(canvas, "(not run)", left + GAP, top + LABEL + CELL / 2, 1);
		gr_status ended = gr_scope_end();
		status = status == GR_OK ? ended : status;
	}
	return status;
}

gr_status gr__certify_picture(const char *path, const gr_certified *c)
{
	int rows = 0, columns = 0, width = 0;
	for (int i = 0; i < c->count; i++) {
		if (i == 0 || strcmp(c->row[i].problem, c->row[i - 1].problem) != 0) {
			rows++;
			width = 0;
		}
		width++;
		columns = width > columns ? width : columns;
	}
	gr_canvas *canvas = gr__canvas_new(MARGIN + (int64_t)columns * (CELL + GAP),
		(int64_t)rows * (CELL + LABEL + GAP) + GAP);
	if (canvas == NULL)
		return gr_error_code();
	gr_status status = paint(canvas, c);
	if (status == GR_OK)
		status = gr__canvas_write(canvas, path);
	gr__canvas_free(canvas);
	return status;
}
