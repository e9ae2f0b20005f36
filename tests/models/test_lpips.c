/* LPIPS: sizes, the published heads, what it is 0 for, gradients, errors. Values: test_variants.c. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gradus/checkpoint.h"
#include "gradus/lpips.h"
#include "nn_check.h"

static const char *const names[] = {"alex", "vgg", "squeeze"};

static gr_lpips *build(gr_lpips_net net, int64_t shrink, gr_dtype dtype)
{
	gr_lpips *l =
		gr_lpips_new(GR_OPTS(gr_lpips_config, .net = net, .shrink = shrink, .dtype = dtype));
	cr_assert_not_null(l, "%s", gr_error_message());
	return l;
}

/* Numbers of torchvision's `features`, and of the heads. */
Test(lpips, published_sizes)
{
	static const int64_t sizes[][2] = {{2469696, 1152}, {14714688, 1472}, {722496, 2240}};
	for (int i = 0; i < 3; i++) {
		gr_lpips *l = build((gr_lpips_net)i, 1, GR_F32);
		int64_t heads = 0, all = gr_module_size(gr_lpips_module(l));
		const gr_param *p;
		for (int64_t k = 0; (p = gr_module_param_handle(gr_lpips_module(l), k)) != NULL; k++)
			heads += strncmp(gr_param_name(p), "lin", 3) == 0 ? gr_param_dims(p)[1] : 0;
		cr_assert_eq(heads, sizes[i][1]);
		cr_assert_eq(all - heads, sizes[i][0], "%s: %lld", names[i], (long long)(all - heads));
		gr_lpips_free(l);
	}
}

static const char *heads_path(const char *version, const char *net)
{
	static char path[512];
	const char *shared = getenv("GRADUS_SHARED");
	snprintf(path, sizeof path, "%s/data/lpips-heads/%s/%s.pth", shared == NULL ? "" : shared,
		version, net);
	if (access(path, R_OK) == 0)
		return path;
	printf("skipped: no %s (GRADUS_SHARED)\n", path);
	return NULL;
}

static gr_status load(gr_lpips *l, const char *path)
{
	gr_tensorfile *f = NULL;
	cr_assert_eq(gr_checkpoint_open(&f, path, NULL), GR_OK, "%s", gr_error_message());
	const gr_status status = gr_lpips_load(l, f);
	gr_tensorfile_close(f);
	return status;
}

/* Both versions of the heads as published; with them the distance is no longer negative. */
Test(lpips, published_heads)
{
	static const char *const versions[] = {"v0.0", "v0.1"};
	for (int k = 0; k < 6; k++) {
		const char *path = heads_path(versions[k % 2], names[k / 2]);
		if (path == NULL)
			return;
		gr_lpips *l = build((gr_lpips_net)(k / 2), 1, GR_F32);
		gr_module *m = gr_lpips_module(l);
		cr_assert_eq(load(l, path), GR_OK, "%s", gr_error_message());
		cr_assert_geq(gr_item(gr_min(gr_module_find(m, "lin4.model.1.weight"), GR_ALL_AXES, false)),
			0.0);
		cr_assert_null(gr_module_find(m, "net.slice1.0.weight"));
		cr_assert_eq(gr_error_code(), GR_ESTATE); /* the backbone has no values yet */
		gr_error_clear();
		gr_lpips_free(l);
	}
	const char *path = heads_path("v0.1", "vgg");
	gr_lpips *l = build(GR_LPIPS_ALEX, 1, GR_F32);
	cr_assert_eq(load(l, path), GR_EFORMAT);
	cr_assert_not_null(strstr(gr_error_message(), "mis-shaped lin1.model.1.weight"), "%s",
		gr_error_message());
	gr_error_clear();
	gr_lpips_free(l);
}

static void write_file(const char *path, gr_lpips *from, bool classifier)
{
	static const char *const keys[][2] = {{"net.slice1.0.", "features.0."},
		{"net.slice2.3.", "features.3."}, {"net.slice2.4.", "features.4."},
		{"net.slice3.6.", "features.6."}, {"net.slice3.7.", "features.7."},
		{"net.slice4.9.", "features.9."}, {"net.slice5.10.", "features.10."},
		{"net.slice6.11.", "features.11."}, {"net.slice7.12.", "features.12."}};
	gr_module *m = gr_lpips_module(from);
	gr_archive *a = gr_archive_new();
	for (int64_t i = 0; i < gr_module_param_count(m); i++) {
		const char *name = gr_module_param_name(m, i);
		gr_tensor *t = gr_stop_gradient(gr_module_param(m, i));
		char key[128] = "";
		for (size_t k = 0; k < sizeof keys / sizeof *keys && classifier; k++)
			if (strncmp(name, keys[k][0], strlen(keys[k][0])) == 0)
				snprintf(key, sizeof key, "%s%s", keys[k][1], name + strlen(keys[k][0]));
		if (!classifier)
			snprintf(key, sizeof key, "%s", name);
		if (key[0] != '\0')
			cr_assert_eq(gr_archive_add(a, key, t), GR_OK);
		if (!classifier && strncmp(name, "lin", 3) == 0) { /* the reference saves them twice */
			snprintf(key, sizeof key, "lins.%c%s", name[3], name + 4);
			cr_assert_eq(gr_archive_add(a, key, t), GR_OK);
		}
	}
	const char *extra = classifier ? "classifier.1.weight" : "scaling_layer.shift";
	cr_assert_eq(gr_archive_add(a, extra, gr_zeros(GR_F32, GR_DIMS(1, 3, 1, 1))), GR_OK);
	cr_assert_eq(gr_safetensors_write(path, a), GR_OK);
	gr_archive_free(a);
}

/* The classifier by torchvision's names, then the whole by the reference's. */
Test(lpips, names_of_the_files)
{
	char path[64];
	snprintf(path, sizeof path, "/tmp/gradus_lpips_%d.safetensors", (int)getpid());
	for (int whole = 0; whole < 2; whole++) {
		gr_lpips *from = build(GR_LPIPS_SQUEEZE, 16, GR_F32);
		gr_lpips *to = build(GR_LPIPS_SQUEEZE, 16, GR_F32);
		cr_assert_eq(gr_module_init(gr_lpips_module(from), gr_key_seed(1)), GR_OK);
		cr_assert_eq(gr_module_init(gr_lpips_module(to), gr_key_seed(2)), GR_OK);
		write_file(path, from, whole == 0);
		cr_assert_eq(load(to, path), GR_OK, "%s", gr_error_message());
		for (int64_t i = 0; i < gr_module_param_count(gr_lpips_module(from)); i++) {
			const char *name = gr_module_param_name(gr_lpips_module(from), i);
			const bool same = nn_same_bits(gr_module_param(gr_lpips_module(from), i),
				gr_module_param(gr_lpips_module(to), i));
			cr_assert_eq(same, whole == 1 || name[0] == 'n', "%s", name);
		}
		gr_lpips_free(from);
		gr_lpips_free(to);
	}
	remove(path);
}

typedef struct pair {
	gr_lpips *l;
	gr_tensor *reference;
} pair;

static gr_tensor *distance(const void *ctx, gr_tensor *x)
{
	const pair *p = ctx;
	return gr_lpips_distance(p->l, x, p->reference);
}

Test(lpips, gradients)
{
	for (int i = 0; i < 3; i++) {
		gr_lpips *l = build((gr_lpips_net)i, 8, GR_F64);
		cr_assert_eq(gr_module_init(gr_lpips_module(l), gr_key_seed(3)), GR_OK);
		gr_tensor *x = nn_normal(6, GR_F64, GR_DIMS(2, 3, 36, 33)); /* no kink near */
		pair p = {l, nn_normal(4, GR_F64, GR_DIMS(2, 3, 36, 33))};
		const double error = nn_gradient_error(NULL, distance, &p, x);
		printf("lpips %s: gradient %.1e\n", names[i], error);
		cr_assert_lt(error, 1e-6, "%s", names[i]);
		gr_tensor *own = gr_lpips_distance(l, x, x);
		cr_assert_eq(gr_item(gr_norm(own, GR_ALL_AXES, false)), 0.0);
		gr_lpips_free(l);
	}
}

/* A sample's distance does not depend on its batch. */
Test(lpips, batch)
{
	gr_lpips *l = build(GR_LPIPS_ALEX, 8, GR_F32);
	cr_assert_eq(gr_module_init(gr_lpips_module(l), gr_key_seed(5)), GR_OK);
	gr_tensor *x = nn_normal(6, GR_F32, GR_DIMS(3, 3, 40, 40));
	gr_tensor *y = nn_normal(7, GR_F32, GR_DIMS(3, 3, 40, 40));
	gr_tensor *all = gr_lpips_distance(l, x, y);
	for (int64_t i = 0; i < 3; i++) {
		gr_tensor *one = gr_lpips_distance(l, gr_contiguous(gr_slice(x, 0, i, i + 1, 1)),
			gr_contiguous(gr_slice(y, 0, i, i + 1, 1)));
		cr_assert(nn_same_bits(one, gr_slice(all, 0, i, i + 1, 1)));
	}
	gr_lpips_free(l);
}

Test(lpips, refuses_what_does_not_fit)
{
	cr_assert_null(gr_lpips_new(GR_OPTS(gr_lpips_config, .shrink = -1)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_lpips *l = gr_lpips_new(NULL);
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(1, 3, 64, 64));
	cr_assert_null(gr_lpips_distance(l, x, nn_normal(1, GR_F32, GR_DIMS(1, 3, 64, 32))));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	x = nn_normal(1, GR_F32, GR_DIMS(1, 1, 64, 64));
	cr_assert_null(gr_lpips_distance(l, x, x));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_lpips_free(l);
}
