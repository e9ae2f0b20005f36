/*
 * Samples in the eyes of a classifier: the share of each class among them, beside that among held-out
 * images; and the Frechet distance of its mean features, of m samples to m images, beside that of
 * those images to m others: what two sets of the same law are apart. m is the number of samples, at
 * most half that of the images.
 *
 * The judge is a network that no prior, term or solver reads.
 */
#include <inttypes.h>
#include <stdio.h>

#include "data_path.h"
#include "evaluate.h"
#include "gradus/ops.h"
#include "gradus/prior.h"
#include "gradus/statistics.h"
#include "runfolder.h"
#include "sample_draw.h"

#define AT_ONCE 64

/* What the judge says of a set: the class of each image, its features. */
typedef struct verdict {
	int64_t n, classes;
	int64_t *count;      /* [classes] */
	gr_tensor *features; /* f32 [n,D], in the scope */
} verdict;

static gr_status look(verdict *v, const gr_mpe_cnn *judge, gr_tensor *x, int64_t first)
{
	gr_tensor *scores = NULL;
	gr_tensor *f =
		gr_mean(gr_mpe_cnn_forward(judge, x, GR_OPTS(gr_mpe_cnn_forward_opts, .logits = &scores)),
			GR_AXES(2, 3), false);
	const gr_tensor *found = gr_argmax(scores, 1);
	if (f == NULL || found == NULL)
		return gr_error_code();
	for (int64_t i = 0; i < gr_tensor_dim(f, 0); i++)
		v->count[((const int64_t *)gr_tensor_data_const(found))[i]]++;
	if (v->features == NULL) /* of the outer scope, which outlives this one */
		v->features = gr_escape(gr_empty(GR_F32, GR_DIMS(v->n, gr_tensor_dim(f, 1))));
	if (v->features == NULL)
		return gr_error_code();
	return gr_tensor_to_f32(f, (float *)gr_tensor_data(v->features) + first * gr_tensor_dim(f, 1));
}

/* All of a set: samples x [n,C,H,W], or the images of a dataset. */
static gr_status look_at_all(verdict *v, const gr_mpe_cnn *judge, gr_tensor *x, gr_dataset *data)
{
	v->n = x != NULL ? gr_tensor_dim(x, 0) : gr_dataset_describe(data).count;
	v->classes = gr_mpe_cnn_get_config(judge)->num_classes;
	v->count = gr_alloc((size_t)v->classes * sizeof *v->count);
	gr_status status = v->count == NULL ? gr_error_code() : GR_OK;
	for (int64_t first = 0; first < v->n && status == GR_OK; first += AT_ONCE) {
		const int64_t m = v->n - first < AT_ONCE ? v->n - first : AT_ONCE;
		gr_scope_begin();
		status = look(v, judge,
			x != NULL ? gr_slice(x, 0, first, first + m, 1) : gr__data_images(data, first, m),
			first);
		gr_status ended = gr_scope_end();
		status = status != GR_OK ? status : ended;
	}
	return status;
}

static gr_status report(const verdict *samples, const verdict *images)
{
	const int64_t half = images->n / 2, m = samples->n < half ? samples->n : half;
	if (m < 2)
		return gr_error_set(GR_EARG, "2 samples and 4 images are the least to compare");
	printf("| class | of %" PRId64 " samples, %% | of %" PRId64 " images, %% |\n|---|---|---|\n",
		samples->n, images->n);
	for (int64_t k = 0; k < images->classes; k++)
		printf("| %" PRId64 " | %.1f | %.1f |\n", k,
			100.0 * (double)samples->count[k] / (double)samples->n,
			100.0 * (double)images->count[k] / (double)images->n);
	gr_tensor *one = gr_slice(images->features, 0, 0, m, 1);
	gr_tensor *other = gr_slice(images->features, 0, m, 2 * m, 1);
	double distance, floor;
	gr_status status = gr_frechet(&distance, gr_slice(samples->features, 0, 0, m, 1), one);
	if (status == GR_OK)
		status = gr_frechet(&floor, other, one);
	if (status == GR_OK)
		printf("\n| Frechet distance to %" PRId64 " images | |\n|---|---|\n| samples | %.4f |\n"
			   "| other images | %.4f |\n| ratio | %.2f |\n",
			m, distance, floor, distance / floor);
	return status;
}

/* The samples: drawn from the folder's prior, or opened as a dataset. */
static gr_status find_samples(gr_tensor **x, gr_dataset **drawn, const prior_folder *f,
	const evaluate_options *o)
{
	gr_prior *prior = NULL;
	char steps[32];
	if (o->drawn != NULL)
		return gr__evaluate_data(drawn, o->drawn, f, o->samples);
	snprintf(steps, sizeof steps, "%" PRId64, o->steps);
	sample_draw d = {.command = "evaluate",
		.method = o->sampler,
		.n = o->samples,
		.steps = steps,
		.seed = o->seed};
	gr_status status = gr_prior_open_with(&prior, f->path, gr__prior_find);
	if (status == GR_OK) {
		*x = gr__sample_draw(prior, &d);
		status = *x == NULL ? gr_error_code() : GR_OK;
	}
	gr_prior_free(prior);
	return status;
}

static gr_status judge_all(const gr_mpe_cnn *judge, const prior_folder *f, gr_dataset *data,
	const evaluate_options *o)
{
	verdict samples = {0}, images = {0};
	gr_tensor *x = NULL;
	gr_dataset *drawn = NULL;
	gr_status status = find_samples(&x, &drawn, f, o);
	if (status == GR_OK)
		status = look_at_all(&samples, judge, x, drawn);
	if (status == GR_OK)
		status = look_at_all(&images, judge, NULL, data);
	if (status == GR_OK)
		status = report(&samples, &images);
	gr_dataset_free(drawn);
	gr_free(samples.count);
	gr_free(images.count);
	return status;
}

gr_status gr__evaluate_samples(const prior_folder *f, const evaluate_options *o)
{
	prior_folder seat;
	gr_mpe_cnn *judge = NULL;
	gr_dataset *data = NULL;
	if (o->samples < 0 || o->samples > 100000 || o->steps < 1)
		return gr_error_set(GR_EARG, "--samples is 0 to 100000 and --steps positive");
	gr_status status = gr__folder_open(&seat, o->judge);
	if (status == GR_OK)
		status = gr__folder_mpe_cnn(&judge, &seat);
	if (status == GR_OK && gr_mpe_cnn_get_config(judge)->num_classes == 0)
		status = gr_error_set(GR_EARG, "--judge %s: the network has no classes", o->judge);
	if (status == GR_OK)
		status = gr__evaluate_data(&data, o->data, &seat, o->limit);
	if (status == GR_OK) {
		gr_scope_begin();
		status = judge_all(judge, f, data, o);
		gr_status ended = gr_scope_end();
		status = status != GR_OK ? status : ended;
	}
	gr_dataset_free(data);
	gr_mpe_cnn_free(judge);
	gr__folder_close(&seat);
	return status;
}
