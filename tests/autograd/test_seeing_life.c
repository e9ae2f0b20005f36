/* What looks inside, when memory runs out and through checkpoints: clean errors, nothing left. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/explain.h"
#include "gradus/ops.h"
#include "gradus/recompute.h"
#include "gradus/trace.h"

static gr_tensor *loss(gr_tensor *w)
{
	gr_tensor *x = gr_full(GR_F64, GR_DIMS(3, 2), 0.5);
	gr_tensor *h = gr_explain_name(gr_tanh(gr_matmul(x, w)), "h");
	return gr_sumsq(h, GR_ALL_AXES, false);
}

/* All of it at once; the status of the first thing that fails. */
static gr_status look(FILE *out)
{
	gr_status status = gr_explain_begin(true);
	gr_profile *p = status == GR_OK ? gr_profile_begin(NULL) : NULL;
	gr_set_check_finite(true);
	gr_tensor *w = p == NULL ? NULL : gr_watch(gr_full(GR_F64, GR_DIMS(2, 2), 0.25));
	gr_tensor *y = w == NULL ? NULL : loss(gr_explain_name(w, "w"));
	status = gr_error_code();
	if (status == GR_OK)
		status = gr_explain(y, GR_OPTS(gr_explain_opts, .max_nodes = 2), out);
	if (status == GR_OK)
		status = gr_explain_dot(y, NULL, out);
	if (status == GR_OK)
		status = gr_explain_html(y, NULL, out);
	gr_set_check_finite(false);
	gr_profile_free(p);
	gr_explain_end();
	return status;
}

Test(seeing_life, every_allocation_may_fail)
{
	FILE *out = fopen("/dev/null", "w");
	gr_status status = look(out); /* once with all memory: the scopes' arrays have their size */
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	uint64_t blocks = gr_memory_stats().pool_allocs;
	(void)gr_scope_begin();
	status = look(out);
	(void)gr_scope_end();
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	blocks = gr_memory_stats().pool_allocs - blocks;
	cr_assert_gt(blocks, 40, "%d blocks", (int)blocks);
	int refused = 0;
	for (uint64_t n = 1; n <= blocks; n++) {
		gr_memory before = gr_memory_stats();
		(void)gr_scope_begin();
		gr_memory_fail_at(n);
		status = look(out);
		gr_memory_fail_at(0);
		gr_status sticky = gr_scope_end();
		gr_memory after = gr_memory_stats();
		/* a profile can do without room for its trace: it counts what it dropped */
		cr_assert_eq(sticky, status == GR_OK ? GR_OK : GR_EMEM, "block %d: %d, %s", (int)n, status,
			gr_error_message());
		refused += status == GR_EMEM ? 1 : 0;
		gr_error_clear();
		cr_assert_eq(after.tensors_live, before.tensors_live, "block %d leaks a tensor", (int)n);
		cr_assert_eq(after.bytes_in_use, before.bytes_in_use, "block %d leaks", (int)n);
	}
	cr_assert_gt(refused, (int)blocks - 3, "%d of %d", refused, (int)blocks);
	fclose(out);
}

static gr_status inner(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	(void)payload;
	y[0] = gr_sin(gr_square(x[0]));
	return y[0] == NULL ? gr_error_code() : GR_OK;
}

/* A checkpointed call is one node; adjoints go through it, and its rules are in a profile. */
Test(seeing_life, checkpoints_are_one_step)
{
	gr_tensor *x = gr_watch(gr_full(GR_F64, GR_DIMS(2), 0.5)), *h, *g;
	gr_status status = gr_checkpoint(&h, inner, 1, &x, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_tensor *y = gr_sum(gr_neg(h), GR_ALL_AXES, false);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	gr_profile *p = gr_profile_begin(NULL);
	status = gr_explain(y, NULL, out);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	status = gr_explain_html(y, NULL, out);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	fclose(out);
	gr_profile_end(p);
	cr_assert_not_null(strstr(text, "checkpoint:  the gradient of its function"), "%s", text);
	bool found = false;
	const gr_profile_row *r;
	for (int i = 0; (r = gr_profile_get(p, i)) != NULL; i++)
		found = found || (r->backward && strcmp(r->op->name, "square") == 0);
	cr_assert(found, "the rules of what runs again");
	gr_profile_free(p);
	free(text);
	status = gr_grad(&g, y, 1, &x, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	/* the check sees what happens inside */
	gr_set_check_finite(true);
	x = gr_watch(gr_full(GR_F64, GR_DIMS(2), 1e200));
	status = gr_checkpoint(&h, inner, 1, &x, NULL);
	cr_assert_eq(status, GR_ENUMERIC);
	cr_assert_not_null(strstr(gr_error_message(), "square: it made infinity"));
	gr_set_check_finite(false);
}
