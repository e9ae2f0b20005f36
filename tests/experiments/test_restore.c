/*
 * A run's results are the solver's own: the same bits as calling it, one mask for all samples of a
 * measurement, nothing pasted, stretched or picked; and images are saved as they are.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gradus/io.h"
#include "gradus/noise.h"
#include "inverse_check.h"
#include "restore.h"

#define IMAGES 2
#define SAMPLES 2
#define N (IMAGES * SAMPLES)
#define PRIOR GRADUS_SOURCE_DIR "/experiments/priors/fashion"

static const gr_restore_config config = {
	.prior = PRIOR,
	.spec = "inpaint_random",
	.solver = "dps",
	.terms = "",
	.input = PRIOR "/images",
	.sigma = 0.05,
	.scale = 1.0,
	.steps = 3,
	.particles = SAMPLES,
	.limit = IMAGES,
	.seed = 5,
};

/* The library's calls, in the order that its headers teach. */
static gr_tensor *by_hand(void)
{
	gr_prior *prior;
	gr_imageset *set;
	gr_key measured[N];
	gr_key sampled[N];
	int64_t index[N];
	cr_assert_eq(gr_prior_open(&prior, PRIOR), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr__imageset_open(&set, config.input, gr_prior_dims(prior), IMAGES), GR_OK);
	for (int64_t i = 0; i < N; i++) {
		index[i] = i / SAMPLES;
		measured[i] = gr_measurement_key(5, gr__batch_one(set->x, i / SAMPLES));
		sampled[i] = gr_sample_key(measured[i], i % SAMPLES);
	}
	gr_operator *A = gr_operator_new("inpaint_random",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 32, .width = 32, .n = N,
			.keys = measured));
	gr_tensor *truth = gr_gather(set->x, 0, gr_from(GR_I64, index, GR_DIMS(N)));
	gr_tensor *y = gr_measure(A, truth, 0.05);
	gr_term *term = gr_dps_term(A, y, 1.0);
	gr_tensor *x = gr_solver_solve(GR_OPTS(gr_solver_opts, .prior = prior, .n = N, .keys = sampled,
		.respacing = "3", .terms = (gr_term *[]){term, NULL}, .particles = SAMPLES));
	cr_assert_not_null(x, "%s", gr_error_message());
	gr_term_free(term);
	gr_operator_free(A);
	gr__imageset_free(set);
	gr_prior_free(prior);
	return x;
}

/* x [C,H,W] in [-1,1] as its PNG shows it: to the nearest of 256 greys. */
static void expect_saved(const char *path, gr_tensor *x)
{
	gr_tensor *saved = gr_png_read(path, NULL);
	cr_assert_not_null(saved, "%s: %s", path, gr_error_message());
	const float *a = gr_tensor_data_const(saved);
	const float *b = gr_tensor_data_const(gr_contiguous(x));
	for (int64_t i = 0; i < gr_tensor_size(saved); i++) {
		double u = fmin(fmax(0.5 * ((double)b[i] + 1.0), 0.0), 1.0);
		cr_assert(fabs((double)a[i] - u) <= 0.5 / 255.0 + 1e-6, "%s: pixel %d is %g, expected %g",
			path, (int)i, (double)a[i], u);
	}
}

Test(restore, is_the_solver_and_nothing_else)
{
	char top[] = "/tmp/gradus_restore_XXXXXX", folder[64], path[192], command[96];
	cr_assert_not_null(mkdtemp(top));
	snprintf(folder, sizeof folder, "%s/run", top);
	gr_restored *r;
	cr_assert_eq(gr__restore_run(&r, &config, &(gr_restore_opts){.output = folder, .quiet = true}),
		GR_OK, "%s", gr_error_message());
	gr_tensor *x = by_hand();
	const float *own = gr_tensor_data_const(r->samples);
	cr_expect_eq(memcmp(own, gr_tensor_data_const(x), sizeof(float) * N * 1024), 0);
	cr_expect_neq(memcmp(own, own + 1024, sizeof(float) * 1024), 0, "two samples are the same");
	for (int64_t i = 0; i < N; i++) {
		snprintf(path, sizeof path, "%s/images/%s_dps%d.png", folder, r->images->names[i / SAMPLES],
			(int)(i % SAMPLES));
		expect_saved(path, gr__batch_one(x, i));
	}
	snprintf(path, sizeof path, "%s/images/%s_truth.png", folder, r->images->names[0]);
	expect_saved(path, gr__batch_one(r->images->x, 0));
	gr__restored_free(r);
	snprintf(command, sizeof command, "rm -r %s", top);
	cr_assert_eq(system(command), 0);
}
