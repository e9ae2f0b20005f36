/*
 * Every promise of every op, on every case of its record: one Test per promise, one line of output
 * per broken one. GRADUS_TEST_OP=matmul restricts it to one op.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/gradcheck.h"
#include "reference.h"

typedef int (*op_check)(const gr_op *op, gr_promise promise);

static int promise_of(const gr_op *op, gr_promise promise)
{
	gr_status status = gr_op_check(NULL, op, GR_OPTS(gr_check_opts, .promises = 1u << promise));

	if (status != GR_OK)
		fprintf(stderr, "%s\n", gr_error_message());
	gr_error_clear();
	return status == GR_OK ? 0 : 1;
}

static int values_of(const gr_op *op, gr_promise promise)
{
	(void)promise;
	return reference_check(op, reference_of(op->name));
}

static void each_op(op_check check, gr_promise promise)
{
	const char *only = getenv("GRADUS_TEST_OP");
	int failures = 0;

	for (int i = 0; i < gr_op_count(); i++) {
		const gr_op *op = gr_op_get(i);
		if (only == NULL || strcmp(only, op->name) == 0)
			failures += check(op, promise);
	}
	cr_assert(failures == 0, "%d failures, see above", failures);
}

Test(ops_generated, values)
{
	each_op(values_of, GR_PROMISE_COUNT);
}

Test(ops_generated, record)
{
	each_op(promise_of, GR_PROMISE_RECORD);
}

Test(ops_generated, flags)
{
	each_op(promise_of, GR_PROMISE_FLAGS);
}

Test(ops_generated, vjp)
{
	each_op(promise_of, GR_PROMISE_VJP);
}

Test(ops_generated, jvp)
{
	each_op(promise_of, GR_PROMISE_JVP);
}

Test(ops_generated, second)
{
	each_op(promise_of, GR_PROMISE_SECOND);
}

Test(ops_generated, fused)
{
	each_op(promise_of, GR_PROMISE_FUSED);
}

Test(ops_generated, want)
{
	each_op(promise_of, GR_PROMISE_WANT);
}

Test(ops_generated, layout)
{
	each_op(promise_of, GR_PROMISE_LAYOUT);
}

Test(ops_generated, broadcast)
{
	each_op(promise_of, GR_PROMISE_BROADCAST);
}

Test(ops_generated, threads)
{
	each_op(promise_of, GR_PROMISE_THREADS);
}

Test(ops_generated, memory)
{
	each_op(promise_of, GR_PROMISE_MEMORY);
}
