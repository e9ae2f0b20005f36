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
static _Thread_local int64_t owned_count;
static _Thread_local int64_t *starts;
static _Thread_local int64_t depth;
/* Scopes that could not be opened for want of memory: their ends free nothing. */
static _Thread_local int64_t unopened;

static bool reserve_owned(int64_t extra)
{
	size_t bytes = (size_t)(owned_count + extra) * sizeof *owned;
	if (owned != NULL && gr__pool_block_size(owned) >= bytes)
		return true;
	size_t want = bytes < 512 ? 512 : bytes * 2;
	gr_tensor **grown = gr__pool_grow(owned, want);
	if (grown == NULL)
		return false;
	owned = grown;
	return true;
}

gr_tensor *gr__scope_own(gr_tensor *t)
{
	if (t == NULL)
		return NULL;
	if (!reserve_owned(1)) {
		gr__fail(GR_EMEM, "scope", "no room to own one more tensor");
		gr_tensor_release(t);
		return NULL;
	}
	owned[owned_count++] = t;
	return t;
}

gr_status gr_scope_begin(void)
{
	size_t bytes = (size_t)(depth + 1) * sizeof *starts;
	if (starts == NULL || gr__pool_block_size(starts) < bytes) {
		int64_t *grown = gr__pool_grow(starts, bytes * 2);
		if (grown == NULL) {
			/* Not fatal: the matching end must still find a scope, see `unopened`. */
			unopened++;
			return gr__fail(GR_EMEM, "scope", "no room for one more scope");
		}
		starts = grown;
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
	if (!reserve_owned(1)) {
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
