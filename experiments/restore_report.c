/*
 * What a finished restoration leaves in its folder: metrics.csv, table.md, images/, panel.png,
 * manifest.json and run.json. Only run.json holds timings; all else is the same to the byte for
 * the same configuration on the same instruction set.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "canvas.h"
#include "gradus/io.h"
#include "gradus/ops.h"
#include "manifest.h"
#include "restore.h"
#include "runfolder.h"

#define MAX_PANEL 16
#define PATH_SIZE 4096
#define SOLVER_SIZE 64

static void csv_number(gr_text *t, double v)
{
	if (isnan(v))
		gr__text_add(t, ",");
	else
		gr__text_add(t, ",%.6f", v);
}

static void csv_row(gr_text *t, const char *image, const char *method, int64_t particle,
	const gr_score *s)
{
	gr__text_add(t, "%s,%s,", image, method);
	if (particle >= 0)
		gr__text_add(t, "%lld", (long long)particle);
	for (int c = 0; c < GR_SCORES; c++)
		csv_number(t, s->v[c]);
	gr__text_add(t, "\n");
}

static gr_status write_metrics(const gr_restored *r, const char *folder)
{
	gr_text t = {0};
	int64_t particles = r->config.particles;
	char solver[SOLVER_SIZE];
	gr__restore_solver_name(solver, sizeof solver, &r->config);
	gr__text_add(&t, "image,method,particle");
	for (int c = 0; c < GR_SCORES; c++)
		gr__text_add(&t, ",%s", gr__score_columns[c].name);
	gr__text_add(&t, "\n");
	for (int64_t i = 0; i < r->images->n; i++) {
		const char *name = r->images->names[i];
		csv_row(&t, name, r->baseline_name, -1, &r->score_baseline[i]);
		for (int64_t p = 0; p < particles; p++)
			csv_row(&t, name, solver, p, &r->score_sample[i * particles + p]);
		if (particles > 1)
			csv_row(&t, name, "mean", -1, &r->score_mean[i]);
	}
	gr_status status = gr__runfolder_write(folder, "metrics.csv", t.text);
	gr_free(t.text);
	return status;
}

/* Means over images of each score; NaN where no image has it. */
static gr_score mean_score(const gr_score *s, int64_t n)
{
	gr_score m = {0};
	for (int64_t i = 0; i < n; i++) {
		for (int c = 0; c < GR_SCORES; c++)
			m.v[c] += s[i].v[c] / (double)n;
	}
	return m;
}

/* The spread is the last column, and of several samples alone. */
static int columns(int64_t particles)
{
	return particles > 1 ? GR_SCORES : GR_SCORE_SPREAD;
}

void gr__restore_header(FILE *stream, int64_t particles)
{
	fprintf(stream, "| task | method");
	for (int c = 0; c < columns(particles); c++)
		fprintf(stream, " | %s", gr__score_columns[c].title);
	fprintf(stream, " |\n|---|---");
	for (int c = 0; c < columns(particles); c++)
		fprintf(stream, "|---");
	fprintf(stream, "|\n");
}

static void print_row(FILE *stream, const char *task, const char *method, int64_t particles,
	gr_score s)
{
	fprintf(stream, "| %s | %s", task, method);
	for (int c = 0; c < columns(particles); c++) {
		if (isnan(s.v[c]))
			fprintf(stream, " | ");
		else
			fprintf(stream, " | %.*f", gr__score_columns[c].digits, s.v[c]);
	}
	fprintf(stream, " |\n");
}

void gr__restore_rows(FILE *stream, const gr_restored *r, const char *task)
{
	int64_t n = r->images->n, particles = r->config.particles;
	char label[128];
	print_row(stream, task, r->baseline_name, particles, mean_score(r->score_baseline, n));
	snprintf(label, sizeof label, "%s, one sample", r->config.solver);
	print_row(stream, task, label, particles, mean_score(r->score_sample, n * particles));
	if (particles > 1) {
		snprintf(label, sizeof label, "%s, mean of %lld", r->config.solver, (long long)particles);
		print_row(stream, task, label, particles, mean_score(r->score_mean, n));
	}
}

static gr_status write_table(const gr_restored *r, const char *folder)
{
	char path[PATH_SIZE];
	snprintf(path, sizeof path, "%s/table.md", folder);
	gr_outfile *f;
	gr_status status = gr_outfile_open(&f, path);
	if (status != GR_OK)
		return status;
	FILE *stream = gr_outfile_stream(f);
	fprintf(stream,
		"%s on %lld images, prior %s, sigma %g (images in [-1,1]), %lld steps, scale %g, seed "
		"%lld. Means over images.\n\n",
		r->config.spec, (long long)r->images->n, r->config.prior, r->config.sigma,
		(long long)r->config.steps, r->config.scale, (long long)r->config.seed);
	gr__restore_header(stream, r->config.particles);
	gr__restore_rows(stream, r, r->config.spec);
	return gr_outfile_commit(f);
}

static gr_status write_image(const char *folder, const char *name, const char *what, gr_tensor *x,
	int64_t i)
{
	char path[PATH_SIZE];
	snprintf(path, sizeof path, "%s/images/%s_%s.png", folder, name, what);
	gr_scope_begin();
	gr_tensor *one = gr_affine(gr__batch_one(x, i), 0.5, 0.5);
	gr_status status = one == NULL ? gr_error_code() : gr_png_write(path, one, NULL);
	gr_scope_end();
	return status;
}

static gr_status write_images(const gr_restored *r, const char *folder)
{
	char path[PATH_SIZE], what[SOLVER_SIZE + 32], solver[SOLVER_SIZE];
	gr__restore_solver_name(solver, sizeof solver, &r->config);
	snprintf(path, sizeof path, "%s/images", folder);
	int64_t particles = r->config.particles;
	gr_status status = gr__runfolder_make(path);
	for (int64_t i = 0; i < r->images->n && status == GR_OK; i++) {
		const char *name = r->images->names[i];
		status = write_image(folder, name, "truth", r->images->x, i);
		if (status == GR_OK)
			status = write_image(folder, name, "measurement", r->shown, i);
		if (status == GR_OK)
			status = write_image(folder, name, r->baseline_name, r->baseline, i);
		for (int64_t p = 0; p < particles && status == GR_OK; p++) {
			snprintf(what, sizeof what, "%s%lld", solver, (long long)p);
			status = write_image(folder, name, what, r->samples, i * particles + p);
		}
		if (status == GR_OK && particles > 1)
			status = write_image(folder, name, "mean", r->mean, i);
	}
	return status;
}

int gr__restore_panel_rows(const gr_restored *r, gr_panel_row rows[5])
{
	int64_t n = r->images->n, particles = r->config.particles;
	const int64_t *d = gr_tensor_dims(r->images->x);
	gr_tensor *units = gr_reshape(r->samples, GR_DIMS(n, particles, d[1], d[2], d[3]));
	gr_tensor *first = gr_squeeze(gr_slice(units, 1, 0, 1, 1), 1);
	rows[0] = (gr_panel_row){"truth", r->images->x};
	rows[1] = (gr_panel_row){"measured", r->shown};
	rows[2] = (gr_panel_row){r->baseline_name, r->baseline};
	rows[3] = (gr_panel_row){r->config.solver, first};
	rows[4] = (gr_panel_row){"mean", r->mean};
	return particles > 1 ? 5 : 4;
}

gr_status gr__panel_write(const char *path, int rows, const gr_panel_row *row, int64_t columns)
{
	int64_t h = gr_tensor_dim(row[0].images, 2), w = gr_tensor_dim(row[0].images, 3);
	int64_t scale = w < 96 ? 96 / w : 1, gap = 4, margin = 130;
	gr_canvas *c =
		gr__canvas_new(margin + columns * (w * scale + gap), rows * (h * scale + gap) + gap);
	if (c == NULL)
		return gr_error_code();
	for (int i = 0; i < rows; i++) {
		int64_t top = gap + i * (h * scale + gap);
		gr__canvas_text(c, row[i].label, gap, top + h * scale / 2 - 7, 2);
		for (int64_t k = 0; k < columns; k++) {
			gr_scope_begin();
			gr_tensor *one = gr__batch_one(row[i].images, k);
			if (one != NULL)
				gr__canvas_image(c, one, margin + k * (w * scale + gap), top, scale);
			gr_scope_end();
		}
	}
	gr_status status = gr_failed() ? gr_error_code() : gr__canvas_write(c, path);
	gr__canvas_free(c);
	return status;
}

static gr_status write_panel(const gr_restored *r, const char *folder)
{
	char path[PATH_SIZE];
	snprintf(path, sizeof path, "%s/panel.png", folder);
	gr_panel_row rows[5];
	gr_scope_begin();
	int n = gr__restore_panel_rows(r, rows);
	int64_t columns = r->images->n < MAX_PANEL ? r->images->n : MAX_PANEL;
	gr_status status = gr_failed() ? gr_error_code() : gr__panel_write(path, n, rows, columns);
	gr_scope_end();
	return status;
}

static gr_status write_manifest(const gr_restored *r, const char *folder)
{
	gr_text t = {0};
	gr__text_add(&t, "{\n");
	gr__manifest_environment(&t);
	gr__text_add(&t, "  \"seed\": %lld,\n  \"weights\": \"%s\",\n  \"images\": [\n",
		(long long)r->config.seed, r->weights_sha);
	gr_status status = GR_OK;
	for (int64_t i = 0; i < r->images->n && status == GR_OK; i++) {
		char sha[65] = "";
		gr_scope_begin();
		gr_tensor *y = gr__batch_one(r->y, i);
		if (y != NULL)
			gr_sha256_bytes(gr_tensor_data_const(y),
				(size_t)gr_tensor_size(y) * gr_dtype_bytes(gr_tensor_dtype(y)), sha);
		status = gr_scope_end();
		gr__text_add(&t, "    {\"name\": ");
		gr__text_json(&t, r->images->names[i]);
		gr__text_add(&t, ", \"sha256\": \"%s\", \"measurement_sha256\": \"%s\"}%s\n",
			r->images->sha[i], sha, i + 1 < r->images->n ? "," : "");
	}
	gr__text_add(&t, "  ]\n}\n");
	if (status == GR_OK)
		status = gr__runfolder_write(folder, "manifest.json", t.text);
	gr_free(t.text);
	return status;
}

double gr__restore_nfe(const gr_restored *r, int64_t count)
{
	return r->steps > 0 ? (double)count / (double)r->steps * (double)r->steps_of_run : 0.0;
}

static gr_status write_run(const gr_restored *r, const char *folder)
{
	gr_text t = {0};
	gr__text_add(&t,
		"{\n  \"seconds\": %.3f,\n  \"batch_evaluations\": %lld,\n"
		"  \"evaluations_per_sample\": %g,\n  \"gradients_per_sample\": %g,\n"
		"  \"peak_tensor_bytes\": %llu,\n"
		"  \"peak_resident_bytes\": %llu\n}\n",
		r->seconds, (long long)r->evaluations, gr__restore_nfe(r, r->evaluations),
		gr__restore_nfe(r, r->gradients), (unsigned long long)gr_memory_stats().bytes_peak,
		(unsigned long long)gr__peak_resident());
	gr_status status = gr__runfolder_write(folder, "run.json", t.text);
	gr_free(t.text);
	return status;
}

gr_status gr__restore_report(const gr_restored *r, const char *folder)
{
	static gr_status (*const parts[])(const gr_restored *, const char *) = {write_images,
		write_panel, write_metrics, write_table, write_manifest, write_run};
	gr_status status = GR_OK;
	for (size_t i = 0; i < sizeof parts / sizeof *parts && status == GR_OK; i++)
		status = parts[i](r, folder);
	return status;
}
