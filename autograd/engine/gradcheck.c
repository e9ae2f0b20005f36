/*
 * gr_op_check: every promise on every case of a record, with the state of the process put back
 * afterwards. gradcheck_priv.h lists the files that check.
 */
#include "gradcheck_priv.h"

#include <stdio.h>
#include <string.h>

#include "fail.h"

#define MOST_THREADS 4

/* clang-format off */
#define PROMISE_NAME(name, value, word, text) [value] = word,
static const char *const names[GR_PROMISE_COUNT] = {GR_PROMISES(PROMISE_NAME)};
#define PROMISE_TEXT(name, value, word, text) [value] = text,
static const char *const texts[GR_PROMISE_COUNT] = {GR_PROMISES(PROMISE_TEXT)};
/* clang-format on */

/* That of the record itself comes before all: gr__record_fault. */
static bool (*const checks[GR_PROMISE_COUNT])(gr_subject *s) = {
	[GR_PROMISE_FLAGS] = gr__check_flags,
	[GR_PROMISE_VJP] = gr__check_vjp,
	[GR_PROMISE_JVP] = gr__check_jvp,
	[GR_PROMISE_SECOND] = gr__check_second,
	[GR_PROMISE_FUSED] = gr__check_fused,
	[GR_PROMISE_WANT] = gr__check_want,
	[GR_PROMISE_LAYOUT] = gr__check_layout,
	[GR_PROMISE_BROADCAST] = gr__check_broadcast,
	[GR_PROMISE_THREADS] = gr__check_threads,
	[GR_PROMISE_MEMORY] = gr__check_memory,
};

const char *gr_promise_name(gr_promise promise)
{
	return (unsigned)promise < GR_PROMISE_COUNT ? names[promise] : NULL;
}

const char *gr_promise_text(gr_promise promise)
{
	return (unsigned)promise < GR_PROMISE_COUNT ? texts[promise] : NULL;
}

/* --- what belongs to the process ----------------------------------------------------------- */

typedef struct surroundings {
	gr_error_policy policy;
	gr_precision precision;
	int threads;
	bool recording;
} surroundings;

static surroundings enter(void)
{
	surroundings before = {
		.policy = gr_on_error(GR_RETURN),
		.precision = gr_get_precision(),
		.threads = gr_threads(),
		.recording = gr_set_recording(true),
	};
	(void)gr_set_precision(GR_PRECISION_F32);
	return before;
}

static void leave(const surroundings *s)
{
	gr_error_clear();
	gr_memory_fail_at(0);
	(void)gr_set_precision(s->precision);
	(void)gr_set_threads(s->threads);
	(void)gr_set_recording(s->recording);
	(void)gr_on_error(s->policy);
}

/* --- one promise --------------------------------------------------------------------------- */

static void add_case(gr_promise_report *r, const gr_subject *s, bool kept)
{
	if (!kept) {
		if (r->verdict != GR_BROKEN)
			snprintf(r->why, sizeof r->why, "case \"%s\": %.440s",
				s->c->name != NULL ? s->c->name : "",
				s->why[0] != '\0' ? s->why : gr_error_message());
		r->verdict = GR_BROKEN;
	} else if (!s->untested && r->verdict == GR_UNTESTED) {
		r->verdict = GR_KEPT;
	}
	r->cases += !kept || !s->untested;
	if (s->error * r->bound >= r->error * s->bound && s->bound > 0.0) {
		r->error = s->error;
		r->bound = s->bound;
	}
}

static void check_case(gr_promise_report *r, const gr_op *op, const gr_case *c, gr_promise promise,
	int threads)
{
	gr_subject s;

	(void)gr_scope_begin();
	bool kept = gr__subject_begin(&s, op, c);
	s.threads = threads;
	kept = kept && checks[promise](&s);
	(void)gr_scope_end();
	if (kept && gr_failed())
		kept = gr__subject_fail(&s, "an error is left over: %s", gr_error_message());
	add_case(r, &s, kept);
	gr_error_clear();
	gr__subject_end(&s);
}

/* A derivative that no case looks at is not one that has been checked. */
static bool must_be_tested(const gr_op *op, gr_promise promise)
{
	if (promise == GR_PROMISE_VJP && (op->flags & GR_OP_SURROGATE) != 0)
		return false;
	return (op->flags & GR_OP_NONDIFF) == 0 &&
		(promise == GR_PROMISE_VJP || promise == GR_PROMISE_JVP || promise == GR_PROMISE_SECOND);
}

static void check_promise(gr_promise_report *r, const gr_op *op, gr_promise promise,
	const gr_check_opts *o)
{
	for (int k = 0; k < op->ncases; k++) {
		const gr_case *c = &op->cases[k];
		if (o->case_name == NULL || (c->name != NULL && strcmp(c->name, o->case_name) == 0))
			check_case(r, op, c, promise, o->threads);
	}
	if (r->cases == 0 && o->case_name == NULL && must_be_tested(op, promise)) {
		r->verdict = GR_BROKEN;
		snprintf(r->why, sizeof r->why, "no case tests it");
	}
}

/* --- all of them --------------------------------------------------------------------------- */

static gr_status read_opts(gr_check_opts *o, const gr_op *op, const gr_check_opts *given)
{
	if (gr_failed())
		return gr_error_code();
	if (op == NULL || op->name == NULL)
		return gr__fail(GR_EARG, "op_check", "the record is NULL, or has no name");
	*o = given != NULL ? *given : *o;
	o->promises = o->promises != 0 ? o->promises : (1u << GR_PROMISE_COUNT) - 1;
	o->threads = o->threads != 0 ? o->threads : MOST_THREADS;
	if (o->threads < 1)
		return gr__fail(GR_EARG, "op_check", "%d threads are asked for", o->threads);
	for (int k = 0; o->case_name != NULL && k < op->ncases; k++)
		if (op->cases[k].name != NULL && strcmp(op->cases[k].name, o->case_name) == 0)
			return GR_OK;
	return o->case_name == NULL
		? GR_OK
		: gr__fail(GR_EARG, "op_check", "%s has no case \"%s\"", op->name, o->case_name);
}

static gr_status verdict(const gr_op *op, const gr_op_report *report)
{
	gr_at("", 0); /* what is wrong is the record, not a line that called an op */
	for (int p = 0; p < GR_PROMISE_COUNT; p++)
		if (report->promise[p].verdict == GR_BROKEN)
			return gr__fail(GR_ENUMERIC, "op_check", "%s breaks its promise \"%s\": %s", op->name,
				texts[p], report->promise[p].why);
	return GR_OK;
}

gr_status gr_op_check(gr_op_report *report, const gr_op *op, const gr_check_opts *opts)
{
	gr_op_report own;
	gr_check_opts o = {.size = sizeof o};

	report = report != NULL ? report : &own;
	*report = (gr_op_report){0};
	gr_status status = read_opts(&o, op, opts);
	if (status != GR_OK)
		return status;
	const char *fault = gr__record_fault(op);
	gr_promise_report *record = &report->promise[GR_PROMISE_RECORD];
	record->verdict = fault == NULL ? GR_KEPT : GR_BROKEN;
	record->cases = op->ncases;
	if (fault != NULL) { /* a record that is not complete cannot be run */
		snprintf(record->why, sizeof record->why, "%s", fault);
		return verdict(op, report);
	}
	surroundings before = enter();
	for (int p = GR_PROMISE_RECORD + 1; p < GR_PROMISE_COUNT; p++)
		if ((o.promises >> p & 1) != 0)
			check_promise(&report->promise[p], op, (gr_promise)p, &o);
	leave(&before);
	return verdict(op, report);
}
