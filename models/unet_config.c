/*
 * Configurations of the U-Nets to and from JSON, under the reference's names.
 */
#include "gradus/unet.h"

#include "diffusers_priv.h"
#include "options_priv.h"

#define FIELD(name) offsetof(gr_unet_config, name)

static const option options[] = {
	{"image_size", OPTION_COUNT, FIELD(image_size), 0, NULL},
	{"in_channels", OPTION_COUNT, FIELD(in_channels), 0, NULL},
	{"model_channels", OPTION_COUNT, FIELD(model_channels), 0, NULL},
	{"out_channels", OPTION_COUNT, FIELD(out_channels), 0, NULL},
	{"num_res_blocks", OPTION_COUNT, FIELD(num_res_blocks), 0, NULL},
	{"num_heads", OPTION_COUNT, FIELD(num_heads), 0, NULL},
	{"num_head_channels", OPTION_COUNT, FIELD(num_head_channels), 0, NULL},
	{"num_heads_upsample", OPTION_COUNT, FIELD(num_heads_upsample), 0, NULL},
	{"num_classes", OPTION_COUNT, FIELD(num_classes), 0, NULL},
	{"norm_groups", OPTION_COUNT, FIELD(norm_groups), 0, NULL},
	{"use_scale_shift_norm", OPTION_FLAG, FIELD(use_scale_shift_norm), 0, NULL},
	{"resblock_updown", OPTION_FLAG, FIELD(resblock_updown), 0, NULL},
	{"use_new_attention_order", OPTION_FLAG, FIELD(use_new_attention_order), 0, NULL},
	{"conv_resample", OPTION_UNSET, FIELD(no_conv_resample), 0, NULL},
	{"dropout", OPTION_REAL, FIELD(dropout), 0, NULL},
	{"channel_mult", OPTION_REALS, FIELD(channel_mult), FIELD(num_levels), NULL},
	{"attention_resolutions", OPTION_COUNTS, FIELD(attention_ds), FIELD(num_attention), NULL},
	/* Latent diffusion, from here on. */
	{"use_spatial_transformer", OPTION_FLAG, FIELD(use_spatial_transformer), 0, NULL},
	{"context_dim", OPTION_COUNT, FIELD(context_dim), 0, NULL},
	{"transformer_depth", OPTION_COUNT, FIELD(transformer_depth), 0, NULL},
	{"use_linear_in_transformer", OPTION_FLAG, FIELD(use_linear_in_transformer), 0, NULL},
	{"legacy", OPTION_UNSET, FIELD(not_legacy), 0, NULL},
	{"n_embed", OPTION_OFF, 0, 0, NULL},
	{"num_attention_blocks", OPTION_OFF, 0, 0, NULL},
	{"disable_self_attentions", OPTION_OFF, 0, 0, NULL},
	{"disable_middle_self_attn", OPTION_OFF, 0, 0, NULL},
	{"adm_in_channels", OPTION_OFF, 0, 0, NULL},
	{"dims", OPTION_PASSED, 0, 0, NULL},
	{"use_checkpoint", OPTION_PASSED, 0, 0, NULL},
	{"use_fp16", OPTION_PASSED, 0, 0, NULL},
	{"use_bf16", OPTION_PASSED, 0, 0, NULL},
};
#define LATENT_FROM 17

static const option_table table = {"unet", options, sizeof options / sizeof *options};
static const option_table pixel_table = {"unet", options, LATENT_FROM};

gr_status gr_unet_config_from_json(gr_unet_config *out, const gr_json *object)
{
	gr_unet_config c = {.size = sizeof c};
	gr_status status = gr__diffusers_is(object) ? gr__diffusers_unet(&c, object)
												: gr__options_read(&table, object, &c);
	if (status == GR_OK && out != NULL)
		*out = c;
	return status;
}

void gr_unet_config_write_json(FILE *stream, const gr_unet_config *config)
{
	const bool latent = config->use_spatial_transformer || config->not_legacy;
	fputs(latent ? "{\"arch\": \"ldm_unet\"" : "{\"arch\": \"adm\"", stream);
	gr__options_write(latent ? &table : &pixel_table, stream, config);
	fputc('}', stream);
}
