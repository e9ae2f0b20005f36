/* Residual networks: published sizes, the trunk of a classifier's file, stages, gradients, errors.
 * Values: test_variants.c. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <unistd.h>

#include "gradus/checkpoint.h"
#include "gradus/resnet.h"
#include "nn_check.h"

/* Numbers that torchvision states for its weights. */
Test(resnet, published_sizes)
{
	static const struct {
		gr_resnet_config config;
		int64_t size;
	} published[] = {
		{{.num_classes = 1000}, 25557032}, {{.num_classes = 0}, 23508032},
		{{.block = GR_RESNET_BASIC, .num_stages = 4, .layers = {2, 2, 2, 2}, .num_classes = 1000},
			11689512},
		{{.num_stages = 4, .layers = {3, 4, 23, 3}, .num_classes = 1000}, 44549160},
		{{.groups = 32, .width_per_group = 4, .num_classes = 1000}, 25028904},
		{{.width_per_group = 128, .num_classes = 1000}, 68883240}, /* wide */
	};
	for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
		gr_resnet *r = gr_resnet_new(&published[i].config);
		cr_assert_not_null(r, "%s", gr_error_message());
		cr_assert_eq(gr_module_size(gr_resnet_module(r)), published[i].size, "case %zu: %lld", i,
			(long long)gr_module_size(gr_resnet_module(r)));
		gr_resnet_free(r);
	}
}

static gr_resnet *build(int64_t classes, gr_dtype dtype)
{
	gr_resnet *r = gr_resnet_new(GR_OPTS(gr_resnet_config, .num_stages = 4, .layers = {1, 1, 1, 1},
		.width = 4, .num_classes = classes, .dtype = dtype));
	cr_assert_not_null(r, "%s", gr_error_message());
	cr_assert_eq(gr_module_init(gr_resnet_module(r), gr_key_seed(1)), GR_OK);
	return r;
}

static gr_tensor *forward(const void *r, gr_tensor *x)
{
	return gr_resnet_forward(r, x, NULL);
}

Test(resnet, gradients)
{
	gr_resnet *r = build(0, GR_F64);
	gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, 3, 40, 33));
	cr_assert_lt(nn_gradient_error(NULL, forward, r, x), 1e-6);
	gr_resnet_free(r);
}

Test(resnet, stages)
{
	gr_resnet *r = build(5, GR_F32);
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(1, 3, 64, 33)), *pooled = NULL, *logits = NULL;
	gr_tensor *y = gr_resnet_forward(r, x,
		GR_OPTS(gr_resnet_forward_opts, .pooled = &pooled, .logits = &logits));
	cr_assert(gr_tensor_dim(y, 1) == 128 && gr_tensor_dim(y, 2) == 2 && gr_tensor_dim(y, 3) == 2);
	cr_assert(gr_tensor_dim(pooled, 1) == 128 && gr_tensor_dim(logits, 1) == 5);
	y = gr_resnet_forward(r, x, GR_OPTS(gr_resnet_forward_opts, .logits = &logits, .stages = 2));
	cr_assert(gr_tensor_dim(y, 1) == 32 && gr_tensor_dim(y, 2) == 8);
	cr_assert_null(logits);
	gr_resnet_free(r);
}

/* A trunk takes a classifier's file and leaves its last layer out. */
Test(resnet, trunk_of_a_classifier)
{
	char path[64];
	snprintf(path, sizeof path, "/tmp/gradus_resnet_%d.safetensors", (int)getpid());
	gr_resnet *from = build(5, GR_F32), *to = build(0, GR_F32);
	gr_module *m = gr_resnet_module(to);
	cr_assert_eq(gr_module_init(m, gr_key_seed(2)), GR_OK);
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_module_save(gr_resnet_module(from), a, GR_F32), GR_OK);
	cr_assert_eq(gr_archive_add(a, "bn1.num_batches_tracked", gr_arange(GR_I64, 1, 7.0, 1.0)),
		GR_OK);
	cr_assert_eq(gr_safetensors_write(path, a), GR_OK);
	gr_archive_free(a);
	gr_tensorfile *f = NULL;
	cr_assert_eq(gr_checkpoint_open(&f, path, NULL), GR_OK);
	cr_assert_eq(gr_resnet_load(to, f), GR_OK, "%s", gr_error_message());
	gr_tensorfile_close(f);
	remove(path);
	for (int64_t i = 0; i < gr_module_param_count(m); i++)
		cr_assert(nn_same_bits(gr_module_param(m, i), gr_module_param(gr_resnet_module(from), i)));
	gr_resnet_free(from);
	gr_resnet_free(to);
}

static void expect_no_network(gr_resnet_config c)
{
	cr_assert_null(gr_resnet_new(&c));
	cr_assert_eq(gr_error_code(), GR_EARG, "%s", gr_error_message());
	gr_error_clear();
}

Test(resnet, refuses_what_does_not_fit)
{
	expect_no_network((gr_resnet_config){.num_stages = 3, .layers = {1, 1, 1}});
	expect_no_network((gr_resnet_config){.num_stages = 4, .layers = {1, 1, 1, 0}});
	expect_no_network((gr_resnet_config){.block = GR_RESNET_BASIC, .groups = 2});
	expect_no_network((gr_resnet_config){.width = -1});
	gr_resnet *r = build(0, GR_F32);
	cr_assert_null(gr_resnet_forward(r, gr_zeros(GR_F32, GR_DIMS(1, 1, 32, 32)), NULL));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_resnet_free(r);
}
