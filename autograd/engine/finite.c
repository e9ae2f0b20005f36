/*
 * Where the first NaN or infinity comes from. After every op and every rule the results are
 * scanned; where one is not finite the operands tell whether it was made here. What an op inside a
 * composition or a rule makes is only remembered: it counts when it reaches the end of that (a
 * rule may well compute an infinity that it then masks).
 */
#include "gradus/trace.h"

#include <string.h>

#include "observe.h"
#include "stats_priv.h"

typedef struct checker {
	gr_observer base;
	bool on;
	int depth;           /* compositions around the current op */
	const gr_node *rule; /* around the current op */
	const gr_op *first;  /* the op inside them that made a value which is not finite */
	bool passed;         /* infinities of the program's own flow back: cotangents may have them */
	const char *file;    /* the call site before the rule */
	int line;
} checker;

static _Thread_local checker this_thread;

typedef enum verdict { FINE, MADE_HERE, CAME_IN, PASSED_ON } verdict;

/* The operands of an op or the reading matter of a rule. */
typedef struct sources {
	const gr_tensor *t[2 * GR_OP_MAX_IN];
	char names[2 * GR_OP_MAX_IN][24];
	int n;
} sources;

static void add_source(sources *s, const gr_tensor *t, const char *name, int length)
{
	if (t == NULL || s->n == 2 * GR_OP_MAX_IN)
		return;
	s->t[s->n] = t;
	snprintf(s->names[s->n], sizeof s->names[0], "%.*s", length, name);
	s->n++;
}

/* Operands under the names of the signature. */
static void add_operands(sources *s, const gr_op *op, int nin, gr_tensor *const *in)
{
	const char *sig = op->sig != NULL ? op->sig : "";
	for (int i = 0; i < nin; i++) {
		size_t length = strcspn(sig, " [");
		if (length == 0)
			add_source(s, in[i], "operand", 7);
		else
			add_source(s, in[i], sig, (int)length);
		sig += strcspn(sig, " ");
		sig += strspn(sig, " ");
	}
}

/* *which: the source that holds a NaN. */
static verdict judge(const gr_tensor *result, const sources *s, int *which)
{
	if (gr__is_finite(result))
		return FINE;
	bool infinite = false;
	for (int i = 0; i < s->n; i++) {
		gr_stats in = {.bad = -1};
		if (!gr__is_finite(s->t[i]))
			in = gr__stats(s->t[i]);
		*which = i;
		if (in.nan > 0)
			return CAME_IN;
		infinite = infinite || in.inf > 0;
	}
	return infinite && gr__stats(result).nan == 0 ? PASSED_ON : MADE_HERE;
}

/* "NaN at [0,3], 2 of 12 values" */
static void print_bad(char *buf, size_t size, const gr_tensor *t)
{
	gr_stats s = gr__stats(t);
	char place[160];
	gr__stats_place(place, sizeof place, t, s.bad);
	snprintf(buf, size, "%s%s%s, %lld of %lld values", s.nan > 0 ? "NaN" : "infinity",
		place[0] != '\0' ? " at " : "", place, (long long)(s.nan + s.inf), (long long)t->size);
}

/* "x from 0 to 2, w from -1 to 1" */
static void print_ranges(char *buf, size_t size, const sources *s)
{
	size_t used = 0;
	buf[0] = '\0';
	for (int i = 0; i < s->n && used < size; i++) {
		gr_stats r = gr__stats(s->t[i]);
		int n = snprintf(buf + used, size - used, "%s%s from %.4g to %.4g%s", i > 0 ? ", " : "",
			s->names[i], r.min, r.max, r.inf > 0 ? " and infinities" : "");
		used += n > 0 ? (size_t)n : 0;
	}
}

static gr_status op_failed(const checker *k, const gr_op_call *c, const gr_tensor *result,
	const sources *s, verdict v, int which)
{
	char bad[256], ranges[256], inner[64] = "";
	if (v == CAME_IN) {
		print_bad(bad, sizeof bad, s->t[which]);
		return gr_op_fail(c, GR_ENUMERIC,
			"%s holds a NaN that no op made while they were checked: %s; hint: look at the data "
			"and the parameters",
			s->names[which], bad);
	}
	print_bad(bad, sizeof bad, result);
	print_ranges(ranges, sizeof ranges, s);
	if (c->op->compose != NULL && k->first != NULL)
		snprintf(inner, sizeof inner, " (by %s)", k->first->name);
	return gr_op_fail(c, GR_ENUMERIC, "it made%s %s, out of %s", inner, bad, ranges);
}

static void call_begin(gr_observer *o, const gr_op_call *c)
{
	checker *k = (checker *)o;
	if (c->op->compose == NULL)
		return;
	if (k->depth == 0 && k->rule == NULL)
		k->first = NULL;
	k->depth++;
}

static gr_status call_end(gr_observer *o, const gr_op_call *c, gr_status status)
{
	checker *k = (checker *)o;
	if (c->op->compose != NULL && k->depth > 0)
		k->depth--;
	if (status != GR_OK || (c->op->flags & GR_OP_VIEW) != 0)
		return GR_OK;
	sources s = {.n = 0};
	add_operands(&s, c->op, c->nin, c->in);
	for (int i = 0; i < c->nout; i++) {
		int which = 0;
		verdict v = judge(c->out[i], &s, &which);
		if (v == FINE || v == PASSED_ON)
			continue;
		if (k->depth == 0 && k->rule == NULL)
			return op_failed(k, c, c->out[i], &s, v, which);
		if (k->first == NULL && v == MADE_HERE)
			k->first = c->op;
	}
	return GR_OK;
}

static gr_status rule_begin(gr_observer *o, gr_node *n, const gr_vjp *v)
{
	checker *k = (checker *)o;
	k->rule = n;
	k->first = NULL;
	k->file = gr__site_file();
	k->line = gr__site_line();
	gr_at(n->file, n->line);
	for (int i = 0; i < v->nout && !k->passed; i++) {
		if (gr__is_finite(v->gout[i]))
			continue;
		char bad[256], what[192];
		print_bad(bad, sizeof bad, v->gout[i]);
		return gr__fail(GR_ENUMERIC, n->op->name,
			"the gradient that reaches its result, %s, holds %s: the sum of finite ones, or the "
			"cotangent that was given",
			gr_tensor_describe(v->gout[i], what, sizeof what), bad);
	}
	return GR_OK;
}

static gr_status rule_failed(const checker *k, const gr_vjp *v, int operand, const sources *s)
{
	char bad[256], ranges[256], what[192], inner[64] = "";
	sources names = {.n = 0};
	const char *math = v->op->dmath != NULL ? v->op->dmath : "";
	/* Of the operands only the names are wanted; each stands for a tensor that is there. */
	gr_tensor *any[GR_OP_MAX_IN];
	for (int i = 0; i < v->nin; i++)
		any[i] = v->gin[operand];
	add_operands(&names, v->op, v->nin, any);
	print_bad(bad, sizeof bad, v->gin[operand]);
	print_ranges(ranges, sizeof ranges, s);
	if (k->first != NULL)
		snprintf(inner, sizeof inner, " (by %s)", k->first->name);
	return gr__fail(GR_ENUMERIC, v->op->name,
		"its rule%s%s made%s, in the gradient of %s, %s, %s; out of %s", math[0] != '\0' ? " " : "",
		math, inner, names.names[operand], gr_tensor_describe(v->gin[operand], what, sizeof what),
		bad, ranges);
}

static gr_status rule_end(gr_observer *o, gr_node *n, const gr_vjp *v, gr_status status)
{
	checker *k = (checker *)o;
	sources s = {.n = 0};
	for (int i = 0; i < v->nout; i++)
		add_source(&s, v->gout[i], i == 0 ? "g" : "another g", 9);
	add_operands(&s, v->op, v->nin, v->in);
	for (int i = 0; i < v->nout; i++)
		add_source(&s, v->out[i], i == 0 ? "y" : "another y", 9);
	for (int i = 0; i < v->nin && status == GR_OK; i++) {
		int which;
		if ((v->want >> i & 1u) == 0 || v->gin[i] == NULL)
			continue;
		verdict judged = judge(v->gin[i], &s, &which);
		if (judged == MADE_HERE)
			status = rule_failed(k, v, i, &s);
		k->passed = k->passed || judged == PASSED_ON || judged == CAME_IN;
	}
	(void)n;
	k->rule = NULL;
	if (k->file != NULL) /* the check was on when the rule began */
		gr_at(k->file, k->line);
	k->file = NULL;
	return status;
}

bool gr_set_check_finite(bool on)
{
	checker *k = &this_thread;
	bool was = k->on;
	if (on == was)
		return was;
	if (on) {
		*k = (checker){.base = {.call_begin = call_begin,
						   .call_end = call_end,
						   .rule_begin = rule_begin,
						   .rule_end = rule_end}};
		gr__observer_add(&k->base);
	} else {
		gr__observer_remove(&k->base);
	}
	k->on = on;
	return was;
}
