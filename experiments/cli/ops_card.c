/* One op in full: what its record says, then each case and each promise. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "gradus/tensor.h"
#include "ops_certificate.h"

#define WIDTH 80

static void print_wrapped(const char *label, const char *text)
{
	int at = printf("  %-12s", label);

	while (*text != '\0') {
		int length = (int)strcspn(text, " ");
		if (at > 14 && at + 1 + length > WIDTH)
			at = printf("\n%14s", "") - 1;
		else if (at > 14)
			at += printf(" ");
		at += printf("%.*s", length, text);
		text += length;
		text += strspn(text, " ");
	}
	printf("\n");
}

static void print_flags(const gr_op *op)
{
	static const struct {
		unsigned flag;
		const char *text;
	} flags[] = {
		{GR_OP_LINEAR, "linear"},
		{GR_OP_BILINEAR, "bilinear"},
		{GR_OP_ELEMENTWISE, "elementwise"},
		{GR_OP_VIEW, "a view of its input"},
		{GR_OP_RANDOM, "random, by key"},
		{GR_OP_NONDIFF, "without gradient"},
		{GR_OP_VARIADIC, "any number of inputs"},
		{GR_OP_SURROGATE, "gradient stated, not the derivative"},
	};

	printf("  %-12s%s", "kind",
		op->compose != NULL         ? "a composition of other ops"
			: op->vjp_fused != NULL ? "a kernel, a rule, a fused first-order rule"
			: op->vjp != NULL       ? "a kernel, a rule"
									: "a kernel");
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if ((op->flags & flags[i].flag) != 0)
			printf("; %s", flags[i].text);
	printf("\n");
}

/* Names of inputs from the signature. */
static void print_saves(const gr_op *op)
{
	const char *sig = op->sig, *separator = "";

	printf("  %-12s", "saves");
	for (int i = 0; i < op->nin; i++) {
		if ((op->saves & GR_SAVE_IN(i)) != 0) {
			printf("%s%.*s", separator, (int)strcspn(sig, " ["), sig);
			separator = ", ";
		}
		sig += strcspn(sig, " ");
		sig += strspn(sig, " ");
	}
	for (int o = 0; o < op->nout; o++) {
		if ((op->saves & GR_SAVE_OUT(o)) == 0)
			continue;
		printf("%soutput", separator);
		if (op->nout > 1)
			printf(" %d", o);
		separator = ", ";
	}
	printf("%s\n",
		*separator != '\0'        ? ""
			: op->compose != NULL ? "what its parts save"
								  : "nothing");
}

/* Of a case; negative when the op does not count. */
static double flops_of(const gr_op *op, const gr_case *c, int nin)
{
	gr_tensor *in[GR_OP_MAX_IN], *out[GR_OP_MAX_OUT] = {NULL};
	gr_op_call call = {.op = op, .attr = c->attr, .nin = nin, .nout = op->nout, .in = in};

	call.out = out;
	if (op->flops == NULL || op->infer == NULL)
		return -1.0;
	(void)gr_scope_begin();
	for (int i = 0; i < nin; i++) {
		int ndim = GR_MAX_DIMS;
		while (ndim > 0 && c->dims[i][ndim - 1] == 0)
			ndim--;
		in[i] = gr_zeros((c->indices >> i & 1) != 0 ? GR_I64 : GR_F64, ndim, c->dims[i]);
	}
	double flops = !gr_failed() && op->infer(&call) == GR_OK ? op->flops(&call) : -1.0;
	(void)gr_scope_end();
	return flops;
}

static void print_case(const gr_op *op, const gr_case *c)
{
	int nin = c->nin != 0 ? c->nin : op->nin;
	double flops = flops_of(op, c, nin);
	bool unset = c->lo == 0.0 && c->hi == 0.0;

	printf("    %-16s", c->name);
	for (int i = 0; i < nin; i++) {
		int ndim = GR_MAX_DIMS;
		while (ndim > 0 && c->dims[i][ndim - 1] == 0)
			ndim--;
		printf(" %s[", (c->indices >> i & 1) != 0 ? "i64 " : "");
		for (int d = 0; d < ndim; d++)
			printf("%s%" PRId64, d > 0 ? "," : "", c->dims[i][d]);
		printf("]");
	}
	printf("  in %g..%g", unset ? -1.0 : c->lo, unset ? 1.0 : c->hi);
	if (flops >= 0.0)
		printf(", %g flop", flops);
	printf("%s\n", c->no_gradient ? ", the value alone" : "");
}

static void print_promise(gr_promise p, const gr_promise_report *r)
{
	static const char *const verdicts[] = {"-", "ok", "BROKEN"};

	printf("    %-10s %-7s", gr_promise_name(p), verdicts[r->verdict]);
	if (r->verdict == GR_UNTESTED)
		printf("%-31s", "nothing to test");
	else
		printf(" %3d case%c", r->cases, r->cases == 1 ? ' ' : 's');
	if (r->verdict != GR_UNTESTED && r->bound > 0.0)
		printf(", %.1e of %.0e", r->error, r->bound);
	else if (r->verdict != GR_UNTESTED)
		printf("%18s", "");
	printf("  %s\n", gr_promise_text(p));
	if (r->verdict == GR_BROKEN)
		printf("%15s%s\n", "", r->why);
}

int gr__ops_card(const gr_op *op)
{
	gr_op_report r;
	bool kept = gr_op_check(&r, op, NULL) == GR_OK;

	gr_error_clear();
	printf("%s\n", op->name);
	print_wrapped("operands", op->sig);
	print_wrapped("value", op->math);
	if (op->dmath != NULL)
		print_wrapped("gradient", op->dmath);
	print_wrapped("notes", op->doc);
	print_flags(op);
	print_saves(op);
	if (op->attr_size > 0)
		printf("  %-12s%zu bytes\n", "attributes", op->attr_size);
	printf("\n  cases\n");
	for (int k = 0; k < op->ncases; k++)
		print_case(op, &op->cases[k]);
	printf("\n  promises\n");
	for (int p = 0; p < GR_PROMISE_COUNT; p++)
		print_promise((gr_promise)p, &r.promise[p]);
	return kept ? GR_EXIT_OK : GR_EXIT_FAILED;
}
