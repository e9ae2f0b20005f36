/* The changes that make mutants: flipped signs, dropped factors and terms, swapped operands. */
#ifndef GRADUS_MUTATION_OPERATORS_H
#define GRADUS_MUTATION_OPERATORS_H

#include "source.h"

/* Tokens from..to of `f` become `text`; or, with gin >= 0, gradient gin becomes `text` after it. */
typedef struct mutant {
	int id, line;
	const function *f;
	int from, to, gin;
	char *text;
	char what[160];
} mutant;

typedef struct mutants {
	mutant *m;
	int n;
} mutants;

/* Every change of one function, numbered from first_id. nin > 0: it is the rule of an op with so
 * many inputs. */
mutants mutate(const source *s, const function *f, int nin, int first_id);

#endif
