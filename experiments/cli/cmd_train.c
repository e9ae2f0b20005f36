/*
 * gradus train: a network from images, by one of the objectives (objective.h), as a recipe
 * (recipes.h) or typed options say.
 *
 * Image order and everything an objective draws are functions of (seed, step), so a run repeats and
 * resumes to the bit.
 *
 * In the output folder: config.json, log.csv, checkpoints, ema.safetensors (f32, at every
 * checkpoint), samples-STEP.png, and at the end weights.safetensors (f16 average): with
 * config.json what `--prior DIR` accepts.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "data_path.h"
#include "gradus/io.h"
#include "gradus/ops.h"
#include "objective.h"
#include "progress.h"
#include "recipes.h"
#include "train_config.h"

#define MAX_PATH 4096

typedef struct run_state {
	train_run run; /* first: what the objective sees */
	const objective *objective;
	void *self;     /* its state */
	char *config;   /* config.json */
	char *identity; /* what a checkpoint must agree with */
	gr_progress progress;
} run_state;

static gr_tensor *loss_at(int64_t step, gr_key key, void *ctx)
{
	const run_state *s = ctx;
	return s->objective->loss(s->self, &s->run, step, key);
}

static gr_status path_in(char path[MAX_PATH], const run_state *s, const char *name)
{
	int n = snprintf(path, MAX_PATH, "%s/%s", s->run.o->output, name);
	return n > 0 && n < MAX_PATH ? GR_OK : gr_error_set(GR_EARG, "--output: the path is too long");
}

/* The average of what was trained and the rest of the network, without what serves training. */
static gr_status collect_weights(const run_state *s, gr_archive *out, gr_dtype storage)
{
	gr_module *m = s->objective->module(s->self);
	const char *aside = s->objective->aside;
	gr_archive *average = gr_archive_new();
	gr_status status = average ? gr_ema_save(gr_trainer_ema(s->run.trainer), average, "", storage)
							   : gr_error_code();
	for (int64_t i = 0; !status && i < gr_module_param_count(m); i++) {
		const char *name = gr_module_param_name(m, i);
		if (aside && strncmp(name, aside, strlen(aside)) == 0)
			continue;
		gr_tensor *t = gr_archive_find(average, name);
		if (!t)
			t = gr_cast(gr_module_param(m, i), storage);
		status = t ? gr_archive_add(out, name, t) : gr_error_code();
	}
	for (int64_t i = 0; !status && i < gr_archive_meta_count(average); i++) {
		const char *name = gr_archive_meta_name(average, i);
		status = gr_archive_set_meta(out, name, gr_archive_meta(average, name));
	}
	gr_archive_free(average);
	return status;
}

/* The averaged weights as a file of their own, the configuration in its metadata. */
static gr_status write_weights(const run_state *s, const char *name, gr_dtype storage)
{
	char path[MAX_PATH];
	gr_status status = path_in(path, s, name);
	if (!status)
		status = gr_scope_begin();
	if (status)
		return status;
	gr_archive *a = gr_archive_new();
	status = a ? collect_weights(s, a, storage) : gr_error_code();
	if (!status)
		status = gr_archive_set_meta(a, "config", s->config);
	if (!status)
		status = gr_safetensors_write(path, a);
	gr_archive_free(a);
	gr_status ended = gr_scope_end();
	return status ? status : ended;
}

/* Call fn with the averaged weights in place and nothing recorded. */
static gr_status with_average(run_state *s, const char *path,
	gr_status (*fn)(const run_state *s, const char *path))
{
	gr_ema *ema = gr_trainer_ema(s->run.trainer);
	gr_status status = gr_ema_swap(ema);
	if (status)
		return status;
	bool recording = gr_set_recording(false);
	status = gr_scope_begin();
	if (!status) {
		status = fn(s, path);
		gr_status ended = gr_scope_end();
		status = status ? status : ended;
	}
	gr_set_recording(recording);
	gr_status back = gr_ema_swap(ema);
	return status ? status : back;
}

static gr_status paint(const run_state *s, const char *path)
{
	return s->objective->picture(s->self, &s->run, path);
}

static gr_status write_picture(run_state *s, int64_t done)
{
	char name[64], path[MAX_PATH];
	snprintf(name, sizeof(name), "samples-%08" PRId64 ".png", done);
	gr_status status = path_in(path, s, name);
	return status ? status : with_average(s, path, paint);
}

static gr_status on_step(gr_trainer *t, const gr_train_report *r, void *ctx)
{
	run_state *s = ctx;
	(void)t;
	gr__progress_step(&s->progress, r->done, r->loss, r->lr);
	if (s->run.o->sample_every > 0 && r->done % s->run.o->sample_every == 0)
		return write_picture(s, r->done);
	return GR_OK;
}

static gr_status on_checkpoint(gr_trainer *t, const gr_train_report *r, void *ctx)
{
	(void)t;
	(void)r;
	return write_weights(ctx, "ema.safetensors", GR_F32);
}

/* config.json as a string; NULL without memory. */
static char *config_text(const run_state *s, bool identity)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	const gr_dataset_info *info = &s->run.o->info;
	fprintf(f, "{\n\t\"format\": \"gradus-prior-1\",\n\t\"model\": \"%s\",\n", s->objective->model);
	fprintf(f,
		"\t\"channels\": %" PRId64 ",\n\t\"height\": %" PRId64 ",\n\t\"width\": %" PRId64 ",\n",
		info->channels, info->height, info->width);
	fprintf(f, "\t\"range\": [-1, 1],\n");
	s->objective->describe(s->self, f);
	gr__train_config_write(f, s->run.o, identity);
	fprintf(f, "\n}\n");
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static gr_status write_config(run_state *s)
{
	char path[MAX_PATH];
	gr_outfile *f = NULL;
	free(s->config);
	s->config = config_text(s, false);
	if (!s->config)
		return gr_error_set(GR_EMEM, "out of memory");
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
	gr_key key = gr_key_seed((uint64_t)o->seed);
	gr_status status = gr__data_open(&s->run.dataset, o->data, o->image_size, o->limit);
	o->info = gr_dataset_describe(s->run.dataset);
	if (!status)
		status = gr__train_derive(o);
	if (!status)
		status = gr_loader_new(&s->run.loader, s->run.dataset, gr_key_fold_name(key, "data"),
			GR_OPTS(gr_loader_opts, .batch = o->batch, .flip = o->flip));
	return status;
}

static gr_status build_network(run_state *s)
{
	const train_options *o = s->run.o;
	gr_precision precision = GR_PRECISION_F32;
	gr_status status = gr_precision_named(&precision, o->precision);
	if (!status)
		status = gr_set_precision(precision);
	if (!status)
		status = s->objective->build(s->self, &s->run);
	if (status)
		return status;
	s->identity = config_text(s, true);
	if (!s->identity)
		return gr_error_set(GR_EMEM, "out of memory");
	return gr_module_init(s->objective->module(s->self),
		gr_key_fold_name(gr_key_seed((uint64_t)o->seed), "init"));
}

static gr_status prepare(run_state *s, train_options *o)
{
	gr_status status = o->threads ? gr_set_threads((int)o->threads) : GR_OK;
	if (!status)
		status = open_data(s, o);
	if (!status)
		status = build_network(s);
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
	status = gr_trainer_new(&s->run.trainer, s->objective->module(s->self), loss_at, &opts, s);
	return status ? status : write_config(s);
}

static gr_status measure(const run_state *s, const char *path)
{
	(void)path;
	return s->objective->finish(s->self, &s->run);
}

/* What a finished run leaves. */
static gr_status write_results(run_state *s)
{
	gr_status status = GR_OK;
	if (s->objective->finish) {
		status = with_average(s, NULL, measure);
		if (!status)
			status = write_config(s);
	}
	if (!status)
		status = write_weights(s, "weights.safetensors", GR_F16);
	if (!status && s->run.o->sample_every > 0)
		status = write_picture(s, gr_trainer_done(s->run.trainer));
	return status;
}

static int run(run_state *s)
{
	const train_options *o = s->run.o;
	int64_t done = gr_trainer_done(s->run.trainer);
	fprintf(stderr,
		"%" PRId64 " images [%" PRId64 ",%" PRId64 ",%" PRId64
		"], %.2f M parameters, steps %" PRId64 " to %" PRId64 ", %d threads, %s\n",
		o->info.count, o->info.channels, o->info.height, o->info.width,
		1e-6 * (double)gr_module_size(s->objective->module(s->self)), done, o->steps, gr_threads(),
		gr_isa_name());
	gr__progress_start(&s->progress, done, o->steps, o->batch, "images");
	gr_status status = gr_trainer_run(s->run.trainer);
	gr__progress_end(&s->progress);
	done = gr_trainer_done(s->run.trainer);
	if (!status && done < o->steps) {
		fprintf(stderr, "interrupted after step %" PRId64 ", saved in %s; continue with --resume\n",
			done, o->output);
		return GR_EXIT_INTERRUPTED;
	}
	if (!status)
		status = write_results(s);
	if (status)
		return gr__exit_report("train", status);
	fprintf(stderr, "done: %s/weights.safetensors and config.json\n", o->output);
	return GR_EXIT_OK;
}

static void free_state(run_state *s)
{
	gr_trainer_free(s->run.trainer);
	if (s->self)
		s->objective->release(s->self);
	gr_loader_free(s->run.loader);
	gr_dataset_free(s->run.dataset);
	free(s->self);
	free(s->config);
	free(s->identity);
}

/* The objective whose options a line has: its first word, else the first word that names one, else
 * the first of all, which serves for help. */
static const objective *choose(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const objective *found = gr__objective_find(argv[i]);
		if (found)
			return found;
	}
	return gr__objective_at(0);
}

static void list_choices(char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, "Train a network on images.\n\nmodels:\n");
	for (int i = 0; gr__objective_at(i) && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "  %-16s %s\n",
			gr__objective_at(i)->name, gr__objective_at(i)->summary);
	if (used < size)
		used += (size_t)snprintf(text + used, size - used, "\nrecipes:\n");
	for (int i = 0; gr__recipe_at(i) && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "  %-16s %s\n%19sgradus train %s\n",
			gr__recipe_at(i)->name, gr__recipe_at(i)->summary, "", gr__recipe_at(i)->words);
}

/* Parse a line for the objective it names, and run it. */
static int train(int argc, char **argv)
{
	static char summary[8192];
	train_options o = {0};
	run_state s = {.run = {.o = &o}, .objective = choose(argc, argv)};
	gr_arg args[TRAIN_ARGS_MAX + OBJECTIVE_ARGS_MAX];
	s.self = calloc(1, s.objective->bytes);
	if (!s.self)
		return gr__exit_report("train", gr_error_set(GR_EMEM, "out of memory"));
	int nargs = gr__train_args(args, &o);
	nargs += s.objective->args(s.self, args + nargs);
	list_choices(summary, sizeof(summary));
	const gr_command command = {
		.name = "train",
		.usage = "MODEL --data PATH --output DIR [options], or --recipe NAME [options]",
		.summary = summary,
		.examples = {"gradus train unet --data fashion --output runs/fashion --sample-every 500",
			"gradus train unet --data faces/ --output runs/faces --base 64 --flip --resume"},
		.args = args,
		.nargs = nargs,
	};
	const char *model, *missing = NULL;
	int nwords;
	int code = gr__args_parse(&command, argc, argv, &model, 1, &nwords);
	if (code == GR_ARGS_RUN) {
		if (nwords != 1 || strcmp(model, s.objective->name) != 0)
			missing = "a model to train, as the first word, or --recipe";
		else if (!o.data || !o.output)
			missing = o.data ? "--output" : "--data";
		if (missing) {
			fprintf(stderr, "gradus train: needs %s; see gradus train --help\n", missing);
			code = GR_EXIT_USAGE;
		} else {
			gr_status status = prepare(&s, &o);
			code = status ? gr__exit_report("train", status) : run(&s);
		}
	}
	free_state(&s);
	return code;
}

int gr_cmd_train(int argc, char **argv)
{
	recipe_line line;
	gr_status status = gr__recipe_expand(&line, argc, argv);
	int code = status ? gr__exit_report("train", status) : train(line.argc, line.argv);
	gr__recipe_free(&line);
	return code;
}
