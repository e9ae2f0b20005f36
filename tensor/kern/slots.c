/* See slots.h. */
#include "slots.h"

#include "pool.h"

gr_status gr__slots_open(gr_slots *s, int64_t tasks, size_t bytes)
{
	const int64_t threads = gr_threads() < GR_SLOTS_MAX ? gr_threads() : GR_SLOTS_MAX;
	s->count = tasks < threads ? tasks : threads;
	s->bytes = (bytes + 63) / 64 * 64;
	s->base = NULL;
	for (int64_t i = 0; i < s->count; i++)
		atomic_flag_clear(&s->busy[i]);
	if (s->bytes == 0 || s->count == 0)
		return GR_OK;
	s->base = gr__pool_alloc((size_t)s->count * s->bytes);
	return s->base ? GR_OK : GR_EMEM;
}

void *gr__slots_take(gr_slots *s)
{
	if (!s->base)
		return NULL;
	for (int64_t i = 0;; i = (i + 1) % s->count)
		if (!atomic_flag_test_and_set_explicit(&s->busy[i], memory_order_acquire))
			return s->base + (size_t)i * s->bytes;
}

void gr__slots_give(gr_slots *s, const void *slot)
{
	if (!slot)
		return;
	const size_t i = (size_t)((const char *)slot - s->base) / s->bytes;
	atomic_flag_clear_explicit(&s->busy[i], memory_order_release);
}

void gr__slots_close(gr_slots *s)
{
	gr__pool_free(s->base);
	s->base = NULL;
}
