/* SHA-256: the vectors of FIPS 180-4 and RFC 6234, and independence of how data are cut. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "io/sha256_priv.h"
#include "io_files.h"

TestSuite(sha256, .init = io_begin, .fini = io_end);

static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

Test(sha256, vectors)
{
	char hex[65];
	gr_sha256_bytes(NULL, 0, hex);
	cr_assert_str_eq(hex, empty);
	gr_sha256_bytes("abc", 3, hex);
	cr_assert_str_eq(hex, abc);
	static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	gr_sha256_bytes(two, strlen(two), hex);
	cr_assert_str_eq(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	static const char four[] = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
							   "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
	gr_sha256_bytes(four, strlen(four), hex);
	cr_assert_str_eq(hex, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
	char *million = malloc(1000000);
	memset(million, 'a', 1000000);
	gr_sha256_bytes(million, 1000000, hex);
	cr_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	io_put(io_path("million"), million, 1000000);
	free(million);
	char of_file[65];
	cr_assert_eq(gr_sha256_file(io_path("million"), of_file), GR_OK);
	cr_assert_str_eq(of_file, hex);
}

/* All lengths around the padding's edges, in two pieces cut everywhere. */
Test(sha256, pieces)
{
	char data[130];
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (char)(i * 37 + 1);
	for (size_t n = 0; n <= sizeof data; n++) {
		char whole[65];
		gr_sha256_bytes(data, n, whole);
		for (size_t cut = 0; cut <= n; cut++) {
			gr_sha256 s;
			char hex[65];
			gr__sha256_begin(&s);
			gr__sha256_update(&s, data, cut);
			gr__sha256_update(&s, data + cut, n - cut);
			gr__sha256_end(&s, hex);
			cr_assert(strcmp(hex, whole) == 0, "%zu bytes cut at %zu", n, cut);
		}
	}
}

Test(sha256, files)
{
	char hex[65];
	io_put(io_path("empty"), "", 0);
	cr_assert_eq(gr_sha256_file(io_path("empty"), hex), GR_OK);
	cr_assert_str_eq(hex, empty);
	cr_assert_eq(gr_sha256_file(io_path("missing"), hex), GR_EIO);
	cr_assert_str_eq(hex, "");
	io_expect(GR_EIO, io_path("missing"), "missing");
}
