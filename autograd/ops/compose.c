/* Shared parts of the compositions; see compose_priv.h. */
#include "compose_priv.h"

#include <string.h>

#include "fail.h"

gr_tensor *gr__compose_leave(gr_tensor *y)
{
	y = gr_escape(y);
	gr_scope_end();
	return y;
}

gr_status gr__compose_out(gr_tensor **out, gr_tensor *y)
{
	*out = y;
	return y != NULL ? GR_OK : gr_error_code();
}

bool gr__compose_given(const char *op, int n, gr_tensor *const *in)
{
	for (int i = 0; i < n; i++) {
		if (in[i] != NULL)
			continue;
		if (!gr_failed())
			gr__fail(GR_EARG, op, "operand %d is NULL", i);
		return false;
	}
	return true;
}

bool gr__compose_opts(const char *op, void *into, size_t size, const void *opts)
{
	size_t given = 0;

	memset(into, 0, size);
	if (opts == NULL)
		return true;
	memcpy(&given, opts, sizeof given);
	if (given < sizeof given) {
		gr__fail(GR_EARG, op, "opts->size is 0; hint: GR_OPTS fills it in");
		return false;
	}
	memcpy(into, opts, given < size ? given : size);
	return true;
}
