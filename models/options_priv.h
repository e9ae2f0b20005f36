/*
 * Configurations of models to and from JSON. One table per architecture says which field of its
 * config struct a name fills; what it does not list is an error, since a misspelt option gives a
 * network of another shape or, worse, of the same shape and another meaning.
 */
#ifndef GRADUS_MODELS_OPTIONS_PRIV_H
#define GRADUS_MODELS_OPTIONS_PRIV_H

#include <stddef.h>

#include "gradus/json.h"

/* Entries of a list, the array behind OPTION_COUNTS and OPTION_REALS. */
#define OPTION_LIST_MAX 8

typedef enum option_kind {
	OPTION_COUNT,     /* int64_t; null and -1 give 0, which is the default */
	OPTION_FLAG,      /* bool */
	OPTION_UNSET,     /* bool, true when the member is false */
	OPTION_REAL,      /* double */
	OPTION_REAL_OR_0, /* double whose default is not 0: a 0 or null in the file gives -1 */
	OPTION_COUNTS,    /* int64_t[OPTION_LIST_MAX] >= 1; a lone number is a list of one */
	OPTION_REALS,     /* double[OPTION_LIST_MAX], likewise */
	OPTION_WORD,      /* int: the place of a string in `words` */
	OPTION_GROUP,     /* an object whose members belong to the same table */
	OPTION_PASSED,    /* anything, passed over: it changes nothing here */
	OPTION_OFF,       /* null, false, -1 or []: what it would turn on is not there */
} option_kind;

typedef struct option {
	const char *name;
	option_kind kind;
	size_t offset;
	size_t length;            /* lists: where their length is, an int */
	const char *const *words; /* ends with NULL */
} option;

typedef struct option_table {
	const char *model; /* what messages begin with */
	const option *options;
	size_t count;
} option_table;

/* Fill the fields that the object's members name; "arch" is passed over. GR_EFORMAT. */
gr_status gr__options_read(const option_table *table, const gr_json *object, void *config);
/* Write ", "name": value" for every option but groups and passed ones; 0 counts and empty lists of
 * counts or reals as the default are null. Errors stay in the stream. */
void gr__options_write(const option_table *table, FILE *stream, const void *config);

#endif
