/*
 * Self-distillation without labels (Caron et al. 2021, "DINO"), a vision transformer f with a head
 * h: class token -> scores of K prototypes.
 *
 * Of every image two large crops and L small ones. The student sees all of them, the teacher, which
 * is the trainer's moving average of the student, the large ones. With s = h(f(crop)):
 *
 *	p_v = teacher's targets for large crop v, from s / teacher_temp
 *	q_u = softmax(s / student_temp) of the student for crop u
 *	L = mean over images, large v, all u /= v of -sum_k p_v[k] log q_u[k]
 *
 * The targets are balanced over the batch by Sinkhorn and Knopp's iteration (Caron et al. 2020;
 * Oquab et al. 2023, "DINOv2") instead of a running centre: every prototype receives the same mass,
 * so that the answers cannot collapse, and no state lives outside parameters and average.
 *
 * h: Linear, GELU, Linear, GELU, Linear to B features, scaled to unit length, times prototypes of
 * unit length. It serves training alone; the weights written are the teacher's network.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "canvas.h"
#include "data_path.h"
#include "gradus/layers.h"
#include "gradus/ops.h"
#include "gradus/vit.h"
#include "objective.h"

#define HEAD_HIDDEN 256
#define HEAD_FEATURES 64
#define LARGE 2 /* large crops an image */
#define SMALL_MAX 14
#define BALANCE_ROUNDS 3
#define JITTER 0.4
#define SHOWN 32 /* images in a picture */

typedef struct dino_state {
	/* as typed */
	int64_t dim, depth, heads, patch, prototypes, small;
	double teacher_temp, student_temp;
	/* derived */
	gr_vit_config config;
	gr_vit *net;
	gr_linear *head[3];
	gr_param *prototype; /* [K,B] */
} dino_state;

static int list_args(void *self, gr_arg *rows)
{
	dino_state *s = self;
	const gr_arg own[] = {
		{"dim", GR_ARG_INT, "96", "width of a token", &s->dim},
		{"depth", GR_ARG_INT, "4", "blocks", &s->depth},
		{"heads", GR_ARG_INT, "3", "attention heads, a divisor of --dim", &s->heads},
		{"patch", GR_ARG_INT, "4", "side of a patch", &s->patch},
		{"prototypes", GR_ARG_INT, "512", "scores of the head", &s->prototypes},
		{"small", GR_ARG_INT, "4", "small crops of an image, beside two large ones", &s->small},
		{"teacher-temp", GR_ARG_DOUBLE, "0.05", "temperature of the targets", &s->teacher_temp},
		{"student-temp", GR_ARG_DOUBLE, "0.1", "temperature of the answers", &s->student_temp},
	};
	memcpy(rows, own, sizeof(own));
	return (int)(sizeof(own) / sizeof(own[0]));
}

/* The side of a small crop: half the image's, in whole patches. */
static int64_t small_side(const dino_state *s)
{
	return (s->config.img_size / 2 + s->patch - 1) / s->patch * s->patch;
}

static gr_status derive(dino_state *s, const gr_dataset_info *info)
{
	if (s->dim < 1 || s->depth < 1 || s->heads < 1 || s->patch < 1 || s->prototypes < 2 ||
		s->small < 0 || s->small > SMALL_MAX || !(s->teacher_temp > 0.0) ||
		!(s->student_temp > 0.0))
		return gr_error_set(GR_EARG,
			"--dim, --depth, --heads, --patch and the temperatures are positive, --prototypes at "
			"least 2, --small 0 to %d",
			SMALL_MAX);
	if (info->height != info->width || info->height % s->patch != 0)
		return gr_error_set(GR_EARG,
			"images of %" PRId64 " x %" PRId64 " are not squares of whole patches of %" PRId64
			"; hint: --image-size or --patch",
			info->height, info->width, s->patch);
	s->config = (gr_vit_config){
		.size = sizeof(s->config),
		.img_size = info->height,
		.patch_size = s->patch,
		.in_chans = info->channels,
		.embed_dim = s->dim,
		.depth = s->depth,
		.num_heads = s->heads,
		.no_mask_token = true,
	};
	return GR_OK;
}

static gr_status build_head(dino_state *s)
{
	static const char *const names[] = {"0", "2", "4"};
	const int64_t widths[] = {s->dim, HEAD_HIDDEN, HEAD_HIDDEN, HEAD_FEATURES};
	gr_module *head = gr_module_child(gr_vit_module(s->net), "head");
	for (int i = 0; i < 3; i++)
		s->head[i] = gr_linear_new(head, names[i],
			GR_OPTS(gr_linear_opts, .in = widths[i], .out = widths[i + 1],
				.init = GR_INIT_TRUNC_NORMAL, .init_scale = 0.02));
	s->prototype = gr_module_add_param(head, "prototypes",
		GR_OPTS(gr_param_opts, .init = GR_INIT_NORMAL), GR_DIMS(s->prototypes, HEAD_FEATURES));
	return gr_module_status(head);
}

static gr_status build(void *self, const train_run *run)
{
	dino_state *s = self;
	gr_status status = derive(s, &run->o->info);
	if (status)
		return status;
	s->net = gr_vit_new(&s->config);
	return s->net ? build_head(s) : gr_error_code();
}

static gr_module *module(void *self)
{
	dino_state *s = self;
	return gr_vit_module(s->net);
}

/* Rows of unit length: x [R,B] / (|x| + 1e-6) */
static gr_tensor *unit(gr_tensor *x)
{
	return gr_div(x, gr_add_s(gr_norm(x, GR_AXES(1), true), 1e-6));
}

/* Scores in [-1,1] of crops [R,C,S,S] in 0..1 -> [R,K] */
static gr_tensor *score(const dino_state *s, gr_tensor *crops)
{
	gr_tensor *h = NULL;
	gr_vit_forward_with(s->net, gr_affine(crops, 2.0, -1.0),
		GR_OPTS(gr_vit_forward_opts, .cls = &h));
	for (int i = 0; i < 3; i++)
		h = gr_linear_forward(s->head[i], i == 0 ? h : gr_gelu(h));
	return gr_matmul(unit(h), gr_transpose(unit(gr_param_tensor(s->prototype)), 0, 1));
}

/*
 * Scores [R,K] -> targets [R,K], in place: exp(score / temp), its columns and rows scaled in turn so
 * that each column sums to R / K and each row to 1; rows are last.
 */
static gr_status balance(float *p, int64_t rows, int64_t columns, double temp)
{
	double *q = gr_alloc((size_t)(rows * columns + columns) * sizeof(*q));
	if (!q)
		return gr_error_code();
	double *column = q + rows * columns;
	for (int64_t i = 0; i < rows * columns; i++)
		q[i] = exp(((double)p[i] - 1.0) / temp);
	for (int round = 0; round < BALANCE_ROUNDS; round++) {
		memset(column, 0, (size_t)columns * sizeof(*column));
		for (int64_t i = 0; i < rows * columns; i++)
			column[i % columns] += q[i];
		for (int64_t r = 0; r < rows; r++) {
			double sum = 0.0, *row = q + r * columns;
			for (int64_t k = 0; k < columns; k++) {
				row[k] = column[k] > 0.0 ? row[k] / column[k] : 0.0;
				sum += row[k];
			}
			for (int64_t k = 0; k < columns; k++)
				row[k] = sum > 0.0 ? row[k] / sum : 1.0 / (double)columns;
		}
	}
	for (int64_t i = 0; i < rows * columns; i++)
		p[i] = (float)q[i];
	gr_free(q);
	return GR_OK;
}

/* The teacher's targets for the large crops, a constant [2 N,K]. */
static gr_tensor *teach(const dino_state *s, const train_run *run, gr_tensor *large)
{
	gr_ema *teacher = gr_trainer_ema(run->trainer);
	if (!large || gr_ema_swap(teacher))
		return NULL;
	bool recording = gr_set_recording(false);
	gr_tensor *scores = gr_contiguous(score(s, large));
	gr_set_recording(recording);
	if (gr_ema_swap(teacher) || !scores)
		return NULL;
	if (gr_estimating())
		return scores;
	gr_tensor *targets = gr_from_f32(GR_F32, gr_tensor_data_const(scores),
		GR_DIMS(gr_tensor_dim(scores, 0), s->prototypes));
	if (!targets ||
		balance(gr_tensor_data(targets), gr_tensor_dim(scores, 0), s->prototypes, s->teacher_temp))
		return NULL;
	return targets;
}

/* Crops number `first`.. of every image, [count N,C,side,side]: all of the first, then of the
 * next. */
static gr_tensor *cut(gr_tensor *x, gr_key key, int first, int count, const gr_crop_opts *opts)
{
	int64_t n = x ? gr_tensor_dim(x, 0) : 0;
	gr_tensor *crops[SMALL_MAX];
	gr_key *keys = x ? gr_alloc((size_t)n * sizeof(*keys)) : NULL;
	if (!keys)
		return NULL;
	for (int c = 0; c < count; c++) {
		gr_key crop = gr_key_fold(gr_key_fold_name(key, "crop"), (uint64_t)(first + c));
		for (int64_t i = 0; i < n; i++)
			keys[i] = gr_key_fold(crop, (uint64_t)i);
		crops[c] = gr_random_crops(x, keys, opts);
	}
	gr_free(keys);
	return count > 1 ? gr_concat(count, crops, 0) : crops[0];
}

/* Sum of -p_v log q_u over pairs of crops v /= u, answers [crops N,K] beginning with crop `first`. */
static gr_tensor *compare(gr_tensor *targets, gr_tensor *answers, int first, int crops, int64_t n)
{
	gr_tensor *sum = NULL;
	for (int v = 0; v < LARGE; v++) {
		gr_tensor *p = gr_slice(targets, 0, v * n, (v + 1) * n, 1);
		for (int u = 0; u < crops; u++) {
			if (first + u == v)
				continue;
			gr_tensor *q = gr_slice(answers, 0, u * n, (u + 1) * n, 1);
			gr_tensor *dot = gr_sum(gr_mul(p, q), GR_ALL_AXES, false);
			sum = sum ? gr_add(sum, dot) : dot;
		}
	}
	return sum;
}

static gr_tensor *loss(void *self, const train_run *run, int64_t step, gr_key key)
{
	const dino_state *s = self;
	int64_t n = run->o->batch;
	int small_count = (int)s->small;
	gr_tensor *x = gr_loader_batch(run->loader, step, NULL); /* [N,C,H,W] in 0..1 */
	gr_tensor *large = cut(x, key, 0, LARGE,
		GR_OPTS(gr_crop_opts, .side = s->config.img_size, .area_least = 0.4, .area_most = 1.0,
			.flip = true, .jitter = JITTER));
	gr_tensor *targets = teach(s, run, large);
	if (!targets)
		return NULL;
	gr_tensor *answers = gr_log_softmax(gr_mul_s(score(s, large), 1.0 / s->student_temp));
	gr_tensor *sum = compare(targets, answers, 0, LARGE, n);
	if (small_count > 0) {
		gr_tensor *crops = cut(x, key, LARGE, small_count,
			GR_OPTS(gr_crop_opts, .side = small_side(s), .area_least = 0.15, .area_most = 0.4,
				.flip = true, .jitter = JITTER));
		answers = gr_log_softmax(gr_mul_s(score(s, crops), 1.0 / s->student_temp));
		sum = gr_add(sum, compare(targets, answers, LARGE, small_count, n));
	}
	double pairs = LARGE * (LARGE - 1 + small_count);
	return gr_mul_s(sum, -1.0 / (pairs * (double)n));
}

static void describe(const void *self, FILE *f)
{
	const dino_state *s = self;
	const gr_vit_config *c = &s->config;
	fprintf(f, "\t\"dino\": {\n\t\t\"img_size\": %" PRId64 ",\n", c->img_size);
	fprintf(f, "\t\t\"patch_size\": %" PRId64 ",\n\t\t\"in_chans\": %" PRId64 ",\n", c->patch_size,
		c->in_chans);
	fprintf(f, "\t\t\"embed_dim\": %" PRId64 ",\n\t\t\"depth\": %" PRId64 ",\n", c->embed_dim,
		c->depth);
	fprintf(f, "\t\t\"num_heads\": %" PRId64 "\n\t},\n", c->num_heads);
	fprintf(f, "\t\"objective\": { \"prototypes\": %" PRId64 ", \"small_crops\": %" PRId64,
		s->prototypes, s->small);
	fprintf(f, ", \"teacher_temp\": %.17g, \"student_temp\": %.17g },\n", s->teacher_temp,
		s->student_temp);
}

/* The patch tokens [n T,D] along their first three principal axes, each scaled so that two
 * deviations are 1, as images [n,3,S,S]. */
static gr_tensor *principal(const dino_state *s, gr_tensor *tokens, int64_t n)
{
	int64_t side = s->config.img_size / s->patch, count = n * side * side;
	gr_tensor *centred = gr_sub(tokens, gr_mean(tokens, GR_AXES(0), true));
	gr_tensor *moment = gr_matmul(gr_transpose(centred, 0, 1), centred);
	gr_tensor *vectors = NULL;
	gr_eigh(gr_cast(moment, GR_F64), &vectors);
	gr_tensor *axes = gr_cast(gr_slice(vectors, 1, -3, INT64_MAX, 1), GR_F32); /* rising */
	gr_tensor *found = gr_matmul(centred, axes);                               /* [n T,3] */
	gr_tensor *spread = gr_norm(found, GR_AXES(0), true);
	found = gr_mul_s(gr_div(found, gr_add_s(spread, 1e-12)), 0.5 * sqrt((double)count));
	found = gr_reshape(gr_clamp(found, -1.0, 1.0), GR_DIMS(n, side, side, 3));
	found = gr_flip(gr_permute(found, (const int[]){0, 3, 1, 2}), 1);
	return gr_upsample_nearest2d(gr_contiguous(found), s->patch);
}

/* Each image with its patch features in colours to its right. */
static gr_status picture(void *self, const train_run *run, const char *path)
{
	const dino_state *s = self;
	const gr_dataset_info *info = &run->o->info;
	int64_t n = info->count < SHOWN ? info->count : SHOWN, side = info->height;
	gr_tensor *x = gr__data_images(run->dataset, 0, n);
	gr_tensor *tokens = gr_reshape(gr_vit_forward(s->net, x), GR_DIMS(-1, s->dim));
	gr_tensor *colours = principal(s, tokens, n);
	gr_tensor *shown = info->channels == 3 ? x : gr_slice(x, 1, 0, 1, 1);
	shown = gr_expand(shown, GR_DIMS(n, 3, side, side));
	gr_tensor *pairs = gr_stack(2, (gr_tensor *[]){shown, colours}, 1);
	pairs = gr_reshape(pairs, GR_DIMS(2 * n, 3, side, side));
	return pairs ? gr__canvas_grid(path, pairs, 8, side < 64 ? 2 : 1, 2) : gr_error_code();
}

static void release(void *self)
{
	dino_state *s = self;
	gr_vit_free(s->net);
}

const objective gr__objective_dino = {
	.name = "dino",
	.model = "dino",
	.summary = "a vision transformer by self-distillation: features without labels",
	.bytes = sizeof(dino_state),
	.aside = "head.",
	.args = list_args,
	.build = build,
	.module = module,
	.loss = loss,
	.describe = describe,
	.picture = picture,
	.release = release,
};
