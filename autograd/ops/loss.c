/* Losses and straight-through estimators; see gradus/ops/loss.h for their formulas. */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include <math.h>

#include "gradus/ops.h"
#include "attr.h"
#include "compose_priv.h"
#include "ew_priv.h"
#include "node.h"

/* --- mse, huber ---------------------------------------------------------------------------- */

gr_tensor *gr_mse(gr_tensor *a, gr_tensor *b)
{
	if (!gr__compose_given("mse", 2, (gr_tensor *[]){a, b}))
		return NULL;
	gr_scope_begin();
	return gr__compose_leave(gr_mean(gr_square(gr_sub(a, b)), GR_ALL_AXES, false));
}

static gr_status mse_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	(void)nin, (void)attr;
	return gr__compose_out(out, gr_mse(in[0], in[1]));
}

static const gr_case mse_cases[] = {
	GR_EW_CASE("matrix", -2.0, 2.0, NULL, {3, 4}, {3, 4}),
	GR_EW_CASE("broadcast", -2.0, 2.0, NULL, {3, 4}, {4}),
	GR_EW_CASE("scalar", -2.0, 2.0, NULL, {0}, {0}),
	GR_EW_CASE("odd", -2.0, 2.0, NULL, {3, 37}, {3, 37}),
	GR_EW_KINK("empty", -2.0, 2.0, NULL, {0, 3}, {0, 3}),
};

const gr_op gr_op_mse = {
	.name = "mse",
	.sig = "a b",
	.math = "y = mean (a - b)^2",
	.dmath = "da = 2 g (a - b) / n, db = -da",
	.doc = "Mean squared error; of nothing it is NaN.",
	.nin = 2,
	.nout = 1,
	GR_EW_CASES(mse_cases),
	.compose = mse_compose,
};

/* c (d - c / 2) with c = min(max(d, -delta), delta): d^2 / 2 inside, delta (|d| - delta / 2) beyond */
gr_tensor *gr_huber(gr_tensor *a, gr_tensor *b, double delta)
{
	if (!gr__compose_given("huber", 2, (gr_tensor *[]){a, b}))
		return NULL;
	if (!(delta > 0.0 && isfinite(delta))) {
		gr__fail(GR_EARG, "huber", "delta is %g; hint: it must be positive", delta);
		return NULL;
	}
	gr_scope_begin();
	gr_tensor *d = gr_sub(a, b), *c = gr_clamp(d, -delta, delta);
	return gr__compose_leave(gr_mean(gr_mul(c, gr_axpby(d, 1.0, c, -0.5)), GR_ALL_AXES, false));
}

static gr_status huber_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	(void)nin;
	return gr__compose_out(out, gr_huber(in[0], in[1], ((const gr_scalar_attr *)attr)->s0));
}

static const gr_scalar_attr huber_wide = {5.0, 0.0}, huber_narrow = {0.01, 0.0};
static const gr_case huber_cases[] = {
	GR_EW_CASE("inside", -2.0, 2.0, &huber_wide, {3, 4}, {3, 4}),
	GR_EW_CASE("beyond", -2.0, 2.0, &huber_narrow, {3, 4}, {3, 4}),
	GR_EW_CASE("broadcast", -2.0, 2.0, &huber_wide, {3, 4}, {0}),
};

const gr_op gr_op_huber = {
	.name = "huber",
	.sig = "a b",
	.math = "y = mean of d^2 / 2 if |d| <= s, else s (|d| - s / 2), d = a - b",
	.dmath = "da = g min(max(d, -s), s) / n, db = -da",
	.doc = "Huber's loss.",
	.nin = 2,
	.nout = 1,
	.attr_size = sizeof(gr_scalar_attr),
	GR_EW_CASES(huber_cases),
	.compose = huber_compose,
};

/* --- cross_entropy ------------------------------------------------------------------------- */

gr_tensor *gr_cross_entropy(gr_tensor *x, gr_tensor *labels)
{
	if (!gr__compose_given("cross_entropy", 2, (gr_tensor *[]){x, labels}))
		return NULL;
	if (gr_tensor_ndim(x) != gr_tensor_ndim(labels) + 1) {
		gr__fail(GR_ESHAPE, "cross_entropy", "x has %d dims, labels %d; hint: x is [...,C]",
			gr_tensor_ndim(x), gr_tensor_ndim(labels));
		return NULL;
	}
	gr_scope_begin();
	gr_tensor *picked = gr_take_along(gr_log_softmax(x), -1, gr_unsqueeze(labels, -1));
	return gr__compose_leave(gr_neg(gr_mean(picked, GR_ALL_AXES, false)));
}

static gr_status cross_entropy_compose(int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out)
{
	(void)nin, (void)attr;
	return gr__compose_out(out, gr_cross_entropy(in[0], in[1]));
}

static const gr_case cross_entropy_cases[] = {
	{"labels", {{4, 3}, {4}}, -2.0, 2.0, .indices = 2, .index_max = 3},
	{"maps", {{2, 3, 4}, {2, 3}}, -2.0, 2.0, .indices = 2, .index_max = 4},
	{"one", {{5}, {0}}, -2.0, 2.0, .indices = 2, .index_max = 5},
};

const gr_op gr_op_cross_entropy = {
	.name = "cross_entropy",
	.sig = "x[...,C] labels[...]",
	.math = "y = mean of -log softmax(x)[label]",
	.dmath = "dx = g (softmax(x) - onehot(label)) / n, n rows",
	.doc = "GR_EARG for a label out of range.",
	.nin = 2,
	.nout = 1,
	GR_EW_CASES(cross_entropy_cases),
	.compose = cross_entropy_compose,
};

/* --- nt_xent ------------------------------------------------------------------------------- */

/* z [L,D] -> rows of length 1; a row of zeros stays one, with gradient 0 there. */
static gr_tensor *unit_rows(gr_tensor *z)
{
	gr_tensor *length = gr_norm(z, GR_AXES(1), true);
	return gr_div(z, gr_maximum(length, gr_scalar(gr_tensor_dtype(z), 1e-12)));
}

gr_tensor *gr_nt_xent(gr_tensor *a, gr_tensor *b, double temperature)
{
	if (!gr__compose_given("nt_xent", 2, (gr_tensor *[]){a, b}))
		return NULL;
	if (gr_tensor_ndim(a) != 2 || !gr_is_same_shape(a, b) || !(temperature > 0.0)) {
		char pa[192], pb[192];
		gr__fail(GR_ESHAPE, "nt_xent",
			"a and b must be [N,D] alike and the temperature positive (a %s, b %s, temperature %g)",
			gr_tensor_describe(a, pa, sizeof pa), gr_tensor_describe(b, pb, sizeof pb),
			temperature);
		return NULL;
	}
	gr_scope_begin();
	int64_t n = gr_tensor_dim(a, 0);
	gr_dtype dtype = gr_tensor_dtype(a);
	gr_tensor *z = unit_rows(gr_concat(2, (gr_tensor *[]){a, b}, 0));
	gr_tensor *s = gr_mul_s(gr_matmul(z, gr_transpose(z, 0, 1)), 1.0 / temperature);
	/* Row i is compared with the others, not with itself; its partner is i + N, around. */
	gr_tensor *number = gr_arange(dtype, 2 * n, 0.0, 1.0), *row = gr_unsqueeze(number, 1);
	gr_tensor *others = gr_where(gr_eq(number, row), gr_scalar(dtype, (double)-INFINITY), s);
	gr_tensor *all = gr_logsumexp(others, GR_AXES(1), false);
	gr_tensor *za = gr_slice(z, 0, 0, n, 1), *zb = gr_slice(z, 0, n, 2 * n, 1);
	gr_tensor *partner = gr_sum(gr_mul(za, zb), GR_AXES(1), false);
	return gr__compose_leave(gr_axpby(gr_mean(all, GR_ALL_AXES, false), 1.0,
		gr_mean(partner, GR_ALL_AXES, false), -1.0 / temperature));
}

static gr_status nt_xent_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	(void)nin;
	return gr__compose_out(out, gr_nt_xent(in[0], in[1], ((const gr_scalar_attr *)attr)->s0));
}

static const gr_scalar_attr warm = {0.5, 0.0};
static const gr_case nt_xent_cases[] = {
	GR_EW_CASE("three", -2.0, 2.0, &warm, {3, 4}, {3, 4}),
	GR_EW_CASE("two", -2.0, 2.0, &warm, {2, 3}, {2, 3}),
};

const gr_op gr_op_nt_xent = {
	.name = "nt_xent",
	.sig = "a[N,D] b[N,D]",
	.math = "y = mean_i log sum_{k != i} exp(s_ik) - s_i,partner(i), s = cosines / temperature",
	.dmath = "ds_ik = g (p_ik - [k = partner(i)]) / 2N, p = softmax of s over k != i, 0 at k = i; "
			 "da, db as of cosines",
	.doc = "Contrastive loss of two views (SimCLR).",
	.nin = 2,
	.nout = 1,
	.attr_size = sizeof(gr_scalar_attr),
	GR_EW_CASES(nt_xent_cases),
	.compose = nt_xent_compose,
};

/* --- straight-through estimators ----------------------------------------------------------- */

static gr_status straight_through_infer(gr_op_call *c)
{
	gr_status status = gr_infer_same(c);

	if (status == GR_OK && !gr_is_same_shape(c->in[0], c->in[1]))
		return gr_op_fail(c, GR_ESHAPE, "hard and soft differ in shape");
	return status;
}

static gr_status straight_through_forward(gr_op_call *c)
{
	return gr__copy(c->out[0], c->in[0]);
}

/* y = hard; the rule says y = soft on purpose: d hard = 0, d soft = g */
static gr_status straight_through_vjp(gr_vjp *v)
{
	const gr_operand *hard = &v->shape[0];

	if ((v->want & 1u) != 0)
		v->gin[0] = gr_zeros(hard->dtype, hard->ndim, hard->dims);
	v->gin[1] = v->gout[0];
	return GR_OK;
}

static const gr_case straight_through_cases[] = {
	GR_EW_CASE("matrix", -2.0, 2.0, NULL, {3, 4}, {3, 4}),
	GR_EW_CASE("empty", -2.0, 2.0, NULL, {0, 3}, {0, 3}),
};

const gr_op gr_op_straight_through = {
	.name = "straight_through",
	.sig = "hard soft",
	.math = "y = hard, dy = dsoft",
	.dmath = "dhard = 0, dsoft = g",
	.doc = "The values of one, the gradients to the other: no derivative of its values.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_SURROGATE,
	.infer = straight_through_infer,
	.forward = straight_through_forward,
	.vjp = straight_through_vjp,
	GR_EW_CASES(straight_through_cases),
};

gr_tensor *gr_straight_through(gr_tensor *hard, gr_tensor *soft)
{
	return gr_apply1(&gr_op_straight_through, 2, (gr_tensor *[]){hard, soft}, NULL);
}

gr_tensor *gr_round_ste(gr_tensor *x)
{
	if (!gr__compose_given("round_ste", 1, &x))
		return NULL;
	gr_scope_begin();
	return gr__compose_leave(gr_straight_through(gr_round(x), x));
}

static gr_status round_ste_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	(void)nin, (void)attr;
	return gr__compose_out(out, gr_round_ste(in[0]));
}

static const gr_case round_ste_cases[] = {
	GR_EW_CASE("matrix", -4.0, 4.0, NULL, {3, 4}),
	GR_EW_CASE("empty", -4.0, 4.0, NULL, {0, 3}),
};

const gr_op gr_op_round_ste = {
	.name = "round_ste",
	.sig = "x",
	.math = "y = round(x), dy = dx",
	.dmath = "dx = g",
	.doc = "Rounding that lets gradients through.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_SURROGATE,
	GR_EW_CASES(round_ste_cases),
	.compose = round_ste_compose,
};
