/*
 * The U-Net as a prior, in memory (gr_prior_unet_new) or from a folder, whose config.json has
 *     "model": "unet", "prediction": "eps" or "v", "schedule": { "kind": "linear", "steps": 1000 },
 *     "unet": { the fields of gr_unet_config }
 * besides what prior_folder.c reads. An unknown name inside "unet" or "schedule" is an error, not a
 * default.
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "gradus/ops.h"
#include "prior_folder_priv.h"
#include "prior_priv.h"

/* --- the prior --- */

static void unet_free(void *self)
{
	gr_unet_free(self);
}

static void unet_set_recompute(void *self, bool on)
{
	gr_unet_set_recompute(self, on);
}

static gr_status unet_predict(void *self, const gr_prior *p, gr_prior_call *call)
{
	const gr_unet *net = self;
	gr_dtype dtype = gr_unet_get_config(net)->dtype;
	int64_t N = gr_tensor_dim(call->x_t, 0);
	int64_t C = gr_prior_dims(p)[0];
	if (gr_tensor_dtype(call->x_t) != dtype)
		return gr_error_set(GR_EDTYPE, "prior unet: x_t is %s, the network %s",
			gr_dtype_name(gr_tensor_dtype(call->x_t)), gr_dtype_name(dtype));
	gr_tensor *t = gr_from_f64(dtype, call->t, GR_DIMS(N));
	if (gr_prior_classes(p) > 0 && !call->labels)
		return gr_error_set(GR_EARG,
			"prior unet: the network wants class labels; hint: gr_prior_set_class(), scale 1");
	gr_tensor *out = gr_unet_forward(net, call->x_t, t, call->labels);
	if (!out)
		return gr_error_code();
	call->prediction = out;
	if (gr_tensor_dim(out, 1) == 2 * C) {
		call->prediction = gr_slice(out, 1, 0, C, 1);
		call->variance = gr_slice(gr_stop_gradient(out), 1, C, 2 * C, 1);
		return call->prediction && call->variance ? GR_OK : gr_error_code();
	}
	return GR_OK;
}

gr_prior *gr_prior_unet_new(gr_unet *net, const gr_prior_opts *opts)
{
	static const gr_prior_table table = {.name = "unet",
		.predict = unet_predict,
		.free = unet_free,
		.set_recompute = unet_set_recompute};
	const gr_unet_config *config = net ? gr_unet_get_config(net) : NULL;
	gr_status status = GR_OK;
	if (!config)
		status = gr_failed() ? gr_error_code()
							 : gr_error_set(GR_EARG, "prior unet: the network is NULL");
	else if (opts && opts->channels != config->in_channels)
		status = gr_error_set(GR_EARG, "prior unet: %lld channels, the network has %lld",
			(long long)opts->channels, (long long)config->in_channels);
	else if (config->out_channels != config->in_channels &&
		config->out_channels != 2 * config->in_channels)
		status = gr_error_set(GR_EARG, "prior unet: %lld channels out, %lld in",
			(long long)config->out_channels, (long long)config->in_channels);
	else if (!opts)
		status = gr_error_set(GR_EARG, "prior unet: channels, height and width are needed");
	else
		status = gr_module_set_trainable(gr_unet_module(net), false);
	if (status) {
		gr_unet_free(net);
		return NULL;
	}
	gr_prior_opts filled = *opts;
	filled.classes = config->num_classes;
	return gr_prior_new(&table, net, &filled);
}

/* --- config.json --- */

/* A list of numbers; *count of them. */
static gr_status read_list(const prior_folder *f, const gr_json *v, double *out, int *count)
{
	int n = 0;
	if (v->kind != GR_JSON_ARRAY || v->count > GR_UNET_MAX_LEVELS)
		return gr__prior_folder_malformed(f, v->name, "a short list of numbers");
	for (const gr_json *e = v->child; e; e = e->next) {
		if (e->kind != GR_JSON_NUMBER || !(e->number > 0.0 && e->number < 1e6))
			return gr__prior_folder_malformed(f, v->name, "a short list of positive numbers");
		out[n++] = e->number;
	}
	*count = n;
	return GR_OK;
}

typedef struct unet_field {
	const char *name;
	size_t offset;
	bool flag; /* bool, else int64_t */
} unet_field;

#define INTEGER(field) \
	{ \
#field, offsetof(gr_unet_config, field), false \
	}
#define FLAG(field) \
	{ \
#field, offsetof(gr_unet_config, field), true \
	}
static const unet_field unet_fields[] = {
	INTEGER(image_size),
	INTEGER(in_channels),
	INTEGER(model_channels),
	INTEGER(out_channels),
	INTEGER(num_res_blocks),
	INTEGER(num_heads),
	INTEGER(num_head_channels),
	INTEGER(num_heads_upsample),
	INTEGER(num_classes),
	INTEGER(norm_groups),
	FLAG(use_scale_shift_norm),
	FLAG(resblock_updown),
	FLAG(use_new_attention_order),
	FLAG(no_conv_resample),
};

static gr_status read_unet_field(gr_unet_config *unet, const prior_folder *f, const gr_json *v)
{
	double list[GR_UNET_MAX_LEVELS];
	if (strcmp(v->name, "channel_mult") == 0)
		return read_list(f, v, unet->channel_mult, &unet->num_levels);
	if (strcmp(v->name, "attention_ds") == 0) {
		gr_status status = read_list(f, v, list, &unet->num_attention);
		for (int i = 0; i < unet->num_attention && !status; i++) {
			if (list[i] != floor(list[i]))
				status = gr__prior_folder_malformed(f, v->name, "a list of integers");
			unet->attention_ds[i] = (int64_t)list[i];
		}
		return status;
	}
	for (size_t i = 0; i < sizeof(unet_fields) / sizeof(unet_fields[0]); i++) {
		void *field = (char *)unet + unet_fields[i].offset;
		if (strcmp(v->name, unet_fields[i].name) != 0)
			continue;
		if (!unet_fields[i].flag)
			return gr__prior_folder_integer(f, v, v->name, field);
		if (v->kind != GR_JSON_BOOL)
			return gr__prior_folder_malformed(f, v->name, "true or false");
		*(bool *)field = v->boolean;
		return GR_OK;
	}
	return gr_error_set(GR_EFORMAT, "%s/config.json: \"unet\" has no option \"%s\"", f->path,
		v->name);
}

static gr_status read_config(gr_unet_config *unet, gr_prior_opts *prior, const prior_folder *f)
{
	static const char *const predictions[] = {"eps", "x0", "v", NULL};
	int choice = 0;
	gr_status status = gr__prior_folder_choice(f, f->root, "prediction", predictions, &choice);
	prior->prediction = (gr_prediction)choice;
	const gr_json *object = gr_json_find(f->root, "unet");
	if (!status && (!object || object->kind != GR_JSON_OBJECT))
		status = gr__prior_folder_malformed(f, "unet", "an object");
	for (const gr_json *v = object ? object->child : NULL; v && !status; v = v->next)
		status = read_unet_field(unet, f, v);
	if (!status && unet->model_channels < 1)
		status = gr__prior_folder_malformed(f, "model_channels", "positive");
	return status;
}

gr_status gr__prior_folder_unet(gr_prior **out, const prior_folder *f, gr_prior_find_fn find)
{
	(void)find; /* it names no other folder */
	gr_schedule_opts schedule = {.size = sizeof(schedule)};
	gr_unet_config unet = {.size = sizeof(unet)};
	gr_prior_opts prior = {.size = sizeof(prior),
		.channels = f->dims[0],
		.height = f->dims[1],
		.width = f->dims[2],
		.schedule = &schedule};
	gr_status status = gr__prior_folder_schedule(f, &schedule);
	if (!status)
		status = read_config(&unet, &prior, f);
	if (status)
		return status;
	gr_unet *net = gr_unet_new(&unet);
	if (!net)
		return gr_error_code();
	status = gr__prior_folder_load(f, gr_unet_module(net));
	if (status) {
		gr_unet_free(net);
		return status;
	}
	*out = gr_prior_unet_new(net, &prior);
	return *out ? GR_OK : gr_error_code();
}
