/*
 * Cases: what is exported is enough to solve it by the files alone, and scores tell who did. The
 * solver here shares nothing with the library but its reader of .npy: it tabulates the posterior of
 * a mixture in the plane.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "case.h"
#include "gradus/ops.h"

#define N 500
#define GRID 400

static char folder[256];

static void export_toy(void)
{
	char root[] = "/tmp/gradus-case-XXXXXX";
	cr_assert_not_null(mkdtemp(root));
	snprintf(folder, sizeof folder, "%s/case", root);
	int i = 0;
	while (gr__certify_row(i)->kind != GR_CERTIFY_TOY_A)
		i++;
	cr_assert_eq(gr__case_export(folder, gr__certify_row(i), 2, 7), GR_OK, "%s",
		gr_error_message());
}

static const char *file(const char *name)
{
	static char path[512];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void read_numbers(double *out, const char *name, int64_t count)
{
	gr_tensor *t = gr_npy_read(file(name));
	cr_assert_not_null(t, "%s", gr_error_message());
	cr_assert_eq(gr_tensor_size(t), count);
	gr_tensor_to_f64(t, out);
}

static double read_sigma(void)
{
	char text[4096] = "";
	FILE *f = fopen(file("case.json"), "r");
	cr_assert_not_null(f);
	size_t size = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[size] = '\0';
	const char *at = strstr(text, "\"sigma\": ");
	cr_assert_not_null(at);
	return strtod(at + 9, NULL);
}

/* The density at the middle of each cell of [-4,4]^2, times a constant. */
static void tabulate(double *density, bool measured)
{
	double means[4], variances[4], matrix[2], y, sigma = read_sigma();
	read_numbers(means, "means.npy", 4);
	read_numbers(variances, "variances.npy", 4);
	read_numbers(matrix, "matrix.npy", 2);
	read_numbers(&y, "y.npy", 1);
	for (int64_t c = 0; c < GRID * GRID; c++) {
		double x[] = {8.0 * ((double)(c / GRID) + 0.5) / GRID - 4.0,
			8.0 * ((double)(c % GRID) + 0.5) / GRID - 4.0};
		double r = (y - matrix[0] * x[0] - matrix[1] * x[1]) / sigma, prior = 0.0;
		for (int k = 0; k < 2; k++) {
			double a = x[0] - means[2 * k], b = x[1] - means[2 * k + 1];
			prior += exp(-0.5 * (a * a / variances[2 * k] + b * b / variances[2 * k + 1])) /
				sqrt(variances[2 * k] * variances[2 * k + 1]);
		}
		density[c] = prior * (measured ? exp(-0.5 * r * r) : 1.0);
	}
}

/* N draws of what was tabulated, even within a cell. */
static void write_samples(const char *name, bool measured)
{
	double *density = malloc(GRID * GRID * sizeof *density), *x = malloc(2 * N * sizeof *x);
	tabulate(density, measured);
	for (int64_t c = 1; c < GRID * GRID; c++)
		density[c] += density[c - 1];
	srand48(5);
	for (int64_t i = 0; i < N; i++) {
		double u = drand48() * density[GRID * GRID - 1];
		int64_t c = 0;
		while (density[c] < u)
			c++;
		x[2 * i] = 8.0 * ((double)(c / GRID) + drand48()) / GRID - 4.0;
		x[2 * i + 1] = 8.0 * ((double)(c % GRID) + drand48()) / GRID - 4.0;
	}
	cr_assert_eq(gr_npy_write(file(name), gr_from_f64(GR_F64, x, GR_DIMS(N, 2))), GR_OK);
	free(density);
	free(x);
}

Test(case, solved_by_its_files_alone)
{
	gr_case_score good, bad;
	export_toy();
	write_samples("mine.npy", true);
	write_samples("prior.npy", false);
	char mine[512], prior[512];
	snprintf(mine, sizeof mine, "%s", file("mine.npy"));
	snprintf(prior, sizeof prior, "%s", file("prior.npy"));
	cr_assert_eq(gr__case_score(&good, folder, mine), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr__case_score(&bad, folder, prior), GR_OK, "%s", gr_error_message());
	cr_expect_eq(good.n, N);
	/* One draw of each score is in 3 of its spread over exact samples, or near. */
	cr_expect(good.score[GR_DEVIATION_SLICED] < 2.5 * good.exact[GR_DEVIATION_SLICED].mean, "%g %g",
		good.score[GR_DEVIATION_SLICED], good.exact[GR_DEVIATION_SLICED].mean);
	cr_expect(fabs(good.score[GR_DEVIATION_COVERAGE] - 0.9) < 0.04);
	cr_expect(good.score[GR_DEVIATION_MODES] < 0.1); /* 4.5 standard deviations */
	/* The prior is 4 times as wide along the coordinate that was measured. */
	cr_expect(bad.score[GR_DEVIATION_COVERAGE] > 0.93);
	cr_expect(bad.score[GR_DEVIATION_SLICED] > good.score[GR_DEVIATION_SLICED]);
}

Test(case, scores_do_not_depend_on_the_exporter)
{
	gr_case_score a, b;
	export_toy();
	write_samples("mine.npy", true);
	char mine[512];
	snprintf(mine, sizeof mine, "%s", file("mine.npy"));
	cr_assert_eq(gr__case_score(&a, folder, mine), GR_OK);
	cr_assert_eq(gr__case_score(&b, folder, mine), GR_OK);
	for (int d = 0; d < GR_DEVIATIONS; d++)
		cr_expect_eq(a.score[d], b.score[d]);
}

static void expect_refused(const char *samples, gr_status code, const char *word)
{
	gr_case_score s;
	char path[512];
	snprintf(path, sizeof path, "%s", file(samples));
	gr_status status = gr__case_score(&s, folder, path);
	cr_expect_eq(status, code, "%d: %s", (int)status, gr_error_message());
	cr_expect_not_null(strstr(gr_error_message(), word), "%s", gr_error_message());
	gr_error_clear();
}

Test(case, bad_files_are_named)
{
	export_toy();
	expect_refused("none.npy", GR_EIO, "none.npy");
	cr_assert_eq(gr_npy_write(file("wide.npy"), gr_zeros(GR_F64, GR_DIMS(9, 3))), GR_OK);
	expect_refused("wide.npy", GR_EFORMAT, "[n,2]");
	cr_assert_eq(gr_npy_write(file("nan.npy"), gr_full(GR_F64, GR_DIMS(9, 2), NAN)), GR_OK);
	expect_refused("nan.npy", GR_ENUMERIC, "sample 0");
	cr_assert_eq(gr_npy_write(file("matrix.npy"), gr_zeros(GR_F64, GR_DIMS(1, 5))), GR_OK);
	cr_assert_eq(gr_npy_write(file("fine.npy"), gr_zeros(GR_F64, GR_DIMS(9, 2))), GR_OK);
	expect_refused("fine.npy", GR_ESHAPE, "1 x 5");
	cr_assert_eq(unlink(file("y.npy")), 0);
	expect_refused("fine.npy", GR_EIO, "y.npy");
	FILE *f = fopen(file("case.json"), "w");
	fputs("{\"sigma\": -1}", f);
	fclose(f);
	expect_refused("fine.npy", GR_EFORMAT, "sigma");
	f = fopen(file("case.json"), "w");
	fputs("{\"sigma\": ", f);
	fclose(f);
	expect_refused("fine.npy", GR_EFORMAT, "byte");
	cr_expect_eq(gr__case_export(folder, gr__certify_row(0), 0, 0), GR_EARG);
	gr_error_clear();
}
