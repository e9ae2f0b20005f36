/*
 * Collecting nodes: a search without recursion, then a sort in place, so that depth costs memory of a
 * pointer per node only.
 */
#include "nodelist_priv.h"

#include <string.h>

#include "pool.h"

static atomic_uint_fast64_t list_number = 1;
static _Thread_local gr_nodelist *in_use; /* innermost first */

/* The list in use whose mark the node bears. */
static gr_nodelist *holder(const gr_node *node)
{
	gr_nodelist *l = in_use;
	while (l != NULL && l->number != node->visit)
		l = l->outer;
	return l;
}

/* Room for one more element of `each` bytes behind `count` of them. */
static void *reserve(void *array, int64_t count, size_t each)
{
	size_t bytes = (size_t)(count + 1) * each;
	if (array != NULL && gr__pool_block_size(array) >= bytes)
		return array;
	return gr__pool_grow(array, bytes < 1024 ? 1024 : 2 * bytes);
}

static bool keep_marks(gr_nodelist *l, gr_node *node)
{
	gr_kept_marks *grown = reserve(l->kept, l->kept_count, sizeof *grown);
	if (grown == NULL)
		return false;
	l->kept = grown;
	gr_kept_marks *k = &l->kept[l->kept_count++];
	*k = (gr_kept_marks){node, node->visit, node->needed, node->uses, {NULL}};
	for (int i = 0; i < node->nout; i++) {
		k->grad[i] = node->grad[i];
		node->grad[i] = NULL;
	}
	return true;
}

/* Add a node to the list, and mark it as this list's. */
static bool take(gr_nodelist *l, gr_node *node)
{
	if (l->count == l->room) {
		gr_node **grown = reserve(l->nodes, l->count, sizeof *grown);
		if (grown == NULL)
			return false;
		l->nodes = grown;
		l->room = (int64_t)(gr__pool_block_size(grown) / sizeof *grown);
	}
	if (l->outer != NULL && holder(node) != NULL && !keep_marks(l, node))
		return false;
	node->visit = l->number;
	node->needed = false;
	node->uses = 0;
	l->nodes[l->count++] = node;
	return true;
}

static void sift_down(gr_node **heap, int64_t i, int64_t n)
{
	for (;;) {
		int64_t largest = i;
		for (int64_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++) {
			if (heap[child]->seq > heap[largest]->seq)
				largest = child;
		}
		if (largest == i)
			return;
		gr_node *swap = heap[i];
		heap[i] = heap[largest];
		heap[largest] = swap;
		i = largest;
	}
}

/* By insertion, for a list that is nearly in order; false when it takes more than a few moves for
 * each node. */
static bool sort_by_insertion(gr_nodelist *l)
{
	int64_t moves = 8 * l->count;
	for (int64_t i = 1; i < l->count && moves >= 0; i++) {
		gr_node *node = l->nodes[i];
		int64_t at = i;
		while (at > 0 && l->nodes[at - 1]->seq > node->seq && moves-- > 0) {
			l->nodes[at] = l->nodes[at - 1];
			at--;
		}
		l->nodes[at] = node;
	}
	return moves >= 0;
}

/* Heapsort: in place, no allocation, no recursion. */
static void sort_by_heap(gr_nodelist *l)
{
	for (int64_t i = l->count / 2 - 1; i >= 0; i--)
		sift_down(l->nodes, i, l->count);
	for (int64_t last = l->count - 1; last > 0; last--) {
		gr_node *swap = l->nodes[0];
		l->nodes[0] = l->nodes[last];
		l->nodes[last] = swap;
		sift_down(l->nodes, 0, last);
	}
}

/* The search met newer nodes first, more or less. */
static void sort(gr_nodelist *l)
{
	for (int64_t i = 0, j = l->count - 1; i < j; i++, j--) {
		gr_node *swap = l->nodes[i];
		l->nodes[i] = l->nodes[j];
		l->nodes[j] = swap;
	}
	if (!sort_by_insertion(l))
		sort_by_heap(l);
}

/* The list doubles as the queue of the search. */
gr_status gr__nodelist_open(gr_nodelist *l, int n, gr_node *const *roots, uint64_t floor)
{
	*l = (gr_nodelist){.number = atomic_fetch_add(&list_number, 1), .outer = in_use};
	in_use = l;
	bool fits = true;
	for (int i = 0; i < n && fits; i++) {
		if (roots[i] != NULL && roots[i]->visit != l->number && roots[i]->seq >= floor)
			fits = take(l, roots[i]);
	}
	for (int64_t i = 0; fits && i < l->count; i++) {
		gr_node *node = l->nodes[i];
		for (int e = 0; e < node->nin && fits; e++) {
			gr_node *below = node->edges[e].node;
			if (below != NULL && below->visit != l->number && below->seq >= floor)
				fits = take(l, below);
		}
	}
	if (!fits)
		return gr__fail(GR_EMEM, "grad", "no room for the list of nodes");
	sort(l);
	return GR_OK;
}

void gr__nodelist_close(gr_nodelist *l)
{
	GR_ASSERT(in_use == l);
	for (int64_t i = 0; i < l->kept_count; i++) {
		const gr_kept_marks *k = &l->kept[i];
		k->node->visit = k->visit;
		k->node->needed = k->needed;
		k->node->uses = k->uses;
		for (int o = 0; o < k->node->nout; o++)
			k->node->grad[o] = k->grad[o];
	}
	gr__pool_free(l->nodes);
	gr__pool_free(l->kept);
	in_use = l->outer;
}
