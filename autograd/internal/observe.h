/*
 * Observers: what looks at ops and rules as they run (profiles, the search for the first NaN, the
 * values of an explanation). They hang on the thread in a list; gr_apply() and the walk test one bit
 * of gr__mode, a word that they read anyway, so that an unobserved op pays a predicted branch.
 *
 * An observer may call ops itself: it does not see those.
 */
#ifndef GRADUS_INTERNAL_OBSERVE_H
#define GRADUS_INTERNAL_OBSERVE_H

#include "node.h"

/* What dispatch asks of its thread. */
#define GR_MODE_SILENT 1u   /* nothing is recorded */
#define GR_MODE_OBSERVED 2u /* observers are there, or the thread has not looked yet */
extern _Thread_local unsigned gr__mode;

typedef struct gr_observer gr_observer;

/* Embed it as the first member. Functions left NULL are not called. */
struct gr_observer {
	gr_observer *next;
	/* Around a call, compositions included; their ops are calls of their own inside. In call_end,
	 * out is filled and owned by the scope where status is GR_OK; a status other than GR_OK, with
	 * the error recorded, makes the call fail. */
	void (*call_begin)(gr_observer *o, const gr_op_call *c);
	gr_status (*call_end)(gr_observer *o, const gr_op_call *c, gr_status status);
	/* Around the rule of node n; the ops inside it are calls. */
	gr_status (*rule_begin)(gr_observer *o, gr_node *n, const gr_vjp *v);
	gr_status (*rule_end)(gr_observer *o, gr_node *n, const gr_vjp *v, gr_status status);
};

/* Hang it on this thread, take it off; taking off one that is not there is nothing. */
void gr__observer_add(gr_observer *o);
void gr__observer_remove(gr_observer *o);

/* Hang on this thread what the environment asks for (gradus/trace.h). */
void gr__observe_environment(void);

/* gr_apply() without and with observers. */
gr_status gr__apply(const gr_op *op, int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out);
gr_status gr__observe_apply(const gr_op *op, int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out);
gr_status gr__observe_rule(gr_node *n, gr_status (*rule)(gr_vjp *v), gr_vjp *v);

/* What a finished call computed, by its record; 0 where that does not say. */
double gr__call_flops(const gr_op_call *c);

#endif
