/* The pickle machine: the input is the data.pkl of an archive with one storage of 16 floats. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gradus/checkpoint.h"
#include "io/bytes_priv.h"

enum { LOCAL = 30, CENTRAL = 46, NAME = 10, STORAGE = 64 };

/* A header of a stored member "a/data.pkl" or "a/data/000". */
static size_t put(unsigned char *p, const char *name, size_t bytes, size_t at, bool central)
{
	size_t n = central ? CENTRAL : LOCAL;
	unsigned char *fields = p + (central ? 2 : 0);
	memset(p, 0, n);
	memcpy(p, central ? "PK\1\2" : "PK\3\4", 4);
	gr__bytes_store32(fields + 18, bytes);
	gr__bytes_store32(fields + 22, bytes);
	gr__bytes_store16(fields + 26, NAME);
	if (central)
		gr__bytes_store32(p + 42, at);
	memcpy(p + n, name, NAME);
	return n + NAME;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const char *const names[] = {"a/data.pkl", "a/data/000"};
	unsigned char *zip = malloc(bytes + STORAGE + 2 * (LOCAL + CENTRAL + 2 * NAME) + 22);
	if (zip == NULL || bytes > 1 << 20) {
		free(zip);
		return 0;
	}
	size_t n = put(zip, names[0], bytes, 0, false);
	memcpy(zip + n, data, bytes);
	n += bytes;
	const size_t second = n;
	n += put(zip + n, names[1], STORAGE, 0, false);
	memset(zip + n, 'x', STORAGE);
	n += STORAGE;
	const size_t directory = n;
	n += put(zip + n, names[0], bytes, 0, true);
	n += put(zip + n, names[1], STORAGE, second, true);
	memset(zip + n, 0, 22);
	memcpy(zip + n, "PK\5\6", 4);
	gr__bytes_store16(zip + n + 8, 2);
	gr__bytes_store16(zip + n + 10, 2);
	gr__bytes_store32(zip + n + 12, n - directory);
	gr__bytes_store32(zip + n + 16, directory);
	gr_tensorfile *f;
	const char *path = fuzz_file(zip, n + 22);
	free(zip);
	gr_status status = gr_checkpoint_open(&f, path, NULL);
	fuzz_drain(status, f);
	return 0;
}
