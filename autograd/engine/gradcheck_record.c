/*
 * Is the record complete and true? What its flags claim: linear, bilinear, a view, nothing to
 * differentiate.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif
#include "gradcheck_priv.h"

#include "gradus/ops.h"
#include "node.h"

/* --- the record ---------------------------------------------------------------------------- */

static bool is_text(const char *s)
{
	return s != NULL && s[0] != '\0';
}

static const char *case_fault(const gr_op *op, const gr_case *c)
{
	if (!is_text(c->name))
		return "a case without a name";
	if (op->attr_size == 0 && c->attr != NULL)
		return "a case has attributes, the op has none";
	if (op->attr_size != 0 && c->attr == NULL)
		return "a case without attributes";
	if (c->nin < 0 || c->nin > GR_OP_MAX_IN)
		return "a case with an impossible number of inputs";
	for (int i = 0; i < GR_OP_MAX_IN; i++)
		for (int d = 0; d < GR_MAX_DIMS; d++)
			if (c->dims[i][d] < 0)
				return "a case with a negative length";
	return NULL;
}

const char *gr__record_fault(const gr_op *op)
{
	const char *fault = NULL;

	if (!is_text(op->name) || !is_text(op->sig) || !is_text(op->math) || !is_text(op->doc))
		return "name, sig, math or doc is missing";
	if (op->nin < 0 || op->nin > GR_OP_MAX_IN || op->nout < 1 || op->nout > GR_OP_MAX_OUT)
		return "an impossible number of inputs or outputs";
	if (op->compose != NULL && (op->infer != NULL || op->forward != NULL || op->vjp != NULL))
		return "a composition with rules of its own";
	if (op->compose == NULL && (op->infer == NULL || op->forward == NULL))
		return "neither infer and forward nor compose";
	if (op->compose == NULL && (op->flags & GR_OP_NONDIFF) == 0 && op->vjp == NULL)
		return "no vjp";
	if (op->cases == NULL || op->ncases < 1)
		return "no cases";
	for (int k = 0; k < op->ncases && fault == NULL; k++)
		fault = case_fault(op, &op->cases[k]);
	return fault;
}

/* --- flags --------------------------------------------------------------------------------- */

/* out = f(a + 2 b) and f(a) + 2 f(b) where the inputs in `mask` vary; a is the case, b random. */
static bool is_linear_in(gr_subject *s, uint32_t mask)
{
	gr_subject_run a = {0}, b = {0}, both = {0};

	if (!gr__subject_inputs(s, GR_F64, GR_LAYOUT_CONTIGUOUS, a.in) ||
		!gr__subject_inputs(s, GR_F64, GR_LAYOUT_CONTIGUOUS, b.in))
		return false;
	for (int i = 0; i < s->nin; i++) {
		both.in[i] = a.in[i];
		if ((mask >> i & 1) == 0)
			continue;
		const gr_operand *shape = &s->shape[i];
		b.in[i] = gr_random_uniform(gr_key_seed((uint64_t)i), GR_F64, shape->ndim, shape->dims,
			-1.0, 1.0);
		both.in[i] = gr_axpby(a.in[i], 1.0, b.in[i], 2.0);
	}
	if (!gr__subject_forward(s, &a, 0) || !gr__subject_forward(s, &b, 0) ||
		!gr__subject_forward(s, &both, 0))
		return false;
	for (int o = 0; o < s->op->nout; o++) {
		gr_tensor *sum = gr_axpby(a.out[o], 1.0, b.out[o], 2.0);
		double rounding = gr_tensor_dtype(sum) == GR_F32 ? 1e-6 : 1e-12;
		if (!gr__subject_close(s, "not linear", both.out[o], sum, rounding))
			return false;
	}
	return true;
}

static bool shares_storage(const gr_subject *s, const gr_subject_run *r)
{
	for (int o = 0; o < s->op->nout; o++)
		for (int i = 0; i < s->nin; i++)
			if (r->out[o]->storage == r->in[i]->storage)
				return true;
	return false;
}

bool gr__check_flags(gr_subject *s)
{
	unsigned flags = s->op->flags;
	gr_subject_run r = {0};

	if (!gr__subject_inputs(s, GR_F64, GR_LAYOUT_CONTIGUOUS, r.in) ||
		!gr__subject_forward(s, &r, s->diff))
		return false;
	/* A composition may end in a view or a copy, as the strides allow. */
	if (s->op->compose == NULL && ((flags & GR_OP_VIEW) != 0) != shares_storage(s, &r))
		return gr__subject_fail(s, "a view, or not, against its flag");
	for (int o = 0; o < s->op->nout; o++) {
		bool want = (flags & GR_OP_NONDIFF) == 0 && gr__subject_is_float(r.out[o]) && s->diff != 0;
		if (gr_is_tracked(r.out[o]) != want)
			return gr__subject_fail(s, "output %d is %stracked", o, want ? "not " : "");
	}
	if ((flags & GR_OP_LINEAR) != 0 && gr__subject_is_float(r.out[0]) && !is_linear_in(s, s->diff))
		return false;
	if ((flags & GR_OP_BILINEAR) != 0 && (!is_linear_in(s, 1) || !is_linear_in(s, 2)))
		return false;
	return true;
}
