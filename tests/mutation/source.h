/*
 * A C source as tokens and function definitions: as much of C as the rules of autograd/ops need,
 * laid out as clang-format does. Comments vanish; a preprocessor line is one token.
 */
#ifndef GRADUS_MUTATION_SOURCE_H
#define GRADUS_MUTATION_SOURCE_H

#include <stdbool.h>

enum token_kind { WORD, NUMBER, STRING, MARK, DIRECTIVE };

typedef struct token {
	const char *s; /* in the text, not terminated */
	int length;
	enum token_kind kind;
	int line;
	bool space_before, space_after;
} token;

/* Tokens first..last are all of the definition, open..last its body with both braces. */
typedef struct function {
	char name[96];
	int first, open, last;
	int params; /* the bracket that opens the parameters */
} function;

typedef struct source {
	const char *path;
	char *text;
	token *tokens;
	int ntokens;
	function *functions;
	int nfunctions;
} source;

/* Read, with the macros that define rules expanded; ends the program when that cannot be done. */
source source_read(const char *path);
bool token_is(const source *s, int i, const char *text);
/* The bracket that closes the one at i. */
int source_match(const source *s, int i);
const function *source_function(const source *s, const char *name, int length);
/* ...: ends the program with a line on stderr. */
_Noreturn void give_up(const char *format, ...);
void *need(void *p);

#endif
