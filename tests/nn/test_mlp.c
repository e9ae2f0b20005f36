/* Feed-forward blocks and their activations against their definitions. */
#include <criterion/criterion.h>

#include <math.h>

#include "nn_check.h"

static gr_tensor *forward(const void *layer, gr_tensor *x)
{
	return gr_mlp_forward(layer, x);
}

Test(mlp, activations)
{
	static const double x[] = {-3.0, -0.5, 0.0, 0.7, 4.0};
	for (int how = GR_ACT_GELU; how <= GR_ACT_RELU; how++) {
		gr_tensor *y = gr_activate(gr_from_f64(GR_F64, x, GR_DIMS(5)), (gr_activation)how);
		for (int64_t i = 0; i < 5; i++) {
			const double u = x[i], cubic = sqrt(2.0 / acos(-1.0)) * (u + 0.044715 * u * u * u);
			const double expected[] = {0.5 * u * (1.0 + erf(u / sqrt(2.0))),
				0.5 * u * (1.0 + tanh(cubic)), u / (1.0 + exp(-1.702 * u)), u / (1.0 + exp(-u)),
				fmax(u, 0.0)};
			cr_assert_float_eq(gr_tensor_at(y, &i), expected[how], 1e-12, "%d of %g", how, u);
		}
	}
	cr_assert_null(gr_activate(gr_zeros(GR_F64, GR_DIMS(2)), (gr_activation)9));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
}

Test(mlp, by_definition)
{
	enum { D = 4, H = 6 };
	static const gr_gate gates[] = {GR_GATE_NONE, GR_GATE_FIRST, GR_GATE_SECOND};
	for (int g = 0; g < 3; g++) {
		gr_module *root = gr_module_new();
		gr_module_set_dtype(root, GR_F64);
		gr_mlp *l = gr_mlp_new(root, "m",
			GR_OPTS(gr_mlp_opts, .dim = D, .hidden = H, .activation = GR_ACT_SILU, .gate = gates[g],
				.second_name = "out.0"));
		cr_assert_eq(gr_module_init(root, gr_key_seed(1)), GR_OK);
		gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, 3, D));
		gr_tensor *w = gr_module_find(root, "m.fc1.weight"),
				  *b = gr_module_find(root, "m.fc1.bias");
		cr_assert_eq(gr_tensor_dim(w, 0), gates[g] == GR_GATE_NONE ? H : 2 * H);
		gr_tensor *h = gr_add(gr_matmul(x, gr_transpose(w, 0, 1)), b);
		gr_tensor *first = gr_slice(h, 2, 0, H, 1), *second = gr_slice(h, 2, H, 2 * H, 1);
		gr_tensor *middle[] = {gr_silu(h), gr_mul(gr_silu(first), second),
			gr_mul(first, gr_silu(second))};
		w = gr_transpose(gr_module_find(root, "m.out.0.weight"), 0, 1);
		gr_tensor *y = gr_add(gr_matmul(middle[g], w), gr_module_find(root, "m.out.0.bias"));
		cr_assert_lt(nn_distance(gr_mlp_forward(l, x), y), 1e-12);
		cr_assert_lt(nn_gradient_error(root, forward, l, x), 1e-7);
		gr_module_free(root);
	}
}
