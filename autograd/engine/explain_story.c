/* A graph as words: labels, calls, shapes, what is kept. */
#include <stdlib.h>
#include <string.h>

#include "attr.h"
#include "explain_priv.h"

gr_status gr__story_open(gr_story *s, gr_tensor *y)
{
	*s = (gr_story){.root = y != NULL ? y->node : NULL};
	if (y == NULL)
		return gr_failed() ? gr_error_code() : gr__fail(GR_EARG, "explain", "y is NULL");
	if (s->root == NULL)
		return gr__fail(GR_EARG, "explain",
			"y is not tracked: no gradient flows to it; hint: gr_watch what it depends on");
	s->root_out = y->node_out;
	return gr__nodelist_open(&s->list, 1, &s->root, 0);
}

void gr__story_close(gr_story *s)
{
	if (s->root != NULL)
		gr__nodelist_close(&s->list);
}

int64_t gr__story_index(const gr_story *s, const gr_node *n)
{
	int64_t low = 0, high = s->list.count;
	while (low < high) {
		int64_t middle = low + (high - low) / 2;
		if (s->list.nodes[middle]->seq < n->seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->list.count && s->list.nodes[low] == n ? low : -1;
}

void gr__story_label(const gr_story *s, char *buf, size_t size, const gr_node *n, int out)
{
	const char *name = gr__explain_kept_name(n, out);
	long long number = (long long)gr__story_index(s, n) + 1;
	if (name != NULL)
		snprintf(buf, size, "%s", name);
	else if (out == 0)
		snprintf(buf, size, "v%lld", number);
	else
		snprintf(buf, size, "v%lld.%d", number, out);
}

void gr__story_operand(char *buf, size_t size, const gr_node *n, int i)
{
	const char *sig = n->op->sig != NULL ? n->op->sig : "";
	for (int skip = 0; skip < i; skip++) {
		sig += strcspn(sig, " ");
		sig += strspn(sig, " ");
	}
	size_t length = strcspn(sig, " [");
	if (length > 0 && strncmp(sig, "...", 3) != 0)
		snprintf(buf, size, "%.*s", (int)length, sig);
	else
		snprintf(buf, size, "x%d", i);
}

void gr__story_call(const gr_story *s, char *buf, size_t size, const gr_node *n)
{
	int length = snprintf(buf, size, "%s(", n->op->name);
	size_t used = length > 0 ? (size_t)length : 0;
	for (int i = 0; i < n->nin && used < size; i++) {
		char name[32], from[64];
		gr__story_operand(name, sizeof name, n, i);
		if (n->edges[i].node == NULL)
			snprintf(from, sizeof from, "%s", gr__explain_constant(n, i));
		else
			gr__story_label(s, from, sizeof from, n->edges[i].node, n->edges[i].out);
		length = snprintf(buf + used, size - used, "%s%s=%s", i > 0 ? ", " : "", name, from);
		used += length > 0 ? (size_t)length : 0;
	}
	if (used < size)
		snprintf(buf + used, size - used, ")");
}

void gr__story_attributes(char *buf, size_t size, const gr_node *n)
{
	/* Those that gr_scalar_attr serves, by the letters of their mathematics. */
	static const char *const names[][3] = {{"affine", "scale", "shift"}, {"axpby", "sa", "sb"},
		{"clamp", "low", "high"}, {"rdiv_s", "s", NULL}, {"pow_s", "s", NULL}, {"gt_s", "s", NULL},
		{"leaky_relu", "s", NULL}};
	buf[0] = '\0';
	for (size_t i = 0; n->attr != NULL && i < sizeof names / sizeof *names; i++) {
		const gr_scalar_attr *attr = n->attr;
		if (strcmp(n->op->name, names[i][0]) != 0 || n->op->attr_size != sizeof *attr)
			continue;
		if (names[i][2] == NULL)
			snprintf(buf, size, "%s=%.6g", names[i][1], attr->s0);
		else
			snprintf(buf, size, "%s=%.6g, %s=%.6g", names[i][1], attr->s0, names[i][2], attr->s1);
	}
}

void gr__story_shape(char *buf, size_t size, const gr_operand *o)
{
	char dims[160];
	gr__dims_print(dims, sizeof dims, o->ndim, o->dims);
	snprintf(buf, size, "%s %s", gr_dtype_name(o->dtype), dims);
}

void gr__story_bytes(char *buf, size_t size, uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double x = (double)bytes;
	size_t unit = 0;
	for (; x >= 1024.0 && unit + 1 < sizeof units / sizeof *units; unit++)
		x /= 1024.0;
	snprintf(buf, size, unit == 0 ? "%.0f %s" : "%.1f %s", x, units[unit]);
}

/* Add one saved tensor to the list of names. */
static uint64_t add_kept(const gr_saved *s, const char *name, char *names, size_t size)
{
	char text[32];
	if (s->tensor == NULL)
		return 0;
	uint64_t bytes = (uint64_t)s->tensor->size * gr_dtype_bytes(s->tensor->dtype);
	gr__story_bytes(text, sizeof text, bytes);
	size_t used = names != NULL ? strlen(names) : size;
	if (used < size)
		snprintf(names + used, size - used, "%s%s %s", used > 0 ? ", " : "", name, text);
	return bytes;
}

uint64_t gr__story_kept(const gr_node *n, char *names, size_t size)
{
	uint64_t bytes = 0;
	if (names != NULL)
		names[0] = '\0';
	for (int i = 0; i < n->nin; i++) {
		char name[32];
		gr__story_operand(name, sizeof name, n, i);
		bytes += add_kept(&n->saved_in[i], name, names, size);
	}
	for (int i = 0; i < n->nout; i++)
		bytes += add_kept(&n->saved_out[i], i == 0 ? "y" : "y'", names, size);
	return bytes;
}

static int by_address(const void *a, const void *b)
{
	const gr_storage *const *x = a, *const *y = b;
	return (*x > *y) - (*x < *y);
}

static int64_t list_storages(const gr_node *n, gr_storage **all)
{
	int64_t count = 0;
	for (int i = 0; i < n->nin + n->nout; i++) {
		const gr_saved *saved = i < n->nin ? &n->saved_in[i] : &n->saved_out[i - n->nin];
		if (saved->tensor == NULL)
			continue;
		if (all != NULL)
			all[count] = saved->tensor->storage;
		count++;
	}
	return count;
}

gr_status gr__story_storage(const gr_story *s, uint64_t *bytes)
{
	int64_t count = 0, at = 0;
	*bytes = 0;
	for (int64_t i = 0; i < s->list.count; i++)
		count += list_storages(s->list.nodes[i], NULL);
	gr_storage **all = gr_alloc((size_t)(count + 1) * sizeof *all);
	if (all == NULL)
		return gr_error_code();
	for (int64_t i = 0; i < s->list.count; i++)
		at += list_storages(s->list.nodes[i], all + at);
	qsort(all, (size_t)count, sizeof(gr_storage *), by_address);
	for (int64_t i = 0; i < count; i++) {
		if (i == 0 || all[i] != all[i - 1])
			*bytes += all[i]->bytes;
	}
	gr_free(all);
	return GR_OK;
}
