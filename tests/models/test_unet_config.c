/* Configurations of the U-Net to and from JSON. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "gradus/unet.h"

static gr_status parse(gr_unet_config *out, const char *text)
{
	gr_json_error error;
	gr_json_doc *doc = gr_json_parse(text, strlen(text), NULL, &error);
	cr_assert_not_null(doc);
	gr_status status = gr_unet_config_from_json(out, gr_json_root(doc));
	gr_json_free(doc);
	return status;
}

Test(unet_config, round_trip)
{
	const gr_unet_config c = {.size = sizeof c,
		.image_size = 512,
		.model_channels = 256,
		.out_channels = 6,
		.num_levels = 3,
		.channel_mult = {0.5, 1, 4},
		.num_attention = 2,
		.attention_ds = {16, 32},
		.num_head_channels = 64,
		.use_scale_shift_norm = true,
		.no_conv_resample = true,
		.dropout = 0.1};
	char *text = NULL;
	size_t bytes = 0;
	FILE *stream = open_memstream(&text, &bytes);
	gr_unet_config_write_json(stream, &c);
	fclose(stream);
	gr_unet_config back;
	memset(&back, 0x5a, sizeof back);
	cr_assert_eq(parse(&back, text), GR_OK, "%s: %s", text, gr_error_message());
	cr_assert_eq(back.image_size, 512);
	cr_assert_eq(back.in_channels, 0);
	cr_assert_eq(back.num_head_channels, 64);
	cr_assert_eq(back.num_levels, 3);
	cr_assert_eq(back.channel_mult[0], 0.5);
	cr_assert_eq(back.num_attention, 2);
	cr_assert_eq(back.attention_ds[1], 32);
	cr_assert(back.use_scale_shift_norm && back.no_conv_resample && !back.resblock_updown);
	cr_assert_eq(back.dropout, 0.1);
	free(text);
}

Test(unet_config, reference_spellings)
{
	gr_unet_config c;
	cr_assert_eq(parse(&c,
					 "{\"model_channels\": 32, \"num_heads_upsample\": -1, "
					 "\"attention_resolutions\": 16, \"num_classes\": null}"),
		GR_OK);
	cr_assert_eq(c.num_heads_upsample, 0);
	cr_assert_eq(c.num_attention, 1);
	cr_assert_eq(c.attention_ds[0], 16);
	cr_assert_not(c.no_conv_resample);
}

Test(unet_config, refuses)
{
	static const char *const bad[] = {"[]", "{\"model_chanels\": 32}", "{\"model_channels\": 1.5}",
		"{\"model_channels\": \"32\"}", "{\"model_channels\": -7}", "{\"dropout\": true}",
		"{\"resblock_updown\": 1}", "{\"conv_resample\": \"yes\"}",
		"{\"channel_mult\": [1,1,1,1,1,1,1,1,1]}", "{\"channel_mult\": [\"1\"]}",
		"{\"attention_resolutions\": [1e300]}", "{\"attention_resolutions\": {}}"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		gr_unet_config c;
		cr_assert_eq(parse(&c, bad[i]), GR_EFORMAT, "%s", bad[i]);
		gr_error_clear();
	}
}
