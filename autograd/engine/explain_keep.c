/*
 * Names and values that graphs do not hold, kept while the user says so. They are found by the
 * number of their node, which is never given twice, so a graph may die before what is kept of it.
 */
#include <string.h>

#include "explain_priv.h"
#include "observe.h"
#include "pool.h"

typedef struct kept {
	uint64_t seq;     /* of the node; 0 for a constant, which its values tell */
	int slot;         /* output, or -1 - i for operand i */
	gr_tensor *value; /* an alias without node; NULL in an entry for a node's name */
	char *name;
} kept;

typedef struct keeper {
	gr_observer base;
	bool on, values;
	kept *all;
	int64_t count;
} keeper;

static _Thread_local keeper this_thread;

static kept *add(keeper *k, uint64_t seq, int slot)
{
	size_t bytes = (size_t)(k->count + 1) * sizeof *k->all;
	if (k->all == NULL || gr__pool_block_size(k->all) < bytes) {
		kept *grown = k->all == NULL ? gr__pool_alloc(2048) : gr__pool_grow(k->all, 2 * bytes);
		if (grown == NULL) {
			gr__fail(GR_EMEM, "explain", "no room for what is kept of the graph");
			return NULL;
		}
		k->all = grown;
	}
	k->all[k->count] = (kept){.seq = seq, .slot = slot};
	return &k->all[k->count++];
}

static gr_status keep(keeper *k, const gr_node *n, int slot, const gr_tensor *t)
{
	if (gr__explain_kept_value(n, slot) != NULL)
		return GR_OK;
	gr_tensor *alias = gr__tensor_alias(t);
	kept *entry = alias == NULL ? NULL : add(k, n->seq, slot);
	if (entry == NULL) {
		gr_tensor_release(alias);
		return gr_error_code();
	}
	entry->value = alias;
	return GR_OK;
}

/* The results of a recorded op, its operands, and the leaves among them. */
static gr_status call_end(gr_observer *o, const gr_op_call *c, gr_status status)
{
	keeper *k = (keeper *)o;
	const gr_node *node = status == GR_OK && c->nout > 0 ? c->out[0]->node : NULL;
	if (node == NULL || c->op->compose != NULL)
		return GR_OK;
	for (int i = 0; i < c->nout && status == GR_OK; i++)
		status = keep(k, node, i, c->out[i]);
	for (int i = 0; i < c->nin && status == GR_OK; i++) {
		const gr_node *from = c->in[i]->node;
		status = keep(k, node, -1 - i, c->in[i]);
		if (from != NULL && status == GR_OK)
			status = keep(k, from, c->in[i]->node_out, c->in[i]);
	}
	return status;
}

gr_status gr_explain_begin(bool values)
{
	keeper *k = &this_thread;
	if (k->on)
		return gr__fail(GR_ESTATE, "explain_begin", "it has begun; hint: gr_explain_end() first");
	*k = (keeper){.base = {.call_end = call_end}, .on = true, .values = values};
	if (values)
		gr__observer_add(&k->base);
	return GR_OK;
}

void gr_explain_end(void)
{
	keeper *k = &this_thread;
	if (k->values)
		gr__observer_remove(&k->base);
	for (int64_t i = 0; i < k->count; i++) {
		gr_tensor_release(k->all[i].value);
		gr__pool_free(k->all[i].name);
	}
	gr__pool_free(k->all);
	*k = (keeper){.on = false};
}

gr_tensor *gr_explain_name(gr_tensor *t, const char *name)
{
	keeper *k = &this_thread;
	const gr_node *n = t != NULL ? t->node : NULL;
	if (!k->on || t == NULL || name == NULL)
		return t;
	kept *entry = add(k, n != NULL ? n->seq : 0, t->node_out);
	if (entry == NULL)
		return NULL;
	entry->name = gr__pool_strdup(name);
	if (entry->name == NULL) {
		gr__fail(GR_EMEM, "explain_name", "no room for the name %s", name);
		return NULL;
	}
	if (n == NULL && (entry->value = gr__tensor_alias(t)) == NULL)
		return NULL;
	if (n != NULL && k->values && n->op == NULL && keep(k, n, t->node_out, t) != GR_OK)
		return NULL;
	return t;
}

const char *gr__explain_kept_name(const gr_node *n, int out)
{
	const keeper *k = &this_thread;
	const char *name = NULL;
	for (int64_t i = 0; i < k->count; i++) {
		if (k->all[i].seq == n->seq && k->all[i].slot == out && k->all[i].name != NULL)
			name = k->all[i].name; /* the last one given */
	}
	return name;
}

gr_tensor *gr__explain_kept_value(const gr_node *n, int slot)
{
	const keeper *k = &this_thread;
	for (int64_t i = k->count; i > 0; i--) {
		const kept *entry = &k->all[i - 1];
		if (entry->seq == n->seq && entry->slot == slot && entry->value != NULL)
			return entry->value;
	}
	return NULL;
}

const char *gr__explain_constant(const gr_node *n, int i)
{
	const keeper *k = &this_thread;
	const gr_tensor *t = n->saved_in[i].tensor;
	if (t == NULL)
		t = gr__explain_kept_value(n, -1 - i);
	for (int64_t e = 0; e < k->count && t != NULL; e++) {
		const kept *entry = &k->all[e];
		if (entry->seq == 0 && entry->name != NULL && entry->value->data == t->data &&
			entry->value->size == t->size)
			return entry->name;
	}
	return "constant";
}
