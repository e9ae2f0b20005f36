/* Showing tensors: shapes for messages, values for people. */
#include <stdio.h>

#include "tensor_int.h"

#define EDGE 3 /* values shown at each end of a long dim */

char *gr__dims_print(char *buf, size_t size, int ndim, const int64_t *dims)
{
	size_t used = 0;
	for (int i = 0; i <= ndim && used < size; i++) {
		int n = i < ndim
			? snprintf(buf + used, size - used, "%s%lld", i == 0 ? "[" : ",", (long long)dims[i])
			: snprintf(buf + used, size - used, "%s", ndim == 0 ? "[]" : "]");
		used += n > 0 ? (size_t)n : 0;
	}
	return buf;
}

char *gr_tensor_describe(const gr_tensor *t, char *buf, size_t size)
{
	if (t == NULL) {
		snprintf(buf, size, "NULL");
		return buf;
	}
	char dims[160];
	snprintf(buf, size, "%s %s", gr_dtype_name(t->dtype),
		gr__dims_print(dims, sizeof dims, t->ndim, t->dims));
	return buf;
}

static void indent(FILE *stream, int depth)
{
	for (int i = 0; i < depth; i++)
		fputc(' ', stream);
}

/* The values at idx[0..axis-1]; recursion is at most 8 deep. */
static void print_axis(FILE *stream, const gr_tensor *t, int axis, int64_t *idx)
{
	if (axis == t->ndim) {
		fprintf(stream, "%.6g", gr_tensor_at(t, idx));
		return;
	}
	fputc('[', stream);
	for (int64_t i = 0; i < t->dims[axis]; i++) {
		bool last = axis == t->ndim - 1;
		if (i > 0) {
			fputs(last ? ", " : ",\n", stream);
			indent(stream, last ? 0 : axis + 1);
		}
		if (t->dims[axis] > 2 * EDGE && i == EDGE) {
			fputs("...", stream);
			i = t->dims[axis] - EDGE - 1;
			continue;
		}
		idx[axis] = i;
		print_axis(stream, t, axis + 1, idx);
	}
	fputc(']', stream);
}

void gr_tensor_print(FILE *stream, const char *label, const gr_tensor *t)
{
	char what[192];
	fprintf(stream, "%s: %s\n", label, gr_tensor_describe(t, what, sizeof what));
	if (t == NULL)
		return;
	int64_t idx[GR_MAX_DIMS] = {0};
	print_axis(stream, t, 0, idx);
	fputc('\n', stream);
}
