/*
 * Every promise of every op, on every case of its record: one Test per promise, one line of output
 * per broken one. GRADUS_TEST_OP=matmul restricts it to one op.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/op.h"
#include "gradus/ops.h"
#include "generator.h"

static gr_ref_fn reference_of(const char *name)
{
	const gr_ref *const tables[] = {gr_refs_math, gr_refs_move, gr_refs_image, gr_refs_order,
		gr_refs_loss, gr_refs_linalg};

	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
		for (const gr_ref *r = tables[t]; r->op != NULL; r++)
			if (strcmp(r->op, name) == 0)
				return r->fn;
	return NULL;
}

typedef bool (*check_fn)(gen *g);

static int check_case(const gr_op *op, const gr_case *c, check_fn check)
{
	gen g;

	(void)gr_scope_begin();
	bool ok = gen_begin(&g, op, c);
	g.ref = reference_of(op->name);
	ok = ok && check(&g);
	(void)gr_scope_end();
	if (ok && gr_failed())
		ok = gen_fail(&g, "an error is left over: %s", gr_error_message());
	if (!ok)
		fprintf(stderr, "%s, case \"%s\": %s\n", op->name, c->name,
			g.why[0] != '\0' ? g.why : gr_error_message());
	gr_error_clear();
	gen_end(&g);
	return ok ? 0 : 1;
}

static void each_case(check_fn check)
{
	const char *only = getenv("GRADUS_TEST_OP");
	int failures = 0;

	for (int i = 0; i < gr_op_count(); i++) {
		const gr_op *op = gr_op_get(i);
		if (only != NULL && strcmp(only, op->name) != 0)
			continue;
		if (op->ncases == 0) {
			fprintf(stderr, "%s: no cases\n", op->name);
			failures++;
		}
		for (int k = 0; k < op->ncases; k++)
			failures += check_case(op, &op->cases[k], check);
	}
	cr_assert(failures == 0, "%d cases fail, see above", failures);
}

Test(ops_generated, record)
{
	each_case(gen_check_record);
}

Test(ops_generated, forward)
{
	each_case(gen_check_forward);
}

Test(ops_generated, vjp)
{
	each_case(gen_check_vjp);
}

Test(ops_generated, second_order)
{
	each_case(gen_check_second_order);
}

Test(ops_generated, jvp)
{
	each_case(gen_check_jvp);
}

Test(ops_generated, fused)
{
	each_case(gen_check_fused);
}

Test(ops_generated, flags)
{
	each_case(gen_check_flags);
}

Test(ops_generated, layout)
{
	each_case(gen_check_layout);
}

Test(ops_generated, broadcast)
{
	each_case(gen_check_broadcast);
}

Test(ops_generated, want)
{
	each_case(gen_check_want);
}

Test(ops_generated, threads)
{
	each_case(gen_check_threads);
}

Test(ops_generated, allocation)
{
	each_case(gen_check_allocation);
}
