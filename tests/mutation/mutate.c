/*
 * Mutants of every gradient rule in the given sources, those of autograd/ops:
 *
 *     mutate OUT SKIP FILE...
 *
 * Rules are the functions that a record names as .vjp or .vjp_fused, and whatever they call that
 * is defined in these files. Each mutant is a copy of one function with one change; OUT/FILE.c
 * holds all of them, and `gr__mutant` chooses at run time which one a call reaches, so one build
 * serves them all. OUT/list has a line for each: id, file, line, function, ops, change. Ids in the
 * file SKIP are left out of the sources: those that the compiler has refused.
 */
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operators.h"

#define MAX_FILES 128
#define MAX_OPS 512

static source sources[MAX_FILES];
static int nsources;

/* --- which functions are rules, and of which ops ------------------------------------------- */

typedef struct record {
	char name[64];
	int nin;
} record;

static record records[MAX_OPS];
static int nrecords;

/* ops[k]: the function is part of the rule of records[k]; root: it is named by a record. */
typedef struct rule {
	const source *s;
	const function *f;
	unsigned char ops[MAX_OPS];
	bool root;
	int nin;
} rule;

static rule *rules;
static int nrules;

static rule *rule_of(const source *s, const function *f)
{
	for (int i = 0; i < nrules; i++)
		if (rules[i].s == s && rules[i].f == f)
			return &rules[i];
	rules = need(realloc(rules, (size_t)(nrules + 1) * sizeof *rules));
	rules[nrules] = (rule){.s = s, .f = f};
	return &rules[nrules++];
}

/* Here, or, for what is shared between files, anywhere. */
static const function *definition(const source *here, const token *t, const source **where)
{
	const function *f = source_function(here, t->s, t->length);

	*where = here;
	for (int i = 0; f == NULL && i < nsources && strncmp(t->s, "gr__", 4) == 0; i++) {
		f = source_function(&sources[i], t->s, t->length);
		*where = &sources[i];
	}
	return f;
}

static void reach(const source *s, const function *f, int op)
{
	if (rule_of(s, f)->ops[op])
		return;
	rule_of(s, f)->ops[op] = 1;
	for (int i = f->open; i < f->last; i++) {
		const source *where;
		const token *t = &s->tokens[i];
		if (t->kind != WORD || token_is(s, i - 1, "->") || token_is(s, i - 1, "."))
			continue;
		/* What is public is an op of its own, with a rule of its own. */
		bool public = strncmp(t->s, "gr_", 3) == 0 && t->s[3] != '_';
		const function *called = definition(s, t, &where);
		if (called != NULL && called != f && !public)
			reach(where, called, op);
	}
}

/* .name = "conv2d", .nin = 2, .vjp = conv2d_vjp: in that order, as every record has them. */
static void read_records(const source *s)
{
	for (int i = 0; i + 3 < s->ntokens; i++) {
		const token *value = &s->tokens[i + 3];
		if (!token_is(s, i, ".") || !token_is(s, i + 2, "="))
			continue;
		if (token_is(s, i + 1, "name") && value->kind == STRING) {
			if (nrecords == MAX_OPS)
				give_up("more than %d records", MAX_OPS);
			record *r = &records[nrecords++];
			snprintf(r->name, sizeof r->name, "%.*s", value->length - 2, value->s + 1);
		} else if (token_is(s, i + 1, "nin") && nrecords > 0) {
			records[nrecords - 1].nin = atoi(value->s);
		} else if (token_is(s, i + 1, "vjp") || token_is(s, i + 1, "vjp_fused")) {
			const function *f = source_function(s, value->s, value->length);
			if (f == NULL)
				give_up("%s:%d: no definition of %.*s can be read", s->path, value->line,
					value->length, value->s);
			reach(s, f, nrecords - 1);
			rule *r = rule_of(s, f);
			r->root = true;
			r->nin = records[nrecords - 1].nin > r->nin ? records[nrecords - 1].nin : r->nin;
		}
	}
}

/* --- writing ------------------------------------------------------------------------------- */

static bool *skipped;
static int nskipped;

static void read_skips(const char *path)
{
	FILE *f = fopen(path, "r");
	int id;

	while (f != NULL && fscanf(f, "%d", &id) == 1) {
		if (id >= nskipped) {
			skipped = need(realloc(skipped, (size_t)(id + 1) * sizeof *skipped));
			for (; nskipped <= id; nskipped++)
				skipped[nskipped] = false;
		}
		skipped[id] = true;
	}
	if (f != NULL)
		fclose(f);
}

static void write_slice(FILE *out, const source *s, int from, int to)
{
	if (from <= to)
		fprintf(out, "%.*s", (int)(s->tokens[to].s + s->tokens[to].length - s->tokens[from].s),
			s->tokens[from].s);
}

/* Return type and name with a suffix, then the parameters. */
static void write_head(FILE *out, const source *s, const function *f, int id)
{
	if (id >= 0 && !token_is(s, f->first, "static"))
		fprintf(out, "static ");
	write_slice(out, s, f->first, f->params - 2);
	fprintf(out, "%s%s", token_is(s, f->params - 2, "*") ? "" : " ", f->name);
	if (id >= 0)
		fprintf(out, "__%d", id);
	write_slice(out, s, f->params, f->open - 1);
	fprintf(out, "\n");
}

static void write_arguments(FILE *out, const source *s, const function *f)
{
	int last = f->params, close = source_match(s, f->params);
	const char *separator = "";

	if (token_is(s, f->params + 1, "void") && close == f->params + 2)
		return;
	for (int i = f->params + 1; i <= close; i++) {
		if (token_is(s, i, "["))
			i = source_match(s, i);
		if (s->tokens[i].kind == WORD)
			last = i;
		if (token_is(s, i, ",") || i == close) {
			fprintf(out, "%s%.*s", separator, s->tokens[last].length, s->tokens[last].s);
			separator = ", ";
		}
	}
}

static void write_copy(FILE *out, const source *s, const mutant *m)
{
	fprintf(out, "#line %d000 \"mutant\"\n", m->id);
	write_head(out, s, m->f, m->id);
	if (m->gin >= 0) {
		fprintf(out,
			"{\n\tgr_status status = %s__0(v);\n\tif (status == GR_OK && v->gin[%d] != NULL) {\n"
			"\t\tgr__mutant_hit = %d;\n\t\tv->gin[%d] = %s;\n\t}\n\treturn status;\n}\n",
			m->f->name, m->gin, m->id, m->gin, m->text);
		return;
	}
	fprintf(out, "{\n\tgr__mutant_hit = %d;\n", m->id);
	write_slice(out, s, m->f->open + 1, m->from - 1);
	fprintf(out, " %s ", m->text);
	write_slice(out, s, m->to + 1, m->f->last);
	fprintf(out, "\n");
}

/* The original, the mutants, and a function of the old name that chooses. */
static void write_function(FILE *out, const source *s, const function *f, const mutant *m, int n)
{
	bool gives = !(token_is(s, f->params - 2, "void"));

	write_head(out, s, f, 0);
	write_slice(out, s, f->open, f->last);
	fprintf(out, "\n");
	for (int i = 0; i < n; i++)
		if (m[i].id >= nskipped || !skipped[m[i].id])
			write_copy(out, s, &m[i]);
	fprintf(out, "#line 1 \"chooser\"\n");
	write_head(out, s, f, -1);
	fprintf(out, "{\n\tswitch (gr__mutant) {\n");
	for (int i = 0; i < n; i++) {
		if (m[i].id < nskipped && skipped[m[i].id])
			continue;
		fprintf(out, "\tcase %d: %s%s__%d(", m[i].id, gives ? "return " : "", f->name, m[i].id);
		write_arguments(out, s, f);
		fprintf(out, ");%s\n", gives ? "" : " return;");
	}
	fprintf(out, "\tdefault: %s%s__0(", gives ? "return " : "", f->name);
	write_arguments(out, s, f);
	fprintf(out, ");%s\n\t}\n}\n", gives ? "" : " return;");
}

static const char *base_name(const char *path)
{
	return strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
}

static void list_mutants(FILE *list, const source *s, const rule *r, const mutant *m, int n)
{
	for (int i = 0; i < n; i++) {
		const char *separator = "";
		if (m[i].id < nskipped && skipped[m[i].id])
			continue;
		fprintf(list, "%d\t%s\t%d\t%s\t", m[i].id, base_name(s->path), m[i].line, r->f->name);
		for (int k = 0; k < nrecords; k++) {
			if (r->ops[k]) {
				fprintf(list, "%s%s", separator, records[k].name);
				separator = ",";
			}
		}
		fprintf(list, "\t%s\n", m[i].what);
	}
}

static int write_source(const char *folder, FILE *list, const source *s, int next_id)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", folder, base_name(s->path));
	FILE *out = fopen(path, "w");
	if (out == NULL)
		give_up("%s cannot be written", path);
	fprintf(out,
		"#ifndef GR_NO_CALL_SITE\n#define GR_NO_CALL_SITE\n#endif\n"
		"extern int gr__mutant, gr__mutant_hit;\n#include \"gradus/op.h\"\n"
		"#include \"gradus/ops/unary.h\"\n#line 1 \"%s\"\n",
		s->path);
	const char *at = s->text;
	for (int i = 0; i < s->nfunctions; i++) {
		const function *f = &s->functions[i];
		const rule *r = NULL;
		for (int k = 0; k < nrules; k++)
			r = rules[k].s == s && rules[k].f == f ? &rules[k] : r;
		if (r == NULL)
			continue;
		mutants all = mutate(s, f, r->root ? r->nin : 0, next_id);
		fwrite(at, 1, (size_t)(s->tokens[f->first].s - at), out);
		write_function(out, s, f, all.m, all.n);
		list_mutants(list, s, r, all.m, all.n);
		at = s->tokens[f->last].s + 1;
		next_id += all.n;
		fprintf(out, "#line %d \"%s\"\n", s->tokens[f->last].line, s->path);
	}
	fputs(at, out);
	if (fclose(out) != 0)
		give_up("%s cannot be written", path);
	return next_id;
}

int main(int argc, char **argv)
{
	char path[4096];
	int next_id = 1;

	if (argc < 4 || argc - 3 > MAX_FILES)
		give_up("usage: mutate OUT SKIP FILE...");
	read_skips(argv[2]);
	for (nsources = 0; nsources < argc - 3; nsources++)
		sources[nsources] = source_read(argv[nsources + 3]);
	for (int i = 0; i < nsources; i++)
		read_records(&sources[i]);
	snprintf(path, sizeof path, "%s/list", argv[1]);
	FILE *list = fopen(path, "w");
	if (list == NULL)
		give_up("%s cannot be written", path);
	for (int i = 0; i < nsources; i++)
		next_id = write_source(argv[1], list, &sources[i], next_id);
	if (fclose(list) != 0)
		give_up("%s cannot be written", path);
	printf("%d rules and helpers, %d changes\n", nrules, next_id - 1);
	return 0;
}
