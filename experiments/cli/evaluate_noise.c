/*
 * How well a prior predicts the noise in images it has not seen, per noise level: the mean over images
 * and pixels of (eps_theta(x_t, t) - eps)^2, eps drawn per image and level.
 */
#include <math.h>
#include <stdio.h>

#include "data_path.h"
#include "evaluate.h"
#include "gradus/ops.h"
#include "gradus/prior.h"

#define AT_ONCE 64

static const int64_t levels[] = {5, 25, 50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 995};
#define NLEVELS ((int)(sizeof levels / sizeof *levels))

typedef struct evaluation {
	const gr_prior *prior;
	gr_dataset *data;
	gr_key key;
	int64_t count;
} evaluation;

/* Sum of squared errors over m images at level t. */
static gr_status add_errors(const evaluation *e, int64_t first, int64_t m, int64_t t, double *sum)
{
	double a = gr_prior_alpha_bar(e->prior, (double)t), times[AT_ONCE];
	gr_key keys[AT_ONCE];
	for (int64_t i = 0; i < m; i++) {
		times[i] = (double)t;
		keys[i] = gr_key_fold(gr_key_fold(e->key, (uint64_t)(first + i)), (uint64_t)t);
	}
	gr_tensor *x0 = gr__data_images(e->data, first, m);
	gr_tensor *eps = gr__evaluate_draw(keys, m, gr_prior_dims(e->prior));
	gr_prior_call call = {.x_t = gr_axpby(x0, sqrt(a), eps, sqrt(1.0 - a)), .t = times};
	if (call.x_t == NULL)
		return gr_error_code();
	gr_status status = gr_prior_predict(e->prior, &call);
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

gr_status gr__evaluate_noise(const prior_folder *f, const evaluate_options *o)
{
	gr_prior *prior = NULL;
	evaluation e = {.key = gr_key_fold_name(gr_key_seed((uint64_t)o->seed), "evaluate")};
	gr_status status = gr_prior_open(&prior, f->path);
	if (status == GR_OK)
		status = gr__evaluate_data(&e.data, o->data, f, o->limit);
	if (status == GR_OK) {
		e.prior = prior;
		e.count = gr_dataset_describe(e.data).count;
		status = evaluate(&e);
	}
	gr_dataset_free(e.data);
	gr_prior_free(prior);
	return status;
}
