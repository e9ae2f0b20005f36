/*
 * gradus evaluate: how well a prior predicts the noise in images it has not seen, per noise level:
 * the mean over images and pixels of (eps_theta(x_t, t) - eps)^2, eps drawn per image and level.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "data_path.h"
#include "gradus/ops.h"
#include "gradus/prior.h"
#include "runfolder.h"

#define AT_ONCE 64

static const int64_t levels[] = {5, 25, 50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 995};
#define NLEVELS ((int)(sizeof levels / sizeof *levels))

typedef struct evaluation {
	const gr_prior *prior;
	gr_dataset *data;
	gr_key key;
	int64_t count;
} evaluation;

/* Images first..first+m-1 as [m,C,H,W] in [-1,1], and their noise at level t. */
static gr_status load(const evaluation *e, int64_t first, int64_t m, int64_t t, gr_tensor **x0,
	gr_tensor **eps)
{
	const int64_t *dims = gr_prior_dims(e->prior);
	*x0 = gr_empty(GR_F32, GR_DIMS(m, dims[0], dims[1], dims[2]));
	*eps = gr_empty(GR_F32, GR_DIMS(m, dims[0], dims[1], dims[2]));
	if (*x0 == NULL || *eps == NULL)
		return gr_error_code();
	int64_t pixels = dims[0] * dims[1] * dims[2];
	for (int64_t i = 0; i < m; i++) {
		gr_scope_begin();
		gr_key key = gr_key_fold(gr_key_fold(e->key, (uint64_t)(first + i)), (uint64_t)t);
		gr_tensor *image = gr_affine(gr_dataset_image(e->data, first + i), 2.0, -1.0);
		gr_tensor *noise = gr_random_normal(key, GR_F32, 1, &pixels);
		if (image != NULL && noise != NULL) {
			gr_tensor_to_f32(image, (float *)gr_tensor_data(*x0) + i * pixels);
			gr_tensor_to_f32(noise, (float *)gr_tensor_data(*eps) + i * pixels);
		}
		if (gr_scope_end() != GR_OK)
			return gr_error_code();
	}
	return GR_OK;
}

/* Sum of squared errors over m images at level t. */
static gr_status add_errors(const evaluation *e, int64_t first, int64_t m, int64_t t, double *sum)
{
	gr_tensor *x0, *eps;
	gr_status status = load(e, first, m, t, &x0, &eps);
	if (status != GR_OK)
		return status;
	double a = gr_prior_alpha_bar(e->prior, (double)t), times[AT_ONCE];
	for (int64_t i = 0; i < m; i++)
		times[i] = (double)t;
	gr_prior_call call = {.x_t = gr_axpby(x0, sqrt(a), eps, sqrt(1.0 - a)), .t = times};
	if (call.x_t == NULL)
		return gr_error_code();
	status = gr_prior_predict(e->prior, &call);
	if (status != GR_OK)
		return status;
	gr_tensor *found =
		gr_predicted_eps(gr_prior_prediction(e->prior), call.x_t, call.prediction, a);
	gr_tensor *error = gr_sumsq(gr_sub(found, eps), GR_ALL_AXES, false);
	*sum += gr_item(error);
	return gr_error_code();
}

static gr_status evaluate(const evaluation *e)
{
	const int64_t *dims = gr_prior_dims(e->prior);
	double pixels = (double)(dims[0] * dims[1] * dims[2]), mean = 0.0;
	printf("| t | noise level | eps-MSE |\n|---|---|---|\n");
	for (int k = 0; k < NLEVELS; k++) {
		double sum = 0.0, a = gr_prior_alpha_bar(e->prior, (double)levels[k]);
		for (int64_t first = 0; first < e->count; first += AT_ONCE) {
			int64_t m = e->count - first < AT_ONCE ? e->count - first : AT_ONCE;
			gr_scope_begin();
			gr_status status = add_errors(e, first, m, levels[k], &sum);
			gr_scope_end();
			if (status != GR_OK)
				return status;
		}
		double mse = sum / (pixels * (double)e->count);
		mean += mse / NLEVELS;
		printf("| %lld | %.4f | %.5f |\n", (long long)levels[k], sqrt((1.0 - a) / a), mse);
		fflush(stdout);
	}
	printf("| mean | | %.5f |\n", mean);
	return GR_OK;
}

static gr_status run(const char *name, const char *data, int64_t limit, int64_t seed)
{
	char folder[4096];
	gr_prior *prior = NULL;
	evaluation e = {.key = gr_key_fold_name(gr_key_seed((uint64_t)seed), "evaluate")};
	gr_status status = gr__prior_find(folder, sizeof folder, name);
	if (status == GR_OK)
		status = gr_prior_open(&prior, folder);
	if (status == GR_OK)
		status = gr__data_open(&e.data, data, gr_prior_dims(prior)[2], limit);
	if (status == GR_OK) {
		gr_dataset_info info = gr_dataset_describe(e.data);
		const int64_t *dims = gr_prior_dims(prior);
		e.prior = prior;
		e.count = info.count;
		if (info.channels != dims[0] || info.height != dims[1] || info.width != dims[2])
			status = gr_error_set(GR_EFORMAT, "%s: images are %lld x %lld x %lld, not the prior's",
				data, (long long)info.channels, (long long)info.height, (long long)info.width);
	}
	if (status == GR_OK) {
		gr_set_recording(false);
		status = evaluate(&e);
	}
	gr_dataset_free(e.data);
	gr_prior_free(prior);
	return status;
}

int gr_cmd_evaluate(int argc, char **argv)
{
	const char *prior, *data;
	int64_t limit, seed, threads;
	const gr_arg args[] = {
		{"prior", GR_ARG_STRING, "fashion", "name of a shipped prior, or a folder", &prior},
		{"data", GR_ARG_STRING, "fashion-test", "images, as for train", &data},
		{"limit", GR_ARG_INT, "1000", "how many, 0 for all", &limit},
		{"seed", GR_ARG_INT, "0", "of the noise", &seed},
		{"threads", GR_ARG_INT, "0", "0: all cores; changes no result", &threads},
	};
	const gr_command command = {
		.name = "evaluate",
		.usage = "[options]",
		.summary = "Mean squared error of the predicted noise on images, per noise level.",
		.examples = {"gradus evaluate", "gradus evaluate --prior runs/mine --data faces --limit 0"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	int code = gr__args_parse(&command, argc, argv, NULL, 0, &words);
	if (code != GR_ARGS_RUN)
		return code;
	gr_status status = threads > 0 ? gr_set_threads((int)threads) : GR_OK;
	if (status == GR_OK)
		status = run(prior, data, limit, seed);
	return status == GR_OK ? GR_EXIT_OK : gr__exit_report("evaluate", status);
}
