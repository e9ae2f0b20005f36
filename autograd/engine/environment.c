/*
 * What the environment asks to see, in a program that knows nothing of it. Nobody but its own user
 * sets these variables, so the trace that could not be written at the end is reported on stderr.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/trace.h"
#include "observe.h"

static atomic_bool taken; /* a thread has begun the trace */
static gr_profile *trace;
static const char *trace_path;

static bool is_on(const char *name)
{
	const char *value = getenv(name);
	return value != NULL && strcmp(value, "") != 0 && strcmp(value, "0") != 0;
}

static void write_trace(void)
{
	gr_error_clear();
	gr_profile_end(trace);
	if (gr_profile_write_trace(trace, trace_path) != GR_OK)
		fprintf(stderr, "gradus: GRADUS_TRACE: %s\n", gr_error_message());
	gr_profile_free(trace);
}

void gr__observe_environment(void)
{
	if (is_on("GRADUS_CHECK_FINITE"))
		gr_set_check_finite(true);
	if (!is_on("GRADUS_TRACE") || atomic_exchange(&taken, true))
		return;
	trace_path = getenv("GRADUS_TRACE");
	trace = gr_profile_begin(NULL);
	if (trace != NULL && atexit(write_trace) != 0)
		gr_profile_end(trace);
}
