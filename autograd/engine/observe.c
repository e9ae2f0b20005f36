/*
 * The observed path of gr_apply() and of the walk: the observers of this thread, called around each
 * op and each rule. While they run the thread counts as unobserved, so what they compute is seen by
 * nobody.
 */
#include "observe.h"

static _Thread_local gr_observer *observers; /* called first to last, and back */
static _Thread_local bool opened;            /* the environment was asked */

static void update_mode(void)
{
	gr__mode = observers != NULL ? gr__mode | GR_MODE_OBSERVED : gr__mode & ~GR_MODE_OBSERVED;
}

/* Once on each thread: who wants to look, says the environment. */
static void open_thread(void)
{
	if (opened)
		return;
	opened = true;
	gr__observe_environment();
	update_mode();
}

void gr__observer_add(gr_observer *o)
{
	open_thread();
	o->next = observers;
	observers = o;
	update_mode();
}

void gr__observer_remove(gr_observer *o)
{
	for (gr_observer **at = &observers; *at != NULL; at = &(*at)->next) {
		if (*at == o) {
			*at = o->next;
			o->next = NULL;
			break;
		}
	}
	if (opened)
		update_mode();
}

/* The former mode, to be put back. Observers may add ops of their own to no graph. */
static unsigned look(void)
{
	unsigned was = gr__mode;
	gr__mode = GR_MODE_SILENT;
	return was;
}

gr_status gr__observe_apply(const gr_op *op, int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out)
{
	open_thread();
	bool known = observers != NULL && nin <= GR_OP_MAX_IN;
	for (int i = 0; i < nin && known; i++)
		known = in[i] != NULL;
	if (!known) /* nobody looks, or it fails before it begins */
		return gr__apply(op, nin, in, attr, out);
	const gr_op_call c =
		{.op = op, .attr = attr, .nin = nin, .nout = op->nout, .in = in, .out = out};
	unsigned was = look();
	for (gr_observer *o = observers; o != NULL; o = o->next) {
		if (o->call_begin != NULL)
			o->call_begin(o, &c);
	}
	gr__mode = was;
	gr_status status = gr__apply(op, nin, in, attr, out);
	was = look();
	for (gr_observer *o = observers; o != NULL; o = o->next) {
		gr_status verdict = o->call_end != NULL ? o->call_end(o, &c, status) : GR_OK;
		status = status == GR_OK ? verdict : status;
	}
	gr__mode = was;
	for (int i = 0; i < op->nout && status != GR_OK; i++)
		out[i] = NULL;
	return status;
}

gr_status gr__observe_rule(gr_node *n, gr_status (*rule)(gr_vjp *v), gr_vjp *v)
{
	gr_status status = GR_OK;
	open_thread();
	unsigned was = look();
	for (gr_observer *o = observers; o != NULL; o = o->next) {
		gr_status verdict = o->rule_begin != NULL ? o->rule_begin(o, n, v) : GR_OK;
		status = status == GR_OK ? verdict : status;
	}
	gr__mode = was;
	if (status == GR_OK)
		status = rule(v);
	was = look();
	for (gr_observer *o = observers; o != NULL; o = o->next) {
		gr_status verdict = o->rule_end != NULL ? o->rule_end(o, n, v, status) : GR_OK;
		status = status == GR_OK ? verdict : status;
	}
	gr__mode = was;
	return status;
}

/* Records read the shapes that infer had found. */
double gr__call_flops(const gr_op_call *c)
{
	gr_op_call done = *c;
	if (c->op->flops == NULL)
		return 0.0;
	for (int i = 0; i < c->nout; i++)
		done.result[i] = gr__operand(c->out[i]);
	return c->op->flops(&done);
}
