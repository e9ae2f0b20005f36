/*
 * A feature network by its neighbours: a held-out image gets the label that most of its K nearest
 * reference images have (of equally many, that of the nearest), nearest by Euclidean distance
 * between class tokens of unit length, and, in the same run by the same rule, between pixels. The
 * difference is what the features add.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "data_path.h"
#include "evaluate.h"
#include "gradus/ops.h"

#define AT_ONCE 64
#define NEIGHBOURS_MAX 256
#define LABELS_MAX 1000

/* A set of images as points to compare: labels, pixels [N,P], features [N,D], all in the scope. */
typedef struct points {
	int64_t n;
	int64_t *label; /* a gr_alloc() block */
	gr_tensor *pixels, *features;
} points;

/* Rows of unit length: x [N,D] */
static gr_tensor *unit(gr_tensor *x)
{
	return gr_div(x, gr_add_s(gr_norm(x, GR_AXES(1), true), 1e-12));
}

static gr_status fill(points *p, const gr_vit *net, gr_dataset *data, int64_t first, int64_t m)
{
	gr_tensor *cls = NULL, *x = gr__data_images(data, first, m);
	gr_vit_forward_with(net, x, GR_OPTS(gr_vit_forward_opts, .cls = &cls));
	cls = unit(cls);
	if (x == NULL || cls == NULL)
		return gr_error_code();
	const int64_t P = gr_tensor_dim(p->pixels, 1), D = gr_tensor_dim(p->features, 1);
	gr_status status = gr_tensor_to_f32(x, (float *)gr_tensor_data(p->pixels) + first * P);
	if (status == GR_OK)
		status = gr_tensor_to_f32(cls, (float *)gr_tensor_data(p->features) + first * D);
	for (int64_t i = first; i < first + m && status == GR_OK; i++) {
		p->label[i] = gr_dataset_label(data, i);
		if (p->label[i] < 0 || p->label[i] >= LABELS_MAX)
			status =
				gr_error_set(GR_EFORMAT, "label %" PRId64 " of image %" PRId64 " is not in 0..%d",
					p->label[i], i, LABELS_MAX - 1);
	}
	return status;
}

static gr_status gather(points *p, const gr_vit *net, gr_dataset *data)
{
	const gr_dataset_info info = gr_dataset_describe(data);
	p->n = info.count;
	p->label = gr_alloc((size_t)p->n * sizeof *p->label);
	p->pixels = gr_empty(GR_F32, GR_DIMS(p->n, info.channels * info.height * info.width));
	p->features = gr_empty(GR_F32, GR_DIMS(p->n, gr_vit_get_config(net)->embed_dim));
	gr_status status = p->label == NULL || p->features == NULL ? gr_error_code() : GR_OK;
	for (int64_t first = 0; first < p->n && status == GR_OK; first += AT_ONCE) {
		const int64_t m = p->n - first < AT_ONCE ? p->n - first : AT_ONCE;
		gr_scope_begin();
		status = fill(p, net, data, first, m);
		gr_status ended = gr_scope_end();
		status = status != GR_OK ? status : ended;
	}
	return status;
}

/* The label of the majority of places[0..k-1], nearest first. */
static int64_t vote(const points *reference, const int64_t *places, int64_t k)
{
	int64_t votes[LABELS_MAX] = {0}, best = reference->label[places[0]];
	for (int64_t i = 0; i < k; i++)
		votes[reference->label[places[i]]]++;
	for (int64_t i = 0; i < k; i++) {
		if (votes[reference->label[places[i]]] > votes[best])
			best = reference->label[places[i]];
	}
	return best;
}

/* Of |q - r|^2 what differs between reference points: |r|^2 / 2 - q r. q [m,D], r [n,D] -> [m,n] */
static gr_tensor *distances(gr_tensor *q, gr_tensor *r, gr_tensor *half_squares)
{
	return gr_sub(half_squares, gr_matmul(q, gr_transpose(r, 0, 1)));
}

/* How many of the points get their label from the reference by `of`, its points' coordinates. */
static gr_status count_right(int64_t *right, const points *p, gr_tensor *q, const points *reference,
	gr_tensor *r, int64_t k)
{
	gr_tensor *half = gr_mul_s(gr_sumsq(r, GR_AXES(1), false), 0.5); /* [n] */
	*right = 0;
	for (int64_t first = 0; first < p->n; first += AT_ONCE) {
		const int64_t m = p->n - first < AT_ONCE ? p->n - first : AT_ONCE;
		gr_scope_begin();
		gr_tensor *near = NULL;
		gr_topk(gr_neg(distances(gr_slice(q, 0, first, first + m, 1), r, half)), 1, k, &near);
		for (int64_t i = 0; near != NULL && i < m; i++) {
			const int64_t *places = (const int64_t *)gr_tensor_data_const(near) + i * k;
			*right += vote(reference, places, k) == p->label[first + i];
		}
		gr_status ended = gr_scope_end();
		if (ended != GR_OK)
			return ended;
	}
	return GR_OK;
}

static gr_status compare(const gr_vit *net, gr_dataset *data, gr_dataset *reference, int64_t k)
{
	points p = {0}, r = {0};
	int64_t by_features = 0, by_pixels = 0;
	gr_status status = gather(&r, net, reference);
	if (status == GR_OK)
		status = gather(&p, net, data);
	if (status == GR_OK)
		status = count_right(&by_features, &p, p.features, &r, r.features, k);
	if (status == GR_OK)
		status = count_right(&by_pixels, &p, p.pixels, &r, r.pixels, k);
	if (status == GR_OK) {
		const double n = (double)p.n;
		printf("| %" PRId64 " images, %" PRId64 " neighbours of %" PRId64
			   " | right, %% |\n|---|---|\n",
			p.n, k, r.n);
		printf("| class tokens | %.2f |\n", 100.0 * (double)by_features / n);
		printf("| pixels | %.2f |\n", 100.0 * (double)by_pixels / n);
	}
	gr_free(p.label);
	gr_free(r.label);
	return status;
}

static gr_status check_labels(gr_dataset *data, const char *name)
{
	return gr_dataset_describe(data).labelled
		? GR_OK
		: gr_error_set(GR_EARG, "%s: its images have no labels to find", name);
}

gr_status gr__evaluate_vit(const prior_folder *f, const evaluate_options *o)
{
	gr_vit *net = NULL;
	gr_dataset *data = NULL, *reference = NULL;
	if (o->neighbours < 1 || o->neighbours > NEIGHBOURS_MAX)
		return gr_error_set(GR_EARG, "--neighbours is 1 to %d", NEIGHBOURS_MAX);
	gr_status status = gr__folder_vit(&net, f);
	if (status == GR_OK)
		status = gr__evaluate_data(&data, o->data, f, o->limit);
	if (status == GR_OK)
		status = check_labels(data, o->data);
	if (status == GR_OK)
		status = gr__evaluate_data(&reference, o->reference, f, 0);
	if (status == GR_OK)
		status = check_labels(reference, o->reference);
	if (status == GR_OK && gr_dataset_describe(reference).count < o->neighbours)
		status = gr_error_set(GR_EARG, "%s: fewer images than --neighbours %" PRId64, o->reference,
			o->neighbours);
	if (status == GR_OK) {
		gr_scope_begin();
		status = compare(net, data, reference, o->neighbours);
		gr_status ended = gr_scope_end();
		status = status != GR_OK ? status : ended;
	}
	gr_dataset_free(reference);
	gr_dataset_free(data);
	gr_vit_free(net);
	return status;
}
