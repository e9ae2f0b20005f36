/*
 * gradus train unet: a diffusion prior from a folder of images.
 *
 * The network learns eps (Ho et al. 2020, eq. 14): images in [-1,1], t uniform in 0..T-1 with
 * T = 1000, x_t = sqrt(A_t) x_0 + sqrt(1 - A_t) eps, loss mean |eps_theta(x_t, t) - eps|^2. Or, with
 * --prediction v, v = sqrt(A_t) eps - sqrt(1 - A_t) x_0 (Salimans and Ho 2022): x_0 from eps has an
 * error sqrt(1/A_t - 1) times that of eps, 157 at t = 999, so that a short run leaves noise in its
 * samples; from v the factor is at most 1.
 *
 * Image order, t and eps are functions of (seed, step), so a run repeats and resumes to the bit.
 *
 * In the output folder: config.json, log.csv, checkpoints, ema.safetensors (f32, at every
 * checkpoint), samples-STEP.png, and at the end weights.safetensors (f16 average): with
 * config.json a prior that `--prior DIR` accepts.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "data_path.h"
#include "gradus/io.h"
#include "gradus/ops.h"
#include "gradus/schedule.h"
#include "gradus/train.h"
#include "progress.h"
#include "sample_grid.h"
#include "train_config.h"

#define MAX_PATH 4096

typedef struct run_state {
	const train_options *o;
	gr_dataset *dataset;
	gr_loader *loader;
	gr_schedule *schedule;
	gr_unet *net;
	gr_trainer *trainer;
	char *config;   /* config.json */
	char *identity; /* what a checkpoint must agree with */
	gr_progress progress;
} run_state;

/* t of each sample in 0..T-1, and the factors sqrt(A_t), sqrt(1 - A_t), all as f32 [N]. */
static gr_status draw_times(const run_state *s, gr_key key, gr_tensor *t, gr_tensor *signal,
	gr_tensor *noise)
{
	if (!t || !signal || !noise)
		return gr_error_code();
	uint64_t steps = (uint64_t)gr_schedule_count(s->schedule);
	for (int64_t i = 0; i < s->o->batch; i++) {
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
static gr_tensor *loss_at(int64_t step, gr_key key, void *ctx)
{
	const run_state *s = ctx;
	int64_t n = s->o->batch;
	gr_tensor *x0 = gr_affine(gr_loader_batch(s->loader, step, NULL), 2.0, -1.0); /* [N,C,H,W] */
	gr_tensor *eps = gr_random_normal(gr_key_fold_name(key, "eps"), GR_F32, gr_tensor_ndim(x0),
		gr_tensor_dims(x0));
	gr_tensor *t = gr_empty(GR_F32, GR_DIMS(n));
	gr_tensor *signal = gr_empty(GR_F32, GR_DIMS(n, 1, 1, 1));
	gr_tensor *noise = gr_empty(GR_F32, GR_DIMS(n, 1, 1, 1));
	if (!x0 || draw_times(s, gr_key_fold_name(key, "t"), t, signal, noise))
		return NULL;
	gr_tensor *x_t = gr_muladd(x0, signal, gr_mul(eps, noise));
	gr_tensor *prediction = gr_unet_forward(s->net, x_t, t, NULL);
	gr_tensor *target = eps;
	if (s->o->predict == GR_PREDICT_V)
		target = gr_sub(gr_mul(eps, signal), gr_mul(x0, noise));
	return gr_mean(gr_square(gr_sub(prediction, target)), GR_ALL_AXES, false);
}

static gr_status path_in(char path[MAX_PATH], const run_state *s, const char *name)
{
	int n = snprintf(path, MAX_PATH, "%s/%s", s->o->output, name);
	return n > 0 && n < MAX_PATH ? GR_OK : gr_error_set(GR_EARG, "--output: the path is too long");
}

/* The averaged weights as a file of their own, the configuration in its metadata. */
static gr_status write_weights(const run_state *s, const char *name, gr_dtype storage)
{
	char path[MAX_PATH];
	gr_status status = path_in(path, s, name);
	gr_archive *a = gr_archive_new();
	if (!status)
		status = a ? gr_ema_save(gr_trainer_ema(s->trainer), a, "", storage) : gr_error_code();
	if (!status)
		status = gr_archive_set_meta(a, "config", s->config);
	if (!status)
		status = gr_safetensors_write(path, a);
	gr_archive_free(a);
	return status;
}

static gr_status write_samples(run_state *s, int64_t done)
{
	char name[64], path[MAX_PATH];
	snprintf(name, sizeof(name), "samples-%08" PRId64 ".png", done);
	gr_status status = path_in(path, s, name);
	gr_ema *ema = gr_trainer_ema(s->trainer);
	if (!status)
		status = gr_ema_swap(ema);
	if (status)
		return status;
	/* The same noise each time, so that grids can be compared. */
	gr_key key = gr_key_fold_name(gr_key_seed((uint64_t)s->o->seed), "grid");
	status = gr__sample_grid(path, s->net,
		GR_OPTS(gr_grid_opts, .key = key, .prediction = s->o->predict));
	gr_status back = gr_ema_swap(ema);
	return status ? status : back;
}

static gr_status on_step(gr_trainer *t, const gr_train_report *r, void *ctx)
{
	run_state *s = ctx;
	(void)t;
	gr__progress_step(&s->progress, r->done, r->loss, r->lr);
	if (s->o->sample_every > 0 && r->done % s->o->sample_every == 0)
		return write_samples(s, r->done);
	return GR_OK;
}

static gr_status on_checkpoint(gr_trainer *t, const gr_train_report *r, void *ctx)
{
	(void)t;
	(void)r;
	return write_weights(ctx, "ema.safetensors", GR_F32);
}

/* config.json as a string; NULL without memory. */
static char *config_text(const train_options *o, bool identity)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	gr__train_config_write(f, o, identity);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static gr_status write_config(const run_state *s)
{
	char path[MAX_PATH];
	gr_outfile *f = NULL;
	gr_status status = path_in(path, s, "config.json");
	if (!status)
		status = gr_outfile_open(&f, path);
	if (status)
		return status;
	fputs(s->config, gr_outfile_stream(f)); /* commit looks at the stream's error flag */
	return gr_outfile_commit(f);
}

static gr_status open_data(run_state *s, train_options *o)
{
	gr_status status = gr__data_open(&s->dataset, o->data, o->image_size, o->limit);
	o->info = gr_dataset_describe(s->dataset);
	return status;
}

static gr_status prepare(run_state *s, train_options *o)
{
	gr_key key = gr_key_seed((uint64_t)o->seed);
	gr_status status = open_data(s, o);
	if (!status)
		status = gr__train_derive(o);
	if (!status)
		status = gr_loader_new(&s->loader, s->dataset, gr_key_fold_name(key, "data"),
			GR_OPTS(gr_loader_opts, .batch = o->batch, .flip = o->flip));
	gr_precision precision = GR_PRECISION_F32;
	if (!status)
		status = gr_precision_named(&precision, o->precision);
	if (!status)
		status = gr_set_precision(precision);
	if (status)
		return status;
	s->schedule = gr_schedule_new(NULL);
	s->net = gr_unet_new(&o->unet);
	s->config = config_text(o, false);
	s->identity = config_text(o, true);
	if (!s->schedule || !s->net)
		return gr_error_code();
	if (!s->config || !s->identity)
		return gr_error_set(GR_EMEM, "out of memory");
	gr_unet_set_recompute(s->net, o->recompute);
	status = gr_module_init(gr_unet_module(s->net), gr_key_fold_name(key, "init"));
	if (status)
		return status;
	const gr_train_opts opts = {
		.size = sizeof(opts),
		.steps = o->steps,
		.seed = (uint64_t)o->seed,
		.optim = GR_OPTS(gr_optim_opts, .weight_decay = o->weight_decay),
		.lr = &o->rate,
		.ema = GR_OPTS(gr_ema_opts, .decay = o->ema),
		.clip = o->clip,
		.output = o->output,
		.config = s->identity,
		.resume = o->resume,
		.checkpoint_steps = o->checkpoint_every,
		.checkpoint_minutes = o->checkpoint_minutes,
		.on_step = on_step,
		.on_checkpoint = on_checkpoint,
	};
	status = gr_trainer_new(&s->trainer, gr_unet_module(s->net), loss_at, &opts, s);
	return status ? status : write_config(s);
}

static int run(run_state *s)
{
	const train_options *o = s->o;
	int64_t done = gr_trainer_done(s->trainer);
	fprintf(stderr,
		"%" PRId64 " images [%" PRId64 ",%" PRId64 ",%" PRId64
		"], %.2f M parameters, steps %" PRId64 " to %" PRId64 ", %d threads, %s\n",
		o->info.count, o->info.channels, o->info.height, o->info.width,
		1e-6 * (double)gr_module_size(gr_unet_module(s->net)), done, o->steps, gr_threads(),
		gr_isa_name());
	gr__progress_start(&s->progress, done, o->steps, o->batch, "images");
	gr_status status = gr_trainer_run(s->trainer);
	gr__progress_end(&s->progress);
	done = gr_trainer_done(s->trainer);
	if (!status && done < o->steps) {
		fprintf(stderr, "interrupted after step %" PRId64 ", saved in %s; continue with --resume\n",
			done, o->output);
		return GR_EXIT_INTERRUPTED;
	}
	if (!status)
		status = write_weights(s, "weights.safetensors", GR_F16);
	if (!status && o->sample_every > 0)
		status = write_samples(s, done);
	if (status)
		return gr__exit_report("train", status);
	fprintf(stderr, "done: %s/weights.safetensors and config.json\n", o->output);
	return GR_EXIT_OK;
}

static void free_state(run_state *s)
{
	gr_trainer_free(s->trainer);
	gr_unet_free(s->net);
	gr_schedule_free(s->schedule);
	gr_loader_free(s->loader);
	gr_dataset_free(s->dataset);
	free(s->config);
	free(s->identity);
}

int gr_cmd_train(int argc, char **argv)
{
	train_options o = {0};
	const gr_arg args[] = {
		{"data", GR_ARG_STRING, NULL, "images: a folder, a file, or the word fashion", &o.data},
		{"output", GR_ARG_STRING, NULL, "folder to write to", &o.output},
		{"prediction", GR_ARG_STRING, "eps",
			"what the network learns: eps, or v = sqrt(A) eps - sqrt(1-A) x0", &o.prediction},
		{"epochs", GR_ARG_DOUBLE, "3", "passes over the images", &o.epochs},
		{"steps", GR_ARG_INT, NULL, "number of steps, in place of --epochs", &o.steps},
		{"batch", GR_ARG_INT, "64", "images a step", &o.batch},
		{"lr", GR_ARG_DOUBLE, "2e-4", "learning rate", &o.lr},
		{"warmup", GR_ARG_INT, "500", "steps over which it rises from 0", &o.warmup},
		{"lr-decay", GR_ARG_STRING, "none", "none, linear or cosine, to 0 at the end", &o.lr_decay},
		{"clip", GR_ARG_DOUBLE, "1", "largest gradient norm, 0 for no limit", &o.clip},
		{"weight-decay", GR_ARG_DOUBLE, "0", "decoupled weight decay", &o.weight_decay},
		{"ema", GR_ARG_DOUBLE, "0.999", "decay of the average, smaller at first", &o.ema},
		{"precision", GR_ARG_STRING, "f32",
			"f32, direct (without Winograd's algorithm) or bf16 (rounded operands)", &o.precision},
		{"seed", GR_ARG_INT, "0", "of weights, order, noise", &o.seed},
		{"base", GR_ARG_INT, "32", "channels of the first level", &o.base},
		{"mult", GR_ARG_STRING, "1,2,3", "width of each level, in units of --base", &o.mult},
		{"blocks", GR_ARG_INT, "2", "residual blocks a level", &o.blocks},
		{"attention", GR_ARG_STRING, "8", "sides at which to attend, or none", &o.attention},
		{"head-channels", GR_ARG_INT, NULL,
			"channels of an attention head, 0: 32, or --base if 32 does not divide it",
			&o.head_channels},
		{"groups", GR_ARG_INT, NULL, "groups of group norm, 0: base/4, at most 32", &o.groups},
		{"image-size", GR_ARG_INT, NULL, "centre smaller images on zeros of this side",
			&o.image_size},
		{"limit", GR_ARG_INT, NULL, "use the first N images only", &o.limit},
		{"flip", GR_ARG_FLAG, NULL, "mirror half of the images", &o.flip},
		{"resume", GR_ARG_FLAG, NULL, "continue from the last checkpoint, if any", &o.resume},
		{"checkpoint-every", GR_ARG_INT, "500", "steps between checkpoints", &o.checkpoint_every},
		{"checkpoint-minutes", GR_ARG_DOUBLE, "10", "and at most so long", &o.checkpoint_minutes},
		{"sample-every", GR_ARG_INT, NULL, "steps between sample grids, 0: none", &o.sample_every},
		{"recompute", GR_ARG_FLAG, NULL,
			"less memory, more time: run the network's stages again for gradients; changes no "
			"result",
			&o.recompute},
		{"threads", GR_ARG_INT, NULL, "threads, 0: all cores", &o.threads},
	};
	const gr_command command = {
		.name = "train",
		.usage = "unet --data PATH --output DIR [options]",
		.summary = "Train a U-Net to denoise images: a prior for the other commands.",
		.examples = {"gradus train unet --data fashion --output runs/fashion --sample-every 500",
			"gradus train unet --data faces/ --output runs/faces --base 64 --flip --resume"},
		.args = args,
		.nargs = (int)(sizeof(args) / sizeof(args[0])),
	};
	const char *model;
	int nwords;
	int code = gr__args_parse(&command, argc, argv, &model, 1, &nwords);
	if (code != GR_ARGS_RUN)
		return code;
	const char *missing = NULL;
	if (nwords != 1 || strcmp(model, "unet") != 0)
		missing = "a model to train: unet";
	else if (!o.data || !o.output)
		missing = o.data ? "--output" : "--data";
	if (missing) {
		fprintf(stderr, "gradus train: needs %s; see gradus train --help\n", missing);
		return GR_EXIT_USAGE;
	}
	run_state s = {.o = &o};
	gr_status status = o.threads ? gr_set_threads((int)o.threads) : GR_OK;
	if (!status)
		status = prepare(&s, &o);
	code = status ? gr__exit_report("train", status) : run(&s);
	free_state(&s);
	return code;
}
