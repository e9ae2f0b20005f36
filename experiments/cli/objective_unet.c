/*
 * The U-Net that learns to denoise: a diffusion prior.
 *
 * It learns eps (Ho et al. 2020, eq. 14): images in [-1,1], t uniform in 0..T-1 with T = 1000,
 * x_t = sqrt(A_t) x_0 + sqrt(1 - A_t) eps, loss mean |eps_theta(x_t, t) - eps|^2. Or, with
 * --prediction v, v = sqrt(A_t) eps - sqrt(1 - A_t) x_0 (Salimans and Ho 2022): x_0 from eps has an
 * error sqrt(1/A_t - 1) times that of eps, 157 at t = 999, so that a short run leaves noise in its
 * samples; from v the factor is at most 1.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "gradus/ops.h"
#include "gradus/schedule.h"
#include "objective.h"
#include "sample_grid.h"

typedef struct unet_state {
	/* as typed */
	const char *mult, *attention, *prediction;
	int64_t base, blocks, groups, head_channels;
	bool recompute;
	/* derived */
	gr_unet_config config;
	gr_prediction predict;
	gr_schedule *schedule;
	gr_unet *net;
} unet_state;

static int list_args(void *self, gr_arg *rows)
{
	unet_state *s = self;
	const gr_arg own[] = {
		{"prediction", GR_ARG_STRING, "eps",
			"what the network learns: eps, or v = sqrt(A) eps - sqrt(1-A) x0", &s->prediction},
		{"base", GR_ARG_INT, "32", "channels of the first level", &s->base},
		{"mult", GR_ARG_STRING, "1,2,3", "width of each level, in units of --base", &s->mult},
		{"blocks", GR_ARG_INT, "2", "residual blocks a level", &s->blocks},
		{"attention", GR_ARG_STRING, "8", "sides at which to attend, or none", &s->attention},
		{"head-channels", GR_ARG_INT, NULL,
			"channels of an attention head, 0: 32, or --base if 32 does not divide it",
			&s->head_channels},
		{"groups", GR_ARG_INT, NULL, "groups of group norm, 0: base/4, at most 32", &s->groups},
		{"recompute", GR_ARG_FLAG, NULL,
			"less memory, more time: run the network's stages again for gradients; changes no "
			"result",
			&s->recompute},
	};
	memcpy(rows, own, sizeof(own));
	return (int)(sizeof(own) / sizeof(own[0]));
}

/* Resolutions become downsampling factors, which must be those of a level. */
static gr_status derive_attention(unet_state *s)
{
	double sides[GR_UNET_MAX_LEVELS];
	gr_unet_config *u = &s->config;
	u->num_attention = strcmp(s->attention, "none") == 0
		? 0
		: gr__train_list(s->attention, sides, GR_UNET_MAX_LEVELS);
	for (int i = 0; i < u->num_attention; i++) {
		int64_t side = (int64_t)sides[i];
		int64_t ds = side ? u->image_size / side : 0;
		bool is_level = (double)side == sides[i] && ds * side == u->image_size && ds > 0 &&
			(ds & (ds - 1)) == 0 && ds <= (int64_t)1 << (u->num_levels - 1);
		if (!is_level)
			return gr_error_set(GR_EARG,
				"--attention %s: %g is not the side of one of the %d levels of a %" PRId64
				"-pixel network",
				s->attention, sides[i], u->num_levels, u->image_size);
		u->attention_ds[i] = ds;
	}
	if (u->num_attention < 0)
		return gr_error_set(GR_EARG, "--attention '%s' is not a list like 16,8, nor none",
			s->attention);
	return GR_OK;
}

static gr_status derive(unet_state *s, const gr_dataset_info *info)
{
	if (s->base < 1 || s->blocks < 1 || s->groups < 0 || s->head_channels < 0)
		return gr_error_set(GR_EARG,
			"--base and --blocks are positive, --groups and --head-channels not negative");
	if (strcmp(s->prediction, "eps") != 0 && strcmp(s->prediction, "v") != 0)
		return gr_error_set(GR_EARG, "--prediction '%s' is not eps or v", s->prediction);
	s->predict = strcmp(s->prediction, "v") == 0 ? GR_PREDICT_V : GR_PREDICT_EPS;
	gr_unet_config *u = &s->config;
	*u = (gr_unet_config){
		.size = sizeof(*u),
		.image_size = info->height,
		.in_channels = info->channels,
		.out_channels = info->channels,
		.model_channels = s->base,
		.num_res_blocks = s->blocks,
		.num_head_channels = s->head_channels,
		.use_scale_shift_norm = true,
		.norm_groups = s->groups,
	};
	if (u->num_head_channels == 0) /* every width is a multiple of it, whole multipliers given */
		u->num_head_channels = s->base % 32 == 0 ? 32 : s->base;
	/* Four channels a group at the narrowest level, 32 groups at most, as in wide networks. */
	if (u->norm_groups == 0)
		u->norm_groups = s->base >= 128 ? 32 : s->base >= 4 ? s->base / 4 : 1;
	u->num_levels = gr__train_list(s->mult, u->channel_mult, GR_UNET_MAX_LEVELS);
	if (u->num_levels < 1)
		return gr_error_set(GR_EARG, "--mult '%s' is not a list like 1,2,3", s->mult);
	int64_t factor = (int64_t)1 << (u->num_levels - 1);
	if (info->height != info->width || info->height % factor != 0)
		return gr_error_set(GR_EARG,
			"images of %" PRId64 " x %" PRId64 " do not fit %d levels; hint: --image-size, a "
			"multiple of %" PRId64,
			info->height, info->width, u->num_levels, factor);
	return derive_attention(s);
}

static gr_status build(void *self, const train_run *run)
{
	unet_state *s = self;
	gr_status status = derive(s, &run->o->info);
	if (status)
		return status;
	s->schedule = gr_schedule_new(NULL);
	s->net = gr_unet_new(&s->config);
	if (!s->schedule || !s->net)
		return gr_error_code();
	gr_unet_set_recompute(s->net, s->recompute);
	return GR_OK;
}

static gr_module *module(void *self)
{
	unet_state *s = self;
	return gr_unet_module(s->net);
}

/* t of each of n samples in 0..T-1, and the factors sqrt(A_t), sqrt(1 - A_t), all as f32 [N]. */
static gr_status draw_times(const unet_state *s, int64_t n, gr_key key, gr_tensor *t,
	gr_tensor *signal, gr_tensor *noise)
{
	if (!t || !signal || !noise)
		return gr_error_code();
	uint64_t steps = (uint64_t)gr_schedule_count(s->schedule);
	for (int64_t i = 0; i < n; i++) {
		int64_t at = (int64_t)gr_key_below(key, (uint64_t)i, steps);
		double a = gr_schedule_alpha_bar(s->schedule, at);
		((float *)gr_tensor_data(t))[i] = (float)at;
		((float *)gr_tensor_data(signal))[i] = (float)sqrt(a);
		((float *)gr_tensor_data(noise))[i] = (float)sqrt(1.0 - a);
	}
	return GR_OK;
}

/* mean |net(x_t, t) - target|^2 over the batch of this step; target is eps or
 * v = sqrt(A_t) eps - sqrt(1 - A_t) x_0. */
static gr_tensor *loss(void *self, const train_run *run, int64_t step, gr_key key)
{
	const unet_state *s = self;
	int64_t n = run->o->batch;
	gr_tensor *x0 = gr_affine(gr_loader_batch(run->loader, step, NULL), 2.0, -1.0); /* [N,C,H,W] */
	gr_tensor *eps = gr_random_normal(gr_key_fold_name(key, "eps"), GR_F32, gr_tensor_ndim(x0),
		gr_tensor_dims(x0));
	gr_tensor *t = gr_empty(GR_F32, GR_DIMS(n));
	gr_tensor *signal = gr_empty(GR_F32, GR_DIMS(n, 1, 1, 1));
	gr_tensor *noise = gr_empty(GR_F32, GR_DIMS(n, 1, 1, 1));
	if (!x0 || draw_times(s, n, gr_key_fold_name(key, "t"), t, signal, noise))
		return NULL;
	gr_tensor *x_t = gr_muladd(x0, signal, gr_mul(eps, noise));
	gr_tensor *prediction = gr_unet_forward(s->net, x_t, t, NULL);
	gr_tensor *target = eps;
	if (s->predict == GR_PREDICT_V)
		target = gr_sub(gr_mul(eps, signal), gr_mul(x0, noise));
	return gr_mean(gr_square(gr_sub(prediction, target)), GR_ALL_AXES, false);
}

static void describe(const void *self, FILE *f)
{
	const unet_state *s = self;
	const gr_unet_config *u = &s->config;
	fprintf(f, "\t\"prediction\": \"%s\",\n", s->prediction);
	fprintf(f, "\t\"schedule\": { \"kind\": \"linear\", \"steps\": 1000 },\n");
	fprintf(f, "\t\"unet\": {\n\t\t\"image_size\": %" PRId64 ",\n", u->image_size);
	fprintf(f, "\t\t\"in_channels\": %" PRId64 ",\n", u->in_channels);
	fprintf(f, "\t\t\"model_channels\": %" PRId64 ",\n", u->model_channels);
	fprintf(f, "\t\t\"out_channels\": %" PRId64 ",\n", u->out_channels);
	fprintf(f, "\t\t\"num_res_blocks\": %" PRId64 ",\n\t\t\"channel_mult\": [", u->num_res_blocks);
	for (int i = 0; i < u->num_levels; i++)
		fprintf(f, "%s%g", i ? ", " : "", u->channel_mult[i]);
	fprintf(f, "],\n\t\t\"attention_ds\": [");
	for (int i = 0; i < u->num_attention; i++)
		fprintf(f, "%s%" PRId64, i ? ", " : "", u->attention_ds[i]);
	fprintf(f, "],\n\t\t\"num_head_channels\": %" PRId64 ",\n", u->num_head_channels);
	fprintf(f, "\t\t\"use_scale_shift_norm\": %s,\n", u->use_scale_shift_norm ? "true" : "false");
	fprintf(f, "\t\t\"resblock_updown\": %s,\n", u->resblock_updown ? "true" : "false");
	fprintf(f, "\t\t\"norm_groups\": %" PRId64 "\n\t},\n", u->norm_groups);
}

/* Samples from the same noise each time, so that grids can be compared. */
static gr_status picture(void *self, const train_run *run, const char *path)
{
	const unet_state *s = self;
	gr_key key = gr_key_fold_name(gr_key_seed((uint64_t)run->o->seed), "grid");
	return gr__sample_grid(path, s->net,
		GR_OPTS(gr_grid_opts, .key = key, .prediction = s->predict));
}

static void release(void *self)
{
	unet_state *s = self;
	gr_unet_free(s->net);
	gr_schedule_free(s->schedule);
}

const objective gr__objective_unet = {
	.name = "unet",
	.model = "unet",
	.summary = "a U-Net that denoises images: a prior for the other commands",
	.bytes = sizeof(unet_state),
	.args = list_args,
	.build = build,
	.module = module,
	.loss = loss,
	.describe = describe,
	.picture = picture,
	.release = release,
};
