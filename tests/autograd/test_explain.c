/* Explanations: what the text says of a small graph, of a large one, the drawing, what is kept. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/explain.h"
#include "gradus/json.h"
#include "gradus/ops.h"
#include "engine/site_priv.h"

typedef gr_status (*writer)(gr_tensor *y, const gr_explain_opts *opts, FILE *stream);

static char *text_of(writer write, gr_tensor *y, const gr_explain_opts *opts)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	gr_status status = write(y, opts, out);
	fclose(out);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	return text;
}

static void assert_has(const char *text, const char *wanted)
{
	cr_assert_not_null(strstr(text, wanted), "'%s' is not in:\n%s", wanted, text);
}

static int times(const char *text, const char *word)
{
	int n = 0;
	for (; (text = strstr(text, word)) != NULL; text++)
		n++;
	return n;
}

/* y = mean (tanh(x w) - t)^2, with x [3,2] and w [2,1] watched; *line: of the product. */
static gr_tensor *loss(int *line)
{
	gr_tensor *x = gr_watch(gr_from_f64(GR_F64, (double[]){1, 2, 3, 4, 5, 6}, GR_DIMS(3, 2)));
	gr_tensor *w = gr_watch(gr_from_f64(GR_F64, (double[]){0.5, -0.25}, GR_DIMS(2, 1)));
	gr_tensor *t = gr_zeros(GR_F64, GR_DIMS(3, 1));
	gr_explain_name(x, "x");
	gr_explain_name(w, "w");
	gr_tensor *h = gr_matmul(x, w);
	*line = __LINE__ - 1;
	return gr_mean(gr_square(gr_sub(gr_tanh(h), t)), GR_ALL_AXES, false);
}

Test(explain, the_derivation_of_a_small_loss)
{
	int line;
	char site[64];
	gr_status status = gr_explain_begin(false);
	cr_assert_eq(status, GR_OK);
	gr_tensor *y = gr_explain_name(loss(&line), "loss");
	char *text = text_of(gr_explain, y, NULL);
	/* matmul keeps x (48) and w (16), tanh its output (24), square its input (24) */
	assert_has(text, "loss, f64 []: 5 ops over 2 leaves, whose rules keep 112 B");
	assert_has(text, "matmul(a=x, b=w)");
	assert_has(text, "y[i,j] = sum_k a[i,k] b[k,j];  keeps a 48 B, b 16 B");
	assert_has(text, "sub(a=v4, b=constant)");
	snprintf(site, sizeof site, "autograd/test_explain.c:%d", line);
	assert_has(text, site);
	assert_has(text, "dloss = 1");
	assert_has(text, "matmul:  da = g b^T, db = a^T g");
	assert_has(text, "g = dv3; da -> dx f64 [3,2], db -> dw f64 [2,1]");
	/* forward and back in opposite orders */
	cr_assert_lt(strstr(text, "y = tanh(x)"), strstr(text, "y = x^2"));
	cr_assert_gt(strstr(text, "dx = g (1 - y^2)"), strstr(text, "dx = 2 g x"));
	free(text);
	gr_explain_end();
	text = text_of(gr_explain, y, NULL);
	cr_assert_null(strstr(text, "dloss"), "names are forgotten");
	free(text);
}

/* The graph is as good as before. */
Test(explain, nothing_is_consumed)
{
	int line;
	gr_tensor *y = loss(&line), *x = gr_watch(gr_scalar(GR_F64, 2.0)), *g;
	y = gr_mul(y, x);
	free(text_of(gr_explain, y, NULL));
	free(text_of(gr_explain_dot, y, NULL));
	free(text_of(gr_explain_html, y, NULL));
	double value = gr_item(y) / 2.0;
	gr_status status = gr_grad(&g, y, 1, &x, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_assert_float_eq(gr_item(g), value, 1e-12);
	char *text = text_of(gr_explain, y, NULL);
	assert_has(text, "consumed");
	free(text);
}

Test(explain, constants_may_have_names)
{
	gr_status status = gr_explain_begin(true);
	cr_assert_eq(status, GR_OK);
	gr_tensor *x = gr_watch(gr_scalar(GR_F32, 1.0)), *c = gr_scalar(GR_F32, 2.0);
	cr_assert_eq(gr_explain_name(c, "c"), c);
	gr_tensor *y = gr_add(gr_add(x, c), gr_scalar(GR_F32, 3.0));
	char *text = text_of(gr_explain, y, NULL);
	assert_has(text, "add(a=v1, b=c)");
	assert_has(text, "add(a=v2, b=constant)");
	free(text);
	gr_explain_end();
}

Test(explain, attributes_are_told)
{
	gr_tensor *x = gr_watch(gr_scalar(GR_F32, 1.0));
	char *text = text_of(gr_explain, gr_clamp(gr_affine(x, 2.0, -0.5), 0.0, 1.0), NULL);
	assert_has(text, "y = scale x + shift;  scale=2, shift=-0.5");
	assert_has(text, "low=0, high=1");
	free(text);
}

Test(explain, a_large_graph_is_summarised_by_layer)
{
	gr_status status = gr_explain_begin(false);
	cr_assert_eq(status, GR_OK);
	gr_tensor *y = gr_scalar(GR_F32, 1.0);
	for (int i = 0; i < 40; i++) {
		char name[32];
		snprintf(name, sizeof name, "%s.%d.weight", i < 10 ? "in" : "out", i);
		gr_tensor *w = gr_explain_name(gr_watch(gr_scalar(GR_F32, 0.5)), name);
		y = gr_tanh(gr_mul(y, w));
	}
	char *text = text_of(gr_explain, y, GR_OPTS(gr_explain_opts, .max_nodes = 6));
	assert_has(text, "80 ops over 40 leaves");
	assert_has(text, "  mul                                            40");
	/* the first product multiplies a constant, and so keeps that alone */
	assert_has(text, "  in                                             20        116 B");
	assert_has(text, "  out                                            60        360 B");
	cr_assert_eq(times(text, "y = a b"), 2, "the newest ops alone");
	free(text);
	text = text_of(gr_explain, y, GR_OPTS(gr_explain_opts, .max_nodes = 6, .level = 2));
	assert_has(text, "  out.39                                          2");
	free(text);
	gr_explain_end();
	text = text_of(gr_explain, y, GR_OPTS(gr_explain_opts, .max_nodes = 6));
	assert_has(text, "  autograd/test_explain.c                        80");
	free(text);
}

Test(explain, the_drawing_has_each_node_and_edge_once)
{
	int line;
	gr_tensor *y = loss(&line);
	char *text = text_of(gr_explain_dot, y, GR_OPTS(gr_explain_opts, .title = "a \"loss\""));
	assert_has(text, "label=\"a \\\"loss\\\"\"");
	cr_assert_eq(times(text, "shape=ellipse"), 2);
	cr_assert_eq(times(text, " -> n"), 6);
	cr_assert_eq(times(text, "\tn0 -> n2 [label=\"a\"]"), 1);
	assert_has(text, "da = g b^T, db = a^T g");
	free(text);
}

Test(explain, what_cannot_be_explained)
{
	gr_status status = gr_explain(gr_scalar(GR_F32, 1.0), NULL, stdout);
	cr_assert_eq(status, GR_EARG);
	assert_has(gr_error_message(), "not tracked");
	gr_error_clear();
	status = gr_explain(NULL, NULL, stdout);
	cr_assert_eq(status, GR_EARG);
	gr_error_clear();
	status = gr_explain_begin(true);
	cr_assert_eq(status, GR_OK);
	status = gr_explain_begin(true);
	cr_assert_eq(status, GR_ESTATE);
	gr_error_clear();
	gr_explain_end();
	gr_explain_end();
}

/* The data of a page, as its script reads it. */
static gr_json_doc *data_of(const char *page)
{
	static const char begin[] = "<script id=\"graph\" type=\"application/json\">";
	const char *from = strstr(page, begin);
	cr_assert_not_null(from);
	from += strlen(begin);
	const char *to = strstr(from, "</script>");
	gr_json_error error;
	gr_json_doc *doc = gr_json_parse(from, (size_t)(to - from), NULL, &error);
	cr_assert_not_null(doc, "%s at byte %zu", doc == NULL ? error.reason : "", error.offset);
	return doc;
}

static const gr_json *item(const gr_json *array, int i)
{
	const gr_json *v = array->child;
	while (i-- > 0)
		v = v->next;
	return v;
}

static double value_at(const gr_json *value, int i)
{
	return item(gr_json_find(value, "data"), i)->number;
}

/* Values, and adjoints as they arrive, against the gradient itself. */
Test(explain, a_page_holds_values_and_adjoints)
{
	int line;
	gr_status status = gr_explain_begin(true);
	cr_assert_eq(status, GR_OK);
	gr_tensor *x = gr_watch(gr_from_f64(GR_F64, (double[]){1, -2}, GR_DIMS(2)));
	gr_explain_name(x, "</script><b>x");
	gr_tensor *square = gr_square(x), *line3 = gr_mul_s(x, 3.0);
	gr_tensor *y = gr_sum(gr_add(square, line3), GR_ALL_AXES, false);
	char *page = text_of(gr_explain_html, y, GR_OPTS(gr_explain_opts, .title = "f"));
	gr_json_doc *doc = data_of(page);
	const gr_json *nodes = gr_json_find(gr_json_root(doc), "nodes");
	const gr_json *back = gr_json_find(gr_json_root(doc), "backward");
	cr_assert_eq(nodes->count, 5);
	cr_assert_str_eq(gr_json_find(item(nodes, 0), "label")->string, "</script><b>x");
	cr_assert_str_eq(gr_json_find(item(nodes, 4), "op")->string, "sum");
	cr_assert_eq(value_at(gr_json_find(item(nodes, 0), "value"), 1), -2.0);
	cr_assert_eq(value_at(gr_json_find(item(nodes, 4), "value"), 0), 1 + 3 + 4 - 6);
	/* sum, add, then affine and square in the order of the walk; x: 3, then 2 x + 3 */
	cr_assert_eq(back->count, 4);
	const gr_json *last = item(back, 3), *arrival = item(gr_json_find(last, "arrivals"), 0);
	cr_assert_eq(gr_json_find(last, "node")->integer, 1);
	cr_assert_eq(gr_json_find(arrival, "node")->integer, 0);
	cr_assert_eq(value_at(gr_json_find(arrival, "total"), 0), 5.0);
	cr_assert_eq(value_at(gr_json_find(arrival, "total"), 1), -1.0);
	cr_assert_eq(value_at(gr_json_find(arrival, "part"), 1), -4.0);
	arrival = item(gr_json_find(item(back, 2), "arrivals"), 0);
	cr_assert_eq(value_at(gr_json_find(arrival, "total"), 0), 3.0);
	gr_json_free(doc);
	free(page);
	gr_explain_end();
	/* without keeping: no values, but adjoints all the same */
	page = text_of(gr_explain_html, loss(&line), NULL);
	doc = data_of(page);
	nodes = gr_json_find(gr_json_root(doc), "nodes");
	cr_assert_eq(gr_json_find(item(nodes, 2), "value")->kind, GR_JSON_NULL);
	back = gr_json_find(gr_json_root(doc), "backward");
	arrival = item(gr_json_find(item(back, 0), "arrivals"), 0);
	cr_assert_float_eq(value_at(gr_json_find(arrival, "total"), 0), 1.0 / 3.0, 1e-9);
	gr_json_free(doc);
	free(page);
}

Test(explain, large_and_broken_values_are_summarised)
{
	gr_status status = gr_explain_begin(true);
	cr_assert_eq(status, GR_OK);
	gr_tensor *x = gr_watch(gr_arange(GR_F32, 4096, 0.0, 1.0));
	gr_tensor *z = gr_reshape(x, GR_DIMS(64, 64));
	gr_tensor *y = gr_sum(gr_log(z), GR_ALL_AXES, false);
	char *page = text_of(gr_explain_html, y, NULL);
	gr_json_doc *doc = data_of(page);
	const gr_json *nodes = gr_json_find(gr_json_root(doc), "nodes");
	const gr_json *v = gr_json_find(item(nodes, 1), "value");
	cr_assert_null(gr_json_find(v, "data"));
	cr_assert_eq(gr_json_find(v, "max")->number, 4095.0);
	cr_assert_eq(gr_json_find(v, "mean")->number, 2047.5);
	cr_assert_eq(gr_json_find(v, "thumb")->count, 16);
	cr_assert_eq(gr_json_find(gr_json_find(item(nodes, 2), "value"), "inf")->integer, 1);
	cr_assert_str_eq(item(gr_json_find(gr_json_find(item(nodes, 3), "value"), "data"), 0)->string,
		"-inf");
	gr_json_free(doc);
	free(page);
	gr_explain_end();
}

/* A failing write is an error, not a short page. */
Test(explain, a_full_disk)
{
	FILE *full = fopen("/dev/full", "w");
	if (full == NULL)
		cr_skip_test("no /dev/full");
	setbuf(full, NULL);
	gr_tensor *y = gr_neg(gr_watch(gr_scalar(GR_F32, 1.0)));
	const writer all[] = {gr_explain, gr_explain_dot, gr_explain_html};
	for (int i = 0; i < 3; i++) {
		gr_status status = all[i](y, NULL, full);
		cr_assert_eq(status, GR_EIO);
		gr_error_clear();
		clearerr(full);
	}
	fclose(full);
}

Test(site, names_and_code)
{
	char code[128];
	cr_assert_str_eq(gr__site_name("/a/b/c.c"), "b/c.c");
	cr_assert_str_eq(gr__site_name("c.c"), "c.c");
	cr_assert_str_eq(gr__site_name(NULL), "");
	gr__site_code(code, sizeof code, __FILE__, __LINE__);
	cr_assert_str_eq(code, "gr__site_code(code, sizeof code, __FILE__, __LINE__);");
	gr__site_code(code, sizeof code, "/no/such/file.c", 3);
	cr_assert_str_eq(code, "");
	gr__site_code(code, sizeof code, __FILE__, 1000000);
	cr_assert_str_eq(code, "");
}
