/* Call sites for people. */
#ifndef GRADUS_SITE_H
#define GRADUS_SITE_H

#include <stddef.h>

/* The last two parts of a path: "nn/linear.c"; borrowed from it. "" for NULL. */
const char *gr__site_name(const char *file);
/* The line of that number without its indentation, as ASCII; "" where the source is not there. */
void gr__site_code(char *buf, size_t size, const char *file, int line);

#endif
