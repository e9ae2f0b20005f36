/*
 * gr_checkpoint: a node that stands for a whole function, and the function run again in its place.
 *
 * The first run is recorded like any other. Its nodes below the results, and above what was there
 * before, are the region; the edges that lead out of it become the edges of one node, and the region
 * is dropped. So whatever the function captures is found, named or not. The node keeps the inputs,
 * the versions of all that was read, and a digest of the results.
 *
 * gr__region_replay() checks the versions, runs the function again, recorded, and checks the digest.
 * The walk then passes through the new nodes as if they had been there (engine/backward.c). The
 * number of the node is higher than any of its region's and lower than any made later, so the order
 * of the walk, and with it every sum, is that of a plain run. See docs/design/010-checkpoint.md.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include "gradus/recompute.h"

#include <string.h>

#include "pool.h"
#include "readlog_priv.h"
#include "region_priv.h"

struct gr_region {
	gr_tensor_fn fn;
	void *payload;
	size_t payload_bytes; /* then payload is a copy that nobody writes */
	void (*payload_free)(void *payload);
	void *payload_given;
	int n, outputs;
	gr_tensor **x;           /* [n] */
	int slot[GR_OP_MAX_OUT]; /* of result j: output of the node, -1 when it is handed through */
	uint64_t digest[GR_OP_MAX_OUT];
	gr_saved *reads;
	int64_t read_count;
};

/* For messages and traces; it is never applied. */
static const gr_op op_checkpoint = {
	.name = "checkpoint",
	.sig = "x",
	.math = "y = f(x), run again for its gradient",
	.doc = "A function that keeps its inputs only.",
	.nout = 1,
};

_Static_assert(GR_RECOMPUTE_MAX_OUT == GR_OP_MAX_OUT, "one output of the node for each result");

/* --- the results, in 64 bits ---------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

/* Four lanes, since one multiplication waits for the one before it. */
static uint64_t digest_bytes(const unsigned char *p, size_t bytes, uint64_t seed)
{
	uint64_t lane[4] = {seed, seed + 1, seed + 2, seed + 3}, word[4];
	for (; bytes >= sizeof word; bytes -= sizeof word, p += sizeof word) {
		memcpy(word, p, sizeof word);
		for (int i = 0; i < 4; i++)
			lane[i] = mix(lane[i], word[i]);
	}
	memset(word, 0, sizeof word);
	memcpy(word, p, bytes);
	for (int i = 0; i < 4; i++)
		seed = mix(mix(seed, lane[i]), word[i]);
	return seed;
}

static gr_status digest_of(uint64_t *out, const gr_region *r, gr_tensor *const *y)
{
	for (int j = 0; j < r->outputs; j++) {
		gr_tensor *t = gr__tensor_contiguous(y[j]);
		if (t == NULL)
			return gr_error_code();
		gr_operand shape = gr__operand(t);
		uint64_t seed = mix((uint64_t)shape.dtype, (uint64_t)shape.ndim);
		for (int i = 0; i < shape.ndim; i++)
			seed = mix(seed, (uint64_t)shape.dims[i]);
		size_t bytes = t->storage->blank ? 0 : (size_t)t->size * gr_dtype_bytes(t->dtype);
		out[j] = digest_bytes((const unsigned char *)t->data, bytes, seed);
		gr_tensor_release(t);
	}
	return GR_OK;
}

/* --- running the function ------------------------------------------------------------------- */

/* y: results owned by the scope, none of them NULL. */
static gr_status run(const gr_region *r, gr_tensor *const *x, gr_tensor **y)
{
	void *payload = r->payload;
	for (int j = 0; j < r->outputs; j++)
		y[j] = NULL;
	if (r->payload_bytes > 0) {
		payload = gr_alloc(r->payload_bytes);
		if (payload == NULL)
			return gr_error_code();
		memcpy(payload, r->payload, r->payload_bytes);
	}
	gr_status status = r->fn(y, x, payload);
	if (r->payload_bytes > 0)
		gr_free(payload);
	if (status != GR_OK)
		return gr_failed() ? status
						   : gr__fail(status, "checkpoint", "the function failed without an error");
	for (int j = 0; j < r->outputs; j++) {
		if (y[j] == NULL)
			return gr_failed() ? gr_error_code()
							   : gr__fail(GR_EARG, "checkpoint", "the function left y[%d] NULL", j);
	}
	return GR_OK;
}

static bool is_of_region(const gr_tensor *t, uint64_t floor)
{
	return t->node != NULL && ((gr_node *)t->node)->seq >= floor;
}

/* Every node that the results of this run stand on, down to `floor`. */
static gr_status open_region(gr_nodelist *list, const gr_region *r, gr_tensor *const *y,
	uint64_t floor)
{
	gr_node *roots[GR_OP_MAX_OUT];
	for (int j = 0; j < r->outputs; j++)
		roots[j] = y[j]->node;
	return gr__nodelist_open(list, r->outputs, roots, floor);
}

/* --- the first run -------------------------------------------------------------------------- */

void gr__region_free(gr_region *r)
{
	if (r == NULL)
		return;
	if (r->payload_free != NULL)
		r->payload_free(r->payload_given);
	if (r->payload_bytes > 0)
		gr__pool_free(r->payload);
	for (int i = 0; i < r->n && r->x != NULL; i++)
		gr_tensor_release(r->x[i]);
	gr__pool_free(r->x);
	gr__readlog_free(r->reads, r->read_count);
	gr__pool_free(r);
}

/* Inputs and payload held; from here on gr__region_free() calls payload_free. */
static gr_region *region_new(gr_tensor_fn fn, int n, gr_tensor *const *x,
	const gr_recompute_opts *o)
{
	gr_region *r = gr_alloc(sizeof *r);
	if (r == NULL)
		return NULL;
	r->fn = fn;
	r->n = n;
	r->outputs = o->outputs > 0 ? o->outputs : 1;
	r->payload = r->payload_given = o->payload;
	r->x = gr_alloc((size_t)(n > 0 ? n : 1) * sizeof *x);
	void *copy = o->payload_bytes > 0 ? gr_alloc(o->payload_bytes) : NULL;
	if (r->x == NULL || (copy == NULL && o->payload_bytes > 0)) {
		gr_free(copy);
		gr__region_free(r);
		return NULL;
	}
	for (int i = 0; i < n; i++)
		r->x[i] = gr_tensor_retain(x[i]);
	if (copy != NULL) {
		memcpy(copy, o->payload, o->payload_bytes);
		r->payload = copy;
		r->payload_bytes = o->payload_bytes;
	}
	r->payload_free = o->payload_free;
	return r;
}

/* Blocks are aligned to more than a node has outputs. */
static uintptr_t edge_key(gr_edge e)
{
	return (uintptr_t)e.node + (uintptr_t)e.out;
}

/* Edges out of the region, each once, in the order of the nodes that have them. */
static gr_edge *edges_out(const gr_nodelist *list, uint64_t floor, int *count)
{
	gr_addrmap known = {0};
	int64_t room = 16, used = 0;
	gr_edge *edges = gr_alloc((size_t)room * sizeof *edges);
	for (int64_t i = 0; i < list->count && edges != NULL; i++) {
		const gr_node *node = list->nodes[i];
		for (int e = 0; e < node->nin && edges != NULL; e++) {
			gr_edge edge = node->edges[e];
			if (edge.node == NULL || edge.node->seq >= floor)
				continue;
			int64_t *place = gr__addrmap_at(&known, edge_key(edge), used);
			if (place != NULL && *place < used)
				continue;
			gr_edge *grown = edges;
			if (used == room)
				grown = gr__pool_grow(edges, (size_t)(room *= 2) * sizeof *edges);
			if (place == NULL || grown == NULL) {
				gr__fail(GR_EMEM, "checkpoint", "no room for its edges");
				gr_free(edges);
				edges = NULL;
			} else {
				edges = grown;
				edges[used++] = edge;
			}
		}
	}
	gr__addrmap_free(&known);
	*count = (int)used;
	return edges;
}

/* Which output of the node each result is; two results may be one tensor. Returns how many. */
static int assign_slots(gr_region *r, gr_tensor *const *y, uint64_t floor)
{
	int slots = 0;
	for (int j = 0; j < r->outputs; j++) {
		r->slot[j] = -1;
		if (!is_of_region(y[j], floor))
			continue;
		for (int k = 0; k < j; k++) {
			if (y[k]->node == y[j]->node && y[k]->node_out == y[j]->node_out)
				r->slot[j] = r->slot[k];
		}
		if (r->slot[j] < 0)
			r->slot[j] = slots++;
	}
	return slots;
}

/* The node for a finished first run, which then owns the region; NULL with an error. */
static gr_node *make_node(gr_region *r, gr_tensor *const *y, uint64_t floor)
{
	gr_nodelist list;
	int count = 0;
	gr_edge *edges = NULL;
	if (open_region(&list, r, y, floor) == GR_OK)
		edges = edges_out(&list, floor, &count);
	gr__nodelist_close(&list);
	if (edges == NULL)
		return NULL;
	gr_node *node = NULL;
	if (digest_of(r->digest, r, y) == GR_OK)
		node = gr__node_region(&op_checkpoint, count, edges, r->outputs, r);
	gr_free(edges);
	if (node == NULL)
		return NULL;
	for (int j = 0; j < r->outputs; j++) {
		if (r->slot[j] >= 0)
			node->out_shape[r->slot[j]] = gr__operand(y[j]);
	}
	return node;
}

/* Held references to what the caller gets: the results, those of the region on the node. */
static gr_status hand_out(const gr_region *r, gr_node *node, gr_tensor *const *y, gr_tensor **held)
{
	for (int j = 0; j < r->outputs; j++) {
		bool own = node != NULL && r->slot[j] >= 0;
		held[j] = own ? gr__tensor_alias(y[j]) : gr_tensor_retain(y[j]);
		if (held[j] == NULL)
			return gr_error_code();
		if (own)
			gr__node_attach(held[j], node, r->slot[j]);
	}
	return GR_OK;
}

/* In a scope of its own, which takes the first run's graph with it. Region and log are the
 * caller's; *node gets a held reference. */
static gr_status first_run(gr_region *r, gr_readlog *log, gr_node **node, gr_tensor **held)
{
	gr_tensor *y[GR_OP_MAX_OUT];
	const char *file = gr__site_file();
	int line = gr__site_line();
	uint64_t floor = gr__node_next_seq();
	gr__readlog_open(log);
	gr_status status = run(r, r->x, y);
	gr__readlog_close(log);
	gr_at(file, line);
	if (status == GR_OK && !gr__readlog_is_current(log->reads, log->count))
		status = gr__fail(GR_ESTATE, "checkpoint",
			"the function overwrites a tensor that it reads; hint: gr_param_update() belongs "
			"outside");
	int slots = status == GR_OK ? assign_slots(r, y, floor) : 0;
	if (slots > 0) {
		*node = make_node(r, y, floor);
		if (*node == NULL)
			return gr_error_code();
		(*node)->nout = slots;
	}
	return status == GR_OK ? hand_out(r, *node, y, held) : status;
}

static gr_status record(gr_tensor **y, gr_region *r)
{
	gr_tensor *held[GR_OP_MAX_OUT] = {NULL};
	gr_readlog log = {0};
	gr_node *node = NULL;
	int outputs = r->outputs;
	gr_status status = gr_scope_begin();
	if (status == GR_OK)
		status = first_run(r, &log, &node, held);
	(void)gr_scope_end();
	gr__readlog_prune(&log);
	if (node != NULL) {
		r->reads = log.reads;
		r->read_count = log.count;
	} else {
		gr__readlog_free(log.reads, log.count);
		gr__region_free(r);
	}
	for (int j = 0; j < outputs; j++) {
		if (status == GR_OK) {
			y[j] = gr__scope_own(held[j]);
			status = y[j] != NULL ? GR_OK : gr_error_code();
		} else {
			gr_tensor_release(held[j]);
		}
	}
	gr__node_release(node);
	for (int j = 0; j < outputs && status != GR_OK; j++)
		y[j] = NULL;
	return status;
}

gr_status gr_checkpoint(gr_tensor **y, gr_tensor_fn fn, int n, gr_tensor *const *x,
	const gr_recompute_opts *opts)
{
	static const gr_recompute_opts defaults = {.size = sizeof defaults};
	const gr_recompute_opts *o = opts != NULL ? opts : &defaults;
	gr_status status = GR_OK;
	if (fn == NULL || n < 0 || o->outputs < 0 || o->outputs > GR_RECOMPUTE_MAX_OUT)
		status = gr__fail(GR_EARG, "checkpoint",
			"needs a function, n >= 0 inputs (%d given) and 1..%d outputs (%d given)", n,
			GR_RECOMPUTE_MAX_OUT, o->outputs);
	for (int i = 0; i < n && status == GR_OK; i++) {
		if (x[i] == NULL)
			status =
				gr_failed() ? gr_error_code() : gr__fail(GR_EARG, "checkpoint", "x[%d] is NULL", i);
	}
	gr_region *r = status == GR_OK ? region_new(fn, n, x, o) : NULL;
	if (r == NULL) {
		if (o->payload_free != NULL)
			o->payload_free(o->payload);
		return status != GR_OK ? status : gr_error_code();
	}
	if (gr__recording())
		return record(y, r);
	status = run(r, r->x, y);
	gr__region_free(r);
	return status;
}

/* --- running it again ----------------------------------------------------------------------- */

/* Does every edge out of the new nodes lead where an edge of n leads? No other end is passed on. */
static gr_status check_edges(const gr_node *n, const gr_nodelist *list, uint64_t floor, bool *same)
{
	gr_addrmap known = {0};
	bool fits = true;
	for (int e = 0; e < n->nin && fits; e++)
		fits = gr__addrmap_at(&known, edge_key(n->edges[e]), 0) != NULL;
	for (int64_t i = 0; i < list->count && fits; i++) {
		const gr_node *node = list->nodes[i];
		for (int e = 0; e < node->nin && fits; e++) {
			if (node->edges[e].node == NULL || node->edges[e].node->seq >= floor)
				continue;
			const int64_t *is_new = gr__addrmap_at(&known, edge_key(node->edges[e]), 1);
			fits = is_new != NULL;
			*same = *same && fits && *is_new == 0;
		}
	}
	gr__addrmap_free(&known);
	return fits ? GR_OK : gr__fail(GR_EMEM, "checkpoint", "no room for its edges");
}

static gr_status check_same(const gr_node *n, gr_tensor *const *y, uint64_t floor,
	const gr_nodelist *list)
{
	const gr_region *r = n->region;
	uint64_t digest[GR_OP_MAX_OUT];
	bool same = true;
	gr_status status = digest_of(digest, r, y);
	if (status == GR_OK)
		status = check_edges(n, list, floor, &same);
	if (status != GR_OK)
		return status;
	for (int j = 0; j < r->outputs; j++) {
		same = same && digest[j] == r->digest[j];
		same = same && is_of_region(y[j], floor) == (r->slot[j] >= 0);
	}
	return same
		? GR_OK
		: gr__fail(GR_ESTATE, "checkpoint",
			  "the function of %s:%d did something else when it was run again; hint: it may "
			  "depend on its inputs, on captured tensors and on keys alone",
			  n->file, n->line);
}

/* Recorded, in a scope of its own: what no rule saved is gone before the walk begins. */
static gr_status run_again(const gr_region *r, gr_tensor **y)
{
	gr_tensor *results[GR_OP_MAX_OUT] = {NULL};
	bool was = gr_set_recording(true);
	gr_status status = gr_scope_begin();
	if (status == GR_OK)
		status = run(r, r->x, results);
	for (int j = 0; j < r->outputs && status == GR_OK; j++)
		(void)gr_tensor_retain(results[j]);
	(void)gr_scope_end();
	gr_set_recording(was);
	gr_status owned = status;
	for (int j = 0; j < r->outputs && status == GR_OK; j++) {
		y[j] = gr__scope_own(results[j]);
		owned = y[j] == NULL ? gr_error_code() : owned;
	}
	return owned;
}

gr_status gr__region_replay(const gr_node *n, gr_nodelist *list, gr_tensor **y)
{
	const gr_region *r = n->region;
	gr_tensor *results[GR_OP_MAX_OUT];
	uint64_t floor = gr__node_next_seq();
	gr_status status = GR_OK;
	if (!gr__readlog_is_current(r->reads, r->read_count))
		status = gr__fail(GR_ESTATE, "checkpoint",
			"the function of %s:%d reads a tensor that gr_param_update has overwritten since; "
			"hint: take the gradient first",
			n->file, n->line);
	if (status == GR_OK)
		status = run_again(r, results);
	if (status != GR_OK) {
		(void)gr__nodelist_open(list, 0, NULL, 0);
		return status;
	}
	status = open_region(list, r, results, floor);
	if (status == GR_OK)
		status = check_same(n, results, floor, list);
	for (int j = 0; j < r->outputs && status == GR_OK; j++) {
		if (r->slot[j] >= 0)
			y[r->slot[j]] = results[j];
	}
	return status;
}
