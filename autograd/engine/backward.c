/*
 * The walk: collect the nodes below y, keep those that lead to an x, and run their rules from the
 * newest to the oldest. No recursion anywhere; depth costs memory of a pointer per node only.
 *
 * Each rule runs in a scope of its own, so its temporaries die with it, and a cotangent is freed
 * as soon as its node has passed. Cotangents that meet are summed in the order of the walk, which
 * depends on the program alone.
 */
#include "walk_priv.h"

#include <string.h>

#include "gradus/ops/binary.h"
#include "gradus/ops/reduce.h"
#include "hook_priv.h"
#include "kern.h"
#include "nodelist_priv.h"
#include "observe.h"
#include "region_priv.h"

typedef struct walk {
	gr_nodelist list;
	int n;
	gr_tensor *const *x;
	gr_tensor **grads; /* retained results */
	uint64_t floor;    /* no gradient flows to nodes below this number */
	bool keep_graph, create_graph;
} walk;

/* Is something asked for at or below the end of this edge? */
static bool leads_on(const walk *w, gr_edge e)
{
	return e.node != NULL && e.node->needed && e.node->seq >= w->floor;
}

/* Oldest first, so that a node's inputs are decided before it. */
static void mark_needed(walk *w)
{
	for (int i = 0; i < w->n; i++) {
		gr_node *node = w->x[i]->node;
		node->needed = node->needed || node->visit == w->list.number;
	}
	for (int64_t i = 0; i < w->list.count; i++) {
		gr_node *node = w->list.nodes[i];
		for (int e = 0; e < node->nin && !node->needed; e++)
			node->needed = leads_on(w, node->edges[e]);
	}
}

static gr_status check_saved(const gr_node *n, const gr_saved *s)
{
	if (s->tensor == NULL || atomic_load(&s->tensor->storage->version) == s->version)
		return GR_OK;
	return gr__fail(GR_ESTATE, "grad",
		"%s of %s:%d needs a value that gr_param_update has overwritten since", n->op->name,
		n->file, n->line);
}

/* A saved output as the rule may read it: where its ops are recorded, a tensor that stands on its own
 * node again. */
static gr_tensor *restore_output(gr_node *n, int i)
{
	if (!gr__recording())
		return n->saved_out[i].tensor;
	gr_tensor *t = gr__tensor_alias(n->saved_out[i].tensor);
	if (t == NULL)
		return NULL;
	gr__node_attach(t, n, i);
	return gr__scope_own(t);
}

gr_status gr__walk_saved(gr_node *n, gr_tensor **in, gr_tensor **out)
{
	for (int i = 0; i < n->nin; i++) {
		if (check_saved(n, &n->saved_in[i]) != GR_OK)
			return gr_error_code();
		in[i] = n->saved_in[i].tensor;
	}
	for (int i = 0; i < n->nout; i++) {
		out[i] = NULL;
		if (check_saved(n, &n->saved_out[i]) != GR_OK)
			return gr_error_code();
		if (n->saved_out[i].tensor != NULL && (out[i] = restore_output(n, i)) == NULL)
			return gr_error_code();
	}
	return GR_OK;
}

gr_status gr__walk_consumed(const gr_node *n)
{
	return gr__fail(GR_ESTATE, "grad",
		"the graph of %s (%s:%d) was consumed by an earlier gr_grad; hint: set keep_graph, or "
		"use gr_pullback",
		n->op->name, n->file, n->line);
}

static gr_tensor *zeros_like(const gr_operand *o)
{
	return gr_zeros(o->dtype, o->ndim, o->dims);
}

/* Bring a rule's result to its input's shape. */
static gr_tensor *fit(const gr_node *n, int i, gr_tensor *g)
{
	const gr_operand *o = &n->in_shape[i];
	if (g->dtype != o->dtype) {
		gr__fail(GR_EDTYPE, "grad", "the rule of %s gave a gradient of type %s for operand %d",
			n->op->name, gr_dtype_name(g->dtype), i);
		return NULL;
	}
	return gr_sum_to(g, o->ndim, o->dims);
}

/* acc += g where nobody else can see acc; else a new sum. */
static gr_tensor *sum(const walk *w, gr_tensor *acc, gr_tensor *g)
{
	bool alone = !w->create_graph && atomic_load(&acc->refs) == 1 &&
		atomic_load(&acc->storage->refs) == 1 && gr_is_contiguous(acc);
	if (!alone)
		return gr_tensor_retain(gr_add(acc, g));
	const gr_tensor *in[] = {acc, g};
	if (gr__ew(GR_EW_ADD, acc, in, 0.0, 0.0) != GR_OK) {
		gr__fail(GR_EMEM, "grad", "no room to sum two cotangents");
		return NULL;
	}
	return gr_tensor_retain(acc);
}

static gr_status accumulate(const walk *w, gr_edge e, gr_tensor *g)
{
	gr_tensor **slot = &e.node->grad[e.out];
	if (*slot == NULL) {
		*slot = gr_tensor_retain(g);
		return GR_OK;
	}
	gr_tensor *total = sum(w, *slot, g);
	if (total == NULL)
		return gr_error_code();
	gr_tensor_release(*slot);
	*slot = total;
	return GR_OK;
}

static gr_status run_rule(const walk *w, gr_node *n)
{
	gr_tensor *in[GR_OP_MAX_IN], *gin[GR_OP_MAX_IN], *out[GR_OP_MAX_OUT], *gout[GR_OP_MAX_OUT];
	gr_vjp v = {.op = n->op,
		.attr = n->attr,
		.nin = n->nin,
		.nout = n->nout,
		.in = in,
		.out = out,
		.gout = gout,
		.gin = gin,
		.shape = n->in_shape};
	if (gr__walk_saved(n, in, out) != GR_OK)
		return gr_error_code();
	for (int i = 0; i < n->nin; i++) {
		gin[i] = NULL;
		v.want |= leads_on(w, n->edges[i]) ? 1u << i : 0u;
	}
	for (int i = 0; i < n->nout; i++) {
		gout[i] = n->grad[i] != NULL ? n->grad[i] : zeros_like(&n->out_shape[i]);
		if (gout[i] == NULL)
			return gr_error_code();
	}
	bool fused = n->op->vjp_fused != NULL && !w->create_graph;
	bool failed = gr_failed();
	gr_status (*rule)(gr_vjp *) = fused ? n->op->vjp_fused : n->op->vjp;
	bool observed = (gr__mode & GR_MODE_OBSERVED) != 0;
	gr_status status = observed ? gr__observe_rule(n, rule, &v) : rule(&v);
	if (status == GR_OK && !failed)
		status = gr_error_code(); /* of an op inside the rule */
	if (status != GR_OK && !gr_failed())
		gr__fail(status, n->op->name, "%s in the gradient", gr_error_text(status));
	for (int i = 0; i < n->nin && status == GR_OK; i++) {
		if ((v.want >> i & 1u) == 0)
			continue;
		if (gin[i] == NULL) {
			if (!gr_failed())
				gr__fail(GR_ESTATE, "grad", "the rule of %s gave no gradient for operand %d",
					n->op->name, i);
			return gr_error_code();
		}
		gr_tensor *g = fit(n, i, gin[i]);
		status = g == NULL ? gr_error_code() : accumulate(w, n->edges[i], g);
	}
	return status;
}

static gr_status descend(walk *w);

/*
 * A checkpointed call: run it again, recorded, and walk what it recorded in this node's place. Those
 * nodes pass their cotangents to the ones below as in a plain run, one by one in the same order, so
 * that the sums are the same bits.
 */
static gr_status run_region(const walk *w, gr_node *n)
{
	gr_tensor *y[GR_OP_MAX_OUT];
	walk inner = {.keep_graph = w->create_graph, .create_graph = w->create_graph};
	gr_status status = gr__region_replay(n, &inner.list, y);
	if (status == GR_OK) {
		mark_needed(&inner);
		for (int i = 0; i < n->nout; i++) {
			gr_node *top = y[i]->node;
			top->grad[y[i]->node_out] = n->grad[i];
			n->grad[i] = NULL;
		}
		status = descend(&inner);
	}
	gr__nodelist_close(&inner.list);
	return status;
}

/* Hand the node's cotangent to the results that asked for it, then go below. */
static gr_status visit(walk *w, gr_node *n)
{
	bool any = false;
	for (int i = 0; i < n->nout; i++)
		any = any || n->grad[i] != NULL;
	if (!n->needed || !any)
		return GR_OK;
	if (n->hooks != NULL && gr__hooks_run(n) != GR_OK)
		return gr_error_code();
	for (int i = 0; i < w->n; i++) {
		if (w->x[i]->node == n)
			w->grads[i] = gr_tensor_retain(n->grad[w->x[i]->node_out]);
	}
	bool below = false;
	for (int e = 0; e < n->nin; e++)
		below = below || leads_on(w, n->edges[e]);
	if (n->op == NULL || !below)
		return GR_OK;
	if (n->consumed)
		return gr__walk_consumed(n);
	/* A scope that cannot open records GR_EMEM and its end is still balanced. */
	gr_status status = gr_scope_begin();
	if (status == GR_OK)
		status = n->region != NULL ? run_region(w, n) : run_rule(w, n);
	(void)gr_scope_end();
	if (!w->keep_graph)
		gr__node_consume(n);
	return status;
}

static gr_status descend(walk *w)
{
	gr_status status = GR_OK;
	for (int64_t i = w->list.count - 1; i >= 0; i--) {
		gr_node *n = w->list.nodes[i];
		if (status == GR_OK)
			status = visit(w, n);
		gr__node_clear_grads(n);
	}
	return status;
}

static gr_tensor *seed(gr_tensor *y, gr_tensor *cotangent)
{
	if (cotangent == NULL) {
		if (y->size != 1) {
			gr__fail(GR_ESHAPE, "grad", "y has %lld elements; hint: give a cotangent or sum y",
				(long long)y->size);
			return NULL;
		}
		return gr_full(y->dtype, y->ndim, y->dims, 1.0);
	}
	if (!gr_is_same_shape(y, cotangent) || y->dtype != cotangent->dtype) {
		char a[192], b[192];
		gr__fail(GR_ESHAPE, "grad", "the cotangent is %s, y is %s",
			gr_tensor_describe(cotangent, a, sizeof a), gr_tensor_describe(y, b, sizeof b));
		return NULL;
	}
	return cotangent;
}

/* Nodes are kept alive during the walk by y, which the caller holds. */
static gr_status run_walk(walk *w, gr_tensor *y, gr_tensor *cotangent)
{
	gr_tensor *start = seed(y, cotangent);
	if (start == NULL)
		return gr_error_code();
	gr_node *root = y->node;
	gr_status status = gr__nodelist_open(&w->list, 1, &root, w->floor);
	if (status == GR_OK && w->list.count > 0) {
		mark_needed(w);
		root->grad[y->node_out] = gr_tensor_retain(start);
		bool was = gr_set_recording(w->create_graph);
		status = descend(w);
		gr_set_recording(was);
	}
	gr__nodelist_close(&w->list);
	return status;
}

static gr_status check_targets(gr_tensor *y, int n, gr_tensor *const *x)
{
	if (y == NULL)
		return gr_failed() ? gr_error_code() : gr__fail(GR_EARG, "grad", "y is NULL");
	for (int i = 0; i < n; i++) {
		if (x[i] == NULL)
			return gr_failed() ? gr_error_code() : gr__fail(GR_EARG, "grad", "x[%d] is NULL", i);
		if (x[i]->node == NULL)
			return gr__fail(GR_EARG, "grad", "x[%d] is not tracked; hint: gr_watch it before use",
				i);
	}
	return GR_OK;
}

/* Results that the walk did not reach: zero if allowed. */
static gr_status fill_missing(gr_tensor **grads, int n, gr_tensor *const *x, bool allow_unused)
{
	for (int i = 0; i < n; i++) {
		if (grads[i] != NULL)
			continue;
		if (!allow_unused)
			return gr__fail(GR_EARG, "grad",
				"y does not depend on x[%d]; hint: set allow_unused if that is meant", i);
		gr_tensor *zero = gr_zeros(x[i]->dtype, x[i]->ndim, x[i]->dims);
		if (zero == NULL)
			return gr_error_code();
		grads[i] = gr_tensor_retain(zero);
	}
	return GR_OK;
}

gr_status gr__walk(gr_tensor **grads, gr_tensor *y, int n, gr_tensor *const *x,
	const gr_grad_opts *opts, uint64_t floor)
{
	for (int i = 0; i < n; i++)
		grads[i] = NULL;
	gr_status status = check_targets(y, n, x);
	if (status != GR_OK)
		return status;
	if (y->node != NULL) {
		walk w = {.n = n,
			.x = x,
			.grads = grads,
			.floor = floor,
			.keep_graph = opts->keep_graph || opts->create_graph,
			.create_graph = opts->create_graph};
		status = run_walk(&w, y, opts->cotangent);
	}
	if (status == GR_OK)
		status = fill_missing(grads, n, x, opts->allow_unused);
	/* From held references to the caller's scope, or to nothing. */
	for (int i = 0; i < n; i++) {
		if (status == GR_OK)
			grads[i] = gr__scope_own(grads[i]);
		else
			gr_tensor_release(grads[i]);
		if (status == GR_OK && grads[i] == NULL)
			status = GR_EMEM;
		if (status != GR_OK)
			grads[i] = NULL;
	}
	return status;
}

gr_status gr_grad(gr_tensor **grads, gr_tensor *y, int n, gr_tensor *const *x,
	const gr_grad_opts *opts)
{
	static const gr_grad_opts defaults = {.size = sizeof defaults};
	return gr__walk(grads, y, n, x, opts != NULL ? opts : &defaults, 0);
}
