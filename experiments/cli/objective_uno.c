/*
 * A prior of functions: coefficient and solution of an equation together, as fields y of deviation
 * sigma_d = 1/2 (FunDPS, arXiv 2505.17004, section 4; released code). Noise is a random field, too, so
 * that its law does not depend on the grid,
 *
 *	xi ~ N(0, C),  C_ij = exp(-|p_i - p_j| / (2 l^2)) + 1e-4 [i = j],  p_i = (row, column) / side
 *
 * of each channel its own, and the denoiser D of Karras et al. (2022) a neural operator:
 *
 *	ln sigma ~ N(-1.2, 1.2^2),  L = mean (sigma^2 + sigma_d^2) / (sigma sigma_d)^2 (D(y + sigma xi) - y)^2
 *
 * The data are files of `gradus data pde`.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "canvas.h"
#include "data_npz.h"
#include "data_path.h"
#include "gradus/edm.h"
#include "gradus/ops.h"
#include "objective.h"

#define SIGMA_DATA 0.5
#define LOG_MEAN (-1.2)
#define LOG_STD 1.2
#define NUGGET 1e-4
#define NODES_MAX 4096 /* C has its square */
#define SHOWN 8        /* pairs in a picture */

typedef struct uno_state {
	/* as typed */
	const char *mult;
	int64_t base, blocks;
	double length;
	/* derived */
	gr_edm_config config;
	gr_edm *net;
	gr_tensor *root; /* transposed Cholesky factor of C, f32 [P,P], retained */
	npz_moments moments;
} uno_state;

static int list_args(void *self, gr_arg *rows)
{
	uno_state *s = self;
	const gr_arg own[] = {
		{"base", GR_ARG_INT, "16", "channels of the first level", &s->base},
		{"mult", GR_ARG_STRING, "1,2,4", "width of each level, in units of --base", &s->mult},
		{"blocks", GR_ARG_INT, "1", "blocks a level, one more on the way up", &s->blocks},
		{"length", GR_ARG_DOUBLE, "0.05", "length of the noise, sides being 1", &s->length},
	};
	memcpy(rows, own, sizeof own);
	return (int)(sizeof own / sizeof *own);
}

static gr_status derive(uno_state *s, const gr_dataset_info *info)
{
	double mult[GR_EDM_MAX_LEVELS];
	if (s->base < 1 || s->blocks < 1 || !(s->length > 0.0))
		return gr_error_set(GR_EARG, "--base, --blocks and --length are positive");
	s->config = (gr_edm_config){
		.size = sizeof s->config,
		.model_type = GR_EDM_UNO,
		.precond = GR_EDM_EDM,
		.img_resolution = info->height,
		.in_channels = info->channels,
		.model_channels = s->base,
		.num_blocks = s->blocks,
		.num_levels = gr__train_list(s->mult, mult, GR_EDM_MAX_LEVELS),
		.num_attention = -1,
		.sigma_data = SIGMA_DATA,
	};
	for (int i = 0; i < s->config.num_levels; i++) {
		s->config.channel_mult[i] = (int64_t)mult[i];
		if ((double)s->config.channel_mult[i] != mult[i])
			s->config.num_levels = -1;
	}
	if (s->config.num_levels < 1)
		return gr_error_set(GR_EARG, "--mult '%s' is not a list of whole numbers like 1,2,4",
			s->mult);
	const int64_t factor = (int64_t)1 << (s->config.num_levels - 1);
	if (info->height != info->width || info->height % factor != 0 ||
		info->height * info->width > NODES_MAX)
		return gr_error_set(GR_EARG,
			"fields of %" PRId64 " x %" PRId64
			": a square of at most %d nodes, its side a multiple "
			"of %" PRId64,
			info->height, info->width, NODES_MAX, factor);
	return GR_OK;
}

/* L^T with C = L L^T, so that rows of white noise times it have the law. */
static gr_status factor_noise(uno_state *s, int64_t side)
{
	const int64_t P = side * side;
	gr_status status = gr_scope_begin();
	if (status)
		return status;
	gr_tensor *C = gr_empty(GR_F64, GR_DIMS(P, P));
	double *c = C ? gr_tensor_data(C) : NULL;
	for (int64_t i = 0; c && i < P; i++) {
		for (int64_t j = 0; j < P; j++) {
			const double dy = (double)(i / side - j / side) / (double)side;
			const double dx = (double)(i % side - j % side) / (double)side;
			c[i * P + j] = exp(-sqrt(dx * dx + dy * dy) / (2.0 * s->length * s->length)) +
				(i == j ? NUGGET : 0.0);
		}
	}
	gr_tensor *root = gr_contiguous(gr_transpose(gr_cast(gr_cholesky(C), GR_F32), 0, 1));
	s->root = root ? gr_tensor_retain(root) : NULL;
	return gr_scope_end();
}

static gr_status build(void *self, const train_run *run)
{
	uno_state *s = self;
	gr_dataset *again = NULL;
	gr_status status = derive(s, &run->o->info);
	if (!status) /* for what normalises its values */
		status = gr__data_npz(&again, &s->moments, run->o->data, NULL);
	gr_dataset_free(again);
	if (!status)
		status = factor_noise(s, run->o->info.height);
	if (status)
		return status;
	s->net = gr_edm_new(&s->config);
	return s->net ? GR_OK : gr_error_code();
}

static gr_module *module(void *self)
{
	uno_state *s = self;
	return gr_edm_module(s->net);
}

/* Random fields like y [N,C,S,S]. */
static gr_tensor *draw_noise(const uno_state *s, gr_tensor *y, gr_key key)
{
	if (!y)
		return NULL;
	const int64_t P = gr_tensor_dim(y, 2) * gr_tensor_dim(y, 3);
	gr_tensor *white = gr_random_normal(key, GR_F32, GR_DIMS(gr_tensor_size(y) / P, P));
	return gr_reshape(gr_matmul(white, s->root), 4, gr_tensor_dims(y));
}

static gr_tensor *loss(void *self, const train_run *run, int64_t step, gr_key key)
{
	const uno_state *s = self;
	const int64_t n = run->o->batch;
	const double d2 = SIGMA_DATA * SIGMA_DATA;
	gr_tensor *y = gr_affine(gr_loader_batch(run->loader, step, NULL), 2.0, -1.0); /* [N,2,S,S] */
	gr_tensor *log_sigma =
		gr_affine(gr_random_normal(gr_key_fold_name(key, "sigma"), GR_F32, GR_DIMS(n)), LOG_STD,
			LOG_MEAN);
	gr_tensor *sigma = gr_exp(log_sigma);
	gr_tensor *each = gr_reshape(sigma, GR_DIMS(n, 1, 1, 1));
	gr_tensor *noisy = gr_muladd(draw_noise(s, y, gr_key_fold_name(key, "noise")), each, y);
	gr_tensor *miss = gr_square(gr_sub(gr_edm_forward(s->net, noisy, sigma, NULL), y));
	gr_tensor *s2 = gr_square(each);
	gr_tensor *weight = gr_div(gr_add_s(s2, d2), gr_mul_s(s2, d2));
	return gr_mean(gr_mul(miss, weight), GR_ALL_AXES, false);
}

static void describe(const void *self, FILE *f)
{
	const uno_state *s = self;
	const gr_edm_config *c = &s->config;
	fprintf(f, "\t\"uno\": {\n\t\t\"img_resolution\": %" PRId64 ",\n\t\t\"in_channels\": %" PRId64,
		c->img_resolution, c->in_channels);
	fprintf(f, ",\n\t\t\"model_channels\": %" PRId64 ",\n\t\t\"num_blocks\": %" PRId64,
		c->model_channels, c->num_blocks);
	fprintf(f, ",\n\t\t\"channel_mult\": [");
	for (int i = 0; i < c->num_levels; i++)
		fprintf(f, "%s%" PRId64, i ? ", " : "", c->channel_mult[i]);
	fprintf(f, "],\n\t\t\"attn_resolutions\": [],\n\t\t\"precond\": \"edm\"\n\t},\n");
	fprintf(f,
		"\t\"noise\": { \"kind\": \"exponential\", \"length\": %.17g, \"nugget\": %.17g },\n",
		s->length, NUGGET);
	fprintf(f, "\t\"normalisation\": { \"mean\": [%.17g, %.17g], \"std\": [%.17g, %.17g] },\n",
		s->moments.mean[0], s->moments.mean[1], s->moments.std[0], s->moments.std[1]);
}

/* Of each pair a and u, and what is made of them under noise of their own deviation. */
static gr_status picture(void *self, const train_run *run, const char *path)
{
	const uno_state *s = self;
	const gr_dataset_info *info = &run->o->info;
	const int64_t n = info->count < SHOWN ? info->count : SHOWN, S = info->height;
	gr_key key = gr_key_fold_name(gr_key_seed((uint64_t)run->o->seed), "grid");
	gr_tensor *y = gr__data_images(run->dataset, 0, n);
	gr_tensor *noisy = gr_axpby(y, 1.0, draw_noise(s, y, key), SIGMA_DATA);
	gr_tensor *found = gr_edm_forward(s->net, noisy, gr_full(GR_F32, GR_DIMS(1), SIGMA_DATA), NULL);
	gr_tensor *all = gr_stack(2, (gr_tensor *[]){y, found}, 1); /* [n,2,2,S,S] */
	all = gr_reshape(gr_clamp(all, -1.0, 1.0), GR_DIMS(4 * n, 1, S, S));
	return all ? gr__canvas_grid(path, all, 4, 1, 2) : gr_error_code();
}

static void release(void *self)
{
	uno_state *s = self;
	gr_edm_free(s->net);
	gr_tensor_release(s->root);
}

const objective gr__objective_uno = {
	.name = "uno",
	.model = "uno",
	.summary = "a neural operator that denoises fields: a prior of functions",
	.bytes = sizeof(uno_state),
	.args = list_args,
	.build = build,
	.module = module,
	.loss = loss,
	.describe = describe,
	.picture = picture,
	.release = release,
};
