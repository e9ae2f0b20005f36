/*
 * The page: the graph, its values and its adjoints as JSON inside a template (explain_page.html,
 * which the build makes an array of bytes). The adjoints are those of a walk that is observed: what
 * a rule gives is in its results, what it makes of the values below is read when the next rule
 * begins.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/json.h"
#include "explain_priv.h"
#include "observe.h"
#include "site_priv.h"
#include "stats_priv.h"

#define MOST_VALUES 64
#define THUMB 16 /* rows and columns of the picture of a large tensor */

extern const unsigned char gr__explain_page[];
extern const size_t gr__explain_page_size;

typedef struct page {
	gr_observer base;
	gr_story story;
	FILE *json;
	int64_t most;
	int64_t rules;                 /* seen so far */
	const gr_node *last;           /* whose rule ran last */
	gr_tensor *part[GR_OP_MAX_IN]; /* the gradients that it gave, retained; else NULL */
	int leaves;
	gr_tensor **x, **grads; /* [leaves], of the walk: it fills grads as it passes */
} page;

static void write_number(FILE *json, double x)
{
	if (isnan(x))
		fputs("\"nan\"", json);
	else if (isinf(x))
		fputs(x > 0 ? "\"inf\"" : "\"-inf\"", json);
	else
		fprintf(json, "%.9g", x);
}

static void write_dims(FILE *json, const gr_tensor *t)
{
	fprintf(json, "\"dtype\":\"%s\",\"dims\":[", gr_dtype_name(t->dtype));
	for (int i = 0; i < t->ndim; i++)
		fprintf(json, "%s%lld", i > 0 ? "," : "", (long long)t->dims[i]);
	fputc(']', json);
}

/* Every so many-th row and column of the first matrix in t. */
static void write_thumb(FILE *json, const gr_tensor *t)
{
	int64_t idx[GR_MAX_DIMS] = {0};
	int64_t w = t->ndim > 0 ? t->dims[t->ndim - 1] : 1, h = t->ndim > 1 ? t->dims[t->ndim - 2] : 1;
	int64_t rows = h < THUMB ? h : THUMB, columns = w < THUMB ? w : THUMB;
	fputs(",\"thumb\":[", json);
	for (int64_t i = 0; i < rows; i++) {
		fputs(i > 0 ? ",[" : "[", json);
		for (int64_t j = 0; j < columns; j++) {
			if (t->ndim > 1)
				idx[t->ndim - 2] = i * h / rows;
			if (t->ndim > 0)
				idx[t->ndim - 1] = j * w / columns;
			fputs(j > 0 ? "," : "", json);
			write_number(json, gr_tensor_at(t, idx));
		}
		fputc(']', json);
	}
	fputc(']', json);
}

static void write_value(const page *p, const gr_tensor *t)
{
	FILE *json = p->json;
	if (t == NULL) {
		fputs("null", json);
		return;
	}
	fputc('{', json);
	write_dims(json, t);
	if (t->size <= p->most) {
		fputs(",\"data\":[", json);
		for (int64_t i = 0; i < t->size; i++) {
			int64_t idx[GR_MAX_DIMS];
			gr__stats_index(idx, t, i);
			fputs(i > 0 ? "," : "", json);
			write_number(json, gr_tensor_at(t, idx));
		}
		fputs("]}", json);
		return;
	}
	gr_stats s = gr__stats(t);
	fprintf(json, ",\"nan\":%lld,\"inf\":%lld", (long long)s.nan, (long long)s.inf);
	fprintf(json, ",\"min\":%.7g,\"max\":%.7g,\"mean\":%.7g,\"std\":%.7g", s.min, s.max, s.mean,
		s.std);
	write_thumb(json, t);
	fputc('}', json);
}

static void write_text(FILE *json, const char *name, const char *value)
{
	fprintf(json, ",\"%s\":", name);
	gr_json_write_string(json, value != NULL ? value : "");
}

static void write_operands(const page *p, const gr_node *n)
{
	for (int i = 0; i < n->nin; i++) {
		char name[32], shape[192];
		gr__story_operand(name, sizeof name, n, i);
		gr__story_shape(shape, sizeof shape, &n->in_shape[i]);
		int64_t from = n->edges[i].node != NULL ? gr__story_index(&p->story, n->edges[i].node) : -1;
		fprintf(p->json, "%s{\"node\":%lld", i > 0 ? "," : "", (long long)from);
		write_text(p->json, "name", name);
		write_text(p->json, "shape", shape);
		if (from < 0)
			write_text(p->json, "constant", gr__explain_constant(n, i));
		fputs(",\"value\":", p->json);
		write_value(p, gr__explain_kept_value(n, -1 - i));
		fputc('}', p->json);
	}
}

static void write_node(const page *p, int64_t i)
{
	const gr_node *n = p->story.list.nodes[i];
	char label[64], call[256] = "", text[256], code[256];
	gr__story_label(&p->story, label, sizeof label, n, 0);
	fprintf(p->json, "%s\n{\"leaf\":%s", i > 0 ? "," : "", n->op == NULL ? "true" : "false");
	write_text(p->json, "label", label);
	gr__story_shape(text, sizeof text, &n->out_shape[0]);
	write_text(p->json, "shape", text);
	if (n->op != NULL) {
		gr__story_call(&p->story, call, sizeof call, n);
		write_text(p->json, "op", n->op->name);
		write_text(p->json, "call", call);
		write_text(p->json, "math", n->op->math);
		write_text(p->json, "dmath", n->op->dmath);
		write_text(p->json, "doc", n->op->doc);
		gr__story_attributes(text, sizeof text, n);
		write_text(p->json, "attributes", text);
		gr__story_kept(n, text, sizeof text);
		write_text(p->json, "keeps", text);
	}
	snprintf(text, sizeof text, "%s:%d", gr__site_name(n->file), n->line);
	write_text(p->json, "site", n->line > 0 ? text : "");
	gr__site_code(code, sizeof code, n->file, n->line);
	write_text(p->json, "code", code);
	fputs(",\"operands\":[", p->json);
	write_operands(p, n);
	fputs("],\"value\":", p->json);
	write_value(p, gr__explain_kept_value(n, 0));
	fputc('}', p->json);
}

/* What has come together for a value so far; a leaf that the walk has passed has a result. */
static gr_tensor *total_of(const page *p, const gr_node *n, int out)
{
	if (n->grad[out] != NULL)
		return n->grad[out];
	for (int i = 0; i < p->leaves; i++) {
		if (p->x[i]->node == n)
			return p->grads[i];
	}
	return NULL;
}

/* Where the gradients of the last rule went, and what they have made of the values there. */
static void finish_rule(page *p)
{
	const gr_node *n = p->last;
	bool any = false;
	if (n == NULL)
		return;
	for (int i = 0; i < n->nin; i++) {
		char name[32];
		if (p->part[i] == NULL)
			continue;
		const gr_edge *to = &n->edges[i];
		gr__story_operand(name, sizeof name, n, i);
		fprintf(p->json, "%s{\"node\":%lld", any ? "," : "",
			(long long)gr__story_index(&p->story, to->node));
		write_text(p->json, "operand", name);
		fputs(",\"part\":", p->json);
		write_value(p, p->part[i]);
		fputs(",\"total\":", p->json);
		write_value(p, total_of(p, to->node, to->out));
		fputc('}', p->json);
		any = true;
		gr_tensor_release(p->part[i]);
		p->part[i] = NULL;
	}
	fputs("]}", p->json);
	p->last = NULL;
}

static gr_status rule_begin(gr_observer *o, gr_node *n, const gr_vjp *v)
{
	page *p = (page *)o;
	if (gr__story_index(&p->story, n) < 0)
		return GR_OK; /* of a function that is run again */
	finish_rule(p);
	fprintf(p->json, "%s\n{\"node\":%lld,\"adjoint\":", p->rules > 0 ? "," : "",
		(long long)gr__story_index(&p->story, n));
	write_value(p, v->gout[0]);
	fputs(",\"arrivals\":[", p->json);
	p->rules++;
	return GR_OK;
}

static gr_status rule_end(gr_observer *o, gr_node *n, const gr_vjp *v, gr_status status)
{
	page *p = (page *)o;
	if (gr__story_index(&p->story, n) < 0)
		return GR_OK;
	p->last = n;
	for (int i = 0; i < n->nin; i++) {
		bool given = (v->want >> i & 1u) != 0 && status == GR_OK;
		p->part[i] = given ? gr_tensor_retain(v->gin[i]) : NULL;
	}
	return GR_OK;
}

/* A header that stands on the leaf, for the walk to be asked about; the values are not read. */
static gr_tensor *stand_on(gr_node *leaf)
{
	const gr_operand *o = &leaf->out_shape[0];
	gr_tensor *one = gr_scalar(o->dtype, 0.0);
	gr_tensor *t = one == NULL ? NULL : gr__view_expand(one, o->ndim, o->dims);
	if (t == NULL)
		return NULL;
	gr__node_attach(t, leaf, 0);
	return gr__scope_own(t);
}

/* The gradient to every leaf, while the page looks on. */
static gr_status write_backward(page *p, gr_tensor *y, gr_tensor *cotangent)
{
	const gr_nodelist *list = &p->story.list;
	p->x = gr_alloc(2 * (size_t)list->count * sizeof *p->x);
	if (p->x == NULL)
		return gr_error_code();
	p->grads = p->x + list->count;
	gr_status status = GR_OK;
	for (int64_t i = 0; i < list->count && status == GR_OK; i++) {
		if (list->nodes[i]->op != NULL)
			continue;
		gr_tensor *leaf = stand_on(list->nodes[i]);
		if (leaf == NULL)
			status = gr_error_code();
		else
			p->x[p->leaves++] = leaf;
	}
	if (status == GR_OK) {
		const gr_grad_opts opts = {.size = sizeof opts,
			.cotangent = cotangent,
			.keep_graph = true,
			.allow_unused = true};
		gr__observer_add(&p->base);
		status = gr_grad(p->grads, y, p->leaves, p->x, &opts);
		gr__observer_remove(&p->base);
	}
	if (status == GR_OK)
		finish_rule(p);
	for (int i = 0; i < GR_OP_MAX_IN; i++)
		gr_tensor_release(p->part[i]);
	gr_free(p->x);
	return status;
}

static gr_status write_json(page *p, gr_tensor *y, const gr_explain_opts *opts)
{
	const char *title = opts != NULL && opts->title != NULL ? opts->title : "A gradient";
	fprintf(p->json, "{\"root\":%lld", (long long)gr__story_index(&p->story, p->story.root));
	write_text(p->json, "title", title);
	fputs(",\"nodes\":[", p->json);
	for (int64_t i = 0; i < p->story.list.count; i++)
		write_node(p, i);
	fputs("],\n\"backward\":[", p->json);
	gr_status status = write_backward(p, y, opts != NULL ? opts->cotangent : NULL);
	fputs("]}", p->json);
	return status;
}

/* The template with the data at its mark. "<" occurs in strings alone; written as an escape it ends
 * no script. */
static void write_page(FILE *stream, const char *json, size_t size)
{
	static const char mark[] = "@GRAPH@";
	const char *template = (const char *)gr__explain_page;
	const char *at = strstr(template, mark);
	fwrite(template, 1, (size_t)(at - template), stream);
	for (size_t i = 0; i < size; i++) {
		if (json[i] == '<')
			fputs("\\u003c", stream);
		else
			fputc(json[i], stream);
	}
	fputs(at + strlen(mark), stream);
}

gr_status gr_explain_html(gr_tensor *y, const gr_explain_opts *opts, FILE *stream)
{
	page p = {.base = {.rule_begin = rule_begin, .rule_end = rule_end},
		.most = opts != NULL && opts->max_values > 0 ? opts->max_values : MOST_VALUES};
	char *json = NULL;
	size_t size = 0;
	gr_status status = gr_scope_begin();
	if (status == GR_OK)
		status = gr__story_open(&p.story, y);
	p.json = status == GR_OK ? open_memstream(&json, &size) : NULL;
	if (status == GR_OK && p.json == NULL)
		status = gr__fail(GR_EMEM, "explain", "no room for the page");
	if (status == GR_OK)
		status = write_json(&p, y, opts);
	if (p.json != NULL && fclose(p.json) != 0 && status == GR_OK)
		status = gr__fail(GR_EMEM, "explain", "no room for the page");
	gr__story_close(&p.story);
	(void)gr_scope_end();
	if (status == GR_OK) {
		write_page(stream, json, size);
		if (ferror(stream))
			status = gr__fail(GR_EIO, "explain", "the page could not be written");
	}
	free(json);
	return status;
}
