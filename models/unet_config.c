/*
 * Configurations of the ADM U-Net to and from JSON. One table per type of member says which field
 * a name fills; what it does not list is an error, since a misspelt option gives a network of
 * another shape or, worse, of the same shape and another meaning.
 */
#include "gradus/unet.h"

#include <stddef.h>
#include <string.h>

typedef struct field {
	const char *name;
	size_t offset;
} field;

#define FIELD(name) #name, offsetof(gr_unet_config, name)

static const field integers[] = {
	{FIELD(image_size)},
	{FIELD(in_channels)},
	{FIELD(model_channels)},
	{FIELD(out_channels)},
	{FIELD(num_res_blocks)},
	{FIELD(num_heads)},
	{FIELD(num_head_channels)},
	{FIELD(num_heads_upsample)},
	{FIELD(num_classes)},
	{FIELD(norm_groups)},
};

static const field flags[] = {
	{FIELD(use_scale_shift_norm)},
	{FIELD(resblock_updown)},
	{FIELD(use_new_attention_order)},
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const field *find_field(const field *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

static gr_status wrong(const gr_json *v, const char *expected)
{
	return gr_error_set(GR_EFORMAT, "unet: option '%s' at byte %zu is not %s", v->name, v->offset,
		expected);
}

/* An array of up to GR_UNET_MAX_LEVELS numbers, or one number. */
static gr_status read_list(const gr_json *v, double *list, int *count)
{
	const bool alone = v->kind == GR_JSON_NUMBER;
	if (!alone && (v->kind != GR_JSON_ARRAY || v->count > GR_UNET_MAX_LEVELS))
		return wrong(v, "a list of up to eight numbers");
	*count = 0;
	for (const gr_json *e = alone ? v : v->child; e != NULL; e = alone ? NULL : e->next) {
		if (e->kind != GR_JSON_NUMBER)
			return wrong(v, "a list of numbers");
		list[(*count)++] = e->number;
	}
	return GR_OK;
}

static gr_status read_attention(gr_unet_config *c, const gr_json *v)
{
	double list[GR_UNET_MAX_LEVELS];
	gr_status status = read_list(v, list, &c->num_attention);
	for (int i = 0; status == GR_OK && i < c->num_attention; i++) {
		if (!(list[i] >= 1.0 && list[i] <= 1024.0))
			return wrong(v, "a list of downsampling factors");
		c->attention_ds[i] = (int64_t)list[i];
	}
	return status;
}

static gr_status read_member(gr_unet_config *c, const gr_json *v)
{
	if (strcmp(v->name, "arch") == 0 || v->kind == GR_JSON_NULL)
		return GR_OK;
	if (strcmp(v->name, "channel_mult") == 0)
		return read_list(v, c->channel_mult, &c->num_levels);
	if (strcmp(v->name, "attention_resolutions") == 0)
		return read_attention(c, v);
	if (strcmp(v->name, "dropout") == 0) {
		c->dropout = v->number;
		return v->kind == GR_JSON_NUMBER ? GR_OK : wrong(v, "a number");
	}
	if (strcmp(v->name, "conv_resample") == 0) {
		c->no_conv_resample = !v->boolean;
		return v->kind == GR_JSON_BOOL ? GR_OK : wrong(v, "true or false");
	}
	const field *f = find_field(flags, COUNT(flags), v->name);
	if (f != NULL) {
		memcpy((char *)c + f->offset, &v->boolean, sizeof v->boolean);
		return v->kind == GR_JSON_BOOL ? GR_OK : wrong(v, "true or false");
	}
	f = find_field(integers, COUNT(integers), v->name);
	if (f == NULL)
		return gr_error_set(GR_EFORMAT, "unet: unknown option '%s' at byte %zu", v->name,
			v->offset);
	if (v->kind != GR_JSON_NUMBER || !v->is_int || v->integer < -1)
		return wrong(v, "a count");
	const int64_t value = v->integer < 0 ? 0 : v->integer;
	memcpy((char *)c + f->offset, &value, sizeof value);
	return GR_OK;
}

gr_status gr_unet_config_from_json(gr_unet_config *out, const gr_json *object)
{
	if (out == NULL || object == NULL || object->kind != GR_JSON_OBJECT)
		return gr_error_set(GR_EFORMAT, "unet: the configuration is not a JSON object");
	gr_unet_config c = {.size = sizeof c};
	for (const gr_json *v = object->child; v != NULL; v = v->next) {
		gr_status status = read_member(&c, v);
		if (status != GR_OK)
			return status;
	}
	*out = c;
	return GR_OK;
}

void gr_unet_config_write_json(FILE *stream, const gr_unet_config *config)
{
	fputs("{\"arch\": \"adm\"", stream);
	for (size_t i = 0; i < COUNT(integers); i++) {
		int64_t value;
		memcpy(&value, (const char *)config + integers[i].offset, sizeof value);
		fprintf(stream, ", \"%s\": ", integers[i].name);
		if (value == 0) /* the default, or none */
			fputs("null", stream);
		else
			fprintf(stream, "%lld", (long long)value);
	}
	for (size_t i = 0; i < COUNT(flags); i++) {
		bool value;
		memcpy(&value, (const char *)config + flags[i].offset, sizeof value);
		fprintf(stream, ", \"%s\": %s", flags[i].name, value ? "true" : "false");
	}
	fprintf(stream, ", \"conv_resample\": %s, \"dropout\": %.17g, \"channel_mult\": ",
		config->no_conv_resample ? "false" : "true", config->dropout);
	if (config->num_levels == 0)
		fputs("null", stream);
	for (int i = 0; i < config->num_levels; i++)
		fprintf(stream, "%s%.17g", i == 0 ? "[" : ", ", config->channel_mult[i]);
	fprintf(stream, "%s, \"attention_resolutions\": [", config->num_levels == 0 ? "" : "]");
	for (int i = 0; i < config->num_attention; i++)
		fprintf(stream, "%s%lld", i == 0 ? "" : ", ", (long long)config->attention_ds[i]);
	fputs("]}", stream);
}
