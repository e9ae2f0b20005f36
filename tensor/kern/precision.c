/* How f32 convolutions multiply: a setting of the process, read by the choosers of conv.c. */
#include <stdatomic.h>
#include <string.h>

#include "fail.h"

static const char *const names[] = {"f32", "bf16", "direct"}; /* by gr_precision */
static atomic_int precision = GR_PRECISION_F32;

gr_status gr_set_precision(gr_precision p)
{
	if ((int)p < 0 || (size_t)p >= sizeof names / sizeof *names)
		return gr__fail(GR_EARG, "set_precision", "%d is no precision", (int)p);
	atomic_store(&precision, (int)p);
	return GR_OK;
}

gr_precision gr_get_precision(void)
{
	return (gr_precision)atomic_load_explicit(&precision, memory_order_relaxed);
}

gr_status gr_precision_named(gr_precision *out, const char *name)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0) {
			*out = (gr_precision)i;
			return GR_OK;
		}
	return gr__fail(GR_EARG, "precision", "'%s' is not f32, bf16 or direct", name);
}
