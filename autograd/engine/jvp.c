/*
 * gr_jvp: a sweep over the recorded nodes, oldest first, that carries tangents. No op has a rule for
 * it; see apply() for where its tangent comes from. Checkpointed calls are run again as in the walk.
 *
 * A tangent stands in the node's `grad`, and is freed when the last node that reads it has passed.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include "gradus/derivative.h"

#include <string.h>

#include "gradus/ops/binary.h"
#include "gradus/ops/reduce.h"
#include "gradus/ops/shape.h"
#include "region_priv.h"
#include "walk_priv.h"

typedef struct sweep {
	gr_nodelist list;
	int n;
	gr_tensor *const *x, *const *dx;
	bool create_graph;
} sweep;

/* One node at work. */
typedef struct tangents {
	gr_node *node;
	gr_tensor *in[GR_OP_MAX_IN], *out[GR_OP_MAX_OUT]; /* saved; NULL where it is not */
	gr_tensor *din[GR_OP_MAX_IN];                     /* NULL: 0 */
	gr_tensor *dout[GR_OP_MAX_OUT];                   /* to be set; NULL: 0 */
} tangents;

static bool is_float(const gr_operand *o)
{
	return o->dtype == GR_F32 || o->dtype == GR_F64;
}

static gr_tensor *zeros(const gr_operand *o)
{
	return gr_zeros(o->dtype, o->ndim, o->dims);
}

static bool has_shape(const gr_tensor *t, const gr_operand *o)
{
	return t->ndim == o->ndim && memcmp(t->dims, o->dims, (size_t)o->ndim * sizeof *o->dims) == 0;
}

/* a + b where NULL is 0. */
static gr_tensor *plus(gr_tensor *a, gr_tensor *b)
{
	return a == NULL ? b : b == NULL ? a : gr_add(a, b);
}

/* dy = f(dx): what is not a float counts as it is. */
static gr_status apply_linear(tangents *t)
{
	const gr_node *n = t->node;
	gr_tensor *args[GR_OP_MAX_IN];
	for (int i = 0; i < n->nin; i++) {
		args[i] = is_float(&n->in_shape[i]) ? t->din[i] : t->in[i];
		if (args[i] == NULL)
			args[i] = zeros(&n->in_shape[i]);
	}
	return gr_apply(n->op, n->nin, args, n->attr, t->dout);
}

/* dy = f(da, b) + f(a, db) */
static gr_status apply_bilinear(tangents *t)
{
	const gr_node *n = t->node;
	for (int i = 0; i < 2; i++) {
		gr_tensor *args[2] = {t->in[0], t->in[1]}, *part;
		if (t->din[i] == NULL)
			continue;
		args[i] = t->din[i];
		gr_status status = gr_apply(n->op, 2, args, n->attr, &part);
		if (status != GR_OK)
			return status;
		t->dout[0] = plus(t->dout[0], part);
	}
	return t->dout[0] != NULL ? GR_OK : gr_error_code();
}

static gr_status run_rule(tangents *t, gr_tensor **gout, gr_tensor **gin, uint32_t want)
{
	const gr_node *n = t->node;
	gr_vjp v = {.op = n->op,
		.attr = n->attr,
		.nin = n->nin,
		.nout = n->nout,
		.in = t->in,
		.out = t->out,
		.gout = gout,
		.gin = gin,
		.want = want,
		.shape = n->in_shape};
	bool failed = gr_failed();
	gr_status status = n->op->vjp(&v);
	if (status == GR_OK && !failed)
		status = gr_error_code();
	if (status != GR_OK && !gr_failed())
		gr__fail(status, n->op->name, "%s in the tangent", gr_error_text(status));
	return status;
}

/* dy = sum_i rule_i(dx_i): the Jacobian in each input is diagonal, so the rule is its own adjoint.
 * *fits is false where a rule sums over what its input was broadcast to. */
static gr_status apply_elementwise(tangents *t, bool *fits)
{
	const gr_node *n = t->node;
	const gr_operand *y = &n->out_shape[0];
	*fits = true;
	gr_tensor *sum = NULL;
	for (int i = 0; i < n->nin; i++) {
		gr_tensor *gin[GR_OP_MAX_IN] = {NULL};
		if (t->din[i] == NULL)
			continue;
		gr_tensor *wide = gr_expand(t->din[i], y->ndim, y->dims);
		gr_status status = wide == NULL ? gr_error_code() : run_rule(t, &wide, gin, 1u << i);
		if (status != GR_OK)
			return status;
		*fits = gin[i] != NULL && has_shape(gin[i], y) && gin[i]->dtype == y->dtype;
		if (!*fits)
			return GR_OK;
		sum = plus(sum, gin[i]);
	}
	t->dout[0] = sum;
	return sum != NULL || !gr_failed() ? GR_OK : gr_error_code();
}

/* <rule_i(c), dx_i>, summed over i; NULL where no rule depends on c. */
static gr_status pair(tangents *t, gr_tensor **c, gr_tensor **sum)
{
	gr_tensor *gin[GR_OP_MAX_IN] = {NULL};
	uint32_t want = 0;
	for (int i = 0; i < t->node->nin; i++)
		want |= t->din[i] != NULL ? 1u << i : 0u;
	gr_status status = run_rule(t, c, gin, want);
	*sum = NULL;
	for (int i = 0; i < t->node->nin && status == GR_OK; i++) {
		if (t->din[i] != NULL && gin[i] == NULL)
			return gr_failed()
				? gr_error_code()
				: gr__fail(GR_ESTATE, "jvp", "the rule of %s gave no gradient for operand %d",
					  t->node->op->name, i);
		if (t->din[i] == NULL || !gr_is_tracked(gin[i]))
			continue;
		*sum = plus(*sum, gr_sum(gr_mul(gin[i], t->din[i]), GR_ALL_AXES, false));
		status = *sum == NULL ? gr_error_code() : GR_OK;
	}
	return status;
}

/* dy = d/dc <rule(c), dx>: the rule is linear in its cotangent c, so its value does not matter. */
static gr_status apply_rule_twice(tangents *t, bool create_graph)
{
	const gr_node *n = t->node;
	gr_tensor *c[GR_OP_MAX_OUT] = {NULL}, *x[GR_OP_MAX_OUT], *dx[GR_OP_MAX_OUT], *sum;
	uint64_t floor = gr__node_next_seq();
	int count = 0;
	for (int j = 0; j < n->nout; j++) {
		c[j] = zeros(&n->out_shape[j]);
		if (c[j] != NULL && is_float(&n->out_shape[j]))
			x[count++] = c[j] = gr_watch(c[j]);
		if (c[j] == NULL)
			return gr_error_code();
	}
	bool was = gr_set_recording(true);
	gr_status status = pair(t, c, &sum);
	gr_set_recording(was);
	if (status != GR_OK || sum == NULL)
		return status;
	gr_grad_opts opts = {.size = sizeof opts, .create_graph = create_graph, .allow_unused = true};
	status = gr__walk(dx, sum, count, x, &opts, floor);
	for (int j = 0, k = 0; j < n->nout && status == GR_OK; j++)
		t->dout[j] = is_float(&n->out_shape[j]) ? dx[k++] : NULL;
	return status;
}

/* Does every input that counts as it is stand in the node? */
static bool has_operands(const tangents *t, bool floats)
{
	for (int i = 0; i < t->node->nin; i++) {
		if (t->in[i] == NULL && (floats || !is_float(&t->node->in_shape[i])))
			return false;
	}
	return true;
}

static gr_status apply(tangents *t, bool create_graph)
{
	const unsigned flags = t->node->op->flags;
	if ((flags & GR_OP_LINEAR) != 0 && has_operands(t, false))
		return apply_linear(t);
	if ((flags & GR_OP_BILINEAR) != 0 && t->node->nin == 2 && t->node->nout == 1 &&
		has_operands(t, true))
		return apply_bilinear(t);
	if ((flags & GR_OP_ELEMENTWISE) != 0 && t->node->nout == 1) {
		bool fits;
		gr_status status = apply_elementwise(t, &fits);
		if (status != GR_OK || fits)
			return status;
	}
	return apply_rule_twice(t, create_graph);
}

static gr_tensor **slot_of(gr_edge e)
{
	return &e.node->grad[e.out];
}

static bool moves(gr_edge e)
{
	return e.node != NULL && e.node->needed;
}

static gr_status run_node(const sweep *s, gr_node *n)
{
	tangents t = {.node = n};
	gr_status status = gr__walk_saved(n, t.in, t.out);
	bool any = false;
	for (int i = 0; i < n->nin; i++) {
		t.din[i] = moves(n->edges[i]) ? *slot_of(n->edges[i]) : NULL;
		any = any || t.din[i] != NULL;
	}
	if (status == GR_OK && any)
		status = apply(&t, s->create_graph);
	for (int j = 0; j < n->nout && status == GR_OK; j++)
		n->grad[j] = gr_tensor_retain(t.dout[j]);
	return status;
}

static gr_status ascend(sweep *s);

/* A checkpointed call: run again, its nodes pass the tangents. */
static gr_status run_region(const sweep *s, gr_node *n)
{
	gr_tensor *y[GR_OP_MAX_OUT];
	sweep inner = {.create_graph = s->create_graph};
	gr_status status = gr__region_replay(n, &inner.list, y);
	for (int j = 0; j < n->nout && status == GR_OK; j++)
		((gr_node *)y[j]->node)->uses++;
	if (status == GR_OK)
		status = ascend(&inner);
	for (int j = 0; j < n->nout && status == GR_OK; j++)
		n->grad[j] = gr_tensor_retain(*slot_of((gr_edge){y[j]->node, y[j]->node_out}));
	for (int64_t i = 0; i < inner.list.count; i++)
		gr__node_clear_grads(inner.list.nodes[i]);
	gr__nodelist_close(&inner.list);
	return status;
}

/* Add the tangents given for results of this node. */
static gr_status add_given(const sweep *s, gr_node *n)
{
	for (int i = 0; i < s->n; i++) {
		gr_tensor **slot = &n->grad[s->x[i]->node_out];
		if (s->x[i]->node != n || s->dx[i] == NULL)
			continue;
		gr_tensor *total = gr_tensor_retain(plus(*slot, s->dx[i]));
		if (total == NULL)
			return gr_error_code();
		gr_tensor_release(*slot);
		*slot = total;
	}
	return GR_OK;
}

static gr_status pass(const sweep *s, gr_node *n)
{
	bool below = false;
	for (int e = 0; e < n->nin; e++)
		below = below || moves(n->edges[e]);
	gr_status status = gr_scope_begin();
	if (status == GR_OK && below && n->consumed)
		status = gr__walk_consumed(n);
	if (status == GR_OK && below)
		status = n->region != NULL ? run_region(s, n) : run_node(s, n);
	if (status == GR_OK)
		status = add_given(s, n);
	(void)gr_scope_end();
	return status;
}

/* A tangent that the list's later nodes do not read is no more needed. */
static void used(const sweep *s, const gr_node *n)
{
	for (int e = 0; e < n->nin; e++) {
		gr_node *below = n->edges[e].node;
		if (below != NULL && below->visit == s->list.number && --below->uses == 0)
			gr__node_clear_grads(below);
	}
}

/* Mark what depends on an x, count who reads it, and pass through. */
static gr_status ascend(sweep *s)
{
	gr_status status = GR_OK;
	for (int i = 0; i < s->n; i++) {
		gr_node *node = s->x[i]->node;
		node->needed = node->needed || node->visit == s->list.number;
	}
	for (int64_t i = 0; i < s->list.count; i++) {
		gr_node *n = s->list.nodes[i];
		for (int e = 0; e < n->nin; e++) {
			n->needed = n->needed || moves(n->edges[e]);
			if (n->edges[e].node != NULL && n->edges[e].node->visit == s->list.number)
				n->edges[e].node->uses++;
		}
	}
	for (int64_t i = 0; i < s->list.count && status == GR_OK; i++) {
		gr_node *n = s->list.nodes[i];
		if (n->needed)
			status = pass(s, n);
		used(s, n);
	}
	return status;
}

/* Held references to the tangents of y. */
static gr_status collect(gr_tensor **dy, int m, gr_tensor *const *y, bool allow_unused)
{
	for (int j = 0; j < m; j++) {
		gr_node *node = y[j]->node;
		if (!allow_unused && (node == NULL || !node->needed))
			return gr__fail(GR_EARG, "jvp",
				"y[%d] depends on no x; hint: set allow_unused if that is meant", j);
		gr_tensor *t = node == NULL ? NULL : node->grad[y[j]->node_out];
		dy[j] = gr_tensor_retain(t != NULL ? t : gr_zeros(y[j]->dtype, y[j]->ndim, y[j]->dims));
		if (dy[j] == NULL)
			return gr_error_code();
	}
	return GR_OK;
}

static gr_status run(sweep *s, gr_tensor **dy, int m, gr_tensor *const *y, bool allow_unused)
{
	gr_node **roots = gr_alloc((size_t)(m > 0 ? m : 1) * sizeof *roots);
	if (roots == NULL)
		return gr_error_code();
	for (int j = 0; j < m; j++)
		roots[j] = y[j]->node;
	gr_status status = gr__nodelist_open(&s->list, m, roots, 0);
	for (int j = 0; j < m && status == GR_OK; j++) {
		if (roots[j] != NULL)
			roots[j]->uses++; /* until it is collected */
	}
	bool was = gr_set_recording(s->create_graph);
	if (status == GR_OK)
		status = ascend(s);
	if (status == GR_OK)
		status = collect(dy, m, y, allow_unused);
	gr_set_recording(was);
	for (int64_t i = 0; i < s->list.count; i++)
		gr__node_clear_grads(s->list.nodes[i]);
	gr__nodelist_close(&s->list);
	gr_free(roots);
	return status;
}

static gr_status check(int m, gr_tensor *const *y, const sweep *s)
{
	for (int j = 0; j < m; j++) {
		if (y[j] == NULL)
			return gr_failed() ? gr_error_code() : gr__fail(GR_EARG, "jvp", "y[%d] is NULL", j);
	}
	for (int i = 0; i < s->n; i++) {
		const gr_tensor *x = s->x[i], *dx = s->dx[i];
		char a[192], b[192];
		if (x == NULL)
			return gr_failed() ? gr_error_code() : gr__fail(GR_EARG, "jvp", "x[%d] is NULL", i);
		if (x->node == NULL)
			return gr__fail(GR_EARG, "jvp", "x[%d] is not tracked; hint: gr_watch it before use",
				i);
		if (dx != NULL && (!gr_is_same_shape(x, dx) || x->dtype != dx->dtype))
			return gr__fail(GR_ESHAPE, "jvp", "dx[%d] is %s, x[%d] is %s", i,
				gr_tensor_describe(dx, a, sizeof a), i, gr_tensor_describe(x, b, sizeof b));
	}
	return GR_OK;
}

gr_status gr_jvp(gr_tensor **dy, int m, gr_tensor *const *y, int n, gr_tensor *const *x,
	gr_tensor *const *dx, const gr_jvp_opts *opts)
{
	sweep s = {.n = n, .x = x, .dx = dx, .create_graph = opts != NULL && opts->create_graph};
	for (int j = 0; j < m; j++)
		dy[j] = NULL;
	gr_status status = check(m, y, &s);
	if (status == GR_OK)
		status = run(&s, dy, m, y, opts != NULL && opts->allow_unused);
	for (int j = 0; j < m; j++) {
		gr_tensor *held = dy[j];
		dy[j] = status == GR_OK ? gr__scope_own(held) : NULL;
		if (status != GR_OK)
			gr_tensor_release(held);
		else if (dy[j] == NULL)
			status = gr_error_code();
	}
	for (int j = 0; j < m && status != GR_OK; j++)
		dy[j] = NULL;
	return status;
}
