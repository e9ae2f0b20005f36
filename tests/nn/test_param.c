/* Values of parameters: when they exist, when they are tracked. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/io.h"
#include "nn_check.h"

Test(param, has_no_values_before_init)
{
	gr_module *root = gr_module_new();
	gr_param *p = gr_module_add_param(root, "w", NULL, GR_DIMS(2));
	cr_assert_null(gr_param_tensor(p));
	cr_assert_eq(gr_error_code(), GR_ESTATE);
	gr_error_clear();
	cr_assert_eq(gr_module_init(root, gr_key_seed(0)), GR_OK);
	cr_assert_not_null(gr_param_tensor(p));
	gr_module_free(root);
}

Test(param, update_reaches_the_layer)
{
	gr_module *root = gr_module_new();
	gr_linear *l = gr_linear_new(root, "l", GR_OPTS(gr_linear_opts, .in = 1, .out = 1));
	cr_assert_eq(gr_module_init(root, gr_key_seed(0)), GR_OK);
	gr_tensor *w = gr_module_find(root, "l.weight"), *b = gr_module_find(root, "l.bias");
	cr_assert_eq(gr_param_update(w, gr_full(GR_F32, GR_DIMS(1, 1), 3.0)), GR_OK);
	cr_assert_eq(gr_param_update(b, gr_full(GR_F32, GR_DIMS(1), 0.5)), GR_OK);
	gr_tensor *y = gr_linear_forward(l, gr_full(GR_F32, GR_DIMS(1, 1), 2.0));
	cr_assert_eq(gr_item(y), 6.5);
	gr_module_free(root);
}

Test(param, frozen_records_nothing)
{
	gr_module *root = gr_module_new();
	gr_linear *l = gr_linear_new(root, "l", GR_OPTS(gr_linear_opts, .in = 3, .out = 2));
	cr_assert_eq(gr_module_init(root, gr_key_seed(0)), GR_OK);
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(4, 3));
	cr_assert(gr_is_tracked(gr_linear_forward(l, x)));

	cr_assert_eq(gr_module_set_trainable(root, false), GR_OK);
	cr_assert_not(gr_is_tracked(gr_module_param(root, 0)));
	cr_assert_not(gr_is_tracked(gr_linear_forward(l, x)));
	cr_assert(gr_is_tracked(gr_linear_forward(l, gr_watch(x))));

	cr_assert_eq(gr_module_set_trainable(root, true), GR_OK);
	cr_assert(gr_is_tracked(gr_linear_forward(l, x)));
	cr_assert_not(gr_failed());
	gr_module_free(root);
}

Test(param, frozen_before_init)
{
	gr_module *root = gr_module_new();
	gr_module_add_param(root, "w", NULL, GR_DIMS(2));
	cr_assert_eq(gr_module_set_trainable(root, false), GR_OK);
	cr_assert_eq(gr_module_init(root, gr_key_seed(0)), GR_OK);
	cr_assert_not(gr_is_tracked(gr_module_param(root, 0)));
	gr_module_free(root);
}

/* A small network: a convolution, a linear layer, a table. */
typedef struct half_net {
	gr_module *root;
	gr_conv *conv;
	gr_linear *linear;
	gr_embedding *table;
} half_net;

static half_net half_new(void)
{
	half_net n = {.root = gr_module_new()};
	n.conv = gr_conv_new(n.root, "conv", GR_OPTS(gr_conv_layer_opts, .in = 3, .out = 8));
	n.linear = gr_linear_new(n.root, "linear", GR_OPTS(gr_linear_opts, .in = 8, .out = 40));
	n.table = gr_embedding_new(n.root, "table", GR_OPTS(gr_embedding_opts, .count = 9, .dim = 8));
	cr_assert_eq(gr_module_status(n.root), GR_OK);
	return n;
}

static gr_tensor *half_forward(const half_net *n, gr_tensor *x)
{
	gr_tensor *h = gr_mean(gr_conv_forward(n->conv, x), GR_AXES(2, 3), false);
	h = gr_add(h, gr_embedding_forward(n->table, gr_arange(GR_I64, 2, 3.0, 1.0)));
	return gr_linear_forward(n->linear, h);
}

/* Kept in half the size: the result of weights that are rounded to that type and widened again. */
Test(param, narrow_storage)
{
	static const gr_dtype types[] = {GR_F16, GR_BF16};
	for (int k = 0; k < 2; k++) {
		half_net narrow = half_new(), wide = half_new();
		gr_archive *a = gr_archive_new();
		gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(2, 3, 8, 8));
		cr_assert_eq(gr_module_init(narrow.root, gr_key_seed(3)), GR_OK);
		cr_assert_eq(gr_module_set_storage(narrow.root, types[k]), GR_OK);
		cr_assert_eq(gr_module_save(narrow.root, a, GR_F32), GR_OK);
		cr_assert_eq(gr_module_load(wide.root, a, NULL), GR_OK);
		gr_tensor *y = half_forward(&narrow, x);
		cr_assert(nn_same_bits(y, half_forward(&wide, x)));
		cr_assert_eq(gr_tensor_dtype(gr_module_find(narrow.root, "conv.weight")), GR_F32);
		/* Loading rounds, too. */
		cr_assert_eq(gr_module_init(narrow.root, gr_key_seed(4)), GR_OK);
		cr_assert_eq(gr_module_load(narrow.root, a, NULL), GR_OK);
		cr_assert(nn_same_bits(y, half_forward(&narrow, x)));
		/* The gradient of the input, and back to the wide type. */
		gr_tensor *g[2], *in = gr_watch(x);
		const half_net *nets[] = {&narrow, &wide};
		cr_assert_eq(gr_module_set_trainable(wide.root, false), GR_OK);
		for (int i = 0; i < 2; i++)
			cr_assert_eq(gr_grad(&g[i], gr_sum(half_forward(nets[i], in), GR_ALL_AXES, false), 1,
							 &in, NULL),
				GR_OK);
		cr_assert(nn_same_bits(g[0], g[1]));
		cr_assert_eq(gr_module_set_storage(narrow.root, GR_F32), GR_OK);
		cr_assert_eq(gr_module_set_trainable(narrow.root, true), GR_OK);
		cr_assert(gr_is_tracked(half_forward(&narrow, x)));
		gr_archive_free(a);
		gr_module_free(narrow.root);
		gr_module_free(wide.root);
	}
}

Test(param, narrow_storage_takes_half)
{
	gr_module *m[2];
	uint64_t bytes[2];
	for (int i = 0; i < 2; i++) {
		m[i] = gr_module_new();
		gr_linear_new(m[i], "l", GR_OPTS(gr_linear_opts, .in = 256, .out = 512));
		if (i == 1)
			cr_assert_eq(gr_module_set_storage(m[i], GR_F16), GR_OK);
		const uint64_t before = gr_memory_stats().bytes_in_use;
		cr_assert_eq(gr_module_init(m[i], gr_key_seed(1)), GR_OK);
		bytes[i] = gr_memory_stats().bytes_in_use - before;
	}
	cr_assert_lt((double)bytes[1], 0.51 * (double)bytes[0]);
	gr_module_free(m[0]);
	gr_module_free(m[1]);
}

Test(param, narrow_storage_refuses)
{
	gr_module *root = gr_module_new();
	gr_linear_new(root, "l", GR_OPTS(gr_linear_opts, .in = 2, .out = 2));
	cr_assert_eq(gr_module_set_storage(root, GR_I64), GR_EDTYPE);
	gr_error_clear();
	cr_assert_eq(gr_module_init(root, gr_key_seed(1)), GR_OK);
	gr_tensor *large = gr_full(GR_F32, GR_DIMS(2, 2), 1e5);
	cr_assert_eq(gr_param_update(gr_module_find(root, "l.weight"), large), GR_OK);
	cr_assert_eq(gr_module_set_storage(root, GR_F16), GR_ENUMERIC);
	cr_assert_not_null(strstr(gr_error_message(), "'l.weight'"));
	gr_error_clear();
	cr_assert_eq(gr_item(gr_max(gr_module_find(root, "l.weight"), GR_ALL_AXES, false)), 1e5);
	/* What is beyond any float is nobody's mistake; a finite value that bf16 makes infinite is. */
	large = gr_full(GR_F32, GR_DIMS(2, 2), INFINITY);
	cr_assert_eq(gr_param_update(gr_module_find(root, "l.weight"), large), GR_OK);
	cr_assert_eq(gr_module_set_storage(root, GR_BF16), GR_OK);
	cr_assert_eq(gr_module_set_trainable(root, true), GR_ESTATE);
	gr_error_clear();
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_archive_add(a, "l.weight", gr_full(GR_F32, GR_DIMS(2, 2), 3.4e38)), GR_OK);
	cr_assert_eq(gr_archive_add(a, "l.bias", gr_zeros(GR_F32, GR_DIMS(2))), GR_OK);
	cr_assert_eq(gr_module_load(root, a, NULL), GR_ENUMERIC);
	gr_archive_free(a);
	gr_error_clear();
	gr_module_free(root);
}
