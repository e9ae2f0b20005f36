/* See train_config.h. */
#include "train_config.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/json.h"

int gr__train_args(gr_arg rows[TRAIN_ARGS_MAX], train_options *o)
{
	const gr_arg all[] = {
		{"recipe", GR_ARG_STRING, NULL, "a named set of options; what is typed beside it counts",
			&o->recipe},
		{"data", GR_ARG_STRING, NULL,
			"images: a folder, a file, or one of the words fashion, emoji", &o->data},
		{"output", GR_ARG_STRING, NULL, "folder to write to", &o->output},
		{"epochs", GR_ARG_DOUBLE, "3", "passes over the images", &o->epochs},
		{"steps", GR_ARG_INT, NULL, "number of steps, in place of --epochs", &o->steps},
		{"batch", GR_ARG_INT, "64", "images a step", &o->batch},
		{"lr", GR_ARG_DOUBLE, "2e-4", "learning rate", &o->lr},
		{"warmup", GR_ARG_INT, "500", "steps over which it rises from 0", &o->warmup},
		{"lr-decay", GR_ARG_STRING, "none", "none, linear or cosine, to 0 at the end",
			&o->lr_decay},
		{"clip", GR_ARG_DOUBLE, "1", "largest gradient norm, 0 for no limit", &o->clip},
		{"weight-decay", GR_ARG_DOUBLE, "0", "decoupled weight decay", &o->weight_decay},
		{"ema", GR_ARG_DOUBLE, "0.999", "decay of the average, smaller at first", &o->ema},
		{"precision", GR_ARG_STRING, "f32",
			"f32, direct (without Winograd's algorithm) or bf16 (rounded operands)", &o->precision},
		{"seed", GR_ARG_INT, "0", "of weights, order, noise", &o->seed},
		{"image-size", GR_ARG_INT, NULL, "centre smaller images on zeros of this side",
			&o->image_size},
		{"limit", GR_ARG_INT, NULL, "use the first N images only", &o->limit},
		{"flip", GR_ARG_FLAG, NULL, "mirror half of the images", &o->flip},
		{"resume", GR_ARG_FLAG, NULL, "continue from the last checkpoint, if any", &o->resume},
		{"checkpoint-every", GR_ARG_INT, "500", "steps between checkpoints", &o->checkpoint_every},
		{"checkpoint-minutes", GR_ARG_DOUBLE, "10", "and at most so long", &o->checkpoint_minutes},
		{"sample-every", GR_ARG_INT, NULL, "steps between pictures, 0: none", &o->sample_every},
		{"threads", GR_ARG_INT, NULL, "threads, 0: all cores", &o->threads},
	};
	_Static_assert(sizeof(all) / sizeof(all[0]) <= TRAIN_ARGS_MAX, "rows");
	memcpy(rows, all, sizeof(all));
	return (int)(sizeof(all) / sizeof(all[0]));
}

int gr__train_list(const char *text, double *out, int most)
{
	int n = 0;
	while (*text) {
		char *end;
		if (n == most)
			return -1;
		out[n] = strtod(text, &end);
		if (end == text || (*end && *end != ',') || !(out[n] > 0.0 && out[n] < 1e6))
			return -1;
		n++;
		text = *end ? end + 1 : end;
		if (*end && !*text)
			return -1;
	}
	return n;
}

static gr_status derive_rate(train_options *o)
{
	o->rate = (gr_lr_opts){.size = sizeof(o->rate),
		.base = o->lr,
		.warmup = o->warmup,
		.steps = o->steps};
	if (strcmp(o->lr_decay, "cosine") == 0)
		o->rate.decay = GR_LR_COSINE;
	else if (strcmp(o->lr_decay, "linear") == 0)
		o->rate.decay = GR_LR_LINEAR;
	else if (strcmp(o->lr_decay, "none") != 0)
		return gr_error_set(GR_EARG, "--lr-decay '%s' is not none, linear or cosine", o->lr_decay);
	if (!(o->lr > 0.0) || o->warmup < 0)
		return gr_error_set(GR_EARG, "--lr is positive and --warmup not negative");
	return GR_OK;
}

gr_status gr__train_derive(train_options *o)
{
	if (o->batch < 1 || o->seed < 0 || o->steps < 0 || !(o->epochs > 0.0) || !(o->clip >= 0.0) ||
		!(o->weight_decay >= 0.0))
		return gr_error_set(GR_EARG,
			"--batch and --epochs are positive, --seed, --steps, --clip and --weight-decay not "
			"negative");
	if (o->steps == 0)
		o->steps = (int64_t)ceil(o->epochs * (double)o->info.count / (double)o->batch);
	return derive_rate(o);
}

void gr__train_config_write(FILE *f, const train_options *o, bool identity)
{
	bool any_length = identity && o->rate.decay == GR_LR_CONSTANT;
	fprintf(f, "\t\"data\": { \"path\": ");
	gr_json_write_string(f, o->data);
	fprintf(f, ", \"images\": %" PRId64 ", \"flip\": %s },\n", o->info.count,
		o->flip ? "true" : "false");
	fprintf(f, "\t\"training\": {\n\t\t\"seed\": %" PRId64 ",\n", o->seed);
	if (!any_length)
		fprintf(f, "\t\t\"steps\": %" PRId64 ",\n", o->steps);
	fprintf(f, "\t\t\"batch\": %" PRId64 ",\n\t\t\"optimiser\": \"adamw\",\n", o->batch);
	fprintf(f, "\t\t\"lr\": %.17g,\n\t\t\"warmup\": %" PRId64 ",\n", o->lr, o->warmup);
	fprintf(f, "\t\t\"precision\": \"%s\",\n", o->precision);
	fprintf(f, "\t\t\"lr_decay\": \"%s\",\n\t\t\"clip\": %.17g,\n", o->lr_decay, o->clip);
	fprintf(f, "\t\t\"weight_decay\": %.17g,\n\t\t\"ema\": %.17g\n\t}", o->weight_decay, o->ema);
}
