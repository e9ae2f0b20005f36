/* Tokens and functions of a C source; see source.h. */
#include "source.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("mutate: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(2);
}

void *need(void *p)
{
	if (p == NULL)
		give_up("out of memory");
	return p;
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t n = 0, room = 1 << 16;
	char *text = need(malloc(room));

	if (f == NULL)
		give_up("%s cannot be read", path);
	while ((n += fread(text + n, 1, room - n - 1, f)) == room - 1)
		text = need(realloc(text, room *= 2));
	fclose(f);
	text[n] = '\0';
	return text;
}

/* --- macros that define rules -------------------------------------------------------------- */

#define MAX_PARAMS 8

typedef struct macro {
	const char *name, *body, *end;
	int length, nparams;
	const char *param[MAX_PARAMS];
	int param_length[MAX_PARAMS];
} macro;

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Words between brackets, from `at`, which is just behind the opening one. */
static const char *read_words(const char *at, const char **words, int *lengths, int *n)
{
	for (*n = 0; *at != ')' && *at != '\0' && *n < MAX_PARAMS; (*n)++) {
		at += strspn(at, " ,");
		words[*n] = at;
		while (is_word(*at))
			at++;
		lengths[*n] = (int)(at - words[*n]);
		at += strspn(at, " ");
		if (*at != ',' && *at != ')')
			give_up("a macro of rules with arguments that are not words: %.30s", words[*n]);
	}
	return at + 1;
}

/* A function-like macro whose body defines a function of a gr_vjp; false when `at` starts none. */
static bool read_macro(const char *at, macro *m)
{
	if (strncmp(at, "#define ", 8) != 0)
		return false;
	m->name = at + 8;
	m->length = 0;
	while (is_word(m->name[m->length]))
		m->length++;
	if (m->name[m->length] != '(')
		return false;
	m->end = m->name;
	while (*m->end != '\0' && !(*m->end == '\n' && m->end[-1] != '\\'))
		m->end++;
	const char *rule = strstr(m->name, "(gr_vjp *");
	if (rule == NULL || rule > m->end)
		return false;
	m->body = read_words(m->name + m->length + 1, m->param, m->param_length, &m->nparams);
	return true;
}

/* The body with arguments for parameters; returns where to write on. */
static char *expand(const macro *m, const char *const *args, const int *lengths, char *to)
{
	for (const char *at = m->body; at < m->end;) {
		int length = 0;
		while (is_word(at[length]))
			length++;
		if (length == 0) {
			bool skip = *at == '\\' || (at[0] == '#' && at[1] == '#');
			if (!skip)
				*to++ = *at;
			at += skip && *at == '#' ? 2 : 1;
			continue;
		}
		const char *from = at;
		int n = length;
		for (int p = 0; p < m->nparams; p++) {
			if (m->param_length[p] == length && strncmp(m->param[p], at, (size_t)length) == 0) {
				from = args[p];
				n = lengths[p];
			}
		}
		memcpy(to, from, (size_t)n);
		to += n;
		at += length;
	}
	return to;
}

/* The text with every call of such macros, which start lines, replaced. */
static char *expand_macros(char *text)
{
	macro m[8];
	int n = 0;

	for (const char *at = text; at != NULL && n < 8; at = strchr(at + 1, '\n'))
		n += read_macro(*at == '\n' ? at + 1 : at, &m[n]);
	if (n == 0)
		return text;
	char *out = need(malloc(strlen(text) * 4 + 4096)), *to = out;
	for (const char *at = text; *at != '\0';) {
		const char *line = at;
		for (int k = 0; k < n && line == at; k++) {
			const char *args[MAX_PARAMS];
			int lengths[MAX_PARAMS], nargs;
			if (strncmp(at, m[k].name, (size_t)m[k].length) != 0 || at[m[k].length] != '(')
				continue;
			at = read_words(at + m[k].length + 1, args, lengths, &nargs);
			if (nargs != m[k].nparams)
				give_up("%.*s is called with %d arguments", m[k].length, m[k].name, nargs);
			to = expand(&m[k], args, lengths, to);
		}
		size_t rest = strcspn(at, "\n") + (at[strcspn(at, "\n")] == '\n');
		memcpy(to, at, rest);
		to += rest;
		at += rest;
	}
	*to = '\0';
	return out;
}

/* --- tokens -------------------------------------------------------------------------------- */

static const char *skip_string(const char *at)
{
	char quote = *at++;

	while (*at != quote && *at != '\0')
		at += *at == '\\' ? 2 : 1;
	return at + 1;
}

static const char *skip_directive(const char *at)
{
	while (*at != '\0' && !(*at == '\n' && at[-1] != '\\'))
		at++;
	return at;
}

static int mark_length(const char *at)
{
	static const char *const longer[] = {"<<=", ">>=", "...", "->", "++", "--", "<<", ">>",
		"<=", ">=", "==", "!=", "&&", "||", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="};

	for (size_t i = 0; i < sizeof longer / sizeof *longer; i++)
		if (strncmp(at, longer[i], strlen(longer[i])) == 0)
			return (int)strlen(longer[i]);
	return 1;
}

static const char *skip_space(const char *at, int *line)
{
	for (;;) {
		if (strncmp(at, "/*", 2) == 0) {
			for (at += 2; strncmp(at, "*/", 2) != 0; at++)
				*line += *at == '\n';
			at += 2;
		} else if (isspace((unsigned char)*at)) {
			*line += *at++ == '\n';
		} else {
			return at;
		}
	}
}

static token read_token(const char *at, int line, bool first_on_line)
{
	const char *end = at;
	token t = {.s = at, .line = line};

	if (*at == '#' && first_on_line) {
		t.kind = DIRECTIVE;
		end = skip_directive(at);
	} else if (*at == '"' || *at == '\'') {
		t.kind = STRING;
		end = skip_string(at);
	} else if (isdigit((unsigned char)*at)) {
		t.kind = NUMBER;
		while (is_word(*end) || *end == '.' || ((*end == '-' || *end == '+') && end[-1] == 'e'))
			end++;
	} else if (is_word(*at)) {
		t.kind = WORD;
		while (is_word(*end))
			end++;
	} else {
		t.kind = MARK;
		end = at + mark_length(at);
	}
	t.length = (int)(end - at);
	t.space_after = isspace((unsigned char)*end);
	return t;
}

static void tokenise(source *s)
{
	int line = 1, room = 1 << 12;
	const char *at = s->text;

	s->tokens = need(malloc((size_t)room * sizeof *s->tokens));
	for (;;) {
		const char *from = at;
		int before = line;
		at = skip_space(at, &line);
		if (*at == '\0')
			return;
		if (s->ntokens == room)
			s->tokens = need(realloc(s->tokens, (size_t)(room *= 2) * sizeof *s->tokens));
		token t = read_token(at, line, at == s->text || line > before);
		t.space_before = at > from;
		for (int i = 0; i < t.length; i++)
			line += t.s[i] == '\n';
		s->tokens[s->ntokens++] = t;
		at += t.length;
	}
}

bool token_is(const source *s, int i, const char *text)
{
	return i >= 0 && i < s->ntokens && s->tokens[i].length == (int)strlen(text) &&
		strncmp(s->tokens[i].s, text, strlen(text)) == 0;
}

int source_match(const source *s, int i)
{
	int depth = 0;

	for (; i < s->ntokens; i++) {
		if (token_is(s, i, "(") || token_is(s, i, "[") || token_is(s, i, "{"))
			depth++;
		else if (token_is(s, i, ")") || token_is(s, i, "]") || token_is(s, i, "}"))
			depth--;
		if (depth == 0)
			return i;
	}
	give_up("%s: a bracket is not closed", s->path);
}

/* --- functions ----------------------------------------------------------------------------- */

/* At the outermost level: WORD ( ... ) { ... } */
static void find_functions(source *s)
{
	int start = 0, room = 256;

	s->functions = need(malloc((size_t)room * sizeof *s->functions));
	for (int i = 0; i < s->ntokens; i++) {
		if (s->tokens[i].kind == DIRECTIVE || token_is(s, i, ";")) {
			start = i + 1;
		} else if (token_is(s, i, "{")) {
			i = source_match(s, i);
			start = i + 1;
		} else if (token_is(s, i, "(") && i > 0 && s->tokens[i - 1].kind == WORD) {
			int close = source_match(s, i);
			if (!token_is(s, close + 1, "{")) {
				i = close;
				continue;
			}
			if (s->nfunctions == room)
				give_up("%s: too many functions", s->path);
			function *f = &s->functions[s->nfunctions++];
			snprintf(f->name, sizeof f->name, "%.*s", s->tokens[i - 1].length, s->tokens[i - 1].s);
			f->first = start;
			f->params = i;
			f->open = close + 1;
			f->last = source_match(s, f->open);
			i = f->last;
			start = i + 1;
		}
	}
}

const function *source_function(const source *s, const char *name, int length)
{
	for (int i = 0; i < s->nfunctions; i++)
		if ((int)strlen(s->functions[i].name) == length &&
			strncmp(s->functions[i].name, name, (size_t)length) == 0)
			return &s->functions[i];
	return NULL;
}

source source_read(const char *path)
{
	source s = {.path = path, .text = expand_macros(read_file(path))};

	tokenise(&s);
	find_functions(&s);
	return s;
}
