/*
 * The strict JSON parser of gradus/json.h: recursive descent, at most 64 levels deep, over text
 * that was checked to be UTF-8 before. Nodes and strings live in an arena that the document owns,
 * so freeing it is a walk over a few blocks.
 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/json.h"
#include "pool.h"
#include "utf8_priv.h"

enum {
	MAX_DEPTH = 64,
	MAX_NUMBER = 512, /* characters */
	FIRST_BLOCK = 4096,
	LAST_BLOCK = 1 << 20,
};

struct block {
	struct block *next;
};

struct gr_json_doc {
	const gr_json *root;
	struct block *blocks;
	char *free; /* what is left of the newest block */
	size_t left;
	size_t block_bytes; /* size of the next one */
};

struct parser {
	gr_json_doc *doc;
	const char *text;
	size_t at;
	size_t end;
	size_t values_left;
	int depth_left;
	gr_json_error *error;
};

static void *arena_alloc(gr_json_doc *doc, size_t bytes)
{
	bytes = (bytes + 7) & ~(size_t)7;
	if (bytes > doc->left) {
		const size_t head = (sizeof(struct block) + 7) & ~(size_t)7;
		size_t size = head + bytes > doc->block_bytes ? head + bytes : doc->block_bytes;
		struct block *b = gr__pool_alloc(size);
		if (!b)
			return NULL;
		b->next = doc->blocks;
		doc->blocks = b;
		doc->free = (char *)b + head;
		doc->left = size - head;
		if (doc->block_bytes < LAST_BLOCK)
			doc->block_bytes *= 2;
	}
	void *p = doc->free;
	doc->free += bytes;
	doc->left -= bytes;
	return p;
}

/* NULL, so that parsing functions can return it. */
static void *bad(struct parser *p, size_t offset, const char *reason)
{
	*p->error = (gr_json_error){GR_EFORMAT, offset, reason};
	return NULL;
}

static void *take(struct parser *p, size_t bytes)
{
	void *memory = arena_alloc(p->doc, bytes);
	if (!memory)
		*p->error = (gr_json_error){GR_EMEM, p->at, "no memory for the parsed JSON"};
	return memory;
}

/* The next character, '\0' at the end (a NUL is never part of valid JSON). */
static char peek(const struct parser *p)
{
	return p->at < p->end ? p->text[p->at] : '\0';
}

static void skip_space(struct parser *p)
{
	char c = peek(p);
	while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
		p->at++;
		c = peek(p);
	}
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Four hex digits of a \u escape at text[at]; -1 when they are not. */
static int32_t hex4(const struct parser *p, size_t at)
{
	int32_t v = 0;
	if (p->end - at < 4)
		return -1;
	for (size_t i = at; i < at + 4; i++) {
		char c = p->text[i];
		int32_t digit = is_digit(c)  ? c - '0'
			: (c >= 'a' && c <= 'f') ? c - 'a' + 10
			: (c >= 'A' && c <= 'F') ? c - 'A' + 10
									 : -1;
		if (digit < 0)
			return -1;
		v = v << 4 | digit;
	}
	return v;
}

/* The escape whose letter is at p->at; appends to *out and moves both on. NULL when it is wrong. */
static const char *unescape(struct parser *p, char **out)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char means[] = "\"\\/\b\f\n\r\t";
	char c = peek(p);
	const char *found = c ? strchr(letters, c) : NULL;
	if (found) {
		*(*out)++ = means[found - letters];
		p->at++;
		return *out;
	}
	size_t start = p->at - 1;
	if (c != 'u')
		return bad(p, start, "unknown escape in a string");
	int32_t code = hex4(p, p->at + 1);
	p->at += 5;
	if (code < 0)
		return bad(p, start, "\\u needs four hexadecimal digits");
	if (code == 0)
		return bad(p, start, "\\u0000 in a string");
	if (code >= 0xd800 && code < 0xdc00) {
		int32_t low = -1;
		if (p->end - p->at >= 6 && memcmp(p->text + p->at, "\\u", 2) == 0)
			low = hex4(p, p->at + 2);
		if (low < 0xdc00 || low > 0xdfff)
			return bad(p, start, "half of a surrogate pair");
		p->at += 6;
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	} else if (code >= 0xdc00 && code <= 0xdfff) {
		return bad(p, start, "half of a surrogate pair");
	}
	*out += gr__utf8_encode((uint32_t)code, *out);
	return *out;
}

/* A string whose opening quote is at p->at. Unescaping never makes it longer. */
static const char *parse_string(struct parser *p, size_t *bytes)
{
	size_t start = p->at++;
	size_t raw = p->at;
	while (raw < p->end && p->text[raw] != '"')
		raw += p->text[raw] == '\\' ? 2 : 1;
	if (raw >= p->end)
		return bad(p, start, "string without its closing quote");
	char *s = take(p, raw - p->at + 1);
	if (!s)
		return NULL;
	char *out = s;
	while (p->at < raw) {
		char c = p->text[p->at++];
		if ((unsigned char)c < ' ')
			return bad(p, p->at - 1, "control character in a string");
		if (c != '\\')
			*out++ = c;
		else if (!unescape(p, &out))
			return NULL;
	}
	p->at++;
	*out = '\0';
	*bytes = (size_t)(out - s);
	return s;
}

static void skip_digits(struct parser *p)
{
	while (is_digit(peek(p)))
		p->at++;
}

/* Step over a number by the grammar; true when it has neither point nor exponent. */
static bool scan_number(struct parser *p, bool *valid)
{
	bool whole = true;
	if (peek(p) == '-')
		p->at++;
	*valid = is_digit(peek(p));
	if (peek(p) == '0')
		p->at++; /* no digit may follow a leading zero; the caller trips over it */
	else
		skip_digits(p);
	if (peek(p) == '.') {
		whole = false;
		p->at++;
		*valid = *valid && is_digit(peek(p));
		skip_digits(p);
	}
	if (peek(p) == 'e' || peek(p) == 'E') {
		whole = false;
		p->at++;
		if (peek(p) == '+' || peek(p) == '-')
			p->at++;
		*valid = *valid && is_digit(peek(p));
		skip_digits(p);
	}
	return whole;
}

/* Digits with an optional sign as int64; false when they do not fit, or for "-0". */
static bool to_int(const char *s, size_t bytes, int64_t *out)
{
	bool negative = s[0] == '-';
	uint64_t v = 0;
	for (size_t i = negative; i < bytes; i++) {
		uint64_t digit = (uint64_t)(s[i] - '0');
		if (v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	if (negative ? (v == 0 || v > (uint64_t)INT64_MAX + 1) : v > (uint64_t)INT64_MAX)
		return false;
	*out = negative ? -(int64_t)(v - 1) - 1 : (int64_t)v;
	return true;
}

static void *parse_number(struct parser *p, gr_json *v)
{
	size_t start = p->at;
	bool valid;
	bool whole = scan_number(p, &valid);
	size_t bytes = p->at - start;
	if (!valid || is_digit(peek(p)))
		return bad(p, start, "not a number");
	if (bytes >= MAX_NUMBER)
		return bad(p, start, "number with too many digits");
	char copy[MAX_NUMBER];
	memcpy(copy, p->text + start, bytes);
	copy[bytes] = '\0';
	v->kind = GR_JSON_NUMBER;
	v->is_int = whole && to_int(copy, bytes, &v->integer);
	v->number = strtod(copy, NULL); /* gr_json_parse() has set the C locale */
	if (v->number - v->number != 0.0)
		return bad(p, start, "number too large");
	return v;
}

static void *parse_literal(struct parser *p, gr_json *v)
{
	static const struct {
		const char *word;
		gr_json_kind kind;
		bool boolean;
	} words[] = {
		{"null", GR_JSON_NULL, false},
		{"true", GR_JSON_BOOL, true},
		{"false", GR_JSON_BOOL, false},
	};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		size_t n = strlen(words[i].word);
		if (p->end - p->at >= n && memcmp(p->text + p->at, words[i].word, n) == 0) {
			p->at += n;
			v->kind = words[i].kind;
			v->boolean = words[i].boolean;
			return v;
		}
	}
	return bad(p, p->at, p->at < p->end ? "not a JSON value" : "JSON text ends too early");
}

static int by_name(const void *a, const void *b)
{
	const gr_json *const *x = a;
	const gr_json *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

/* Sort an object's members and refuse two of one name. */
static void *index_members(struct parser *p, gr_json *object)
{
	if (object->count == 0)
		return object;
	const gr_json **sorted = take(p, object->count * sizeof *sorted);
	if (!sorted)
		return NULL;
	size_t n = 0;
	for (const gr_json *m = object->child; m; m = m->next)
		sorted[n++] = m;
	qsort(sorted, n, sizeof *sorted, by_name);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0) {
			size_t a = sorted[i - 1]->offset;
			size_t b = sorted[i]->offset;
			return bad(p, a > b ? a : b, "value of a name that the object has already");
		}
	}
	object->sorted = sorted;
	return object;
}

static gr_json *parse_value(struct parser *p);

/* "name" : before a member's value. */
static const char *parse_name(struct parser *p)
{
	size_t bytes;
	if (peek(p) != '"')
		return bad(p, p->at, "expected a name in quotes");
	const char *name = parse_string(p, &bytes);
	if (!name)
		return NULL;
	skip_space(p);
	if (peek(p) != ':')
		return bad(p, p->at, "expected ':' after a name");
	p->at++;
	skip_space(p);
	return name;
}

/* An array or object whose bracket is at p->at. */
static void *parse_children(struct parser *p, gr_json *v)
{
	char close = v->kind == GR_JSON_OBJECT ? '}' : ']';
	const gr_json **last = &v->child;
	p->at++;
	skip_space(p);
	if (peek(p) == close) {
		p->at++;
		return v;
	}
	for (;;) {
		const char *name = NULL;
		if (v->kind == GR_JSON_OBJECT && !(name = parse_name(p)))
			return NULL;
		gr_json *child = parse_value(p);
		if (!child)
			return NULL;
		child->name = name;
		*last = child;
		last = &child->next;
		v->count++;
		skip_space(p);
		char c = peek(p);
		if (c != ',' && c != close)
			return bad(p, p->at, close == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
		p->at++;
		if (c == close)
			return v->kind == GR_JSON_OBJECT ? index_members(p, v) : v;
		skip_space(p);
	}
}

static void *parse_nested(struct parser *p, gr_json *v)
{
	if (p->depth_left == 0)
		return bad(p, p->at, "nested too deeply");
	p->depth_left--;
	void *ok = parse_children(p, v);
	p->depth_left++;
	return ok;
}

/* The value at p->at, white space skipped already. */
static gr_json *parse_value(struct parser *p)
{
	if (p->values_left == 0)
		return bad(p, p->at, "too many values");
	p->values_left--;
	gr_json *v = take(p, sizeof *v);
	if (!v)
		return NULL;
	*v = (gr_json){.offset = p->at};
	char c = peek(p);
	void *ok;
	if (c == '{' || c == '[') {
		v->kind = c == '{' ? GR_JSON_OBJECT : GR_JSON_ARRAY;
		ok = parse_nested(p, v);
	} else if (c == '"') {
		v->kind = GR_JSON_STRING;
		v->string = parse_string(p, &v->count);
		ok = v->string ? v : NULL;
	} else if (c == '-' || is_digit(c)) {
		ok = parse_number(p, v);
	} else {
		ok = parse_literal(p, v);
	}
	return ok ? v : NULL;
}

static const gr_json *parse_text(struct parser *p)
{
	size_t valid = gr__utf8_valid(p->text, p->end);
	if (valid < p->end)
		return bad(p, valid, "not UTF-8");
	/* strtod() must see a decimal point whatever locale the program runs in. With all categories
	 * the C locale is a static object of the C library. */
	locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c_locale) {
		*p->error = (gr_json_error){GR_EMEM, 0, "no memory for the C locale"};
		return NULL;
	}
	locale_t before = uselocale(c_locale);
	skip_space(p);
	const gr_json *root = parse_value(p);
	skip_space(p);
	uselocale(before);
	freelocale(c_locale);
	if (root && p->at < p->end)
		return bad(p, p->at, "text after the end of the JSON value");
	return root;
}

gr_json_doc *gr_json_parse(const char *text, size_t bytes, const gr_json_limits *limits,
	gr_json_error *error)
{
	gr_json_limits l = limits ? *limits : (gr_json_limits){0};
	*error = (gr_json_error){GR_OK, 0, ""};
	if (bytes > (l.bytes ? l.bytes : 100000000)) {
		*error = (gr_json_error){GR_EFORMAT, 0, "JSON text too long"};
		return NULL;
	}
	gr_json_doc *doc = gr__pool_alloc(sizeof *doc);
	if (!doc) {
		*error = (gr_json_error){GR_EMEM, 0, "no memory for the parsed JSON"};
		return NULL;
	}
	*doc = (gr_json_doc){.block_bytes = FIRST_BLOCK};
	struct parser p = {
		.doc = doc,
		.text = text,
		.end = bytes,
		.values_left = l.values ? l.values : 4000000,
		.depth_left = l.depth > 0 && l.depth < MAX_DEPTH ? l.depth : MAX_DEPTH,
		.error = error,
	};
	doc->root = parse_text(&p);
	if (!doc->root) {
		gr_json_free(doc);
		return NULL;
	}
	return doc;
}

const gr_json *gr_json_root(const gr_json_doc *doc)
{
	return doc->root;
}

void gr_json_free(gr_json_doc *doc)
{
	if (!doc)
		return;
	struct block *b = doc->blocks;
	while (b) {
		struct block *next = b->next;
		gr__pool_free(b);
		b = next;
	}
	gr__pool_free(doc);
}

const gr_json *gr_json_find(const gr_json *object, const char *name)
{
	if (!object || object->kind != GR_JSON_OBJECT || object->count == 0)
		return NULL;
	const gr_json key = {.name = name};
	const gr_json *wanted = &key;
	const gr_json *const *found =
		bsearch(&wanted, object->sorted, object->count, sizeof *object->sorted, by_name);
	return found ? *found : NULL;
}

void gr_json_write_string(FILE *stream, const char *s)
{
	fputc('"', stream);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\')
			fprintf(stream, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", stream);
		else if (c < ' ' || c == 0x7f)
			fprintf(stream, "\\u%04x", c);
		else
			fputc(c, stream);
	}
	fputc('"', stream);
}
