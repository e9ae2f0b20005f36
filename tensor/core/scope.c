/*
 * Scopes: each thread has a stack of them, and every new tensor is owned by the innermost. The
 * bottom one, the root scope, is there without asking; gr_scope_end() on it frees what it holds
 * and leaves it open.
 */
#include <string.h>

#include "pool.h"
#include "tensor_int.h"

/* One array of tensors per thread; a scope is the part of it from its start on. */
static _Thread_local gr_tensor **owned;
static _Thread_local int64_t owned_count, owned_room;
static _Thread_local int64_t *starts;
static _Thread_local int64_t depth, depth_room;
/* Scopes that could not be opened for want of memory: their ends free nothing. */
static _Thread_local int64_t unopened;

static bool grow_owned(void)
{
	const int64_t want = owned_room == 0 ? 64 : 2 * owned_room;
	gr_tensor **grown = gr__pool_grow(owned, (size_t)want * sizeof *owned);
	if (grown == NULL)
		return false;
	owned = grown;
	owned_room = want;
	return true;
}

gr_tensor *gr__scope_own(gr_tensor *t)
{
	if (t == NULL)
		return NULL;
	if (owned_count == owned_room && !grow_owned()) {
		gr__fail(GR_EMEM, "scope", "no room to own one more tensor");
		gr_tensor_release(t);
		return NULL;
	}
	owned[owned_count++] = t;
	return t;
}

gr_status gr_scope_begin(void)
{
	if (depth == depth_room) {
		const int64_t want = depth_room == 0 ? 16 : 2 * depth_room;
		int64_t *grown = gr__pool_grow(starts, (size_t)want * sizeof *starts);
		if (grown == NULL) {
			/* Not fatal: the matching end must still find a scope, see `unopened`. */
			unopened++;
			return gr__fail(GR_EMEM, "scope", "no room for one more scope");
		}
		starts = grown;
		depth_room = want;
	}
	starts[depth++] = owned_count;
	return GR_OK;
}

static void give_back_when_empty(void)
{
	if (depth > 0 || owned_count > 0)
		return;
	gr__pool_free(owned);
	gr__pool_free(starts);
	owned = NULL;
	starts = NULL;
	owned_room = 0;
	depth_room = 0;
}

gr_status gr_scope_end(void)
{
	if (unopened > 0) {
		unopened--;
		return gr_error_code();
	}
	int64_t start = depth > 0 ? starts[--depth] : 0;
	while (owned_count > start)
		gr_tensor_release(owned[--owned_count]);
	give_back_when_empty();
	return gr_error_code();
}

/* Insert a reference below the innermost scope's start, that is at the end of its parent. */
gr_tensor *gr_escape(gr_tensor *t)
{
	if (t == NULL || depth == 0 || unopened > 0)
		return t;
	if (owned_count == owned_room && !grow_owned()) {
		gr__fail(GR_EMEM, "escape", "no room to own one more tensor");
		return NULL;
	}
	int64_t start = starts[depth - 1];
	/* The first tensor of this scope makes room by moving to its end. */
	owned[owned_count] = owned[start];
	owned_count++;
	owned[start] = gr_tensor_retain(t);
	starts[depth - 1] = start + 1;
	return t;
}
