/* Options that every command has, for looking inside a run: --profile and --check-finite. */
#ifndef GRADUS_CLI_SEEING_H
#define GRADUS_CLI_SEEING_H

#include "args.h"

/* Their table; gr__args_parse() reads it behind the command's own. */
const gr_arg *gr__seeing_args(int *n);
/* Switch on what was asked for: before the command begins its work. */
void gr__seeing_begin(void);
/* Write what was asked for; `code` is the command's exit code, and becomes another where that
 * fails and the command had not. */
int gr__seeing_end(int code);

#endif
