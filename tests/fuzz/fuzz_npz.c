/* gr_npz_read(), with the zip archive and inflation below it. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	gr_archive *a = NULL;
	gr_status status = gr_npz_read(&a, fuzz_file(data, bytes));
	gr_archive_free(a);
	fuzz_check(status);
	return 0;
}
