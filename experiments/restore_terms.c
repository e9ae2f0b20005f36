/* What a restoration's solver and its terms stand for: see restore.h. */
#include <string.h>

#include "restore.h"

#include "gradus/method.h"

/* What stands before the parameters of a solver or the words of a term. */
static size_t name_length(const char *text)
{
	return strcspn(text, ":, ");
}

static bool is_same_name(const char *a, const char *b)
{
	size_t n = name_length(a);
	return n == name_length(b) && memcmp(a, b, n) == 0;
}

gr_status gr__restore_method(char *method, size_t size, bool *guided, const gr_restore_config *c)
{
	unsigned needs = 0;
	const gr_named_solver *named = gr_named_solver_find(c->solver);
	const char *params = c->solver + strcspn(c->solver, ":");
	if (strlen(c->solver) >= size / 2)
		return gr_error_set(GR_EARG, "solver: a text of %zu characters", strlen(c->solver));
	bool more = named != NULL && *params != '\0' && strchr(named->method, ':') != NULL;
	if (named != NULL)
		snprintf(method, size, "%s%s%s", named->method, more ? "," : "",
			more ? params + 1 : params);
	else
		snprintf(method, size, "%s", c->solver);
	gr_status status = gr_method_needs(&needs, method);
	*guided = (needs & GR_METHOD_MEASURED) == 0;
	if (status == GR_OK)
		return GR_OK;
	char message[1024];
	char names[256] = "";
	snprintf(message, sizeof message, "%s", gr_error_message());
	for (int i = 0; gr_named_solver_at(i) != NULL; i++) {
		strncat(names, i > 0 ? ", " : "", sizeof names - strlen(names) - 1);
		strncat(names, gr_named_solver_at(i)->name, sizeof names - strlen(names) - 1);
	}
	gr_error_clear();
	return gr_error_set(status, "%s; and, of methods with terms, %s", message, names);
}

/* A list being filled with the terms of one text after the other. */
typedef struct filling {
	gr_term **terms;
	int count;
	const gr_term_problem *problem;
	const char *instead; /* of kinds in this text none is taken from others */
} filling;

static bool stands_in(const char *list, const char *term)
{
	for (const char *at = list; at != NULL && *at != '\0'; at += strspn(at, " ")) {
		if (is_same_name(at, term))
			return true;
		at += strcspn(at, " ");
	}
	return false;
}

static gr_status add_terms(filling *f, const char *list)
{
	char one[1024];
	for (const char *at = list + strspn(list, " "); *at != '\0'; at += strspn(at, " ")) {
		size_t length = strcspn(at, " ");
		if (length >= sizeof one)
			return gr_error_set(GR_EARG, "term: a text of %zu characters", length);
		snprintf(one, sizeof one, "%.*s", (int)length, at);
		at += length;
		if (f->instead != NULL && stands_in(f->instead, one))
			continue;
		if (f->count == GR_SOLVER_MAX_TERMS)
			return gr_error_set(GR_EARG, "solver: more than %d terms", GR_SOLVER_MAX_TERMS);
		gr_term *term = gr_term_open(one, f->problem);
		if (term == NULL)
			return gr_error_code();
		f->terms[f->count++] = term;
	}
	return GR_OK;
}

gr_status gr__restore_terms(gr_term *terms[GR_SOLVER_MAX_TERMS + 1], const gr_restore_config *c,
	const gr_term_problem *problem)
{
	char method[512], dps[64];
	bool guided = false;
	const char *given = c->terms != NULL ? c->terms : "";
	const gr_named_solver *named = gr_named_solver_find(c->solver);
	memset(terms, 0, (GR_SOLVER_MAX_TERMS + 1) * sizeof *terms);
	filling f = {.terms = terms, .problem = problem, .instead = given};
	gr_status status = gr__restore_method(method, sizeof method, &guided, c);
	snprintf(dps, sizeof dps, "dps:%.17g", c->scale);
	if (status == GR_OK && guided)
		status = add_terms(&f, dps);
	if (status == GR_OK && named != NULL)
		status = add_terms(&f, named->terms);
	f.instead = NULL;
	return status == GR_OK ? add_terms(&f, given) : status;
}
