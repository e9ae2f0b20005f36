/*
 * Changes, by what stands at a token. A change that cannot alter a result is not made: swapping
 * the operands of a sum or product, the axes of a transpose, or two equal texts. Calls that only
 * report an error are left alone.
 *
 *     f(a, b)              f(b, a), a, b
 *     gr_add gr_lt         gr_sub gr_le, and back
 *     2.0, 0.0             -2.0, 1.0
 *     a + b, a * b, -a     a - b, a, a
 *     v->in[0], v->out[0]  v->in[1] and v->out[0], v->in[0]
 *     c ? a : b, true      c ? b : a, false
 *     v->gin[i]            its negative and its double, for each input of a rule
 */
#include "operators.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARGS 12

typedef struct work {
	const source *s;
	const function *f;
	mutants all;
	int first_id;
} work;

static const char *slice(const source *s, int from, int to, int *length)
{
	*length = (int)(s->tokens[to].s + s->tokens[to].length - s->tokens[from].s);
	return s->tokens[from].s;
}

static bool same_text(const source *s, const int a[2], const int b[2])
{
	int la, lb;
	const char *ta = slice(s, a[0], a[1], &la), *tb = slice(s, b[0], b[1], &lb);

	return la == lb && strncmp(ta, tb, (size_t)la) == 0;
}

/* One line, cut where it is long. */
static void describe(const work *w, mutant *m)
{
	int length;
	const char *was = slice(w->s, m->from, m->to, &length);
	char text[400];

	snprintf(text, sizeof text, "%.*s -> %s", length > 100 ? 100 : length, was, m->text);
	size_t n = 0;
	for (const char *c = text; *c != '\0' && n + 1 < sizeof m->what; c++) {
		bool blank = *c == ' ' || *c == '\t' || *c == '\n';
		if (!blank || (n > 0 && m->what[n - 1] != ' '))
			m->what[n++] = blank ? ' ' : *c;
	}
	m->what[n] = '\0';
}

static mutant *push(work *w, int from, int to, int gin)
{
	w->all.m = need(realloc(w->all.m, (size_t)(w->all.n + 1) * sizeof *w->all.m));
	mutant *m = &w->all.m[w->all.n];

	*m = (mutant){.id = w->first_id + w->all.n,
		.line = w->s->tokens[from].line,
		.f = w->f,
		.from = from,
		.to = to,
		.gin = gin};
	w->all.n++;
	return m;
}

static void change(work *w, int from, int to, const char *format, ...)
{
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);
	int length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	mutant *m = push(w, from, to, -1);
	m->text = need(malloc((size_t)length + 1));
	vsnprintf(m->text, (size_t)length + 1, format, again);
	va_end(again);
	describe(w, m);
}

/* --- calls --------------------------------------------------------------------------------- */

/* Spans of the arguments of a call whose bracket opens at `open`. */
static int arguments(const source *s, int open, int args[][2])
{
	int close = source_match(s, open), n = 0, from = open + 1;

	for (int i = open + 1; i <= close && n < MAX_ARGS; i++) {
		if (token_is(s, i, "(") || token_is(s, i, "[") || token_is(s, i, "{"))
			i = source_match(s, i);
		if ((token_is(s, i, ",") || i == close) && from < i) {
			args[n][0] = from;
			args[n++][1] = i - 1;
			from = i + 1;
		}
	}
	return n;
}

static bool commutes(const source *s, int name, int args[][2], int i, int j)
{
	if (token_is(s, name, "gr_add") || token_is(s, name, "gr_mul") || token_is(s, name, "gr_eq"))
		return true;
	if (token_is(s, name, "gr_muladd"))
		return i == 0 && j == 1;
	if (token_is(s, name, "gr_transpose"))
		return i == 1 && j == 2;
	return token_is(s, name, "gr_axpby") && i == 0 && j == 2 && same_text(s, args[1], args[3]);
}

static void change_call(work *w, int name)
{
	const source *s = w->s;
	int args[MAX_ARGS][2], li, lj, between;
	int n = arguments(s, name + 1, args), close = source_match(s, name + 1);

	for (int i = 0; i < n; i++) {
		const char *a = slice(s, args[i][0], args[i][1], &li);
		change(w, name, close, "(%.*s)", li, a);
		for (int j = i + 1; j < n; j++) {
			if (commutes(s, name, args, i, j) || same_text(s, args[i], args[j]))
				continue;
			const char *b = slice(s, args[j][0], args[j][1], &lj);
			const char *middle = a + li;
			between = (int)(b - middle);
			change(w, args[i][0], args[j][1], "%.*s%.*s%.*s", lj, b, between, middle, li, a);
		}
	}
}

static void change_name(work *w, int name)
{
	static const char *const pairs[][2] = {{"gr_add", "gr_sub"}, {"gr_lt", "gr_le"}};

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		for (int k = 0; k < 2; k++)
			if (token_is(w->s, name, pairs[i][k]))
				change(w, name, name, "%s", pairs[i][1 - k]);
}

static void change_word(work *w, int i)
{
	const source *s = w->s;
	const token *t = &s->tokens[i];

	if (token_is(s, i, "true") || token_is(s, i, "false"))
		change(w, i, i, token_is(s, i, "true") ? "false" : "true");
	bool ours = strncmp(t->s, "gr_", 3) == 0 || source_function(s, t->s, t->length) != NULL;
	if (token_is(s, i + 1, "(") && ours) {
		change_name(w, i);
		change_call(w, i);
	}
	if (!token_is(s, i - 1, "->") || !token_is(s, i - 2, "v") || !token_is(s, i + 1, "["))
		return;
	if (token_is(s, i, "in") && s->tokens[i + 2].kind == NUMBER) {
		change(w, i, i + 3, "in[%d]", atoi(s->tokens[i + 2].s) ^ 1);
		change(w, i, i + 3, "out[0]");
	} else if (token_is(s, i, "out")) {
		change(w, i, i + 3, "in[0]");
	}
}

/* --- numbers, signs, choices --------------------------------------------------------------- */

static bool is_operand_end(const source *s, int i)
{
	const token *t = &s->tokens[i];

	return (t->kind == WORD && !token_is(s, i, "return")) || t->kind == NUMBER ||
		token_is(s, i, ")") || token_is(s, i, "]");
}

static bool is_unary_minus(const source *s, int i)
{
	return token_is(s, i, "-") && !s->tokens[i].space_after && !is_operand_end(s, i - 1);
}

static void change_number(work *w, int i)
{
	const token *t = &w->s->tokens[i];

	if (memchr(t->s, '.', (size_t)t->length) == NULL || is_unary_minus(w->s, i - 1))
		return;
	if (strtod(t->s, NULL) == 0.0)
		change(w, i, i, "1.0");
	else
		change(w, i, i, "(-%.*s)", t->length, t->s);
}

/* Signs stand between blanks; a star without them belongs to a pointer. */
static void change_mark(work *w, int i)
{
	const source *s = w->s;
	const token *t = &s->tokens[i];
	bool binary = t->space_before && t->space_after && is_operand_end(s, i - 1);

	if (is_unary_minus(s, i))
		change(w, i, i, " ");
	else if (binary && (token_is(s, i, "+") || token_is(s, i, "-")))
		change(w, i, i, token_is(s, i, "+") ? "-" : "+");
	else if (binary && (token_is(s, i, "*") || token_is(s, i, "/")))
		change(w, i, i, "+ 0 *");
}

static void change_choice(work *w, int i)
{
	const source *s = w->s;
	int colon = 0, nested = 0, end, la, lb;

	for (end = i + 1; end < w->f->last; end++) {
		if (token_is(s, end, "(") || token_is(s, end, "[") || token_is(s, end, "{")) {
			end = source_match(s, end);
			continue;
		}
		nested += token_is(s, end, "?");
		if (token_is(s, end, ":") && nested-- == 0)
			colon = end;
		if (token_is(s, end, ",") || token_is(s, end, ";") || token_is(s, end, ")") ||
			token_is(s, end, "}"))
			break;
	}
	const char *a = slice(s, i + 1, colon - 1, &la), *b = slice(s, colon + 1, end - 1, &lb);
	change(w, i, end - 1, "? (%.*s) : (%.*s)", lb, b, la, a);
}

/* --- gradients ----------------------------------------------------------------------------- */

static void change_gradient(work *w, int gin, const char *format, const char *what)
{
	mutant *m = push(w, w->f->open, w->f->open, gin);

	m->text = need(malloc(64));
	snprintf(m->text, 64, format, gin);
	snprintf(m->what, sizeof m->what, "gradient %d %s", gin, what);
}

mutants mutate(const source *s, const function *f, int nin, int first_id)
{
	work w = {.s = s, .f = f, .first_id = first_id};

	for (int i = f->open + 1; i < f->last; i++) {
		if (token_is(s, i, "gr__fail") || token_is(s, i, "gr_op_fail"))
			i = source_match(s, i + 1);
		switch (s->tokens[i].kind) {
		case WORD: change_word(&w, i); break;
		case NUMBER: change_number(&w, i); break;
		case MARK: change_mark(&w, i); break;
		default: break;
		}
		if (token_is(s, i, "?"))
			change_choice(&w, i);
	}
	for (int i = 0; i < nin; i++) {
		change_gradient(&w, i, "gr_neg(v->gin[%d])", "with the other sign");
		change_gradient(&w, i, "gr_mul_s(v->gin[%d], 2.0)", "twice");
	}
	return w.all;
}
