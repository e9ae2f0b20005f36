/*
 * A classifier of labelled images, to judge samples by: the small convolutional network of
 * gradus/mpe_cnn.h with a head, cross entropy of its scores. It is an evaluation network: no prior,
 * term or solver reads it.
 *
 * The batch norms move their running statistics while they learn, by the weights of the moment; when
 * the training is over they are taken anew, by the averaged weights.
 */
#include <inttypes.h>
#include <string.h>

#include "canvas.h"
#include "data_path.h"
#include "gradus/mpe_cnn.h"
#include "gradus/ops.h"
#include "mpe_network.h"

#define SHOWN 64 /* images in a picture */

typedef struct classifier_state {
	/* as typed */
	int64_t width, blocks;
	/* derived */
	gr_mpe_cnn_config config;
	gr_mpe_cnn *net;
} classifier_state;

static int list_args(void *self, gr_arg *rows)
{
	classifier_state *s = self;
	const gr_arg own[] = {
		{"width", GR_ARG_INT, "48", "channels of the first block, doubled by each up to 4 times",
			&s->width},
		{"blocks", GR_ARG_INT, "4", "convolutions of stride 2", &s->blocks},
	};
	memcpy(rows, own, sizeof own);
	return (int)(sizeof own / sizeof *own);
}

/* Labels are 0..classes-1; GR_EFORMAT for one that is not below 1000. */
static gr_status count_classes(gr_dataset *d, int64_t count, int64_t *classes)
{
	*classes = 0;
	for (int64_t i = 0; i < count; i++) {
		const int64_t label = gr_dataset_label(d, i);
		if (label < 0 || label >= 1000)
			return gr_error_set(GR_EFORMAT,
				"classifier: label %" PRId64 " of image %" PRId64 " is not in 0..999", label, i);
		if (label >= *classes)
			*classes = label + 1;
	}
	return GR_OK;
}

static gr_status build(void *self, const train_run *run)
{
	classifier_state *s = self;
	const gr_dataset_info *info = &run->o->info;
	int64_t classes;
	if (s->width < 1 || s->blocks < 1)
		return gr_error_set(GR_EARG, "--width and --blocks are positive");
	if (!info->labelled)
		return gr_error_set(GR_EARG, "--data %s: its images have no labels to learn", run->o->data);
	gr_status status = count_classes(run->dataset, info->count, &classes);
	if (status)
		return status;
	s->config = (gr_mpe_cnn_config){
		.size = sizeof s->config,
		.in_channels = info->channels,
		.width = s->width,
		.num_blocks = s->blocks,
		.num_classes = classes,
	};
	s->net = gr_mpe_cnn_new(&s->config);
	return s->net ? GR_OK : gr_error_code();
}

static gr_module *module(void *self)
{
	classifier_state *s = self;
	return gr_mpe_cnn_module(s->net);
}

static gr_tensor *loss(void *self, const train_run *run, int64_t step, gr_key key)
{
	const classifier_state *s = self;
	gr_tensor *labels = NULL, *scores = NULL;
	gr_tensor *x = gr_affine(gr_loader_batch(run->loader, step, &labels), 2.0, -1.0);
	(void)key;
	gr_mpe_cnn_forward(s->net, x,
		GR_OPTS(gr_mpe_cnn_forward_opts, .train = true, .logits = &scores));
	return gr_cross_entropy(scores, labels);
}

static void describe(const void *self, FILE *f)
{
	const classifier_state *s = self;
	gr__mpe_describe(&s->config, f);
	fprintf(f, "\t\"objective\": { \"loss\": \"cross_entropy\" },\n");
}

/* Images sorted by the class that is found for them. */
static gr_status picture(void *self, const train_run *run, const char *path)
{
	const classifier_state *s = self;
	const gr_dataset_info *info = &run->o->info;
	const int64_t n = info->count < SHOWN ? info->count : SHOWN;
	gr_tensor *scores = NULL, *x = gr__data_images(run->dataset, 0, n);
	gr_mpe_cnn_forward(s->net, x, GR_OPTS(gr_mpe_cnn_forward_opts, .logits = &scores));
	gr_tensor *sorted =
		gr_gather(x, 0, gr_argsort(gr_cast(gr_argmax(scores, 1), GR_F32), 0, false));
	return sorted ? gr__canvas_grid(path, sorted, 8, info->width < 64 ? 2 : 1, 2) : gr_error_code();
}

static gr_status finish(void *self, const train_run *run)
{
	const classifier_state *s = self;
	return gr__mpe_settle(s->net, run);
}

static void release(void *self)
{
	classifier_state *s = self;
	gr_mpe_cnn_free(s->net);
}

const objective gr__objective_classifier = {
	.name = "classifier",
	.model = "mpe_cnn",
	.summary = "a classifier of labelled images, to judge samples by",
	.bytes = sizeof(classifier_state),
	.args = list_args,
	.build = build,
	.module = module,
	.loss = loss,
	.describe = describe,
	.picture = picture,
	.finish = finish,
	.release = release,
};
