/*
 * The curve of a study as SVG: a score over what was varied, with its intervals. Logarithmic abscissa
 * where the values span more than a factor 8. One curve per task and method, the method's name up to
 * " @".
 */
#include <math.h>
#include <string.h>

#include "exp.h"
#include "gradus/io.h"

#define PATH_SIZE 4096
#define WIDTH 640.0
#define HEIGHT 400.0
#define LEFT 70.0
#define RIGHT 190.0
#define TOP 20.0
#define BOTTOM 50.0
#define MAX_CURVES 24

/* Colours that are told apart also by those who confuse red and green (Okabe and Ito 2008). */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
	"#56b4e9", "#000000"};
#define COLOURS ((int)(sizeof colours / sizeof *colours))

typedef struct chart {
	const gr_exp_set *e;
	const gr_exp_table *t;
	int column;
	double x_low, x_high, y_low, y_high;
	bool logarithmic;
	char curve[MAX_CURVES][160];
	int curves;
} chart;

static bool is_point(const chart *c, int i)
{
	const gr_exp_line *line = &c->t->line[i];
	return line->entry && !line->needs && !isnan(line->cell[c->column].one.mean);
}

static void curve_name(char *name, size_t size, const gr_exp_line *line)
{
	const char *at = strstr(line->method, " @");
	int length = at ? (int)(at - line->method) : (int)strlen(line->method);
	snprintf(name, size, "%s, %.*s", line->task, length, line->method);
}

static double place_x(const chart *c, double x)
{
	double low = c->logarithmic ? log(c->x_low) : c->x_low;
	double high = c->logarithmic ? log(c->x_high) : c->x_high;
	double at = c->logarithmic ? log(x) : x;
	double part = high > low ? (at - low) / (high - low) : 0.5;
	return LEFT + part * (WIDTH - LEFT - RIGHT);
}

static double place_y(const chart *c, double y)
{
	double part = c->y_high > c->y_low ? (y - c->y_low) / (c->y_high - c->y_low) : 0.5;
	return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM);
}

static void measure(chart *c)
{
	bool first = true;
	for (int i = 0; i < c->t->lines; i++) {
		if (!is_point(c, i))
			continue;
		const gr_exp_line *line = &c->t->line[i];
		const gr_summary *s = &line->cell[c->column].one;
		double x = line->entry->row.at;
		char name[160];
		curve_name(name, sizeof name, line);
		c->x_low = first ? x : fmin(c->x_low, x);
		c->x_high = first ? x : fmax(c->x_high, x);
		c->y_low = first ? s->low : fmin(c->y_low, s->low);
		c->y_high = first ? s->high : fmax(c->y_high, s->high);
		first = false;
		int k = 0;
		while (k < c->curves && strcmp(c->curve[k], name) != 0)
			k++;
		if (k == c->curves && k < MAX_CURVES)
			memcpy(c->curve[c->curves++], name, sizeof name);
	}
	c->logarithmic = c->x_low > 0.0 && c->x_high > 8.0 * c->x_low;
}

static void draw_axes(FILE *f, const chart *c)
{
	double bottom = HEIGHT - BOTTOM;
	fprintf(f,
		"<rect x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\" fill=\"none\" stroke=\"#888\"/>\n",
		LEFT, TOP, WIDTH - LEFT - RIGHT, bottom - TOP);
	for (int i = 0; i <= 4; i++) {
		double y = c->y_low + (c->y_high - c->y_low) * i / 4.0;
		fprintf(f, "<text x=\"%g\" y=\"%.1f\" text-anchor=\"end\">%.*f</text>\n", LEFT - 6.0,
			place_y(c, y) + 4.0, gr__score_columns[c->column].digits, y);
	}
	for (int i = 0; i < c->t->lines; i++) {
		double x = is_point(c, i) ? c->t->line[i].entry->row.at : (double)NAN;
		bool seen = isnan(x);
		for (int k = 0; k < i && !seen; k++)
			seen = is_point(c, k) && c->t->line[k].entry->row.at == x;
		if (!seen)
			fprintf(f, "<text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%g</text>\n",
				place_x(c, x), bottom + 18.0, x);
	}
	fprintf(f, "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">%s</text>\n",
		(LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 10.0, c->e->abscissa);
	fprintf(f,
		"<text x=\"16\" y=\"%g\" transform=\"rotate(-90 16 %g)\" "
		"text-anchor=\"middle\">%s</text>\n",
		(TOP + bottom) / 2.0, (TOP + bottom) / 2.0, gr__score_columns[c->column].title);
}

static void draw_curve(FILE *f, const chart *c, int k)
{
	const char *colour = colours[k % COLOURS];
	char name[160];
	fprintf(f, "<g stroke=\"%s\" fill=\"none\">\n<polyline points=\"", colour);
	for (int i = 0; i < c->t->lines; i++) {
		if (!is_point(c, i))
			continue;
		curve_name(name, sizeof name, &c->t->line[i]);
		if (strcmp(name, c->curve[k]) == 0)
			fprintf(f, "%.1f,%.1f ", place_x(c, c->t->line[i].entry->row.at),
				place_y(c, c->t->line[i].cell[c->column].one.mean));
	}
	fprintf(f, "\"/>\n");
	for (int i = 0; i < c->t->lines; i++) {
		if (!is_point(c, i))
			continue;
		const gr_summary *s = &c->t->line[i].cell[c->column].one;
		double x = place_x(c, c->t->line[i].entry->row.at);
		curve_name(name, sizeof name, &c->t->line[i]);
		if (strcmp(name, c->curve[k]) != 0)
			continue;
		fprintf(f, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x,
			place_y(c, s->low), x, place_y(c, s->high));
		fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x,
			place_y(c, s->mean), colour);
	}
	fprintf(f, "</g>\n<text x=\"%g\" y=\"%g\" fill=\"%s\">%s</text>\n", WIDTH - RIGHT + 8.0,
		TOP + 14.0 + 16.0 * k, colour, c->curve[k]);
}

gr_status gr__exp_curve_write(const gr_exp_set *e, const gr_exp_table *t, const char *folder)
{
	char path[PATH_SIZE];
	chart c = {.e = e, .t = t, .column = gr__score_find(e->curve, strlen(e->curve))};
	gr_outfile *out;
	snprintf(path, sizeof path, "%s/curve.svg", folder);
	gr_status status = gr_outfile_open(&out, path);
	if (status)
		return status;
	FILE *f = gr_outfile_stream(out);
	measure(&c);
	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" height=\"%g\" "
		"font-family=\"sans-serif\" font-size=\"12\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		WIDTH, HEIGHT);
	draw_axes(f, &c);
	for (int k = 0; k < c.curves; k++)
		draw_curve(f, &c, k);
	fprintf(f, "</svg>\n");
	return gr_outfile_commit(out);
}
