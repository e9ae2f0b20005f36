/* gr_json_parse(). */
#include "gradus/json.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	gr_json_error error;
	gr_json_free(gr_json_parse((const char *)data, bytes, NULL, &error));
	fuzz_check(GR_OK);
	return 0;
}
