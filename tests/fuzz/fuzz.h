/*
 * Fuzzing of the readers: each fuzz_<reader>.c is a program that gives one input to one reader.
 * With clang and -DGRADUS_FUZZ=ON they are libFuzzer's; otherwise replay.c runs the corpus through them,
 * which the suite does. README.md tells how.
 */
#ifndef GRADUS_TESTS_FUZZ_H
#define GRADUS_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "gradus/tensorfile.h"

/* What libFuzzer calls; always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The input as a file, at a path that serves until the next call. */
const char *fuzz_file(const uint8_t *data, size_t bytes);
/* Read everything that the file lists and close it; both may be the result of a failure. */
void fuzz_drain(gr_status status, gr_tensorfile *f);
/* Every failure has a message; forget it, and see that nothing is held. */
void fuzz_check(gr_status status);

#endif
