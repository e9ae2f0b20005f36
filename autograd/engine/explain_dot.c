/* The graph for Graphviz: boxes are ops, ellipses leaves, arrows go the way of the values. */
#include "explain_priv.h"

#include "site_priv.h"

/* In a string of DOT's; \l ends a line set to the left. */
static void write_escaped(FILE *stream, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', stream);
		fputc(*text == '\n' ? ' ' : *text, stream);
	}
}

static void write_line(FILE *stream, const char *text)
{
	write_escaped(stream, text);
	fputs("\\l", stream);
}

static void write_node(const gr_story *s, int64_t i, FILE *stream)
{
	const gr_node *n = s->list.nodes[i];
	char label[64], shape[192], head[288], site[288], kept[256];
	gr__story_label(s, label, sizeof label, n, 0);
	gr__story_shape(shape, sizeof shape, &n->out_shape[0]);
	fprintf(stream, "\tn%lld [", (long long)i);
	if (n->op == NULL) {
		fputs("shape=ellipse, style=filled, fillcolor=\"#e8f0e4\", label=\"", stream);
		write_escaped(stream, label);
		fputs("\\n", stream);
		write_escaped(stream, shape);
	} else {
		fputs("label=\"", stream);
		snprintf(head, sizeof head, "%s = %s   %s", label, n->op->name, shape);
		write_line(stream, head);
		write_line(stream, n->op->math != NULL ? n->op->math : "");
		write_line(stream, n->op->dmath != NULL ? n->op->dmath : "");
		gr__story_kept(n, kept, sizeof kept);
		snprintf(site, sizeof site, "%s:%d%s%.160s", gr__site_name(n->file), n->line,
			kept[0] != '\0' ? "   keeps " : "", kept);
		write_line(stream, site);
	}
	fputs("\"];\n", stream);
}

static void write_edges(const gr_story *s, int64_t i, FILE *stream)
{
	const gr_node *n = s->list.nodes[i];
	for (int e = 0; e < n->nin; e++) {
		char name[32];
		if (n->edges[e].node == NULL)
			continue;
		gr__story_operand(name, sizeof name, n, e);
		fprintf(stream, "\tn%lld -> n%lld [label=\"",
			(long long)gr__story_index(s, n->edges[e].node), (long long)i);
		write_escaped(stream, name);
		fputs("\"];\n", stream);
	}
}

gr_status gr_explain_dot(gr_tensor *y, const gr_explain_opts *opts, FILE *stream)
{
	gr_story s;
	gr_status status = gr__story_open(&s, y);
	if (status == GR_OK) {
		fputs("digraph gradient {\n\trankdir=TB;\n\tlabel=\"", stream);
		write_escaped(stream, opts != NULL && opts->title != NULL ? opts->title : "");
		fputs("\";\n\tnode [shape=box, fontname=\"monospace\", fontsize=10];\n"
			  "\tedge [fontname=\"monospace\", fontsize=9];\n",
			stream);
		for (int64_t i = 0; i < s.list.count; i++)
			write_node(&s, i, stream);
		for (int64_t i = 0; i < s.list.count; i++)
			write_edges(&s, i, stream);
		fputs("}\n", stream);
		if (ferror(stream))
			status = gr__fail(GR_EIO, "explain", "the drawing could not be written");
	}
	gr__story_close(&s);
	return status;
}
