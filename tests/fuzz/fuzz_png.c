/* gr_png_read(). */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	gr_scope_begin();
	const gr_tensor *t = gr_png_read(fuzz_file(data, bytes), NULL);
	gr_status status = t == NULL ? gr_error_code() : GR_OK;
	gr_scope_end();
	fuzz_check(status);
	return 0;
}
