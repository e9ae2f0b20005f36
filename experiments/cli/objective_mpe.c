/*
 * EquiReg's small network f (Tolooshams et al. 2025): equivariant on the data, less so off them. Two
 * objectives, images x in [-1,1]:
 *
 *	contrastive: two views of each image, each a random crop, mirrored or not, its contrast changed
 *	with probability 0.8, turned by 0 to 3 quarters; that a view's projected mean feature picks its
 *	partner's among all (NT-Xent, Chen et al. 2020).
 *	equivariance: one element g /= 1 of the group for the batch, mean (f(T_g x) - S_g f(x))^2, S_g the
 *	same move of the feature map. Nothing in it forbids features that are constant; the norms do.
 *
 * The projector serves training alone. Statistics of the batch norms: as for the classifier.
 */
#include <inttypes.h>
#include <string.h>

#include "canvas.h"
#include "data_path.h"
#include "gradus/mpe_cnn.h"
#include "gradus/ops.h"
#include "mpe_group.h"
#include "mpe_network.h"

#define JITTER 0.4
#define JITTERED 0.8 /* probability */
#define SHOWN 16     /* images in a picture */

typedef struct mpe_state {
	/* as typed */
	const char *by, *group;
	int64_t width, blocks, projector_hidden, projector_out;
	double temperature;
	/* derived */
	gr_mpe_cnn_config config;
	gr_mpe_cnn *net;
	mpe_group moves;
	bool contrastive;
} mpe_state;

static int list_args(void *self, gr_arg *rows)
{
	mpe_state *s = self;
	const gr_arg own[] = {
		{"by", GR_ARG_STRING, "contrastive", "the objective: contrastive or equivariance", &s->by},
		{"group", GR_ARG_STRING, "hflip", "of --by equivariance: hflip, rot90 or rot180",
			&s->group},
		{"width", GR_ARG_INT, "64", "channels of the first block, doubled by each up to 4 times",
			&s->width},
		{"blocks", GR_ARG_INT, "4", "convolutions of stride 2", &s->blocks},
		{"temperature", GR_ARG_DOUBLE, "0.1", "of --by contrastive", &s->temperature},
		{"projector-hidden", GR_ARG_INT, "256", "hidden width of its projector",
			&s->projector_hidden},
		{"projector-out", GR_ARG_INT, "128", "and its result's", &s->projector_out},
	};
	memcpy(rows, own, sizeof own);
	return (int)(sizeof own / sizeof *own);
}

static gr_status derive(mpe_state *s, const gr_dataset_info *info)
{
	s->contrastive = strcmp(s->by, "contrastive") == 0;
	if (!s->contrastive && strcmp(s->by, "equivariance") != 0)
		return gr_error_set(GR_EARG, "--by '%s' is not contrastive or equivariance", s->by);
	if (s->width < 1 || s->blocks < 1 || s->projector_hidden < 1 || s->projector_out < 1 ||
		!(s->temperature > 0.0))
		return gr_error_set(GR_EARG,
			"--width, --blocks, --projector-hidden, --projector-out and --temperature are "
			"positive");
	if (info->height != info->width)
		return gr_error_set(GR_EARG, "images of %" PRId64 " x %" PRId64 " are not square",
			info->height, info->width);
	s->config = (gr_mpe_cnn_config){
		.size = sizeof s->config,
		.in_channels = info->channels,
		.width = s->width,
		.num_blocks = s->blocks,
		.projector_hidden = s->contrastive ? s->projector_hidden : 0,
		.projector_out = s->contrastive ? s->projector_out : 0,
	};
	return gr__mpe_group_named(&s->moves, s->group);
}

static gr_status build(void *self, const train_run *run)
{
	mpe_state *s = self;
	gr_status status = derive(s, &run->o->info);
	if (status)
		return status;
	s->net = gr_mpe_cnn_new(&s->config);
	return s->net ? GR_OK : gr_error_code();
}

static gr_module *module(void *self)
{
	mpe_state *s = self;
	return gr_mpe_cnn_module(s->net);
}

/* A square image of side S turned by quarters, counter-clockwise. */
static void turn(float *out, const float *in, int64_t S, int quarters)
{
	for (int64_t i = 0; i < S; i++) {
		for (int64_t j = 0; j < S; j++) {
			const int64_t from[] = {i * S + j, j * S + S - 1 - i, (S - 1 - i) * S + S - 1 - j,
				(S - 1 - j) * S + i};
			out[i * S + j] = in[from[quarters]];
		}
	}
}

/* One view of each image: x [N,C,S,S] in 0..1 -> the same in [-1,1]. */
static gr_tensor *view(gr_tensor *x, gr_key key)
{
	const int64_t n = gr_tensor_dim(x, 0), C = gr_tensor_dim(x, 1), S = gr_tensor_dim(x, 3);
	gr_key *keys = gr_alloc((size_t)n * sizeof *keys);
	for (int64_t i = 0; keys && i < n; i++)
		keys[i] = gr_key_fold(key, (uint64_t)i);
	gr_crop_opts opts = {.size = sizeof opts,
		.side = S,
		.area_least = 0.5,
		.area_most = 1.0,
		.flip = true};
	gr_tensor *plain = keys ? gr_random_crops(x, keys, &opts) : NULL;
	opts.jitter = JITTER;
	gr_tensor *changed = keys ? gr_random_crops(x, keys, &opts) : NULL;
	gr_tensor *out = gr_empty(GR_F32, 4, gr_tensor_dims(x));
	for (int64_t i = 0; plain && changed && out && i < n; i++) {
		const bool is_changed = gr_key_uniform(gr_key_fold_name(keys[i], "jitter"), 0) < JITTERED;
		const int quarters = (int)gr_key_below(gr_key_fold_name(keys[i], "turn"), 0, 4);
		const float *from = gr_tensor_data_const(is_changed ? changed : plain);
		for (int64_t c = i * C; c < (i + 1) * C; c++)
			turn((float *)gr_tensor_data(out) + c * S * S, from + c * S * S, S, quarters);
	}
	gr_free(keys);
	return plain && changed ? gr_affine(out, 2.0, -1.0) : NULL;
}

static gr_tensor *compare_views(const mpe_state *s, gr_tensor *x, gr_key key)
{
	const int64_t n = gr_tensor_dim(x, 0);
	gr_tensor *pair[] = {view(x, gr_key_fold(key, 0)), view(x, gr_key_fold(key, 1))};
	gr_tensor *z = NULL; /* [2 N,D]; both views share the batch's statistics */
	gr_mpe_cnn_forward(s->net, gr_concat(2, pair, 0),
		GR_OPTS(gr_mpe_cnn_forward_opts, .train = true, .projected = &z));
	return gr_nt_xent(gr_slice(z, 0, 0, n, 1), gr_slice(z, 0, n, 2 * n, 1), s->temperature);
}

static gr_tensor *compare_moves(const mpe_state *s, gr_tensor *x, gr_key key)
{
	const int element = gr__mpe_group_draw(&s->moves, key);
	x = gr_affine(x, 2.0, -1.0);
	const gr_mpe_cnn_forward_opts train = {.size = sizeof train, .train = true};
	gr_tensor *moved =
		gr_mpe_cnn_forward(s->net, gr__mpe_group_move(&s->moves, x, element), &train);
	gr_tensor *f = gr_mpe_cnn_forward(s->net, x, &train);
	return gr_mse(moved, gr__mpe_group_move(&s->moves, f, element));
}

static gr_tensor *loss(void *self, const train_run *run, int64_t step, gr_key key)
{
	const mpe_state *s = self;
	gr_tensor *x = gr_loader_batch(run->loader, step, NULL); /* [N,C,S,S] in 0..1 */
	if (!x)
		return NULL;
	return s->contrastive ? compare_views(s, x, key) : compare_moves(s, x, key);
}

static void describe(const void *self, FILE *f)
{
	const mpe_state *s = self;
	gr__mpe_describe(&s->config, f);
	if (s->contrastive)
		fprintf(f, "\t\"objective\": { \"by\": \"contrastive\", \"temperature\": %.17g },\n",
			s->temperature);
	else
		fprintf(f, "\t\"objective\": { \"by\": \"equivariance\", \"group\": \"%s\" },\n", s->group);
}

/* Each image beside the size of its features, the largest of all white. */
static gr_status picture(void *self, const train_run *run, const char *path)
{
	const mpe_state *s = self;
	const gr_dataset_info *info = &run->o->info;
	const int64_t n = info->count < SHOWN ? info->count : SHOWN, side = info->height;
	gr_tensor *x = gr__data_images(run->dataset, 0, n);
	gr_tensor *size = gr_norm(gr_mpe_cnn_forward(s->net, x, NULL), GR_AXES(1), true);
	gr_tensor *scaled = gr_div(size, gr_add_s(gr_max(size, GR_ALL_AXES, true), 1e-12));
	gr_tensor *map = gr_affine(gr_resize2d(scaled, side, side, NULL), 2.0, -1.0);
	gr_tensor *pairs = gr_stack(2, (gr_tensor *[]){gr_slice(x, 1, 0, 1, 1), map}, 1);
	pairs = gr_reshape(pairs, GR_DIMS(2 * n, 1, side, side));
	return pairs ? gr__canvas_grid(path, pairs, 8, side < 64 ? 2 : 1, 2) : gr_error_code();
}

static gr_status finish(void *self, const train_run *run)
{
	const mpe_state *s = self;
	return gr__mpe_settle(s->net, run);
}

static void release(void *self)
{
	mpe_state *s = self;
	gr_mpe_cnn_free(s->net);
}

const objective gr__objective_mpe = {
	.name = "mpe",
	.model = "mpe_cnn",
	.summary = "a small network that is equivariant on the data",
	.bytes = sizeof(mpe_state),
	.aside = "projector.",
	.args = list_args,
	.build = build,
	.module = module,
	.loss = loss,
	.describe = describe,
	.picture = picture,
	.finish = finish,
	.release = release,
};
