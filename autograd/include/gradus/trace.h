/*
 * Watching ops run: where the first NaN comes from. It looks at the ops and the rules of the
 * calling thread from the moment it is switched on; while it is off an op does nothing for it.
 *
 * The environment can ask for it in a program that knows nothing of it: GRADUS_CHECK_FINITE=1 is
 * gr_set_check_finite() on every thread.
 */
#ifndef GRADUS_TRACE_H
#define GRADUS_TRACE_H

#include "gradus/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Switch the check of this thread on or off; returns the former state. While it is on, the first op
 * that makes a NaN or an infinity out of finite operands fails with GR_ENUMERIC, and so does the
 * first rule on the way back; the message names op, shapes, ranges of the operands and call site,
 * the rule's mathematics, and inside a composition or a rule also the op that began it. An op that
 * meets a NaN made before says which operand holds it. Infinities that a program put there itself,
 * such as a mask's, may pass; a NaN that comes of them may not.
 */
GR_API bool gr_set_check_finite(bool on);

#ifdef __cplusplus
}
#endif

#endif
