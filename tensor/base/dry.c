/* The counters of dry runs; see dry.h. */
#include "dry.h"

#include "fail.h"

atomic_int gr__dry_threads;
_Thread_local gr_dry *gr__dry;
static atomic_uint last_run;

gr_status gr__dry_begin(gr_dry *d)
{
	if (gr__dry != NULL)
		return gr__fail(GR_ESTATE, "estimate", "called inside the function of another estimate");
	*d = (gr_dry){.run = atomic_fetch_add(&last_run, 1) + 1};
	gr__dry = d;
	atomic_fetch_add(&gr__dry_threads, 1);
	return GR_OK;
}

void gr__dry_end(void)
{
	atomic_fetch_sub(&gr__dry_threads, 1);
	gr__dry = NULL;
}

void gr__dry_take(uint64_t bytes)
{
	gr__dry->bytes_in_use += bytes;
	if (gr__dry->bytes_in_use > gr__dry->bytes_peak)
		gr__dry->bytes_peak = gr__dry->bytes_in_use;
}

void gr__dry_give(uint64_t bytes, unsigned run)
{
	if (gr__is_dry() && gr__dry->run == run)
		gr__dry->bytes_in_use -= bytes;
}

bool gr_estimating(void)
{
	return gr__is_dry();
}
