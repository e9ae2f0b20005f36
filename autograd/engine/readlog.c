/*
 * Noting what a function reads, as an observer of its ops.
 *
 * A tensor that an op makes is known as new by its address. That is enough: a new one can only take
 * the address of an old one that has died, and those that were read cannot, being held here.
 */
#include "readlog_priv.h"

#include <string.h>

#include "pool.h"

static bool note_read(gr_readlog *log, gr_tensor *t)
{
	int64_t *place = gr__addrmap_at(&log->known, (uintptr_t)t, log->count);
	if (place == NULL)
		return false;
	if (*place != log->count)
		return true;
	size_t bytes = (size_t)(log->count + 1) * sizeof *log->reads;
	if (log->reads == NULL || gr__pool_block_size(log->reads) < bytes) {
		gr_saved *grown = gr__pool_grow(log->reads, 2 * bytes);
		if (grown == NULL) {
			*place = -1;
			return false;
		}
		log->reads = grown;
	}
	log->reads[log->count++] = (gr_saved){gr_tensor_retain(t), atomic_load(&t->storage->version)};
	return true;
}

static gr_status call_end(gr_observer *o, const gr_op_call *c, gr_status status)
{
	gr_readlog *log = (gr_readlog *)(void *)o;
	if (status != GR_OK)
		return status;
	bool fits = true;
	for (int i = 0; i < c->nin && fits; i++)
		fits = note_read(log, c->in[i]);
	for (int i = 0; i < c->nout && fits; i++)
		fits = gr__addrmap_at(&log->known, (uintptr_t)c->out[i], -1) != NULL;
	return fits ? GR_OK : gr__fail(GR_EMEM, "checkpoint", "no room to note what is read");
}

void gr__readlog_open(gr_readlog *log)
{
	*log = (gr_readlog){.observer.call_end = call_end};
	gr__observer_add(&log->observer);
}

void gr__readlog_close(gr_readlog *log)
{
	gr__observer_remove(&log->observer);
	gr__addrmap_free(&log->known);
}

/* Newest first, since what one holds was read before it. */
void gr__readlog_prune(gr_readlog *log)
{
	int64_t kept = log->count;
	for (int64_t i = log->count - 1; i >= 0; i--) {
		gr_saved s = log->reads[i];
		if (atomic_load(&s.tensor->refs) > 1)
			log->reads[--kept] = s;
		else
			gr_tensor_release(s.tensor);
	}
	log->count -= kept;
	if (log->count > 0)
		memmove(log->reads, log->reads + kept, (size_t)log->count * sizeof *log->reads);
}

void gr__readlog_free(gr_saved *reads, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		gr_tensor_release(reads[i].tensor);
	gr__pool_free(reads);
}

bool gr__readlog_is_current(const gr_saved *reads, int64_t count)
{
	for (int64_t i = 0; i < count; i++) {
		if (atomic_load(&reads[i].tensor->storage->version) != reads[i].version)
			return false;
	}
	return true;
}
