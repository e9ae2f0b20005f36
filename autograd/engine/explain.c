/*
 * The derivation as text. Two passes over the graph: values in the order of their making, then rules
 * in the order of the walk, each with the mathematics of its record.
 */
#include "explain_priv.h"

#include "site_priv.h"

#define MOST_NODES 48

static void print_site(const gr_node *n, FILE *stream)
{
	if (n->line > 0)
		fprintf(stream, "  %s:%d", gr__site_name(n->file), n->line);
	fputc('\n', stream);
}

static void print_forward(const gr_story *s, const gr_node *n, FILE *stream)
{
	char label[64], call[256], shape[192], kept[256], attributes[96];
	gr__story_label(s, label, sizeof label, n, 0);
	gr__story_shape(shape, sizeof shape, &n->out_shape[0]);
	if (n->op == NULL) {
		fprintf(stream, "  %-10s %-38s %-16s", label, "leaf", shape);
		print_site(n, stream);
		return;
	}
	gr__story_call(s, call, sizeof call, n);
	fprintf(stream, "  %-10s %-38s %-16s", label, call, shape);
	print_site(n, stream);
	gr__story_attributes(attributes, sizeof attributes, n);
	fprintf(stream, "             %s%s%s", n->op->math != NULL ? n->op->math : "",
		attributes[0] != '\0' ? ";  " : "", attributes);
	gr__story_kept(n, kept, sizeof kept);
	fprintf(stream, "%s%s\n",
		n->consumed           ? ";  consumed"
			: kept[0] != '\0' ? ";  keeps "
							  : "",
		kept);
}

static void print_backward(const gr_story *s, const gr_node *n, FILE *stream)
{
	char label[64], name[32], shape[192], to[64];
	gr__story_label(s, label, sizeof label, n, 0);
	fprintf(stream, "  %-10s %s:  %s\n", label, n->op->name,
		n->op->dmath != NULL    ? n->op->dmath
			: n->region != NULL ? "the gradient of its function, which runs again"
								: "see its rule");
	fprintf(stream, "             g = d%s", label);
	const char *separator = ";";
	for (int i = 0; i < n->nin; i++) {
		if (n->edges[i].node == NULL)
			continue;
		gr__story_operand(name, sizeof name, n, i);
		gr__story_label(s, to, sizeof to, n->edges[i].node, n->edges[i].out);
		gr__story_shape(shape, sizeof shape, &n->in_shape[i]);
		fprintf(stream, "%s d%s -> d%s %s", separator, name, to, shape);
		separator = ",";
	}
	fputc('\n', stream);
}

static gr_status print_header(const gr_story *s, FILE *stream)
{
	int64_t ops = 0;
	uint64_t bytes;
	char label[64], shape[192], kept[32];
	gr_status status = gr__story_storage(s, &bytes);
	for (int64_t i = 0; i < s->list.count; i++)
		ops += s->list.nodes[i]->op != NULL ? 1 : 0;
	gr__story_label(s, label, sizeof label, s->root, s->root_out);
	gr__story_shape(shape, sizeof shape, &s->root->out_shape[s->root_out]);
	gr__story_bytes(kept, sizeof kept, bytes);
	fprintf(stream, "%s, %s: %lld %s over %lld %s, whose rules keep %s\n", label, shape,
		(long long)ops, ops == 1 ? "op" : "ops", (long long)(s->list.count - ops),
		s->list.count - ops == 1 ? "leaf" : "leaves", kept);
	return status;
}

gr_status gr_explain(gr_tensor *y, const gr_explain_opts *opts, FILE *stream)
{
	int64_t most = opts != NULL && opts->max_nodes > 0 ? opts->max_nodes : MOST_NODES;
	gr_story s;
	gr_status status = gr__story_open(&s, y);
	if (status == GR_OK) {
		int64_t first = s.list.count > most ? s.list.count - most : 0;
		char label[64];
		status = print_header(&s, stream);
		if (first > 0 && status == GR_OK)
			status = gr__story_summary(&s, opts != NULL ? opts->level : 0, stream);
		fprintf(stream, "\nforward, oldest first%s\n", first > 0 ? ", the newest ops alone" : "");
		for (int64_t i = first; i < s.list.count; i++)
			print_forward(&s, s.list.nodes[i], stream);
		gr__story_label(&s, label, sizeof label, s.root, s.root_out);
		fprintf(stream, "\nbackward, newest first; adjoints that meet in a value are summed\n");
		fprintf(stream, "  d%s = %s\n", label,
			s.root->out_shape[s.root_out].ndim == 0 ? "1" : "the cotangent");
		for (int64_t i = s.list.count - 1; i >= first; i--) {
			if (s.list.nodes[i]->op != NULL)
				print_backward(&s, s.list.nodes[i], stream);
		}
		if (status == GR_OK && ferror(stream))
			status = gr__fail(GR_EIO, "explain", "the text could not be written");
	}
	gr__story_close(&s);
	return status;
}
