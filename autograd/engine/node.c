/*
 * Making and freeing nodes. Freeing is iterative: a graph may be a million nodes deep.
 */
#include "node.h"

#include <string.h>

#include "pool.h"

static atomic_uint_fast64_t next_seq = 1;

static size_t align16(size_t bytes)
{
	return (bytes + 15) / 16 * 16;
}

/* One block: node, then edges, what is saved and cotangents, all zero; then shapes and attributes,
 * which the caller sets. */
static gr_node *node_new(const gr_op *op, int nin, int nout)
{
	const size_t ins = (size_t)nin, outs = (size_t)nout;
	const size_t edges = sizeof(gr_node);
	const size_t saved_in = edges + ins * sizeof(gr_edge);
	const size_t saved_out = saved_in + ins * sizeof(gr_saved);
	const size_t grad = saved_out + outs * sizeof(gr_saved);
	const size_t in_shape = grad + outs * sizeof(gr_tensor *);
	const size_t out_shape = in_shape + ins * sizeof(gr_operand);
	const size_t attr = align16(out_shape + outs * sizeof(gr_operand));
	char *p = gr__pool_alloc(attr + (op != NULL ? op->attr_size : 0));
	if (p == NULL) {
		gr__fail(GR_EMEM, op != NULL ? op->name : "watch", "no room for a graph node");
		return NULL;
	}
	memset(p, 0, in_shape);
	gr_node *node = (gr_node *)(void *)p;
	node->op = op;
	node->nin = nin;
	node->nout = nout;
	node->seq = atomic_fetch_add_explicit(&next_seq, 1, memory_order_relaxed);
	atomic_init(&node->refs, 1);
	node->file = gr__site_file();
	node->line = gr__site_line();
	node->edges = (gr_edge *)(void *)(p + edges);
	node->saved_in = (gr_saved *)(void *)(p + saved_in);
	node->saved_out = (gr_saved *)(void *)(p + saved_out);
	node->grad = (gr_tensor **)(void *)(p + grad);
	node->in_shape = (gr_operand *)(void *)(p + in_shape);
	node->out_shape = (gr_operand *)(void *)(p + out_shape);
	node->attr = op != NULL && op->attr_size > 0 ? p + attr : NULL;
	return node;
}

gr_node *gr__node_leaf(const gr_tensor *t)
{
	gr_node *node = node_new(NULL, 0, 1);
	if (node != NULL)
		node->out_shape[0] = gr__operand(t);
	return node;
}

static gr_saved save(gr_tensor *t)
{
	return (gr_saved){t, atomic_load(&t->storage->version)};
}

/* What the gradients of the tracked inputs read. */
static uint32_t saves_of(const gr_op_call *c)
{
	const int known = (int)(sizeof c->op->reads / sizeof *c->op->reads);
	uint32_t read = 0;
	for (int i = 0; i < c->nin && read != c->op->saves; i++) {
		if (c->in[i]->node != NULL)
			read |= c->op->saves & (i < known && c->op->reads[i] != 0 ? c->op->reads[i] : ~0u);
	}
	return read;
}

gr_node *gr__node_record(const gr_op_call *c)
{
	const gr_op *op = c->op;
	gr_node *node = node_new(op, c->nin, c->nout);
	if (node == NULL)
		return NULL;
	const uint32_t saves = saves_of(c);
	if (node->attr != NULL)
		memcpy(node->attr, c->attr, op->attr_size);
	for (int i = 0; i < c->nin; i++) {
		gr_tensor *t = c->in[i];
		node->edges[i] = (gr_edge){gr__node_retain(t->node), t->node_out};
		node->in_shape[i] = gr__operand(t);
		/* Inputs past the mask of a variadic op share the bit of input 15. */
		uint32_t bit = GR_SAVE_IN(i < 15 ? i : 15);
		if ((saves & bit) != 0)
			node->saved_in[i] = save(gr_tensor_retain(t));
	}
	for (int i = 0; i < c->nout; i++) {
		node->out_shape[i] = gr__operand(c->out[i]);
		if ((saves & GR_SAVE_OUT(i)) == 0)
			continue;
		gr_tensor *alias = gr__tensor_alias(c->out[i]);
		if (alias == NULL) {
			gr__node_release(node);
			return NULL;
		}
		node->saved_out[i] = save(alias);
	}
	return node;
}

gr_node *gr__node_region(const gr_op *op, int nin, const gr_edge *edges, int nout,
	gr_region *region)
{
	gr_node *node = node_new(op, nin, nout);
	if (node == NULL)
		return NULL;
	node->region = region;
	memset(node->out_shape, 0, (size_t)nout * sizeof *node->out_shape);
	for (int i = 0; i < nin; i++) {
		node->edges[i] = (gr_edge){gr__node_retain(edges[i].node), edges[i].out};
		node->in_shape[i] = edges[i].node->out_shape[edges[i].out];
	}
	return node;
}

uint64_t gr__node_next_seq(void)
{
	return atomic_load_explicit(&next_seq, memory_order_relaxed);
}

gr_node *gr__node_retain(gr_node *n)
{
	if (n != NULL)
		atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
	return n;
}

static void drop(gr_saved *s)
{
	gr_tensor *t = s->tensor;
	if (t == NULL)
		return;
	s->tensor = NULL;
	gr_tensor_release(t);
}

static void drop_saved(gr_node *n)
{
	for (int i = 0; i < n->nin; i++)
		drop(&n->saved_in[i]);
	for (int i = 0; i < n->nout; i++)
		drop(&n->saved_out[i]);
	if (n->region != NULL)
		gr__region_free(n->region);
	n->region = NULL;
}

void gr__node_clear_grads(gr_node *n)
{
	for (int i = 0; i < n->nout; i++) {
		gr_tensor *g = n->grad[i];
		n->grad[i] = NULL;
		gr_tensor_release(g);
	}
}

void gr__node_consume(gr_node *n)
{
	n->consumed = true;
	drop_saved(n);
}

/* Dead nodes wait in a list of this thread; the outermost call empties it. */
static _Thread_local gr_node *dead;
static _Thread_local bool burying;

static void bury(gr_node *n)
{
	drop_saved(n);
	for (int i = 0; i < n->nout; i++)
		gr_tensor_release(n->grad[i]);
	for (int i = 0; i < n->nin; i++)
		gr__node_release(n->edges[i].node);
	if (n->hooks != NULL)
		gr__hooks_free(n);
	gr__pool_free(n);
}

void gr__node_release(gr_node *n)
{
	if (n == NULL || !gr__drop_ref(&n->refs))
		return;
	n->next_dead = dead;
	dead = n;
	if (burying)
		return;
	burying = true;
	while (dead != NULL) {
		gr_node *first = dead;
		dead = first->next_dead;
		bury(first);
	}
	burying = false;
}

static void release_hook(void *node)
{
	gr__node_release(node);
}

void gr__node_hand(gr_tensor *t, gr_node *n, int out)
{
	gr__tensor_set_node_hook(release_hook);
	t->node = n;
	t->node_out = out;
}

void gr__node_attach(gr_tensor *t, gr_node *n, int out)
{
	gr__node_hand(t, gr__node_retain(n), out);
}
