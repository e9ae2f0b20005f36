/* The certificate of the ops: every promise checked on every case, a row per op. */
#ifndef GRADUS_CLI_OPS_CERTIFICATE_H
#define GRADUS_CLI_OPS_CERTIFICATE_H

#include "gradus/gradcheck.h"

/* As a table on stdout, each row as soon as it is known; returns the exit code. */
int gr__ops_certify(const gr_op *const *ops, int n);
/* All ops as the page docs/ops.md on stdout; returns the exit code. */
int gr__ops_page(void);
/* One op: what its record says, its cases, its promises; returns the exit code. */
int gr__ops_card(const gr_op *op);

#endif
