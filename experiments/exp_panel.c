/* The picture of a table: for each task the images, what was measured, and a sample of every row. */
#include <string.h>

#include "exp.h"
#include "gradus/io.h"
#include "gradus/ops.h"

#define PATH_SIZE 4096
#define MAX_ROWS 64
#define MAX_IMAGES 12

/* Names of a row's images, in order: the first fields of metrics.csv. Returns how many. */
static int64_t image_names(char names[MAX_IMAGES][256], const char *folder)
{
	char *text = gr__runfolder_read(folder, "metrics.csv");
	int64_t n = 0;
	for (char *line = text ? strchr(text, '\n') : NULL; line && line[1];
		 line = strchr(line, '\n')) {
		line++;
		size_t length = strcspn(line, ",");
		bool again =
			n > 0 && strlen(names[n - 1]) == length && memcmp(names[n - 1], line, length) == 0;
		if (again || length >= 256)
			continue;
		if (n == MAX_IMAGES)
			break;
		memcpy(names[n], line, length);
		names[n++][length] = '\0';
	}
	gr_free(text);
	return n;
}

/* NAME_WHAT.png of each name below folder/images as one batch; NULL, and no error, without them. */
static gr_tensor *read_strip(const char *folder, char names[MAX_IMAGES][256], int64_t n,
	const char *what)
{
	char path[PATH_SIZE + 512];
	gr_tensor *strip[MAX_IMAGES];
	for (int64_t i = 0; i < n; i++) {
		snprintf(path, sizeof path, "images/%s_%s.png", names[i], what);
		if (!gr__runfolder_has(folder, path))
			return NULL;
		snprintf(path, sizeof path, "%s/images/%s_%s.png", folder, names[i], what);
		gr_tensor *one = gr_png_read(path, NULL);
		strip[i] = gr_unsqueeze(gr_affine(one, 2.0, -1.0), 0);
	}
	return gr_concat((int)n, strip, 0);
}

typedef struct panel {
	gr_panel_row row[MAX_ROWS];
	char label[MAX_ROWS][24];
	int rows;
	int64_t images;
} panel;

static void add_strip(panel *p, gr_tensor *strip, const char *label)
{
	if (!strip || p->rows == MAX_ROWS)
		return;
	if (p->rows > 0 && !gr_is_same_shape(strip, p->row[0].images))
		return;
	snprintf(p->label[p->rows], sizeof p->label[p->rows], "%.10s", label);
	p->row[p->rows] = (gr_panel_row){p->label[p->rows], strip};
	p->rows++;
}

static void add_row(panel *p, const gr_exp_set *e, int i, const char *folder)
{
	const gr_exp_entry *row = &e->entry[i];
	char path[PATH_SIZE], names[MAX_IMAGES][256], solver[64], what[80];
	bool first = true;
	snprintf(path, sizeof path, "%s/rows/%s", folder, row->slug);
	int64_t n = image_names(names, path);
	for (int k = 0; k < i; k++)
		first = first && (e->entry[k].needs || strcmp(e->entry[k].row.task, row->row.task) != 0);
	if (n == 0)
		return;
	p->images = p->images == 0 || n < p->images ? n : p->images;
	if (first) {
		add_strip(p, read_strip(path, names, n, "truth"), row->row.task);
		add_strip(p, read_strip(path, names, n, "measurement"), "measured");
	}
	gr__restore_solver_name(solver, sizeof solver, &row->config);
	snprintf(what, sizeof what, "%s0", solver);
	add_strip(p, read_strip(path, names, n, what), row->row.method);
}

gr_status gr__exp_panel_write(const gr_exp_set *e, const char *folder)
{
	char path[PATH_SIZE];
	panel *p = gr_alloc(sizeof *p);
	if (!p)
		return gr_error_code();
	snprintf(path, sizeof path, "%s/panel.png", folder);
	gr_scope_begin();
	for (int i = 0; i < e->entries && !gr_failed(); i++) {
		if (!e->entry[i].needs)
			add_row(p, e, i, folder);
	}
	gr_status status = gr_error_code();
	if (status == GR_OK && p->rows > 0)
		status = gr__panel_write(path, p->rows, p->row, p->images);
	gr_status ended = gr_scope_end();
	gr_free(p);
	return status != GR_OK ? status : ended;
}
