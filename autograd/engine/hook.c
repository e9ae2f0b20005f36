/*
 * Hooks on gradients: a list at the node, empty for nearly all, so that a walk pays one test of a
 * pointer that it has at hand.
 *
 * A hook may do anything, take gradients through the same graph and remove itself included: entries
 * are only marked as removed, and freed when no hook of the thread is at work.
 */
#include "hook_priv.h"
#include "pool.h"

struct gr_hook {
	gr_hook *next;
	int out;
	gr_gradient_fn fn; /* NULL: removed */
	void *payload;
};

static _Thread_local int at_work;

static void purge(gr_node *n)
{
	gr_hook **at = &n->hooks;
	while (at_work == 0 && *at != NULL) {
		gr_hook *h = *at;
		if (h->fn != NULL) {
			at = &h->next;
			continue;
		}
		*at = h->next;
		gr__pool_free(h);
	}
}

void gr__hooks_free(gr_node *n)
{
	while (n->hooks != NULL) {
		gr_hook *h = n->hooks;
		n->hooks = h->next;
		gr__pool_free(h);
	}
}

gr_status gr_on_gradient(gr_tensor *t, gr_gradient_fn fn, void *payload)
{
	if (t == NULL)
		return gr_failed() ? gr_error_code()
						   : gr__fail(GR_EARG, "on_gradient", "the tensor is NULL");
	if (t->node == NULL)
		return gr__fail(GR_EARG, "on_gradient",
			"no gradient flows to the tensor; hint: gr_watch it before use");
	gr_node *n = t->node;
	gr_hook **end = &n->hooks;
	for (; *end != NULL; end = &(*end)->next) {
		if (fn == NULL && (*end)->out == t->node_out)
			(*end)->fn = NULL;
	}
	if (fn != NULL) {
		*end = gr_alloc(sizeof **end);
		if (*end == NULL)
			return gr_error_code();
		**end = (gr_hook){NULL, t->node_out, fn, payload};
	}
	purge(n);
	return GR_OK;
}

/* In a scope of its own; *grad is held by the node. */
static gr_status call(const gr_hook *h, gr_tensor **grad)
{
	gr_status status = gr_scope_begin();
	gr_tensor *g = status == GR_OK ? h->fn(*grad, h->payload) : NULL;
	if (status == GR_OK && g == NULL)
		status = gr_failed() ? gr_error_code()
							 : gr__fail(GR_EARG, "on_gradient",
								   "a hook returned NULL; hint: return the gradient that goes on");
	if (status == GR_OK && (!gr_is_same_shape(g, *grad) || g->dtype != (*grad)->dtype)) {
		char a[192], b[192];
		status = gr__fail(GR_ESHAPE, "on_gradient", "a hook returned %s for a gradient %s",
			gr_tensor_describe(g, a, sizeof a), gr_tensor_describe(*grad, b, sizeof b));
	}
	if (status == GR_OK && g != *grad) {
		gr_tensor *old = *grad;
		*grad = gr_tensor_retain(g);
		gr_tensor_release(old);
	}
	(void)gr_scope_end();
	return status;
}

gr_status gr__hooks_run(gr_node *n)
{
	gr_status status = GR_OK;
	at_work++;
	for (const gr_hook *h = n->hooks; h != NULL && status == GR_OK; h = h->next) {
		if (h->fn != NULL && n->grad[h->out] != NULL)
			status = call(h, &n->grad[h->out]);
	}
	at_work--;
	purge(n);
	return status;
}
