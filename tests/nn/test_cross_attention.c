/* Attention to a context against its definition. */
#include <criterion/criterion.h>

#include <math.h>

#include "nn_check.h"

static gr_tensor *context_of(gr_dtype dtype)
{
	return nn_normal(9, dtype, GR_DIMS(2, 4, 3));
}

static gr_tensor *forward(const void *layer, gr_tensor *x)
{
	return gr_crossattention_forward(layer, x, context_of(GR_F64));
}

static gr_tensor *times(gr_tensor *x, gr_module *root, const char *name)
{
	return gr_matmul(x, gr_transpose(gr_module_find(root, name), 0, 1));
}

Test(cross_attention, by_definition)
{
	enum { D = 5, K = 3, INNER = 4, HEADS = 2, W = INNER / HEADS };
	gr_module *root = gr_module_new();
	gr_module_set_dtype(root, GR_F64);
	gr_crossattention *l = gr_crossattention_new(root, "a",
		GR_OPTS(gr_crossattention_opts, .dim = D, .context = K, .inner = INNER, .heads = HEADS));
	cr_assert_eq(gr_module_init(root, gr_key_seed(1)), GR_OK);
	cr_assert_eq(gr_module_param_count(root), 5);
	gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, 6, D)), *c = context_of(GR_F64);
	gr_tensor *q = times(x, root, "a.to_q.weight"), *k = times(c, root, "a.to_k.weight");
	gr_tensor *v = times(c, root, "a.to_v.weight"), *head[HEADS];
	for (int h = 0; h < HEADS; h++) {
		gr_tensor *kh = gr_transpose(gr_slice(k, 2, h * W, (h + 1) * W, 1), 1, 2);
		gr_tensor *p = gr_matmul(gr_slice(q, 2, h * W, (h + 1) * W, 1), kh);
		p = gr_softmax(gr_mul_s(p, 1.0 / sqrt((double)W)));
		head[h] = gr_matmul(p, gr_slice(v, 2, h * W, (h + 1) * W, 1));
	}
	gr_tensor *y = times(gr_concat(HEADS, head, 2), root, "a.to_out.0.weight");
	y = gr_add(y, gr_module_find(root, "a.to_out.0.bias"));
	cr_assert_lt(nn_distance(gr_crossattention_forward(l, x, c), y), 1e-12);
	cr_assert_lt(nn_gradient_error(root, forward, l, x), 1e-7);
	gr_module_free(root);
}

Test(cross_attention, without_context_it_attends_to_itself)
{
	gr_module *root = gr_module_new();
	gr_crossattention *l = gr_crossattention_new(root, "a",
		GR_OPTS(gr_crossattention_opts, .dim = 4, .heads = 2, .qkv_bias = true));
	cr_assert_eq(gr_module_init(root, gr_key_seed(1)), GR_OK);
	cr_assert_eq(gr_module_param_count(root), 8);
	gr_tensor *x = nn_normal(2, GR_F32, GR_DIMS(2, 6, 4));
	cr_assert(
		nn_same_bits(gr_crossattention_forward(l, x, NULL), gr_crossattention_forward(l, x, x)));
	cr_assert_null(
		gr_crossattention_new(root, "b", GR_OPTS(gr_crossattention_opts, .dim = 6, .heads = 4)));
	cr_assert_eq(gr_module_status(root), GR_EARG);
	gr_error_clear();
	gr_module_free(root);
}
