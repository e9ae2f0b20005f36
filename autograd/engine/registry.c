/*
 * The registry: the library's records in the order of ops.def, then those of the user's program.
 * Also the infer rules that many records share.
 */
#include "registry_priv.h"

#include <string.h>

#include "node.h"

#define MAX_USER_OPS 256

/* clang-format off */
static const gr_op *const library_ops[] = {
#define GR_OP(name) &gr_op_##name,
#include "../ops/ops.def"
#undef GR_OP
	NULL
};
/* clang-format on */

static const gr_op *user_ops[MAX_USER_OPS];
static int user_count;

static int library_count(void)
{
	return (int)(sizeof library_ops / sizeof *library_ops) - 1;
}

int gr_op_count(void)
{
	return library_count() + user_count;
}

const gr_op *gr_op_get(int i)
{
	if (i < 0 || i >= gr_op_count())
		return NULL;
	return i < library_count() ? library_ops[i] : user_ops[i - library_count()];
}

const gr_op *gr_op_find(const char *name)
{
	for (int i = 0; i < gr_op_count(); i++) {
		if (strcmp(gr_op_get(i)->name, name) == 0)
			return gr_op_get(i);
	}
	return NULL;
}

/* What flags and `saves` say that cannot be, or NULL. */
static const char *shape_fault(const gr_op *op)
{
	const uint32_t inputs = (1u << op->nin) - 1u, outputs = (1u << op->nout) - 1u;
	const bool variadic = (op->flags & GR_OP_VARIADIC) != 0;
	if (op->compose != NULL && (op->infer != NULL || op->forward != NULL || op->vjp != NULL))
		return "a composition has no infer, forward or vjp of its own";
	if (op->vjp_fused != NULL && op->vjp == NULL)
		return "vjp_fused serves first order; vjp is needed, too";
	if ((op->flags & GR_OP_BILINEAR) != 0 && (op->nin != 2 || op->nout != 1 || variadic))
		return "a bilinear op has two inputs and one output";
	if ((op->flags & GR_OP_ELEMENTWISE) != 0 && op->nout != 1)
		return "an elementwise op has one output";
	if ((op->flags & GR_OP_VIEW) != 0 && (op->nin != 1 || op->nout != 1))
		return "a view has one input and one output";
	if ((!variadic && (op->saves & 0xffffu & ~inputs) != 0) || (op->saves >> 16 & ~outputs) != 0)
		return "saves names an input or output that is not there";
	return NULL;
}

gr_status gr_op_register(const gr_op *op)
{
	if (op == NULL || op->name == NULL || op->name[0] == '\0' ||
		(op->compose == NULL && (op->infer == NULL || op->forward == NULL)))
		return gr__fail(GR_EARG, "op_register",
			"a record needs a name, and infer and forward, or compose");
	if (op->compose == NULL && op->vjp == NULL && (op->flags & GR_OP_NONDIFF) == 0)
		return gr__fail(GR_EARG, "op_register",
			"%s has no vjp; hint: set GR_OP_NONDIFF if its gradient is zero", op->name);
	if (op->nout < 1 || op->nout > GR_OP_MAX_OUT || op->nin < 0 || op->nin > GR_OP_MAX_IN)
		return gr__fail(GR_EARG, "op_register", "%s: 0..%d inputs and 1..%d outputs are possible",
			op->name, GR_OP_MAX_IN, GR_OP_MAX_OUT);
	const char *fault = shape_fault(op);
	if (fault != NULL)
		return gr__fail(GR_EARG, "op_register", "%s: %s", op->name, fault);
	if (gr_op_find(op->name) != NULL)
		return gr__fail(GR_EARG, "op_register", "an op named %s exists", op->name);
	if (user_count == MAX_USER_OPS)
		return gr__fail(GR_EARG, "op_register", "%d ops are registered already", MAX_USER_OPS);
	user_ops[user_count++] = op;
	return GR_OK;
}

static gr_status check_floats(const gr_op_call *c)
{
	gr_dtype dtype = c->in[0]->dtype;
	for (int i = 0; i < c->nin; i++) {
		if (c->in[i]->dtype != GR_F32 && c->in[i]->dtype != GR_F64)
			return gr_op_fail(c, GR_EDTYPE, "only f32 and f64 are computed with; hint: gr_cast");
		if (c->in[i]->dtype != dtype)
			return gr_op_fail(c, GR_EDTYPE, "operands differ in type; hint: gr_cast one");
	}
	return GR_OK;
}

gr_status gr_infer_same(gr_op_call *c)
{
	gr_status status = check_floats(c);
	if (status == GR_OK)
		c->result[0] = gr__operand(c->in[0]);
	return status;
}

gr_status gr_infer_broadcast(gr_op_call *c)
{
	gr_status status = check_floats(c);
	if (status != GR_OK)
		return status;
	gr_operand *r = &c->result[0];
	*r = gr__operand(c->in[0]);
	bool same = true;
	for (int i = 1; i < c->nin && same; i++)
		same = gr_is_same_shape(c->in[0], c->in[i]);
	for (int i = 1; i < c->nin && !same; i++) {
		gr_tensor so_far = {.ndim = r->ndim};
		memcpy(so_far.dims, r->dims, sizeof so_far.dims);
		if (!gr__broadcast_dims(&r->ndim, r->dims, &so_far, c->in[i]))
			return gr_op_fail(c, GR_ESHAPE, "shapes do not broadcast");
	}
	return GR_OK;
}
