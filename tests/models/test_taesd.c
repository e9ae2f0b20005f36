/* TAESD: names and sizes of the public files, the values of taef2, options. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <unistd.h>

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
