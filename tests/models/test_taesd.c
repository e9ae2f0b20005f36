/* TAESD: names and sizes of the public files, the values of taef2, options. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gradus/checkpoint.h"
#include "gradus/taesd.h"
#include "nn_check.h"

/* Numbers of taesd (1,222,532 of them in the encoder) and of taef2's files. */
Test(taesd, published_sizes)
{
	static const struct {
		const char *name;
		gr_taesd_config config;
		int64_t encoder, decoder, tensors;
	} published[] = {
		{"taesd", {.latent_channels = 4}, 1222532, 1222531, 67},
		{"taesd3", {.latent_channels = 16}, 1229456, 1229443, 67},
		{"taef2", {.latent_channels = 32, .use_midblock_gn = true}, 1338528, 1338499, 79},
	};
	for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
		gr_taesd *v = gr_taesd_new(&published[i].config);
		cr_assert_not_null(v, "%s", gr_error_message());
		cr_assert_eq(gr_module_size(gr_taesd_encoder(v)), published[i].encoder, "%s: %lld",
			published[i].name, (long long)gr_module_size(gr_taesd_encoder(v)));
		cr_assert_eq(gr_module_size(gr_taesd_decoder(v)), published[i].decoder, "%s: %lld",
			published[i].name, (long long)gr_module_size(gr_taesd_decoder(v)));
		cr_assert_eq(gr_module_param_count(gr_taesd_encoder(v)), published[i].tensors);
		cr_assert_eq(gr_module_param_count(gr_taesd_decoder(v)), published[i].tensors);
		gr_taesd_free(v);
	}
}

static gr_tensor *encode(const void *v, gr_tensor *x)
{
	return gr_taesd_encode(v, x);
}

static gr_tensor *decode(const void *v, gr_tensor *z)
{
	return gr_taesd_decode(v, z);
}

Test(taesd, gradients)
{
	for (int pooled = 0; pooled < 2; pooled++) {
		gr_taesd *v = gr_taesd_new(GR_OPTS(gr_taesd_config, .latent_channels = 3,
			.image_channels = 2, .width = 4, .use_midblock_gn = pooled != 0, .dtype = GR_F64));
		cr_assert_eq(gr_module_init(gr_taesd_module(v), gr_key_seed(3)), GR_OK);
		gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(2, 2, 16, 24));
		gr_tensor *z = nn_normal(4, GR_F64, GR_DIMS(2, 3, 2, 3));
		cr_assert(gr_is_same_shape(encode(v, x), z));
		cr_assert(gr_is_same_shape(decode(v, z), x));
		cr_assert_lt(nn_gradient_error(NULL, encode, v, x), 1e-6);
		cr_assert_lt(nn_gradient_error(NULL, decode, v, z), 1e-6);
		gr_taesd_free(v);
	}
}

static const char *shared_file(const char *file)
{
	static char path[512];
	const char *shared = getenv("GRADUS_SHARED");
	snprintf(path, sizeof path, "%s/data/%s", shared == NULL ? "" : shared, file);
	if (access(path, R_OK) == 0)
		return path;
	printf("skipped: no %s (GRADUS_SHARED)\n", file);
	return NULL;
}

static void load(gr_module *m, const char *file)
{
	gr_tensorfile *f = NULL;
	cr_assert_eq(gr_checkpoint_open(&f, shared_file(file), NULL), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_module_load_file(m, f, NULL), GR_OK, "%s", gr_error_message());
	gr_tensorfile_close(f);
}

static double psnr(gr_tensor *a, gr_tensor *b)
{
	gr_tensor *error = gr_sub(gr_clamp(a, 0.0, 1.0), b);
	return -10.0 * log10(gr_item(gr_mean(gr_square(error), GR_ALL_AXES, false)));
}

/* taef2 as published, f16 in PyTorch's files: its golden values, and a photo of 256 x 256. */
Test(taesd, taef2)
{
	if (shared_file("taef2-vae/taef2_encoder.pth") == NULL)
		return;
	gr_taesd *v =
		gr_taesd_new(GR_OPTS(gr_taesd_config, .latent_channels = 32, .use_midblock_gn = true));
	load(gr_taesd_encoder(v), "taef2-vae/taef2_encoder.pth");
	load(gr_taesd_decoder(v), "taef2-vae/taef2_decoder.pth");
	cr_assert_eq(gr_module_set_trainable(gr_taesd_module(v), false), GR_OK);
	gr_tensor *x = gr_npy_read(shared_file("taef2-vae/golden/x.npy"));
	gr_tensor *z = gr_npy_read(shared_file("taef2-vae/golden/z.npy"));
	gr_tensor *recon = gr_npy_read(shared_file("taef2-vae/golden/recon.npy"));
	const double z_error = nn_distance(gr_taesd_encode(v, x), z);
	const double recon_error = nn_distance(gr_taesd_decode(v, z), recon);
	gr_tensor *photo = gr_png_read(shared_file("natural-256/astronaut_face.png"), NULL);
	photo = gr_unsqueeze(photo, 0);
	const double quality = psnr(gr_taesd_decode(v, gr_taesd_encode(v, photo)), photo);
	printf("taesd taef2: z %.2e, recon %.2e, photo %.2f dB\n", z_error, recon_error, quality);
	cr_assert_lt(z_error, 1e-3);
	cr_assert_lt(recon_error, 1e-3);
	cr_assert_float_eq(quality, 31.9, 0.1);
	gr_taesd_free(v);
}

Test(taesd, refuses_what_does_not_fit)
{
	cr_assert_null(gr_taesd_new(GR_OPTS(gr_taesd_config, .width = -1)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_taesd *v = gr_taesd_new(NULL);
	cr_assert_null(gr_taesd_encode(v, nn_normal(1, GR_F32, GR_DIMS(1, 4, 8, 8))));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_taesd_free(v);
}
