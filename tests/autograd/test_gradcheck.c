/*
 * The tester tested: a sound op of a user's program keeps every promise, and for every promise
 * there is a defect that its check, and it first, is there to find.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "gradus/gradcheck.h"
#include "gradus/ops.h"
#include "reference.h"
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

static bool keeps(const gr_op *op, gr_promise promise)
{
	gr_op_report report;
	const gr_check_opts opts = {.size = sizeof opts, .promises = 1u << promise};
	bool kept = gr_op_check(&report, op, &opts) == GR_OK;

	cr_expect_eq(report.promise[promise].verdict, kept ? GR_KEPT : GR_BROKEN);
	cr_expect_eq(report.promise[promise].why[0] != '\0', !kept, "a failure without a reason");
	cr_expect_eq(gr_failed(), !kept);
	gr_error_clear();
	return kept;
}

Test(gradcheck, a_sound_op_of_a_user_passes)
{
	static gr_op op;
	gr_op_report report;

	op = sound();
	cr_assert_eq(gr_op_register(&op), GR_OK);
	cr_assert_eq(gr_op_find("square_mul"), &op);
	gr_status status = gr_op_check(&report, &op, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	for (int p = 0; p < GR_PROMISE_COUNT; p++) {
		cr_expect_eq(report.promise[p].verdict, GR_KEPT, "%s", gr_promise_name((gr_promise)p));
		cr_expect_eq(report.promise[p].cases, 1);
		cr_expect(report.promise[p].error <= report.promise[p].bound);
	}
	cr_expect_gt(report.promise[GR_PROMISE_VJP].error, 0.0);
	cr_expect_eq(report.promise[GR_PROMISE_VJP].bound, 1e-9);
	int failures = reference_check(&op, reference);
	cr_expect_eq(failures, 0);
}

/* --- defects ------------------------------------------------------------------------------- */

Test(gradcheck, a_record_without_a_word_is_found)
{
	gr_op op = sound();

	op.doc = "";
	cr_expect_not(keeps(&op, GR_PROMISE_RECORD));
}

static gr_status forward_off(gr_op_call *c)
{
	return forward_with(c, 1, 1.0 + 1e-5);
}

Test(gradcheck, a_wrong_value_is_found)
{
	gr_op op = sound();

	op.forward = forward_off;
	int failures = reference_check(&op, reference);
	cr_expect_eq(failures, 1);
}

static gr_status vjp_sign(gr_vjp *v)
{
	gr_status status = vjp(v);

	if ((v->want & 1u) != 0)
		v->gin[0] = gr_neg(v->gin[0]);
	return status;
}

Test(gradcheck, a_wrong_sign_is_found)
{
	gr_op op = sound();

	op.vjp = op.vjp_fused = vjp_sign;
	cr_expect_not(keeps(&op, GR_PROMISE_VJP));
}

static gr_status vjp_slightly_off(gr_vjp *v)
{
	gr_status status = vjp(v);

	if ((v->want & 2u) != 0)
		v->gin[1] = gr_mul_s(v->gin[1], 1.0 + 1e-8);
	return status;
}

Test(gradcheck, a_rule_off_by_a_hundred_millionth_is_found)
{
	gr_op op = sound();

	op.vjp = op.vjp_fused = vjp_slightly_off;
	cr_expect_not(keeps(&op, GR_PROMISE_VJP));
}

/* Right to first order, and a constant in b. */
static gr_status vjp_not_differentiable(gr_vjp *v)
{
	v->in[1] = gr_stop_gradient(v->in[1]);
	return vjp(v);
}

Test(gradcheck, a_rule_that_is_not_differentiable_is_found)
{
	gr_op op = sound();

	op.vjp = op.vjp_fused = vjp_not_differentiable;
	cr_expect(keeps(&op, GR_PROMISE_VJP));
	cr_expect_not(keeps(&op, GR_PROMISE_SECOND));
}

static gr_status vjp_not_linear(gr_vjp *v)
{
	v->gout[0] = gr_mul(v->gout[0], gr_affine(v->gout[0], 1e-3, 1.0));
	return vjp(v);
}

Test(gradcheck, a_rule_not_linear_in_its_cotangent_is_found)
{
	gr_op op = sound();

	op.vjp = op.vjp_fused = vjp_not_linear;
	cr_expect_not(keeps(&op, GR_PROMISE_JVP));
}

Test(gradcheck, a_wrong_fused_rule_is_found)
{
	gr_op op = sound();

	op.vjp_fused = vjp_slightly_off;
	cr_expect_not(keeps(&op, GR_PROMISE_FUSED));
}

Test(gradcheck, a_false_flag_is_found)
{
	gr_op linear = sound(), bilinear = sound(), constant = sound();

	linear.flags = GR_OP_LINEAR;
	bilinear.flags = GR_OP_BILINEAR;
	constant.vjp = NULL;
	constant.vjp_fused = NULL;
	cr_expect_not(keeps(&linear, GR_PROMISE_FLAGS));
	cr_expect_not(keeps(&bilinear, GR_PROMISE_FLAGS));
	cr_expect_not(keeps(&constant, GR_PROMISE_RECORD));
}

static gr_status infer_any_strides(gr_op_call *c)
{
	return gr_infer_same(c);
}

Test(gradcheck, a_kernel_that_ignores_strides_is_found)
{
	gr_op op = sound();

	op.infer = infer_any_strides;
	cr_expect_not(keeps(&op, GR_PROMISE_LAYOUT));
	cr_expect_not(keeps(&op, GR_PROMISE_BROADCAST));
}

static gr_status vjp_want(gr_vjp *v)
{
	gr_status status = vjp(v);

	if (v->want == 2u)
		v->gin[1] = gr_neg(v->gin[1]);
	return status;
}

Test(gradcheck, a_rule_that_differs_with_want_is_found)
{
	gr_op op = sound();

	op.vjp = op.vjp_fused = vjp_want;
	cr_expect(keeps(&op, GR_PROMISE_VJP));
	cr_expect_not(keeps(&op, GR_PROMISE_WANT));
}

static gr_status forward_threads(gr_op_call *c)
{
	return forward_with(c, 1, 1.0 + 1e-6 * gr_threads());
}

Test(gradcheck, a_result_that_depends_on_threads_is_found)
{
	gr_op op = sound();

	op.forward = forward_threads;
	cr_expect_not(keeps(&op, GR_PROMISE_THREADS));
}

/* Two workspaces; when there is no room for the second, the first stays behind, where a sanitizer
 * finds it. */
#define LEFT 256
static gr_tensor *left_behind[LEFT];
static int left_count;

static gr_status forward_leaks(gr_op_call *c)
{
	gr_spec spec = gr__tensor_spec(c->out[0]);
	gr_tensor *one = gr__tensor_new("leak", &spec);
	gr_tensor *two = one != NULL ? gr__tensor_new("leak", &spec) : NULL;

	if (two == NULL) {
		left_behind[left_count++ % LEFT] = one;
		return GR_EMEM;
	}
	gr_tensor_release(one);
	gr_tensor_release(two);
	return forward(c);
}

Test(gradcheck, a_leak_on_failure_is_found)
{
	gr_op op = sound();

	op.forward = forward_leaks;
	int failures = reference_check(&op, reference);
	cr_expect_eq(failures, 0);
	cr_expect_not(keeps(&op, GR_PROMISE_MEMORY));
}

/* A workspace that cannot be had is done without, its error left behind. */
static gr_status forward_swallows(gr_op_call *c)
{
	gr_spec spec = gr__tensor_spec(c->out[0]);

	gr_tensor_release(gr__tensor_new("swallow", &spec));
	return forward(c);
}

Test(gradcheck, a_swallowed_error_is_found)
{
	gr_op op = sound();

	op.forward = forward_swallows;
	int failures = reference_check(&op, reference);
	cr_expect_eq(failures, 0);
	cr_expect_not(keeps(&op, GR_PROMISE_MEMORY));
}

Test(gradcheck, a_gradient_that_no_case_looks_at_is_found)
{
	static const gr_case value_only = {.name = "value", .dims = {{5}, {5}}, .no_gradient = true};
	gr_op op = sound();

	op.cases = &value_only;
	cr_expect_not(keeps(&op, GR_PROMISE_VJP));
	cr_expect_not(keeps(&op, GR_PROMISE_JVP));
	cr_expect_not(keeps(&op, GR_PROMISE_SECOND));
	op.ncases = 0;
	cr_expect_not(keeps(&op, GR_PROMISE_RECORD));
}

/* --- the call ------------------------------------------------------------------------------ */

/* What belongs to the process is as it was; the error names op, promise, case and reason. */
Test(gradcheck, it_leaves_no_trace_but_its_error)
{
	gr_op op = sound();

	gr_set_threads(3);
	gr_set_recording(false);
	gr_set_precision(GR_PRECISION_DIRECT);
	op.vjp = op.vjp_fused = vjp_sign;
	uint64_t tensors = gr_memory_stats().tensors_live;
	gr_status status = gr_op_check(NULL, &op, NULL);
	cr_assert_eq(status, GR_ENUMERIC);
	cr_expect_not_null(strstr(gr_error_message(), "square_mul"), "%s", gr_error_message());
	cr_expect_not_null(strstr(gr_error_message(), gr_promise_text(GR_PROMISE_VJP)));
	cr_expect_not_null(strstr(gr_error_message(), "case \"vector\""));
	cr_expect_not_null(strstr(gr_error_message(), "the rule says"));
	cr_expect_eq(gr_memory_stats().tensors_live, tensors);
	cr_expect_eq(gr_threads(), 3);
	cr_expect_eq(gr_get_precision(), GR_PRECISION_DIRECT);
	cr_expect_not(gr_set_recording(true));
	status = gr_op_check(NULL, &op, NULL);
	cr_expect_eq(status, GR_ENUMERIC, "an error that is recorded already comes first");
}

Test(gradcheck, what_cannot_be_checked_is_an_error)
{
	gr_op op = sound();
	gr_status status = gr_op_check(NULL, NULL, NULL);

	cr_expect_eq(status, GR_EARG);
	gr_error_clear();
	status = gr_op_check(NULL, &op, GR_OPTS(gr_check_opts, .case_name = "matrix"));
	cr_expect_eq(status, GR_EARG);
	gr_error_clear();
	status = gr_op_check(NULL, &op, GR_OPTS(gr_check_opts, .threads = -1));
	cr_expect_eq(status, GR_EARG);
	cr_expect_null(gr_promise_name(GR_PROMISE_COUNT));
}
