/* The DDPM U-Net: published size, gradients, options, errors. Values: test_variants.c. */
#include <criterion/criterion.h>

#include <string.h>

#include "gradus/ddpm.h"
#include "nn_check.h"

Test(ddpm, published_size)
{
	gr_ddpm *u = gr_ddpm_new(NULL);
	cr_assert_not_null(u, "%s", gr_error_message());
	cr_assert_eq(gr_module_size(gr_ddpm_module(u)), 113673219);
	cr_assert_eq(gr_module_param_count(gr_ddpm_module(u)), 450);
	gr_ddpm_free(u);
}

static gr_tensor *forward(const void *u, gr_tensor *x)
{
	gr_tensor *t = gr_arange(GR_F64, gr_tensor_dim(x, 0), 10.5, 400.0);
	return gr_ddpm_forward(u, x, t);
}

Test(ddpm, gradients)
{
	for (int plain = 0; plain < 2; plain++) {
		gr_ddpm *u = gr_ddpm_new(GR_OPTS(gr_ddpm_config, .resolution = 16, .in_channels = 2,
			.out_ch = 3, .ch = 4, .num_levels = 2, .ch_mult = {1, 2}, .num_res_blocks = 1,
			.num_attention = plain ? -1 : 1, .attn_resolutions = {8}, .norm_groups = 2,
			.no_conv_resample = plain != 0, .dtype = GR_F64));
		cr_assert_not_null(u, "%s", gr_error_message());
		cr_assert_eq(gr_module_init(gr_ddpm_module(u), gr_key_seed(2)), GR_OK);
		gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(2, 2, 8, 6));
		cr_assert_lt(nn_gradient_error(NULL, forward, u, x), 1e-6);
		gr_ddpm_free(u);
	}
}

static gr_status read(const char *text, gr_ddpm_config *c)
{
	gr_json_error error;
	gr_json_doc *doc = gr_json_parse(text, strlen(text), NULL, &error);
	gr_status status = gr_ddpm_config_from_json(c, gr_json_root(doc));
	gr_json_free(doc);
	return status;
}

/* The reference's file, its objects as they are. */
Test(ddpm, configuration)
{
	gr_ddpm_config c;
	cr_assert_eq(read("{\"data\": {\"dataset\": \"CelebA_HQ\", \"image_size\": 64, \"channels\": "
					  "3}, "
					  "\"model\": {\"type\": \"simple\", \"ch\": 32, \"ch_mult\": [1, 2], "
					  "\"attn_resolutions\": [], \"dropout\": 0.0, \"resamp_with_conv\": true}, "
					  "\"diffusion\": {\"beta_schedule\": \"linear\"}}",
					 &c),
		GR_OK, "%s", gr_error_message());
	cr_assert_eq(c.resolution, 64);
	cr_assert_eq(c.num_levels, 2);
	cr_assert_eq(c.num_attention, -1);
	cr_assert_eq(read("{\"chanels\": 3}", &c), GR_EFORMAT);
	gr_error_clear();
}

Test(ddpm, refuses_what_does_not_fit)
{
	cr_assert_null(gr_ddpm_new(GR_OPTS(gr_ddpm_config, .ch = 20)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_assert_null(gr_ddpm_new(GR_OPTS(gr_ddpm_config, .num_res_blocks = 99)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_ddpm *u = gr_ddpm_new(NULL);
	gr_tensor *t = gr_zeros(GR_F32, GR_DIMS(1));
	cr_assert_null(gr_ddpm_forward(u, gr_zeros(GR_F32, GR_DIMS(1, 3, 32, 40)), t));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_assert_null(gr_ddpm_forward(u, gr_zeros(GR_F32, GR_DIMS(2, 3, 32, 32)), t));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_ddpm_free(u);
}
