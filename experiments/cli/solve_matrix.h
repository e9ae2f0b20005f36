/* Which terms join which solvers, found by trying. */
#ifndef GRADUS_CLI_SOLVE_MATRIX_H
#define GRADUS_CLI_SOLVE_MATRIX_H

#include "gradus/base.h"

/* docs/solver-terms.md on stdout: every method with every kind of term on problems of a few pixels. */
gr_status gr__solve_matrix(void);

#endif
