/* gr_checkpoint_open(): every format by its first bytes, zip archives and legacy streams. */
#include "fuzz.h"
#include "gradus/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	gr_tensorfile *f;
	gr_status status = gr_checkpoint_open(&f, fuzz_file(data, bytes), NULL);
	if (status == GR_OK)
		gr_checkpoint_guess(f);
	fuzz_drain(status, f);
	return 0;
}
