/*
 * Looking at the keys of a file, for the networks that recognise their layouts by them.
 */
#ifndef GRADUS_MODELS_KEYMAP_PRIV_H
#define GRADUS_MODELS_KEYMAP_PRIV_H

#include "gradus/tensorfile.h"

/* Does a key of the file start so? */
bool gr__keymap_starts(const gr_tensorfile *f, const char *prefix);

#endif
