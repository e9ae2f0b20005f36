/* Profiles: what is counted under which name, and traces that a parser reads. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gradus/json.h"
#include "gradus/ops.h"
#include "gradus/trace.h"

static const gr_profile_row *row_of(const gr_profile *p, const char *name, bool backward)
{
	const gr_profile_row *r;
	for (int i = 0; (r = gr_profile_get(p, i)) != NULL; i++) {
		if (strcmp(r->op->name, name) == 0 && r->backward == backward)
			return r;
	}
	return NULL;
}

/* sum((a b)^2), forward and back */
static void work(void)
{
	gr_status status;
	gr_tensor *a = gr_watch(gr_random_normal(gr_key_seed(1), GR_F32, GR_DIMS(8, 16)));
	gr_tensor *b = gr_random_normal(gr_key_seed(2), GR_F32, GR_DIMS(16, 4)), *g;
	gr_tensor *y = gr_sum(gr_square(gr_matmul(a, b)), GR_ALL_AXES, false);
	status = gr_grad(&g, y, 1, &a, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
}

Test(profile, ops_and_rules_are_counted_apart)
{
	work(); /* not seen */
	gr_profile *p = gr_profile_begin(NULL);
	work();
	work();
	gr_profile_end(p);
	work(); /* not seen */
	const gr_profile_row *forward = row_of(p, "matmul", false), *rule = row_of(p, "matmul", true);
	cr_assert_not_null(forward);
	cr_assert_not_null(rule);
	cr_assert_eq(forward->calls, 2);
	cr_assert_eq(rule->calls, 2);
	/* 2 M N K, and the rule's product for a alone is as much */
	cr_assert_eq(forward->flops, 2 * 2.0 * 8 * 4 * 16);
	cr_assert_eq(rule->flops, forward->flops);
	cr_assert_eq(forward->bytes, 2 * 4.0 * (8 * 16 + 16 * 4 + 8 * 4));
	cr_assert_gt(forward->seconds, 0.0);
	cr_assert_null(row_of(p, "transpose", false));
	cr_assert_null(row_of(p, "permute", false), "what a rule runs is the rule's");
	cr_assert_not_null(row_of(p, "square", true));
	for (int i = 1; i < gr_profile_count(p); i++)
		cr_assert_geq(gr_profile_get(p, i - 1)->seconds, gr_profile_get(p, i)->seconds);
	gr_profile_free(p);
}

Test(profile, the_algorithm_is_named)
{
	gr_tensor *x = gr_random_normal(gr_key_seed(1), GR_F32, GR_DIMS(1, 8, 12, 12));
	gr_tensor *w = gr_random_normal(gr_key_seed(2), GR_F32, GR_DIMS(8, 8, 3, 3));
	cr_assert_eq(gr_set_precision(GR_PRECISION_DIRECT), GR_OK);
	gr_profile *p = gr_profile_begin(NULL);
	cr_assert_not_null(gr_conv2d(x, w, GR_OPTS(gr_conv_opts, .pad = 1)));
	cr_assert_not_null(gr_neg(x));
	gr_profile_end(p);
	cr_assert_str_eq(row_of(p, "conv2d", false)->algorithm, "direct");
	cr_assert_null(row_of(p, "neg", false)->algorithm);
	gr_profile_free(p);
}

static gr_json_doc *read_json(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *in = fopen(path, "r"), *all = open_memstream(&text, &size);
	cr_assert_not_null(in);
	for (int c; (c = getc(in)) != EOF;)
		putc(c, all);
	fclose(in);
	fclose(all);
	gr_json_error error;
	gr_json_doc *doc = gr_json_parse(text, size, NULL, &error);
	cr_assert_not_null(doc, "%s", doc == NULL ? error.reason : "");
	free(text);
	return doc;
}

/* Ops lie inside the rule that ran them, in time as in name. */
Test(profile, a_trace_nests)
{
	char path[] = "/tmp/gradus-trace-XXXXXX";
	int fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	close(fd);
	gr_profile *p = gr_profile_begin(NULL);
	work();
	gr_profile_end(p);
	gr_status status = gr_profile_write_trace(p, path);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_json_doc *doc = read_json(path);
	const gr_json *events = gr_json_find(gr_json_root(doc), "traceEvents"), *rule = NULL;
	cr_assert_not_null(events);
	int inside = 0;
	for (const gr_json *e = events->child; e != NULL; e = e->next) {
		if (strcmp(gr_json_find(e, "name")->string, "matmul rule") == 0)
			rule = e;
	}
	cr_assert_not_null(rule);
	cr_assert_str_eq(gr_json_find(gr_json_find(rule, "args"), "math")->string,
		"da = g b^T, db = a^T g");
	double begin = gr_json_find(rule, "ts")->number;
	double end = begin + gr_json_find(rule, "dur")->number;
	for (const gr_json *e = events->child; e != NULL; e = e->next) {
		const gr_json *args = gr_json_find(e, "args"), *of = gr_json_find(args, "in the rule of");
		if (of == NULL || strcmp(of->string, "matmul") != 0)
			continue;
		double ts = gr_json_find(e, "ts")->number, dur = gr_json_find(e, "dur")->number;
		cr_assert(ts >= begin - 1e-3 && ts + dur <= end + 2e-3);
		cr_assert_str_eq(gr_json_find(e, "cat")->string, "backward");
		inside++;
	}
	cr_assert_eq(inside, 2, "a transpose and a product");
	gr_json_free(doc);
	gr_profile_free(p);
	unlink(path);
}

Test(profile, more_events_than_fit_are_in_the_totals)
{
	gr_profile *p = gr_profile_begin(GR_OPTS(gr_profile_opts, .max_events = 2));
	gr_tensor *x = gr_zeros(GR_F32, GR_DIMS(4));
	for (int i = 0; i < 5; i++)
		x = gr_neg(x);
	gr_profile_end(p);
	cr_assert_eq(row_of(p, "neg", false)->calls, 5);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	gr_profile_print(p, out);
	fclose(out);
	cr_assert_not_null(strstr(text, "3 events are in these totals but not in the trace"));
	cr_assert_not_null(strstr(text, "neg"));
	free(text);
	gr_profile_free(p);
}

Test(profile, where_it_cannot_be_written)
{
	gr_profile *p = gr_profile_begin(NULL);
	gr_profile_end(p);
	gr_status status = gr_profile_write_trace(p, "/no/such/folder/trace.json");
	cr_assert_eq(status, GR_EIO);
	cr_assert_not_null(strstr(gr_error_message(), "/no/such/folder/trace.json"));
	gr_profile_free(p);
}

/* An observer's own ops are nobody's; a check and a profile see the same ops. */
Test(profile, together_with_the_check)
{
	gr_set_check_finite(true);
	gr_profile *p = gr_profile_begin(NULL), *q = gr_profile_begin(NULL);
	work();
	gr_profile_end(p);
	gr_set_check_finite(false);
	gr_profile_end(q);
	cr_assert_eq(gr_profile_count(p), gr_profile_count(q));
	cr_assert_eq(row_of(p, "matmul", false)->calls, 1);
	cr_assert_eq(row_of(q, "matmul", false)->calls, 1);
	gr_profile_free(p);
	gr_profile_free(q);
}
