/* A classifier on held-out images: how many of each class it finds. */
#include <inttypes.h>
#include <stdio.h>

#include "data_path.h"
#include "evaluate.h"
#include "gradus/ops.h"

#define AT_ONCE 64

typedef struct tally {
	int64_t of, right; /* images of a class, and those found to be of it */
} tally;

static gr_status count(const gr_mpe_cnn *net, gr_dataset *data, int64_t first, int64_t m,
	tally *tallies)
{
	const int64_t classes = gr_mpe_cnn_get_config(net)->num_classes;
	gr_tensor *scores = NULL;
	gr_mpe_cnn_forward(net, gr__data_images(data, first, m),
		GR_OPTS(gr_mpe_cnn_forward_opts, .logits = &scores));
	const gr_tensor *found = gr_argmax(scores, 1);
	if (found == NULL)
		return gr_error_code();
	for (int64_t i = 0; i < m; i++) {
		const int64_t label = gr_dataset_label(data, first + i);
		if (label < 0 || label >= classes)
			return gr_error_set(GR_EFORMAT,
				"label %" PRId64 " of image %" PRId64 " is none of the classifier's %" PRId64
				" classes",
				label, first + i, classes);
		tallies[label].of++;
		tallies[label].right += ((const int64_t *)gr_tensor_data_const(found))[i] == label;
	}
	return GR_OK;
}

static void report(const tally *tallies, int64_t classes)
{
	tally all = {0};
	printf("| class | images | right, %% |\n|---|---|---|\n");
	for (int64_t k = 0; k < classes; k++) {
		all.of += tallies[k].of;
		all.right += tallies[k].right;
		if (tallies[k].of > 0)
			printf("| %" PRId64 " | %" PRId64 " | %.2f |\n", k, tallies[k].of,
				100.0 * (double)tallies[k].right / (double)tallies[k].of);
	}
	printf("| all | %" PRId64 " | %.2f |\n", all.of, 100.0 * (double)all.right / (double)all.of);
}

static gr_status count_all(const gr_mpe_cnn *net, gr_dataset *data)
{
	const int64_t n = gr_dataset_describe(data).count;
	const int64_t classes = gr_mpe_cnn_get_config(net)->num_classes;
	tally *tallies = gr_alloc((size_t)classes * sizeof *tallies);
	gr_status status = tallies == NULL ? gr_error_code() : GR_OK;
	for (int64_t first = 0; first < n && status == GR_OK; first += AT_ONCE) {
		gr_scope_begin();
		status = count(net, data, first, n - first < AT_ONCE ? n - first : AT_ONCE, tallies);
		gr_status ended = gr_scope_end();
		status = status != GR_OK ? status : ended;
	}
	if (status == GR_OK)
		report(tallies, classes);
	gr_free(tallies);
	return status;
}

gr_status gr__evaluate_classifier(const prior_folder *f, const evaluate_options *o)
{
	gr_mpe_cnn *net = NULL;
	gr_dataset *data = NULL;
	gr_status status = gr__folder_mpe_cnn(&net, f);
	if (status == GR_OK && gr_mpe_cnn_get_config(net)->num_classes == 0)
		status = gr_error_set(GR_EUNSUPPORTED, "%s: the network has no classes", f->path);
	if (status == GR_OK)
		status = gr__evaluate_data(&data, o->data, f, o->limit);
	if (status == GR_OK && !gr_dataset_describe(data).labelled)
		status = gr_error_set(GR_EARG, "%s: its images have no labels to find", o->data);
	if (status == GR_OK)
		status = count_all(net, data);
	gr_dataset_free(data);
	gr_mpe_cnn_free(net);
	return status;
}
