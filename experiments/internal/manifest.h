/* Facts about the program and the machine, for the manifest of a run. */
#ifndef GRADUS_INTERNAL_MANIFEST_H
#define GRADUS_INTERNAL_MANIFEST_H

#include "runfolder.h"

/* Fields "version", "commit", "compiler", "cpu", "isa", "threads", each with a comma after it. */
void gr__manifest_environment(gr_text *t);
/* Peak resident memory of the process in bytes, 0 where the system does not say. */
uint64_t gr__peak_resident(void);
/* Model name of the CPU, "unknown" where the system does not say. */
void gr__cpu_name(char *buf, size_t size);

#endif
