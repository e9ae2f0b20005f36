/* A safetensors header: the input is the JSON and what follows; its length is put before it. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "io/bytes_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 2)
		return 0;
	/* The first two bytes: how many of the others are the header. */
	size_t header = gr__bytes_load16(data) % (bytes - 1);
	unsigned char *file = malloc(8 + bytes - 2 + 1);
	if (file == NULL)
		return 0;
	gr__bytes_store64(file, header);
	memcpy(file + 8, data + 2, bytes - 2);
	gr_archive *a = NULL;
	gr_status status = gr_safetensors_read(&a, fuzz_file(file, 8 + bytes - 2));
	free(file);
	gr_archive_free(a);
	fuzz_check(status);
	return 0;
}
