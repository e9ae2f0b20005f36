/*
 * The tester tested: a sound op of a user's program passes every generated check, and for every
 * check there is a defect that it, and it first, is there to find.
 */
#include <criterion/criterion.h>

#include "gradus/ops.h"
#include "generator.h"
#include "tensor_int.h"

/* --- a sound op: y = a^2 b ----------------------------------------------------------------- */

static gr_status forward_with(gr_op_call *c, int64_t stride_a, double factor)
{
	const double *a = (const void *)c->in[0]->data, *b = (const void *)c->in[1]->data;
	const float *af = (const void *)c->in[0]->data, *bf = (const void *)c->in[1]->data;
	double *y = (void *)c->out[0]->data;
	float *yf = (void *)c->out[0]->data;

	for (int64_t i = 0; i < c->out[0]->size; i++) {
		if (c->out[0]->dtype == GR_F64)
			y[i] = factor * a[i * stride_a] * a[i * stride_a] * b[i];
		else
			yf[i] = (float)factor * af[i * stride_a] * af[i * stride_a] * bf[i];
	}
	return GR_OK;
}

static gr_status infer(gr_op_call *c)
{
	c->contiguous = 3;
	return gr_infer_same(c);
}

static gr_status forward(gr_op_call *c)
{
	return forward_with(c, 1, 1.0);
}

/* da = 2 a b g, db = a^2 g */
static gr_status vjp(gr_vjp *v)
{
	if ((v->want & 1u) != 0)
		v->gin[0] = gr_mul(gr_mul_s(gr_mul(v->in[0], v->in[1]), 2.0), v->gout[0]);
	if ((v->want & 2u) != 0)
		v->gin[1] = gr_mul(gr_square(v->in[0]), v->gout[0]);
	return GR_OK;
}

static void reference(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)attr;
	(void)nin;
	for (int64_t i = 0; i < out->dims[0]; i++)
		out->data[i] = in[0].data[i] * in[0].data[i] * in[1].data[i];
}

static const gr_case cases[] = {
	{.name = "vector", .dims = {{5}, {5}}},
};

static gr_op sound(void)
{
	return (gr_op){
		.name = "square_mul",
		.sig = "a b",
		.math = "y = a^2 b",
		.doc = "An op of a user's program.",
		.nin = 2,
		.nout = 1,
		.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1),
		.infer = infer,
		.forward = forward,
		.vjp = vjp,
		.vjp_fused = vjp,
		.cases = cases,
		.ncases = 1,
	};
}

/* --- running checks ------------------------------------------------------------------------ */

static bool passes(const gr_op *op, bool (*check)(gen *g))
{
	gen g;

	(void)gr_scope_begin();
	bool ok = gen_begin(&g, op, &op->cases[0]);
	g.ref = reference;
	ok = ok && check(&g);
	(void)gr_scope_end();
	gr_error_clear();
	gen_end(&g);
	cr_expect(ok || g.why[0] != '\0', "a failure without a reason");
	return ok;
}

Test(generator, a_sound_op_of_a_user_passes)
{
	static gr_op op;

	op = sound();
	cr_assert_eq(gr_op_register(&op), GR_OK);
	cr_assert_eq(gr_op_find("square_mul"), &op);
	cr_expect(passes(&op, gen_check_record));
	cr_expect(passes(&op, gen_check_forward));
	cr_expect(passes(&op, gen_check_vjp));
	cr_expect(passes(&op, gen_check_second_order));
	cr_expect(passes(&op, gen_check_jvp));
	cr_expect(passes(&op, gen_check_fused));
	cr_expect(passes(&op, gen_check_flags));
	cr_expect(passes(&op, gen_check_layout));
	cr_expect(passes(&op, gen_check_broadcast));
	cr_expect(passes(&op, gen_check_want));
	cr_expect(passes(&op, gen_check_threads));
	cr_expect(passes(&op, gen_check_allocation));
}

/* --- defects ------------------------------------------------------------------------------- */

Test(generator, a_record_without_a_word_is_found)
{
	gr_op op = sound();

	op.doc = "";
	cr_expect_not(passes(&op, gen_check_record));
}

static gr_status forward_off(gr_op_call *c)
{
	return forward_with(c, 1, 1.0 + 1e-5);
}

Test(generator, a_wrong_value_is_found)
{
	gr_op op = sound();

	op.forward = forward_off;
	cr_expect_not(passes(&op, gen_check_forward));
}

static gr_status vjp_sign(gr_vjp *v)
{
	gr_status status = vjp(v);

	if ((v->want & 1u) != 0)
		v->gin[0] = gr_neg(v->gin[0]);
	return status;
}

Test(generator, a_wrong_sign_is_found)
{
	gr_op op = sound();

	op.vjp = op.vjp_fused = vjp_sign;
	cr_expect_not(passes(&op, gen_check_vjp));
}

static gr_status vjp_slightly_off(gr_vjp *v)
{
	gr_status status = vjp(v);

	if ((v->want & 2u) != 0)
		v->gin[1] = gr_mul_s(v->gin[1], 1.0 + 1e-6);
	return status;
}

Test(generator, a_rule_off_by_a_millionth_is_found)
{
	gr_op op = sound();

	op.vjp = op.vjp_fused = vjp_slightly_off;
	cr_expect_not(passes(&op, gen_check_vjp));
}

/* Right to first order, and a constant in b. */
static gr_status vjp_not_differentiable(gr_vjp *v)
{
	v->in[1] = gr_stop_gradient(v->in[1]);
	return vjp(v);
}

Test(generator, a_rule_that_is_not_differentiable_is_found)
{
	gr_op op = sound();

	op.vjp = op.vjp_fused = vjp_not_differentiable;
	cr_expect(passes(&op, gen_check_vjp));
	cr_expect_not(passes(&op, gen_check_second_order));
}

static gr_status vjp_not_linear(gr_vjp *v)
{
	v->gout[0] = gr_mul(v->gout[0], gr_affine(v->gout[0], 1e-3, 1.0));
	return vjp(v);
}

Test(generator, a_rule_not_linear_in_its_cotangent_is_found)
{
	gr_op op = sound();

	op.vjp = op.vjp_fused = vjp_not_linear;
	cr_expect_not(passes(&op, gen_check_jvp));
}

Test(generator, a_wrong_fused_rule_is_found)
{
	gr_op op = sound();

	op.vjp_fused = vjp_slightly_off;
	cr_expect_not(passes(&op, gen_check_fused));
}

Test(generator, a_false_flag_is_found)
{
	gr_op linear = sound(), bilinear = sound(), constant = sound();

	linear.flags = GR_OP_LINEAR;
	bilinear.flags = GR_OP_BILINEAR;
	constant.vjp = NULL;
	constant.vjp_fused = NULL;
	cr_expect_not(passes(&linear, gen_check_flags));
	cr_expect_not(passes(&bilinear, gen_check_flags));
	cr_expect_not(passes(&constant, gen_check_record));
}

static gr_status infer_any_strides(gr_op_call *c)
{
	return gr_infer_same(c);
}

Test(generator, a_kernel_that_ignores_strides_is_found)
{
	gr_op op = sound();

	op.infer = infer_any_strides;
	cr_expect_not(passes(&op, gen_check_layout));
	cr_expect_not(passes(&op, gen_check_broadcast));
}

static gr_status vjp_want(gr_vjp *v)
{
	gr_status status = vjp(v);

	if (v->want == 2u)
		v->gin[1] = gr_neg(v->gin[1]);
	return status;
}

Test(generator, a_rule_that_differs_with_want_is_found)
{
	gr_op op = sound();

	op.vjp = op.vjp_fused = vjp_want;
	cr_expect(passes(&op, gen_check_vjp));
	cr_expect_not(passes(&op, gen_check_want));
}

static gr_status forward_threads(gr_op_call *c)
{
	return forward_with(c, 1, 1.0 + 1e-6 * gr_threads());
}

Test(generator, a_result_that_depends_on_threads_is_found)
{
	gr_op op = sound();

	op.forward = forward_threads;
	cr_expect_not(passes(&op, gen_check_threads));
}

/* Two workspaces; when there is no room for the second, the first stays behind. */
static gr_status forward_leaks(gr_op_call *c)
{
	gr_spec spec = gr__tensor_spec(c->out[0]);
	gr_tensor *one = gr__tensor_new("leak", &spec);
	gr_tensor *two = one != NULL ? gr__tensor_new("leak", &spec) : NULL;

	if (two == NULL)
		return GR_EMEM;
	gr_tensor_release(one);
	gr_tensor_release(two);
	return forward(c);
}

Test(generator, a_leak_on_failure_is_found)
{
	gr_op op = sound();

	op.forward = forward_leaks;
	cr_expect(passes(&op, gen_check_forward));
	cr_expect_not(passes(&op, gen_check_allocation));
}

/* A workspace that cannot be had is done without, its error left behind. */
static gr_status forward_swallows(gr_op_call *c)
{
	gr_spec spec = gr__tensor_spec(c->out[0]);

	gr_tensor_release(gr__tensor_new("swallow", &spec));
	return forward(c);
}

Test(generator, a_swallowed_error_is_found)
{
	gr_op op = sound();

	op.forward = forward_swallows;
	cr_expect(passes(&op, gen_check_forward));
	cr_expect_not(passes(&op, gen_check_allocation));
}
