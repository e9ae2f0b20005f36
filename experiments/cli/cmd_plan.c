/* gradus plan: what a table would take, before anything runs. */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "exp.h"
#include "table_args.h"

typedef struct totals {
	double flops, seconds;
	uint64_t bytes;
	int missing;
} totals;

static void print_row(const gr_exp_plan *p, void *payload)
{
	totals *t = payload;
	if (p->needs != NULL) {
		printf("| %s | %s | needs %s | | | | | |\n", p->task, p->method, p->needs);
		t->missing++;
		return;
	}
	printf("| %s | %s | %lld | %g | %g | %.4g | %.1f | %.0f |\n", p->task, p->method,
		(long long)p->samples, p->evaluations, p->gradients, p->flops, (double)p->bytes / 1048576.0,
		p->seconds);
	fflush(stdout);
	t->flops += p->flops;
	t->seconds += p->seconds;
	t->bytes = p->bytes > t->bytes ? p->bytes : t->bytes;
}

int gr_cmd_plan(int argc, char **argv)
{
	gr_table_args t;
	int64_t threads;
	bool untimed;
	const gr_arg args[] = {
		GR_TABLE_ARGS(&t),
		{"untimed", GR_ARG_FLAG, NULL, "do not run the few steps that tell the seconds", &untimed},
		{"threads", GR_ARG_INT, "0", "0: all cores", &threads},
	};
	const gr_command command = {
		.name = "plan",
		.usage = "NAME [options]",
		.summary = "What a table would take: evaluations, operations, memory, seconds.",
		.examples = {"gradus plan dps_pixel", "gradus plan dps_pixel --preset full --untimed"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	const char *name = NULL;
	totals sum = {0};
	int words;
	int code = gr__args_parse(&command, argc, argv, &name, 1, &words);
	if (code == GR_ARGS_RUN)
		code = gr__table_args_read(&t, "plan", name);
	if (code != GR_ARGS_RUN)
		return code;
	gr_status status = threads > 0 ? gr_set_threads((int)threads) : GR_OK;
	printf("| task | method | samples | evaluations a sample | with gradient | FLOP | MiB | s |\n"
		   "|---|---|---|---|---|---|---|---|\n");
	if (status == GR_OK)
		status = gr_exp_plan_rows(t.x, &t.opts, !untimed, print_row, &sum);
	if (status != GR_OK)
		return gr__exit_report("plan", status);
	printf("| all | | | | | %.4g | %.1f | %.0f |\n", sum.flops, (double)sum.bytes / 1048576.0,
		sum.seconds);
	if (sum.missing > 0)
		printf("\n%d rows need what is not here.\n", sum.missing);
	return GR_EXIT_OK;
}
