/*
 * JSON (RFC 8259), strictly: text to a tree, and escaped strings back to text. Used for headers of
 * safetensors files and for configuration; the text may be hostile.
 *
 * Stricter than the RFC in three places: names within an object are unique, "\u0000" is refused
 * (strings here end with a NUL), and numbers must fit a double. Depth, size and number of values
 * are limited, so memory is at most about 100 bytes for each value plus the strings.
 *
 * Ownership: a tree belongs to its document and is read-only. Reading is safe in many threads.
 */
#ifndef GRADUS_JSON_H
#define GRADUS_JSON_H

#include <stdio.h>

#include "gradus/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gr_json_kind {
	GR_JSON_NULL = 0,
	GR_JSON_BOOL = 1,
	GR_JSON_NUMBER = 2,
	GR_JSON_STRING = 3,
	GR_JSON_ARRAY = 4,
	GR_JSON_OBJECT = 5,
} gr_json_kind;

/* One value. Walk the children of an array or object (in the order of the text) by
 * `for (const gr_json *v = parent->child; v; v = v->next)`. */
typedef struct gr_json gr_json;
struct gr_json {
	gr_json_kind kind;
	bool boolean;
	bool is_int;   /* a number without point and exponent that fits int64 ("-0" does not) */
	size_t offset; /* of its first byte in the text */
	size_t count;  /* children of an array or object; bytes of a string */
	int64_t integer;
	double number;
	const char *string; /* UTF-8, unescaped, ends with a NUL */
	const char *name;   /* of an object's member, else NULL */
	const gr_json *child;
	const gr_json *next;
	const gr_json *const *sorted; /* an object's members by name, for gr_json_find() */
};

/* Zero means the default. */
typedef struct gr_json_limits {
	int depth;     /* nested arrays and objects; 64, which is also the most */
	size_t bytes;  /* length of the text; 100,000,000 */
	size_t values; /* 4,000,000 */
} gr_json_limits;

typedef struct gr_json_error {
	gr_status code;     /* GR_EFORMAT or GR_EMEM */
	size_t offset;      /* byte of the text */
	const char *reason; /* static storage */
} gr_json_error;

typedef struct gr_json_doc gr_json_doc;

/* Parse `bytes` bytes of text, limits may be NULL. NULL and *error filled when it fails; nothing is
 * recorded, so that the caller can say which file it was. The text is not needed afterwards. */
GR_API gr_json_doc *gr_json_parse(const char *text, size_t bytes, const gr_json_limits *limits,
	gr_json_error *error);
GR_API const gr_json *gr_json_root(const gr_json_doc *doc);
GR_API void gr_json_free(gr_json_doc *doc);
/* Member of an object; NULL when it is not there or `object` is no object. */
GR_API const gr_json *gr_json_find(const gr_json *object, const char *name);

/* Write s, valid UTF-8, with its quotes; errors stay in the stream. */
GR_API void gr_json_write_string(FILE *stream, const char *s);

#ifdef __cplusplus
}
#endif

#endif
