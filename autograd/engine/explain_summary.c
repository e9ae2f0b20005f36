/*
 * A graph too large to be told op by op, in two tables: by op, and by layer where parameters have
 * names (gr_explain_name), else by source file. An op belongs to the layer of the last named
 * parameter that was read up to it.
 */
#include <string.h>

#include "explain_priv.h"
#include "site_priv.h"

#define MOST_ROWS 128

typedef struct row {
	char name[64];
	int64_t ops;
	uint64_t bytes;
} row;

typedef struct table {
	row rows[MOST_ROWS]; /* in the order of their first op; the last one takes what is left over */
	int count;
} table;

static void add(table *t, const char *name, const gr_node *n)
{
	int i = 0;
	while (i < t->count && strncmp(t->rows[i].name, name, sizeof t->rows[i].name - 1) != 0)
		i++;
	if (i == MOST_ROWS) {
		i = MOST_ROWS - 1;
		snprintf(t->rows[i].name, sizeof t->rows[i].name, "others");
	} else if (i == t->count) {
		t->count++;
		t->rows[i] = (row){.ops = 0};
		snprintf(t->rows[i].name, sizeof t->rows[i].name, "%s", name);
	}
	t->rows[i].ops++;
	t->rows[i].bytes += gr__story_kept(n, NULL, 0);
}

static void print(const table *t, const char *title, FILE *stream)
{
	fprintf(stream, "\n  %-40s %8s %12s\n", title, "ops", "kept");
	for (int i = 0; i < t->count; i++) {
		char kept[32];
		gr__story_bytes(kept, sizeof kept, t->rows[i].bytes);
		fprintf(stream, "  %-40s %8lld %12s\n", t->rows[i].name, (long long)t->rows[i].ops, kept);
	}
}

/* The first `level` parts of a name, without its last one: "in.0.weight" gives "in" and "in.0". */
static void layer_of(char *buf, size_t size, const char *name, int level)
{
	const char *end = name;
	for (int part = 0; part < level; part++) {
		const char *dot = strchr(end == name ? end : end + 1, '.');
		if (dot == NULL)
			break;
		end = dot;
	}
	snprintf(buf, size, "%.*s", (int)(end > name ? end - name : (ptrdiff_t)strlen(name)), name);
}

static const char *parameter_of(const gr_node *n)
{
	for (int i = 0; i < n->nin; i++) {
		const gr_node *from = n->edges[i].node;
		const char *name =
			from != NULL && from->op == NULL ? gr__explain_kept_name(from, n->edges[i].out) : NULL;
		if (name != NULL)
			return name;
	}
	return NULL;
}

gr_status gr__story_summary(const gr_story *s, int level, FILE *stream)
{
	table *ops = gr_alloc(sizeof *ops), *layers = gr_alloc(sizeof *layers);
	gr_status status = ops == NULL || layers == NULL ? GR_EMEM : GR_OK;
	char layer[64] = "before any parameter";
	bool named = false;
	for (int64_t i = 0; i < s->list.count && !named; i++)
		named = parameter_of(s->list.nodes[i]) != NULL;
	for (int64_t i = 0; i < s->list.count && status == GR_OK; i++) {
		const gr_node *n = s->list.nodes[i];
		if (n->op == NULL)
			continue;
		const char *parameter = parameter_of(n);
		if (parameter != NULL)
			layer_of(layer, sizeof layer, parameter, level > 0 ? level : 1);
		add(ops, n->op->name, n);
		add(layers, named ? layer : gr__site_name(n->file), n);
	}
	if (status == GR_OK) {
		print(ops, "op", stream);
		print(layers, named ? "layer" : "source", stream);
	}
	gr_free(ops);
	gr_free(layers);
	return status;
}
