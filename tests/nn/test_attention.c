/* Multi-head self-attention against its definition. */
#include <criterion/criterion.h>

#include <math.h>

#include "nn_check.h"

static gr_tensor *forward(const void *layer, gr_tensor *x)
{
	return gr_multihead_forward(layer, x);
}

Test(attention, heads_split_and_merge)
{
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(2, 5, 12));
	gr_tensor *h = gr_split_heads(x, 3);
	cr_assert(gr_is_same_shape(h, gr_zeros(GR_F32, GR_DIMS(2, 3, 5, 4))));
	cr_assert_eq(gr_tensor_at(h, (const int64_t[]){1, 2, 4, 3}),
		gr_tensor_at(x, (const int64_t[]){1, 4, 11}));
	cr_assert(nn_same_bits(gr_merge_heads(h), x));
	cr_assert_null(gr_split_heads(x, 5));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
}

Test(attention, by_definition)
{
	enum { L = 5, D = 6, HEADS = 2, W = D / HEADS };
	gr_module *root = gr_module_new();
	gr_module_set_dtype(root, GR_F64);
	gr_multihead *l =
		gr_multihead_new(root, "attn", GR_OPTS(gr_multihead_opts, .dim = D, .heads = HEADS));
	cr_assert_eq(gr_module_init(root, gr_key_seed(1)), GR_OK);
	gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(1, L, D));
	gr_tensor *w = gr_module_find(root, "attn.qkv.weight");
	gr_tensor *rows = gr_reshape(x, GR_DIMS(L, D));
	gr_tensor *qkv =
		gr_add(gr_matmul(rows, gr_transpose(w, 0, 1)), gr_module_find(root, "attn.qkv.bias"));
	gr_tensor *head[HEADS];
	for (int h = 0; h < HEADS; h++) {
		gr_tensor *q = gr_slice(qkv, 1, h * W, (h + 1) * W, 1);
		gr_tensor *k = gr_slice(qkv, 1, D + h * W, D + (h + 1) * W, 1);
		gr_tensor *v = gr_slice(qkv, 1, 2 * D + h * W, 2 * D + (h + 1) * W, 1);
		gr_tensor *p = gr_mul_s(gr_matmul(q, gr_transpose(k, 0, 1)), 1.0 / sqrt((double)W));
		head[h] = gr_matmul(gr_softmax(p), v);
	}
	gr_tensor *proj = gr_transpose(gr_module_find(root, "attn.proj.weight"), 0, 1);
	gr_tensor *y =
		gr_add(gr_matmul(gr_concat(HEADS, head, 1), proj), gr_module_find(root, "attn.proj.bias"));
	cr_assert_lt(nn_distance(gr_multihead_forward(l, x), gr_reshape(y, GR_DIMS(1, L, D))), 1e-12);
	x = nn_normal(3, GR_F64, GR_DIMS(2, L, D));
	cr_assert_lt(nn_gradient_error(root, forward, l, x), 1e-7);
	gr_module_free(root);
}

Test(attention, refuses_uneven_heads)
{
	gr_module *root = gr_module_new();
	cr_assert_null(gr_multihead_new(root, "a", GR_OPTS(gr_multihead_opts, .dim = 6, .heads = 4)));
	cr_assert_eq(gr_module_status(root), GR_EARG);
	gr_error_clear();
	gr_module_free(root);
}

/* With queries and keys normalised, their scale is no matter: q_norm and k_norm see to it. */
Test(attention, normalised_queries_and_keys)
{
	gr_module *root = gr_module_new();
	gr_module_set_dtype(root, GR_F64);
	gr_multihead *l = gr_multihead_new(root, "attn",
		GR_OPTS(gr_multihead_opts, .dim = 8, .heads = 2, .qk_norm = true, .no_qkv_bias = true,
			.no_proj_bias = true));
	cr_assert_eq(gr_module_init(root, gr_key_seed(1)), GR_OK);
	cr_assert_eq(gr_module_param_count(root), 6);
	cr_assert_eq(gr_tensor_dim(gr_module_find(root, "attn.q_norm.weight"), 0), 4);
	gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, 5, 8));
	cr_assert_lt(nn_gradient_error(root, forward, l, x), 1e-7);
	gr_tensor *y = gr_multihead_forward(l, x);
	gr_tensor *w = gr_module_find(root, "attn.qkv.weight");
	const bool recording = gr_set_recording(false);
	gr_tensor *larger = gr_concat(2,
		(gr_tensor *const[]){gr_mul_s(gr_slice(w, 0, 0, 16, 1), 30.0), gr_slice(w, 0, 16, 24, 1)},
		0);
	cr_assert_eq(gr_param_update(w, larger), GR_OK);
	gr_set_recording(recording);
	cr_assert_lt(nn_distance(gr_multihead_forward(l, x), y), 1e-3); /* eps of the norms remains */
	gr_module_free(root);
}
