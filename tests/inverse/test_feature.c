/* Feature networks: what they make of images, how images are prepared, who frees, folders. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gradus/mpe_cnn.h"
#include "gradus/vae.h"
#include "gradus/vit.h"
#include "term_check.h"

static double at(const gr_tensor *t, int64_t a, int64_t b, int64_t c, int64_t d)
{
	return gr_tensor_at(t, (const int64_t[]){a, b, c, d});
}

Test(feature, one_evaluation_in_three_shapes)
{
	gr_feature *f = toy_feature(NULL);
	gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(2, 1, 8, 8));
	gr_tensor *map = gr_feature_map(f, x);
	gr_tensor *tokens = gr_feature_tokens(f, x);
	gr_tensor *vector = gr_feature_vector(f, x);
	cr_assert(vector, "%s", gr_error_message());
	cr_expect_eq(gr_tensor_dim(tokens, 1), 16);
	cr_expect_eq(gr_tensor_dim(vector, 1), 48);
	/* token p is place (p / 4, p % 4) of the map */
	cr_expect_eq(gr_tensor_at(tokens, (const int64_t[]){1, 6, 2}), at(map, 1, 2, 1, 2));
	cr_expect_eq(gr_tensor_at(vector, (const int64_t[]){1, 38}), at(map, 1, 2, 1, 2));
	gr_feature_release(f);
	gr_feature_release(NULL);
}

static int freed;

static void count_free(void *self)
{
	(void)self;
	freed++;
}

/* 6 tokens of 2 numbers: the mean of each third of an image of 2 rows. */
static gr_status six(void *self, gr_feature_call *call)
{
	(void)self;
	gr_tensor *x = gr_reshape(call->x, GR_DIMS(gr_tensor_dim(call->x, 0), 6, -1));
	call->tokens = gr_slice(x, 2, 0, 2, 1);
	return gr_error_code();
}

static gr_status silent(void *self, gr_feature_call *call)
{
	(void)self;
	(void)call;
	return GR_OK;
}

Test(feature, tokens_become_a_map_of_the_image_s_shape)
{
	const gr_feature_table table = {.name = "six", .apply = six, .free = count_free};
	gr_feature *f = gr_feature_new(&table, NULL, NULL);
	gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(1, 1, 4, 6));
	gr_tensor *map = gr_feature_map(f, x);
	cr_assert(map, "%s", gr_error_message());
	cr_expect_eq(gr_tensor_dim(map, 2), 2);
	cr_expect_eq(gr_tensor_dim(map, 3), 3);
	cr_expect_eq(at(map, 0, 1, 1, 0), gr_tensor_at(gr_feature_tokens(f, x), (int64_t[]){0, 3, 1}));
	cr_expect_null(gr_feature_map(f, nn_normal(2, GR_F64, GR_DIMS(1, 1, 6, 6))));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_feature_retain(f);
	gr_feature_release(f);
	cr_expect_eq(freed, 0);
	gr_feature_release(f);
	cr_expect_eq(freed, 1);
}

Test(feature, wrong_use_is_an_error)
{
	const gr_feature_table table = {.name = "silent", .apply = silent, .free = count_free};
	const gr_feature_table empty = {.free = count_free};
	cr_expect_null(gr_feature_new(&empty, NULL, NULL));
	gr_error_clear();
	cr_expect_null(gr_feature_new(&table, NULL, GR_OPTS(gr_feature_opts, .height = 4)));
	gr_error_clear();
	cr_expect_eq(freed, 2);
	gr_feature *f = gr_feature_new(&table, NULL, NULL);
	cr_expect_null(gr_feature_map(f, gr_zeros(GR_F64, GR_DIMS(1, 1, 4, 4))));
	cr_expect_eq(gr_error_code(), GR_ESTATE);
	gr_error_clear();
	cr_expect_null(gr_feature_map(f, gr_zeros(GR_F64, GR_DIMS(4, 4))));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_feature_release(f);
	gr_prior *pixel = toy_pixel_prior();
	cr_expect_null(gr_feature_decoder_new(pixel));
	cr_expect_eq(gr_error_code(), GR_EUNSUPPORTED);
	gr_error_clear();
	gr_prior_free(pixel);
}

static gr_status pass(void *self, gr_feature_call *call)
{
	(void)self;
	call->map = call->x;
	return GR_OK;
}

/* ImageNet's range of white and black; and bicubic weights of 8 -> 4, whose taps lie at 1/2 and 3/2:
 * (a + 2) / 8 - (a + 3) / 4 + 1 and a / 8, with a = -0.75. */
Test(feature, images_are_prepared)
{
	const gr_feature_table table = {.name = "pass", .apply = pass};
	gr_feature *f =
		gr_feature_new(&table, NULL, GR_OPTS(gr_feature_opts, .range = GR_FEATURE_IMAGENET));
	gr_tensor *white = gr_feature_map(f, gr_full(GR_F64, GR_DIMS(1, 3, 2, 2), 1.0));
	cr_expect_float_eq(at(white, 0, 0, 0, 0), (1.0 - 0.485) / 0.229, 1e-14);
	cr_expect_float_eq(at(white, 0, 1, 1, 0), (1.0 - 0.456) / 0.224, 1e-14);
	gr_tensor *black = gr_feature_map(f, gr_full(GR_F64, GR_DIMS(1, 3, 2, 2), -1.0));
	cr_expect_float_eq(at(black, 0, 2, 0, 1), -0.406 / 0.225, 1e-14);
	cr_expect_null(gr_feature_map(f, gr_zeros(GR_F64, GR_DIMS(1, 1, 2, 2))));
	gr_error_clear();
	gr_feature_release(f);
	f = gr_feature_new(&table, NULL, GR_OPTS(gr_feature_opts, .height = 4, .width = 4));
	gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(1, 1, 8, 8));
	gr_tensor *y = gr_feature_map(f, x);
	const double tap[] = {-0.09375, 0.59375, 0.59375, -0.09375};
	double expected = 0.0;
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 4; j++)
			expected += tap[i] * tap[j] * at(x, 0, 0, 1 + i, 3 + j);
	cr_expect_float_eq(at(y, 0, 0, 1, 2), expected, 1e-14);
	gr_feature_release(f);
}

Test(feature, coders_of_a_prior)
{
	gr_prior *p = toy_latent_prior();
	gr_feature *encoder = gr_feature_encoder_new(p);
	gr_feature *decoder = gr_feature_decoder_new(p);
	gr_feature *there = gr_feature_decode_encode_new(p);
	gr_feature *back = gr_feature_encode_decode_new(p);
	gr_tensor *image = nn_normal(4, GR_F64, GR_DIMS(2, 1, 8, 8));
	gr_tensor *state = nn_normal(5, GR_F64, GR_DIMS(2, 2, 4, 4));
	cr_expect(nn_same_bits(gr_feature_map(encoder, image), gr_prior_encode(p, image)));
	cr_expect(nn_same_bits(gr_feature_map(decoder, state), gr_prior_decode(p, state)));
	cr_expect(gr_is_same_shape(gr_feature_map(there, state), state));
	cr_expect(gr_is_same_shape(gr_feature_map(back, image), image));
	cr_expect_eq(gr_feature_get_domain(decoder), GR_FEATURE_OF_STATES);
	cr_expect_eq(gr_feature_get_domain(back), GR_FEATURE_OF_IMAGES);
	gr_feature_release(encoder);
	gr_feature_release(decoder);
	gr_feature_release(there);
	gr_feature_release(back);
	gr_prior_free(p);
}

/* --- folders --- */

static void write_text(const char *folder, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/config.json", folder);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fputs(text, f);
	fclose(f);
}

static void write_weights(const char *folder, gr_module *m)
{
	char path[256];
	gr_archive *a = gr_archive_new();
	snprintf(path, sizeof path, "%s/weights.safetensors", folder);
	gr_status status = gr_module_init(m, gr_key_seed(3));
	if (!status)
		status = gr_module_save(m, a, GR_F32);
	if (!status)
		status = gr_safetensors_write(path, a);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_archive_free(a);
}

static void remove_folder(const char *folder)
{
	char path[256];
	snprintf(path, sizeof path, "%s/config.json", folder);
	unlink(path);
	snprintf(path, sizeof path, "%s/weights.safetensors", folder);
	unlink(path);
	rmdir(folder);
}

#define HEAD \
	"{\"format\": \"gradus-prior-1\", \"channels\": 1, \"height\": 16, \"width\": 16, " \
	"\"range\": [-1, 1], "

Test(feature, a_dino_of_a_folder)
{
	char folder[] = "/tmp/gradus_feature_XXXXXX";
	const char *made = mkdtemp(folder);
	cr_assert(made);
	gr_vit *net = gr_vit_new(GR_OPTS(gr_vit_config, .img_size = 16, .patch_size = 4, .in_chans = 1,
		.embed_dim = 8, .depth = 1, .num_heads = 2, .no_mask_token = true));
	write_weights(folder, gr_vit_module(net));
	write_text(folder,
		HEAD "\"model\": \"dino\", \"dino\": {\"img_size\": 16, \"patch_size\": 4, "
			 "\"in_chans\": 1, \"embed_dim\": 8, \"depth\": 1, \"num_heads\": 2}}");
	gr_feature *f = NULL;
	gr_status status = gr_feature_open(&f, folder, true);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_tensor *cls = NULL;
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(2, 1, 16, 16));
	gr_tensor *tokens = gr_vit_forward_with(net, x, GR_OPTS(gr_vit_forward_opts, .cls = &cls));
	cr_expect(nn_same_bits(gr_feature_tokens(f, x), gr_stop_gradient(tokens)));
	cr_expect(nn_same_bits(gr_feature_vector(f, x), gr_stop_gradient(cls)));
	cr_expect_eq(gr_tensor_dim(gr_feature_map(f, x), 3), 4);
	cr_expect_not(gr_is_tracked(gr_feature_map(f, x)), "weights are constants");
	/* any size is brought to that of the folder */
	cr_expect_eq(gr_tensor_dim(gr_feature_tokens(f, nn_normal(2, GR_F32, GR_DIMS(1, 1, 9, 9))), 1),
		16);
	gr_feature_release(f);
	gr_vit_free(net);
	remove_folder(folder);
	cr_expect_not(gr_failed(), "%s", gr_error_message());
}

Test(feature, an_autoencoder_of_a_folder)
{
	char folder[] = "/tmp/gradus_feature_XXXXXX";
	const char *made = mkdtemp(folder);
	cr_assert(made);
	gr_vae *net = gr_vae_new(GR_OPTS(gr_vae_config, .scale_factor = 0.5,
		.coder = {.ch = 4,
			.num_levels = 2,
			.ch_mult = {1, 2},
			.num_res_blocks = 1,
			.resolution = 16,
			.in_channels = 1,
			.z_channels = 2,
			.norm_groups = 2}));
	write_weights(folder, gr_vae_module(net));
	write_text(folder,
		HEAD "\"model\": \"autoencoder_kl\", \"autoencoder_kl\": {\"ch\": 4, \"ch_mult\": [1, 2], "
			 "\"num_res_blocks\": 1, \"resolution\": 16, \"in_channels\": 1, \"z_channels\": 2, "
			 "\"norm_groups\": 2, \"scale_factor\": 0.5}}");
	gr_feature *f = NULL;
	gr_status status = gr_feature_open(&f, folder, false);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(2, 1, 16, 16));
	gr_tensor *mode = gr_stop_gradient(gr_vae_encode(net, x, NULL));
	cr_expect(nn_same_bits(gr_feature_map(f, x), mode));
	cr_expect(nn_same_bits(gr_feature_map(f, gr_cast(x, GR_F64)), gr_cast(mode, GR_F64)));
	gr_feature_release(f);
	gr_vae_free(net);
	remove_folder(folder);
}

Test(feature, an_mpe_cnn_of_a_folder_and_what_is_none)
{
	char folder[] = "/tmp/gradus_feature_XXXXXX";
	const char *made = mkdtemp(folder);
	cr_assert(made);
	gr_mpe_cnn *net =
		gr_mpe_cnn_new(GR_OPTS(gr_mpe_cnn_config, .in_channels = 1, .width = 4, .num_blocks = 2));
	write_weights(folder, gr_mpe_cnn_module(net));
	write_text(folder,
		HEAD "\"model\": \"mpe_cnn\", \"mpe_cnn\": {\"in_channels\": 1, \"width\": 4, "
			 "\"num_blocks\": 2}}");
	gr_feature *f = NULL;
	gr_status status = gr_feature_open(&f, folder, false);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(2, 1, 16, 16));
	gr_tensor *map = gr_stop_gradient(gr_mpe_cnn_forward(net, x, NULL));
	cr_expect(nn_same_bits(gr_feature_map(f, x), map));
	cr_expect_eq(gr_tensor_dim(gr_feature_vector(f, x), 1), 8);
	gr_feature_release(f);
	gr_mpe_cnn_free(net);
	const struct {
		const char *text, *word;
		gr_status code;
	} wrong[] = {
		{HEAD "\"model\": \"unet\", \"unet\": {}}", "no feature network", GR_EUNSUPPORTED},
		{HEAD "\"model\": \"mpe_cnn\"}", "mpe_cnn", GR_EFORMAT},
		{"{", "config.json", GR_EFORMAT},
	};
	for (int i = 0; i < 3; i++) {
		write_text(folder, wrong[i].text);
		status = gr_feature_open(&f, folder, false);
		cr_expect_eq(status, wrong[i].code, "%s", gr_error_message());
		cr_expect_not_null(strstr(gr_error_message(), wrong[i].word), "%s", gr_error_message());
		cr_expect_null(f);
		gr_error_clear();
	}
	remove_folder(folder);
	status = gr_feature_open(&f, folder, false);
	cr_expect_eq(status, GR_EIO);
	gr_error_clear();
}
