/*
 * gr_estimate(): a dry run (tensor/internal/dry.h) under an observer that counts. Bytes are the
 * pool's own; operations are those of the records. A rule that is one kernel (vjp_fused) calls no
 * op that would be counted: it is taken as twice the op, the rule of thumb for products, where the
 * gradients of both factors cost what the product did.
 */
#include "gradus/estimate.h"

#include <inttypes.h>
#include <string.h>

#include "dry.h"
#include "observe.h"

typedef struct counter {
	gr_observer base;
	double flops;
	int64_t ops;
	double before_rule; /* flops when the current rule began */
} counter;

static double flops_of(const gr_op_call *c)
{
	if (c->op->flops != NULL)
		return gr__call_flops(c);
	return (c->op->flags & GR_OP_ELEMENTWISE) != 0 ? (double)c->out[0]->size : 0.0;
}

static gr_status call_end(gr_observer *o, const gr_op_call *c, gr_status status)
{
	counter *n = (counter *)o;
	if (status == GR_OK && c->op->compose == NULL) {
		n->flops += flops_of(c);
		n->ops++;
	}
	return GR_OK;
}

static gr_status rule_begin(gr_observer *o, gr_node *n, const gr_vjp *v)
{
	(void)n, (void)v;
	counter *c = (counter *)o;
	c->before_rule = c->flops;
	return GR_OK;
}

/* Headers with the shapes of a node's call, which is all that its record's count reads. */
static gr_tensor header_of(const gr_operand *o)
{
	gr_tensor t = {.dtype = o->dtype, .ndim = o->ndim, .size = 1};
	memcpy(t.dims, o->dims, sizeof t.dims);
	for (int i = 0; i < o->ndim; i++)
		t.size *= o->dims[i];
	return t;
}

static double node_flops(const gr_node *n)
{
	gr_tensor header[GR_OP_MAX_IN + GR_OP_MAX_OUT], *in[GR_OP_MAX_IN], *out[GR_OP_MAX_OUT];
	gr_op_call c =
		{.op = n->op, .attr = n->attr, .nin = n->nin, .nout = n->nout, .in = in, .out = out};
	for (int i = 0; i < n->nin; i++) {
		header[i] = header_of(&n->in_shape[i]);
		in[i] = &header[i];
	}
	for (int i = 0; i < n->nout; i++) {
		header[GR_OP_MAX_IN + i] = header_of(&n->out_shape[i]);
		out[i] = &header[GR_OP_MAX_IN + i];
	}
	return flops_of(&c);
}

static gr_status rule_end(gr_observer *o, gr_node *n, const gr_vjp *v, gr_status status)
{
	(void)v;
	counter *c = (counter *)o;
	if (status == GR_OK && n->op->vjp_fused != NULL && c->flops == c->before_rule) {
		c->flops += 2.0 * node_flops(n);
		c->ops++;
	}
	return GR_OK;
}

/* The dry run proper; the counts are complete when its scope has ended. */
static gr_status run(gr_status (*fn)(void *ctx), void *ctx, const gr_dry *dry)
{
	gr_status status = gr_scope_begin();
	if (status == GR_OK)
		status = fn(ctx);
	gr_status ended = gr_scope_end();
	status = status != GR_OK ? status : ended;
	if (status == GR_OK && dry->storages != 0)
		status = gr__fail(GR_ESTATE, "estimate",
			"the function left %" PRId64 " tensors held, which have no values; hint: make and free "
			"what it needs inside it",
			dry->storages);
	return status;
}

gr_status gr_estimate(gr_cost *out, gr_status (*fn)(void *ctx), void *ctx)
{
	gr_dry dry;
	*out = (gr_cost){0};
	gr_status status = gr__dry_begin(&dry);
	if (status != GR_OK)
		return status;
	counter count = {
		.base = {.call_end = call_end, .rule_begin = rule_begin, .rule_end = rule_end}};
	gr__observer_add(&count.base);
	status = run(fn, ctx, &dry);
	gr__observer_remove(&count.base);
	gr__dry_end();
	if (status == GR_OK)
		*out = (gr_cost){dry.bytes_peak, count.flops, count.ops};
	return status;
}
