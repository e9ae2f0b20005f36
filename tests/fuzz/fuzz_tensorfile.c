/* gr_tensorfile_open(): safetensors, the index of a set, .npz, .npy. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	gr_tensorfile *f;
	gr_status status = gr_tensorfile_open(&f, fuzz_file(data, bytes));
	fuzz_drain(status, f);
	return 0;
}
