/* The graphs that `gradus explain` tells of. */
#ifndef GRADUS_CLI_EXPLAIN_EXAMPLES_H
#define GRADUS_CLI_EXPLAIN_EXAMPLES_H

#include "gradus/tensor.h"

typedef struct gr_explain_example {
	const char *name, *title, *help;
	/* Records it, named by gr_explain_name(); a scalar owned by the scope, NULL on error. */
	gr_tensor *(*build)(void);
	bool large; /* its values would not fit on a page */
} gr_explain_example;

/* Example i, NULL behind the last. */
const gr_explain_example *gr__explain_example(int i);

#endif
