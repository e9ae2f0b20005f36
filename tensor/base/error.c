/*
 * The sticky, first-wins error record of each thread, and the policy of the process.
 * Promise: once a record is there, nothing but gr_error_clear() changes it.
 */
#include "gradus/base.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "limit.h"

typedef struct gr_error_record {
	gr_status code;
	char message[1024];
} gr_error_record;

static _Thread_local gr_error_record record;
static _Thread_local const char *site_file = "";
static _Thread_local int site_line;
static atomic_int policy = GR_RETURN;
static atomic_bool interrupted;

const char *gr_error_text(gr_status code)
{
	switch (code) {
#define GR_ERROR_CASE(name, value, text) \
	case value: return text;
		GR_ERRORS(GR_ERROR_CASE)
#undef GR_ERROR_CASE
	default: return "unknown error";
	}
}

bool gr_failed(void)
{
	return record.code != GR_OK;
}

gr_status gr_error_code(void)
{
	return record.code;
}

const char *gr_error_message(void)
{
	return record.code == GR_OK ? "" : record.message;
}

void gr_error_clear(void)
{
	record.code = GR_OK;
	record.message[0] = '\0';
}

gr_error_policy gr_on_error(gr_error_policy new_policy)
{
	return (gr_error_policy)atomic_exchange(&policy, (int)new_policy);
}

void gr_at(const char *file, int line)
{
	site_file = file;
	site_line = line;
}

const char *gr__site_file(void)
{
	return site_file;
}

int gr__site_line(void)
{
	return site_line;
}

/* Text at the end of a message, but before the hint where there is one. */
static void insert(char *message, size_t room, const char *text)
{
	size_t length = strlen(message), n = strlen(text);
	if (length + n >= room)
		return;
	char *hint = strstr(message, "; hint:");
	char *at = hint != NULL ? hint : message + length;
	memmove(at + n, at, length - (size_t)(at - message) + 1);
	memcpy(at, text, n);
}

/* " at file:line" */
static void insert_site(char *message, size_t room)
{
	char site[256];
	snprintf(site, sizeof site, " at %s:%d", site_file, site_line);
	insert(message, room, site);
}

/* Of a lack of memory: what was asked for, and what there was. */
static void insert_refusal(char *message, size_t room)
{
	char refusal[160];
	gr__limit_quote(refusal, sizeof refusal);
	insert(message, room, refusal);
}

static gr_status record_error(gr_status code, const char *op, bool with_site, const char *format,
	va_list args)
{
	if (record.code != GR_OK)
		return code;
	record.code = code;
	size_t used = 0;
	const size_t room = sizeof record.message;
	if (op != NULL)
		used = (size_t)snprintf(record.message, room, "%s: ", op);
	if (used < room)
		vsnprintf(record.message + used, room - used, format, args);
	if (with_site && site_line > 0)
		insert_site(record.message, room);
	if (code == GR_EMEM)
		insert_refusal(record.message, room);
	if (atomic_load(&policy) == GR_ABORT) {
		fprintf(stderr, "gradus: %s\n", record.message);
		abort();
	}
	return code;
}

gr_status gr__fail(gr_status code, const char *op, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	/* A file's error needs no source line; an operation's does. */
	bool with_site = code != GR_EIO && code != GR_EFORMAT;
	record_error(code, op, with_site, format, args);
	va_end(args);
	return code;
}

gr_status gr_error_set(gr_status code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	record_error(code, NULL, false, format, args);
	va_end(args);
	return code;
}

void gr_interrupt(void)
{
	atomic_store(&interrupted, true);
}

bool gr_interrupted(void)
{
	return atomic_load(&interrupted);
}

const char *gr_version(void)
{
	return GRADUS_VERSION;
}
