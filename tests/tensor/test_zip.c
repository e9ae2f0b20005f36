/* Hostile zip archives, made from valid ones by changing fields of their records. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "io/bytes_priv.h"
#include "io_files.h"
#include "npz_fixtures.h"

TestSuite(zip, .init = io_begin, .fini = io_end);

static bool read_npz(const char *path)
{
	gr_archive *a;
	gr_status status = gr_npz_read(&a, path);
	cr_assert_eq(status == GR_OK, a != NULL);
	gr_archive_free(a);
	return status == GR_OK;
}

Test(zip, attacked_stored)
{
	io_attack(np_savez, sizeof np_savez - 1, read_npz);
}

Test(zip, attacked_deflated)
{
	io_attack(np_compressed, sizeof np_compressed - 1, read_npz);
}

Test(zip, starved)
{
	io_put(io_path("t"), np_compressed, sizeof np_compressed - 1);
	io_starve(io_path("t"), read_npz);
}

/* Where things are in np_savez: two members, "x.npy" and "deep/e'.npy". */
enum {
	LOCAL_0 = 0,
	LOCAL_1 = 0xc3,
	CENTRAL_0 = 0x188,
	CENTRAL_1 = CENTRAL_0 + 46 + 5,
	END = CENTRAL_1 + 46 + 11,
};

struct change {
	const char *what;
	size_t at;
	int bytes; /* 1, 2 or 4 */
	uint32_t value;
	gr_status code;
};

static void store(unsigned char *p, int bytes, uint32_t value)
{
	for (int i = 0; i < bytes; i++)
		p[i] = (unsigned char)(value >> 8 * i & 0xff);
}

static void expect_refused(const unsigned char *file, size_t bytes, gr_status code,
	const char *what)
{
	const char *path = io_path("hostile.npz");
	io_put(path, file, bytes);
	cr_assert_not(read_npz(path), "%s", what);
	io_expect(code, path, what);
}

Test(zip, changed_fields)
{
	static const struct change changes[] = {
		{"end: this disk", END + 4, 2, 1, GR_EUNSUPPORTED},
		{"end: disk of the directory", END + 6, 2, 1, GR_EUNSUPPORTED},
		{"end: entries here", END + 8, 2, 1, GR_EUNSUPPORTED},
		{"end: comment past the end", END + 20, 2, 1, GR_EFORMAT},
		{"end: size of the directory", END + 12, 4, 100, GR_EFORMAT},
		{"end: directory past the end", END + 16, 4, 0x7fffffff, GR_EFORMAT},
		{"end: directory full, no zip64", END + 16, 4, 0xffffffff, GR_EFORMAT},
		{"end: directory at 0", END + 16, 4, 0, GR_EFORMAT},
		{"central: signature", CENTRAL_0, 4, 0x02014b51, GR_EFORMAT},
		{"central: encrypted", CENTRAL_0 + 8, 2, 1, GR_EUNSUPPORTED},
		{"central: strong encryption", CENTRAL_0 + 8, 2, 64, GR_EUNSUPPORTED},
		{"central: masked", CENTRAL_0 + 8, 2, 1 << 13, GR_EUNSUPPORTED},
		{"central: method", CENTRAL_0 + 10, 2, 12, GR_EUNSUPPORTED},
		{"central: deflated, local stored", CENTRAL_0 + 10, 2, 8, GR_EFORMAT},
		{"central: crc", CENTRAL_0 + 16, 4, 1, GR_EFORMAT},
		{"central: stored size", CENTRAL_0 + 20, 4, 139, GR_EFORMAT},
		{"central: size", CENTRAL_0 + 24, 4, 141, GR_EFORMAT},
		{"central: size full, no extra", CENTRAL_0 + 24, 4, 0xffffffff, GR_EFORMAT},
		{"central: no name", CENTRAL_0 + 28, 2, 0, GR_EFORMAT},
		{"central: long name", CENTRAL_0 + 28, 2, 0xffff, GR_EFORMAT},
		{"central: long extra", CENTRAL_0 + 30, 2, 0xffff, GR_EFORMAT},
		{"central: long comment", CENTRAL_1 + 32, 2, 1, GR_EFORMAT},
		{"central: disk", CENTRAL_0 + 34, 2, 1, GR_EUNSUPPORTED},
		{"central: local header of another", CENTRAL_0 + 42, 4, LOCAL_1, GR_EFORMAT},
		{"central: local header past the end", CENTRAL_0 + 42, 4, 0x7fffffff, GR_EFORMAT},
		{"central: local header in the directory", CENTRAL_0 + 42, 4, CENTRAL_1, GR_EFORMAT},
		{"central: local header full, no extra", CENTRAL_0 + 42, 4, 0xffffffff, GR_EFORMAT},
		{"central: name with NUL", CENTRAL_0 + 46, 1, 0, GR_EFORMAT},
		{"central: name with backslash", CENTRAL_0 + 46, 1, '\\', GR_EFORMAT},
		{"central: absolute name", CENTRAL_0 + 46, 1, '/', GR_EFORMAT},
		{"central: name not UTF-8", CENTRAL_0 + 46, 1, 0xff, GR_EFORMAT},
		{"central: another name", CENTRAL_0 + 46, 1, 'y', GR_EFORMAT},
		{"local: signature", LOCAL_1, 4, 0, GR_EFORMAT},
		{"local: encrypted", LOCAL_0 + 6, 2, 1, GR_EFORMAT},
		{"local: method", LOCAL_0 + 8, 2, 8, GR_EFORMAT},
		{"local: crc", LOCAL_0 + 14, 4, 0, GR_EFORMAT},
		{"local: stored size", LOCAL_0 + 18, 4, 1, GR_EFORMAT},
		{"local: size", LOCAL_0 + 22, 4, 1, GR_EFORMAT},
		{"local: length of the name", LOCAL_0 + 26, 2, 4, GR_EFORMAT},
		{"local: long extra", LOCAL_0 + 28, 2, 0xffff, GR_EFORMAT},
		{"local: extra into the next member", LOCAL_0 + 28, 2, 24, GR_EFORMAT},
		{"local: another name", LOCAL_0 + 30, 1, 'y', GR_EFORMAT},
		{"data: damaged", LOCAL_1 - 1, 1, 0, GR_EFORMAT},
	};
	const size_t n = sizeof np_savez - 1;
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		unsigned char file[sizeof np_savez];
		memcpy(file, np_savez, n);
		store(file + changes[i].at, changes[i].bytes, changes[i].value);
		expect_refused(file, n, changes[i].code, changes[i].what);
	}
}

Test(zip, whole_files)
{
	unsigned char file[2 * sizeof np_savez] = {0};
	const size_t n = sizeof np_savez - 1;
	expect_refused(file, 0, GR_EFORMAT, "empty");
	expect_refused((const unsigned char *)"PK\5\6", 4, GR_EFORMAT, "short");

	/* Bytes in front, behind, or between directory and end record. */
	memcpy(file + 1, np_savez, n);
	file[0] = 'x';
	expect_refused(file, n + 1, GR_EFORMAT, "byte in front");
	memcpy(file, np_savez, n);
	file[n] = 'x';
	expect_refused(file, n + 1, GR_EFORMAT, "byte behind");
	file[n - 2] = 1; /* which a comment may be */
	io_put(io_path("t"), file, n + 1);
	cr_assert(read_npz(io_path("t")), "%s", gr_error_message());
	memcpy(file, np_savez, END);
	file[END] = 'x';
	memcpy(file + END + 1, np_savez + END, n - END);
	expect_refused(file, n + 1, GR_EFORMAT, "byte before the end record");

	/* One member twice in the directory: duplicate names; renamed, they overlap. */
	size_t entry = 46 + 5;
	memcpy(file, np_savez, CENTRAL_1);
	memcpy(file + CENTRAL_1, np_savez + CENTRAL_0, entry);
	memcpy(file + CENTRAL_1 + entry, np_savez + END, 22);
	store(file + CENTRAL_1 + entry + 12, 4, (uint32_t)(2 * entry));
	expect_refused(file, CENTRAL_1 + entry + 22, GR_EFORMAT, "two of one name");

	/* Fewer or more entries than the directory holds. */
	memcpy(file, np_savez, n);
	store(file + END + 8, 4, 0x00010001);
	expect_refused(file, n, GR_EFORMAT, "one entry counted");
	store(file + END + 8, 4, 0x00030003);
	expect_refused(file, n, GR_EFORMAT, "three entries counted");
	store(file + END + 8, 4, 0xfffefffe);
	expect_refused(file, n, GR_EFORMAT, "more entries than bytes");

	/* A member that is no array. */
	static const size_t names[] = {LOCAL_0 + 30, CENTRAL_0 + 46};
	memcpy(file, np_savez, n);
	for (size_t i = 0; i < 2; i++)
		memcpy(file + names[i], "x.txt", 5);
	expect_refused(file, n, GR_EUNSUPPORTED, "x.txt");
	for (size_t i = 0; i < 2; i++)
		memcpy(file + names[i], "../ab", 5);
	expect_refused(file, n, GR_EFORMAT, "../ab");
}

/* An archive with one deflated member "b.npy"; what it says of its sizes and what is there. */
static size_t deflated(unsigned char *file, size_t room, unsigned char *content, size_t bytes,
	uint32_t said, size_t cut, size_t add)
{
	z_stream z = {.zalloc = NULL};
	cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = content;
	z.avail_in = (unsigned)bytes;
	z.next_out = file + 35;
	z.avail_out = (unsigned)(room - 200);
	cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	uint32_t stored = (uint32_t)(z.total_out - cut + add);
	deflateEnd(&z);
	uint32_t crc = (uint32_t)crc32(0, content, (unsigned)bytes);
	const unsigned char version[] = {20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0};
	unsigned char *central = file + 35 + stored;
	unsigned char *headers[] = {file + 4, central + 6};
	memset(file, 0, 35);
	memset(central, 0, 46 + 22 + 5);
	store(file, 4, 0x04034b50);
	store(central, 4, 0x02014b50);
	for (int i = 0; i < 2; i++) {
		memcpy(headers[i], version, sizeof version);
		store(headers[i] + 10, 4, crc);
		store(headers[i] + 14, 4, stored);
		store(headers[i] + 18, 4, said);
		store(headers[i] + 22, 2, 5);
	}
	memcpy(file + 30, "b.npy", 5);
	memcpy(central + 46, "b.npy", 5);
	unsigned char *end = central + 51;
	store(end, 4, 0x06054b50);
	store(end + 8, 4, 0x00010001);
	store(end + 12, 4, 51);
	store(end + 16, 4, 35 + stored);
	return (size_t)(end + 22 - file);
}

Test(zip, inflation)
{
	const uint32_t n = 128 + 4 * 100000;
	unsigned char *content = calloc(1, n + 1);
	const size_t room = 4096;
	unsigned char *file = malloc(room);
	gr_tensor *zeros = gr_zeros(GR_F32, GR_DIMS(100000));
	cr_assert_eq(gr_npy_write(io_path("zeros"), zeros), GR_OK);
	size_t written;
	unsigned char *npy = io_get(io_path("zeros"), &written);
	cr_assert_eq(written, n);
	memcpy(content, npy, n);
	free(npy);

	size_t size = deflated(file, room, content, n, n, 0, 0);
	io_put(io_path("t"), file, size);
	cr_assert(read_npz(io_path("t")), "%s", gr_error_message());
	static const struct {
		const char *what;
		int32_t said;  /* more than the array has */
		uint32_t lack; /* bytes of the array that are not there */
		size_t cut;
		size_t add;
		gr_status code;
	} cases[] = {
		{"more than stated", -4, 0, 0, 0, GR_EFORMAT},
		{"one byte more than stated", -1, 0, 0, 0, GR_EFORMAT},
		{"more stated than the array needs", 1, 0, 0, 0, GR_EUNSUPPORTED},
		{"more inflated than stated", 0, (uint32_t)-1, 0, 0, GR_EFORMAT},
		{"less inflated than stated", 0, 4, 0, 0, GR_EFORMAT},
		{"cut off", 0, 0, 1, 0, GR_EFORMAT},
		{"half", 0, 0, 200, 0, GR_EFORMAT},
		{"a byte too many", 0, 0, 0, 1, GR_EFORMAT},
		{"impossible ratio", 1000000000, 0, 0, 0, GR_EFORMAT},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint32_t said = n + (uint32_t)cases[i].said;
		size = deflated(file, room, content, n - cases[i].lack, said, cases[i].cut, cases[i].add);
		expect_refused(file, size, cases[i].code, cases[i].what);
	}
	free(content);
	free(file);
}

/* A member within deflate's ratio, but far past what the file may inflate to: 4 MB (a hole, which
 * takes no disk) that are said to hold 4 GB. */
Test(zip, bomb)
{
	enum { STORED = 4000000 };
	unsigned char local[35] = "PK\3\4\x14\0\0\0\x08\0\0\0\x21\0";
	store(local + 18, 4, STORED);
	store(local + 22, 4, 4294967294u);
	store(local + 26, 2, 5);
	memcpy(local + 30, "b.npy", 5);
	unsigned char tail[51 + 22] = "PK\1\2";
	memcpy(tail + 6, local + 4, 22);
	store(tail + 28, 2, 5);
	memcpy(tail + 46, "b.npy", 5);
	store(tail + 51, 4, 0x06054b50);
	store(tail + 51 + 8, 4, 0x00010001);
	store(tail + 51 + 12, 4, 51);
	store(tail + 51 + 16, 4, sizeof local + STORED);

	const char *path = io_path("bomb.npz");
	FILE *f = fopen(path, "wb");
	fwrite(local, 1, sizeof local, f);
	fseek(f, sizeof local + STORED, SEEK_SET);
	fwrite(tail, 1, sizeof tail, f);
	fclose(f);
	gr_memory_reset_peak();
	cr_assert_not(read_npz(path));
	cr_assert_not_null(strstr(gr_error_message(), "bomb"), "%s", gr_error_message());
	io_expect(GR_EUNSUPPORTED, path, "bomb");
	cr_assert_lt(gr_memory_stats().bytes_peak, 1000000);
}

/* PyTorch's archives have the zip64 record even where nothing needs it; it must not contradict. */
Test(zip, zip64_of_a_small_archive)
{
	unsigned char file[sizeof np_savez + 76];
	size_t n = END;
	memcpy(file, np_savez, END);
	unsigned char *end64 = file + n;
	memset(end64, 0, 76);
	store(end64, 4, 0x06064b50);
	store(end64 + 4, 4, 44);
	store(end64 + 24, 4, 2);
	store(end64 + 32, 4, 2);
	store(end64 + 40, 4, END - CENTRAL_0);
	store(end64 + 48, 4, CENTRAL_0);
	store(end64 + 56, 4, 0x07064b50);
	store(end64 + 64, 4, END);
	store(end64 + 72, 4, 1);
	memcpy(end64 + 76, np_savez + END, sizeof np_savez - 1 - END);
	n = sizeof np_savez - 1 + 76;
	io_put(io_path("t"), file, n);
	cr_assert(read_npz(io_path("t")), "%s", gr_error_message());
	static const struct change changes[] = {
		{"another count", 32, 4, 1, GR_EUNSUPPORTED},
		{"another size", 40, 4, 100, GR_EFORMAT},
		{"another place", 48, 4, CENTRAL_1, GR_EFORMAT},
		{"a record out of range", 64, 4, END + 100, GR_EFORMAT},
	};
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		unsigned char copy[sizeof file];
		memcpy(copy, file, n);
		store(copy + END + changes[i].at, changes[i].bytes, changes[i].value);
		expect_refused(copy, n, changes[i].code, changes[i].what);
	}
}
