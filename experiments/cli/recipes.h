/* Recipes: the options of `gradus train` that made each shipped network, by name. */
#ifndef GRADUS_CLI_RECIPES_H
#define GRADUS_CLI_RECIPES_H

#include "gradus/base.h"

typedef struct recipe {
	const char *name;
	const char *summary; /* one line */
	const char *words;   /* the objective and its options, as typed, a space between */
} recipe;

/* Number i, NULL when out of range. */
const recipe *gr__recipe_at(int i);

/* A command line with its recipe, if any, written out. */
typedef struct recipe_line {
	char *text; /* what the words of the recipe point into */
	char **argv;
	int argc;
} recipe_line;

/*
 * `--recipe NAME` in argv becomes that recipe's words and `--output runs/NAME`, in front of all
 * others, so that what was typed beside it counts; without it the line is argv's. GR_EARG for an
 * unknown name, GR_EMEM. Freed by gr__recipe_free(), also after an error.
 */
gr_status gr__recipe_expand(recipe_line *out, int argc, char **argv);
void gr__recipe_free(recipe_line *line);

#endif
