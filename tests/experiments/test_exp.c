/* Numbers of a table from rows written by hand: means, the best, gains; and what a body may say. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exp.h"

#define PARAMS(P) P(int, n, 9, 3, 2, "images") P(text, name, "x", "y y", "z", "a text")

GR_EXPERIMENT(by_hand, "By hand", PARAMS)
{
	GR_EXP_ROW(e, .task = "t", .method = "base", .images = p->n, .particles = 2);
	GR_EXP_ROW(e, .task = "t", .method = "other", .baseline = "base", .images = p->n,
		.particles = 2);
	gr_exp_needs(e, "t", "third", "what is not here");
	gr_exp_reference(e, "t", "base", "psnr", 20.0, p->name);
}

static const char head[] =
	"image,method,particle,psnr,psnr_missing,ssim,residual_over_sigma,spread\n";
static const char base[] = "a,blur,,10,,0.5,1,\na,dps,0,11,,0.5,1,\na,dps,1,13,,0.5,1,\n"
						   "a,mean,,14,,0.6,1,0.25\nb,blur,,10,,0.5,1,\nb,dps,0,20,,0.5,1,\n"
						   "b,dps,1,16,,0.5,1,\nb,mean,,22,,0.6,1,0.75\n";
static const char other[] = "a,blur,,10,,0.5,1,\na,dps,0,12,,0.5,1,\na,dps,1,13,,0.5,1,\n"
							"a,mean,,14,,0.6,1,0.25\nb,blur,,10,,0.5,1,\nb,dps,0,20,,0.5,1,\n"
							"b,dps,1,19,,0.5,1,\nb,mean,,22,,0.6,1,1.25\n";

static void write_row(const char *top, const char *slug, const char *text)
{
	char folder[128], all[2048];
	snprintf(folder, sizeof folder, "%s/rows/%s", top, slug);
	snprintf(all, sizeof all, "%s%s", head, text);
	cr_assert_eq(gr__runfolder_make(folder), GR_OK);
	cr_assert_eq(gr__runfolder_write(folder, "metrics.csv", all), GR_OK);
}

Test(exp, numbers_of_a_table)
{
	char top[] = "/tmp/gradus_exp_XXXXXX", command[64];
	cr_assert_not_null(mkdtemp(top));
	const gr_exp_opts opts = {.size = sizeof opts, .preset = GR_PRESET_SMOKE};
	gr_exp_set *e = gr__exp_open(&gr_experiment_by_hand, &opts);
	cr_assert_not_null(e, "%s", gr_error_message());
	write_row(top, e->entry[0].slug, base);
	write_row(top, e->entry[1].slug, other);
	gr_exp_table t;
	cr_assert_eq(gr__exp_collect(&t, e, top), GR_OK, "%s", gr_error_message());
	cr_assert_eq(t.lines, 4);
	cr_expect_str_eq(t.line[0].method, "blur");
	cr_expect_eq(t.line[0].cell[GR_SCORE_PSNR].one.mean, 10.0);
	const gr_exp_cell *c = &t.line[1].cell[GR_SCORE_PSNR];
	cr_expect(fabs(c->one.mean - 15.0) < 1e-12, "%g", c->one.mean);
	cr_expect(c->one.low == 12.0 && c->one.high == 18.0, "draws are of images");
	cr_expect_eq(c->mean.mean, 18.0);
	cr_expect_eq(c->best.mean, 16.5);
	cr_expect_eq(c->reference->value, 20.0);
	cr_expect_str_eq(c->reference->source, "z");
	cr_expect(isnan(c->gain.mean));
	cr_expect_eq(t.line[1].cell[GR_SCORE_SPREAD].one.mean, 0.5);
	cr_expect(isnan(t.line[1].cell[GR_SCORE_RESIDUAL].best.mean), "a residual has no best");
	c = &t.line[2].cell[GR_SCORE_PSNR];
	cr_expect(fabs(c->gain.mean - 1.0) < 1e-12);
	cr_expect(fabs(c->gain.low - 0.5) < 1e-12 && fabs(c->gain.high - 1.5) < 1e-12);
	cr_expect_eq(c->p, 0.5);
	cr_expect_str_eq(t.line[3].needs, "what is not here");
	gr__exp_table_free(&t);
	gr__exp_free(e);
	snprintf(command, sizeof command, "rm -r %s", top);
	cr_assert_eq(system(command), 0);
}

static void refused(const char *text, const char *word)
{
	char top[] = "/tmp/gradus_exp_XXXXXX", command[64];
	cr_assert_not_null(mkdtemp(top));
	const gr_exp_opts opts = {.size = sizeof opts, .preset = GR_PRESET_SMOKE};
	gr_exp_set *e = gr__exp_open(&gr_experiment_by_hand, &opts);
	write_row(top, e->entry[0].slug, text);
	write_row(top, e->entry[1].slug, other);
	gr_exp_table t;
	cr_expect_eq(gr__exp_collect(&t, e, top), GR_EFORMAT, "%s", text);
	cr_expect_not_null(strstr(gr_error_message(), word), "%s", gr_error_message());
	gr_error_clear();
	gr__exp_table_free(&t);
	gr__exp_free(e);
	snprintf(command, sizeof command, "rm -r %s", top);
	cr_assert_eq(system(command), 0);
}

Test(exp, damaged_rows_are_an_error)
{
	refused("", "no images");
	refused("a,blur,,10,,0.5,1,\na,dps,7,11,,0.5,1,\n", "another order");
	refused("a,blur,,10,,0.5,1,\na,dps,0,11\n", "another length");
}

Test(exp, parameters)
{
	const char *set[] = {"n=7", "name=a \"b\"", NULL};
	gr_exp_opts opts = {.size = sizeof opts, .preset = GR_PRESET_SMALL, .parameters = set};
	gr_exp_set *e = gr__exp_open(&gr_experiment_by_hand, &opts);
	cr_assert_not_null(e, "%s", gr_error_message());
	cr_expect_eq(e->entry[0].config.limit, 7);
	cr_expect_str_eq(e->number[0].source, "a \"b\"");
	char *text = gr__exp_config(e, &opts);
	cr_expect_not_null(strstr(text, "\"name\": \"a \\\"b\\\"\""), "%s", text);
	gr_free(text);
	gr__exp_free(e);
	const char *wrong[] = {"m=1", NULL};
	opts.parameters = wrong;
	cr_expect_null(gr__exp_open(&gr_experiment_by_hand, &opts));
	cr_expect_not_null(strstr(gr_error_message(), "n, name"), "%s", gr_error_message());
	gr_error_clear();
}
