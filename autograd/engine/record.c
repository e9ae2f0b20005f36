/*
 * Running an op: check the operands, infer, allocate, compute, record. This is the only path from
 * a public op to a kernel.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node.h"
#include "observe.h"

/* A thread's first op takes the observed path, which asks the environment who wants to look. */
_Thread_local unsigned gr__mode = GR_MODE_OBSERVED;

bool gr__recording(void)
{
	return (gr__mode & GR_MODE_SILENT) == 0;
}

bool gr_set_recording(bool on)
{
	bool was = gr__recording();
	gr__mode = on ? gr__mode & ~GR_MODE_SILENT : gr__mode | GR_MODE_SILENT;
	return was;
}

bool gr_is_tracked(const gr_tensor *t)
{
	return t != NULL && t->node != NULL;
}

gr_tensor *gr_watch(gr_tensor *x)
{
	if (x == NULL) {
		if (!gr_failed())
			gr__fail(GR_EARG, "watch", "the tensor is NULL");
		return NULL;
	}
	if (x->dtype != GR_F32 && x->dtype != GR_F64) {
		gr__fail(GR_EDTYPE, "watch", "a %s tensor has no gradient; hint: cast it to f32",
			gr_dtype_name(x->dtype));
		return NULL;
	}
	gr_tensor *t = gr__tensor_alias(x);
	if (t == NULL)
		return NULL;
	gr_node *leaf = gr__node_leaf(t);
	if (leaf == NULL) {
		gr_tensor_release(t);
		return NULL;
	}
	gr__node_attach(t, leaf, 0);
	gr__node_release(leaf);
	return gr__scope_own(t);
}

gr_tensor *gr_stop_gradient(gr_tensor *x)
{
	return x == NULL ? NULL : gr__scope_own(gr__tensor_alias(x));
}

/* "x f32 [2,3], w f32 [4]", names from the op's signature. */
static void describe_operands(char *buf, size_t size, const gr_op_call *c)
{
	const char *sig = c->op->sig != NULL ? c->op->sig : "";
	size_t used = 0;
	buf[0] = '\0';
	for (int i = 0; i < c->nin && used < size; i++) {
		size_t name = strcspn(sig, " [");
		char what[192];
		int n = snprintf(buf + used, size - used, "%s%.*s%s%s", i > 0 ? ", " : "", (int)name, sig,
			name > 0 ? " " : "", gr_tensor_describe(c->in[i], what, sizeof what));
		used += n > 0 ? (size_t)n : 0;
		sig += strcspn(sig, " ");
		sig += strspn(sig, " ");
	}
}

gr_status gr_op_fail(const gr_op_call *c, gr_status code, const char *format, ...)
{
	if (gr_failed())
		return code;
	char text[384], operands[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	describe_operands(operands, sizeof operands, c);
	const char *hint = strstr(text, "; hint:");
	int what = hint != NULL ? (int)(hint - text) : (int)strlen(text);
	return gr__fail(code, c->op->name, "%.*s (%s)%s", what, text, operands, text + what);
}

static gr_status check_inputs(const gr_op *op, int nin, gr_tensor *const *in)
{
	bool variadic = (op->flags & GR_OP_VARIADIC) != 0;
	if (nin > GR_OP_MAX_IN || (variadic ? nin < op->nin : nin != op->nin))
		return gr__fail(GR_EARG, op->name, "%d operands given, %s%d expected", nin,
			variadic ? "at least " : "", op->nin);
	for (int i = 0; i < nin; i++) {
		if (in[i] == NULL) {
			if (gr_failed())
				return gr_error_code();
			return gr__fail(GR_EARG, op->name, "operand %d is NULL", i);
		}
	}
	return GR_OK;
}

static void release_all(gr_tensor **t, int n)
{
	for (int i = 0; i < n; i++) {
		gr_tensor_release(t[i]);
		t[i] = NULL;
	}
}

static gr_status allocate_outputs(gr_op_call *c)
{
	if ((c->op->flags & GR_OP_VIEW) != 0)
		return GR_OK;
	for (int i = 0; i < c->nout; i++) {
		const gr_operand *r = &c->result[i];
		c->out[i] = gr__tensor_of(c->op->name, r->dtype, r->ndim, r->dims);
		if (c->out[i] == NULL)
			return gr_error_code();
	}
	return GR_OK;
}

/* Forward on contiguous copies where infer asked for them; c->in stays what the caller gave. */
static gr_status forward_on_copies(gr_op_call *c)
{
	gr_tensor *used[GR_OP_MAX_IN], *made[GR_OP_MAX_IN];
	gr_tensor *const *given = c->in;
	int n = 0;
	gr_status status = GR_OK;
	for (int i = 0; i < c->nin && status == GR_OK; i++) {
		used[i] = given[i];
		if ((c->contiguous >> i & 1u) == 0 || gr_is_contiguous(given[i]))
			continue;
		used[i] = gr__tensor_cast(given[i], given[i]->dtype);
		if (used[i] != NULL)
			made[n++] = used[i];
		else
			status = GR_EMEM;
	}
	if (status == GR_OK) {
		c->in = used;
		status = c->op->forward(c);
		c->in = given;
	}
	release_all(made, n);
	return status;
}

static gr_status run_forward(gr_op_call *c)
{
	gr_status status = c->contiguous != 0 ? forward_on_copies(c) : c->op->forward(c);
	if (status != GR_OK && !gr_failed())
		gr_op_fail(c, status, "%s", gr_error_text(status));
	return status;
}

static bool wants_node(const gr_op_call *c)
{
	if (!gr__recording() || (c->op->flags & GR_OP_NONDIFF) != 0)
		return false;
	for (int i = 0; i < c->nin; i++) {
		if (c->in[i]->node != NULL)
			return true;
	}
	return false;
}

static gr_status record(const gr_op_call *c)
{
	gr_node *node = gr__node_record(c);
	if (node == NULL)
		return gr_error_code();
	bool held = true; /* the reference of record(): the first output takes it over */
	for (int i = 0; i < c->nout; i++) {
		if (c->out[i]->dtype != GR_F32 && c->out[i]->dtype != GR_F64)
			continue;
		gr__node_hand(c->out[i], held ? node : gr__node_retain(node), i);
		held = false;
	}
	if (held)
		gr__node_release(node);
	return GR_OK;
}

gr_status gr_apply(const gr_op *op, int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out)
{
	if ((gr__mode & GR_MODE_OBSERVED) != 0)
		return gr__observe_apply(op, nin, in, attr, out);
	return gr__apply(op, nin, in, attr, out);
}

gr_status gr__apply(const gr_op *op, int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out)
{
	const int nout = op->nout;
	for (int i = 0; i < nout; i++)
		out[i] = NULL;
	gr_status status = check_inputs(op, nin, in);
	if (status != GR_OK)
		return status;
	if (op->compose != NULL)
		return op->compose(nin, in, attr, out);
	/* Set member by member: what `result` has beyond nout is never read. */
	gr_tensor *results[GR_OP_MAX_OUT];
	gr_op_call c;
	for (int i = 0; i < nout; i++) {
		results[i] = NULL;
		c.result[i] = (gr_operand){.ndim = 0};
	}
	c.op = op;
	c.attr = attr;
	c.nin = nin;
	c.nout = nout;
	c.in = in;
	c.out = results;
	c.contiguous = 0;
	status = op->infer(&c);
	if (status == GR_OK)
		status = allocate_outputs(&c);
	if (status == GR_OK)
		status = run_forward(&c);
	if (status == GR_OK && wants_node(&c))
		status = record(&c);
	if (status != GR_OK) {
		release_all(results, nout);
		return status;
	}
	for (int i = 0; i < nout; i++) {
		out[i] = gr__scope_own(results[i]);
		if (out[i] == NULL)
			status = GR_EMEM;
	}
	return status;
}

gr_tensor *gr_apply1(const gr_op *op, int nin, gr_tensor *const *in, const void *attr)
{
	gr_tensor *out[GR_OP_MAX_OUT];
	return gr_apply(op, nin, in, attr, out) == GR_OK ? out[0] : NULL;
}
