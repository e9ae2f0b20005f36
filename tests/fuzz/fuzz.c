/* What the fuzzing programs share (fuzz.h). */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static void remove_file(void)
{
	unlink(path);
}

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz: %s: %s\n", what, gr_error_message());
	abort();
}

const char *fuzz_file(const uint8_t *data, size_t bytes)
{
	if (path[0] == '\0') {
		gr_memory_set_limit((uint64_t)1 << 30);
		snprintf(path, sizeof path, "/tmp/gradus-fuzz-%ld", (long)getpid());
		atexit(remove_file);
	}
	FILE *f = fopen(path, "wb");
	require(f != NULL && fwrite(data, 1, bytes, f) == bytes && fclose(f) == 0, "no input file");
	return path;
}

void fuzz_drain(gr_status status, gr_tensorfile *f)
{
	gr_tensor_info info;
	require((status == GR_OK) == (f != NULL), "status and result differ");
	for (int64_t i = 0; gr_tensorfile_info(f, i, &info); i++) {
		gr_scope_begin();
		const gr_tensor *t = gr_tensorfile_read(f, i);
		require(t != NULL || gr_failed(), "no tensor and no error");
		gr_scope_end();
		gr_error_clear();
	}
	gr_tensorfile_close(f);
	fuzz_check(status);
}

void fuzz_check(gr_status status)
{
	require(status == GR_OK || *gr_error_message() != '\0', "a failure without a message");
	gr_error_clear();
	require(gr_memory_stats().bytes_in_use == 0, "memory is held");
}
