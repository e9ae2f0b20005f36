/* See train_config.h. */
#include "train_config.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/json.h"

/* "1,2,3" into out[0..n-1]; -1 when malformed or too long. */
static int parse_list(const char *text, double out[GR_UNET_MAX_LEVELS])
{
	int n = 0;
	while (*text) {
		char *end;
		if (n == GR_UNET_MAX_LEVELS)
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

/* Resolutions become downsampling factors, which must be those of a level. */
static gr_status derive_attention(train_options *o)
{
	double sides[GR_UNET_MAX_LEVELS];
	gr_unet_config *u = &o->unet;
	u->num_attention = strcmp(o->attention, "none") == 0 ? 0 : parse_list(o->attention, sides);
	for (int i = 0; i < u->num_attention; i++) {
		int64_t side = (int64_t)sides[i];
		int64_t ds = side ? u->image_size / side : 0;
		bool is_level = (double)side == sides[i] && ds * side == u->image_size && ds > 0 &&
			(ds & (ds - 1)) == 0 && ds <= (int64_t)1 << (u->num_levels - 1);
		if (!is_level)
			return gr_error_set(GR_EARG,
				"--attention %s: %g is not the side of one of the %d levels of a %" PRId64
				"-pixel network",
				o->attention, sides[i], u->num_levels, u->image_size);
		u->attention_ds[i] = ds;
	}
	if (u->num_attention < 0)
		return gr_error_set(GR_EARG, "--attention '%s' is not a list like 16,8, nor none",
			o->attention);
	return GR_OK;
}

static gr_status derive_unet(train_options *o)
{
	gr_unet_config *u = &o->unet;
	*u = (gr_unet_config){
		.size = sizeof(*u),
		.image_size = o->info.height,
		.in_channels = o->info.channels,
		.out_channels = o->info.channels,
		.model_channels = o->base,
		.num_res_blocks = o->blocks,
		.num_head_channels = o->head_channels,
		.use_scale_shift_norm = true,
		.norm_groups = o->groups,
	};
	if (u->num_head_channels == 0) /* every width is a multiple of it, whole multipliers given */
		u->num_head_channels = o->base % 32 == 0 ? 32 : o->base;
	/* Four channels a group at the narrowest level, 32 groups at most, as in wide networks. */
	if (u->norm_groups == 0)
		u->norm_groups = o->base >= 128 ? 32 : o->base >= 4 ? o->base / 4 : 1;
	u->num_levels = parse_list(o->mult, u->channel_mult);
	if (u->num_levels < 1)
		return gr_error_set(GR_EARG, "--mult '%s' is not a list like 1,2,3", o->mult);
	int64_t factor = (int64_t)1 << (u->num_levels - 1);
	if (o->info.height != o->info.width || o->info.height % factor != 0)
		return gr_error_set(GR_EARG,
			"images of %" PRId64 " x %" PRId64 " do not fit %d levels; hint: --image-size, a "
			"multiple of %" PRId64,
			o->info.height, o->info.width, u->num_levels, factor);
	return derive_attention(o);
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
	if (o->batch < 1 || o->seed < 0 || o->base < 1 || o->blocks < 1 || o->groups < 0 ||
		o->head_channels < 0 || o->steps < 0 || !(o->epochs > 0.0) || !(o->clip >= 0.0) ||
		!(o->weight_decay >= 0.0))
		return gr_error_set(GR_EARG,
			"--batch, --base, --blocks and --epochs are positive, --seed, "
			"--groups, --head-channels, --steps, --clip and --weight-decay not negative");
	if (o->steps == 0)
		o->steps = (int64_t)ceil(o->epochs * (double)o->info.count / (double)o->batch);
	if (strcmp(o->prediction, "eps") != 0 && strcmp(o->prediction, "v") != 0)
		return gr_error_set(GR_EARG, "--prediction '%s' is not eps or v", o->prediction);
	o->predict = strcmp(o->prediction, "v") == 0 ? GR_PREDICT_V : GR_PREDICT_EPS;
	gr_status status = derive_rate(o);
	return status ? status : derive_unet(o);
}

static void write_unet(FILE *f, const gr_unet_config *u)
{
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

void gr__train_config_write(FILE *f, const train_options *o, bool identity)
{
	bool any_length = identity && o->rate.decay == GR_LR_CONSTANT;
	fprintf(f, "{\n\t\"format\": \"gradus-prior-1\",\n\t\"model\": \"unet\",\n");
	fprintf(f,
		"\t\"channels\": %" PRId64 ",\n\t\"height\": %" PRId64 ",\n\t\"width\": %" PRId64 ",\n",
		o->info.channels, o->info.height, o->info.width);
	fprintf(f, "\t\"range\": [-1, 1],\n\t\"prediction\": \"%s\",\n", o->prediction);
	fprintf(f, "\t\"schedule\": { \"kind\": \"linear\", \"steps\": 1000 },\n");
	write_unet(f, &o->unet);
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
	fprintf(f, "\t\t\"weight_decay\": %.17g,\n\t\t\"ema\": %.17g\n\t}\n}\n", o->weight_decay,
		o->ema);
}
