/* Input files: what counts as one, bounds, and messages that carry text from hostile files. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/infile_priv.h"
#include "io_files.h"

TestSuite(infile, .init = io_begin, .fini = io_end);

Test(infile, bounds)
{
	const char *path = io_path("file");
	io_put(path, "0123456789", 10);
	gr_infile f;
	char buf[16];
	cr_assert_eq(gr__infile_open(&f, "test", path), GR_OK);
	cr_assert_eq(f.size, 10);
	cr_assert_eq(gr__infile_read(&f, 7, buf, 3), GR_OK);
	cr_assert_eq(memcmp(buf, "789", 3), 0);
	cr_assert_eq(gr__infile_read(&f, 10, buf, 0), GR_OK);
	static const struct {
		uint64_t offset;
		size_t bytes;
	} outside[] = {{8, 3}, {10, 1}, {11, 0}, {UINT64_MAX, 2}, {0, SIZE_MAX}, {5, SIZE_MAX - 2}};
	for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
		cr_assert_eq(gr__infile_read(&f, outside[i].offset, buf, outside[i].bytes), GR_EFORMAT);
		io_expect(GR_EFORMAT, path, "outside");
	}
	/* It shrinks while it is open. */
	cr_assert_eq(truncate(path, 5), 0);
	cr_assert_eq(gr__infile_read(&f, 0, buf, 10), GR_EIO);
	io_expect(GR_EIO, path, "shrunk");
	gr__infile_close(&f);
	gr__infile_close(&f);
}

Test(infile, regular_files_only)
{
	gr_infile f;
	const char *pipe_path = io_path("pipe");
	cr_assert_eq(mkfifo(pipe_path, 0600), 0);
	const char *const paths[] = {pipe_path, "/dev/zero", "/dev", io_path("none"), ""};
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		cr_assert_eq(gr__infile_open(&f, "test", paths[i]), GR_EIO, "%s", paths[i]);
		io_expect(GR_EIO, paths[i], paths[i]);
		cr_assert_eq(f.fd, -1);
	}
}

Test(infile, quoting)
{
	static const struct {
		const char *text;
		size_t bytes;
		const char *quoted;
	} cases[] = {
		{"", 0, "''"},
		{"a b", 3, "'a b'"},
		{"\x1b[31m", 5, "'\\x1b[31m'"},
		{"it's \\", 6, "'it\\x27s \\x5c'"},
		{"\xc3\xa9\0", 3, "'\\xc3\\xa9\\x00'"},
		{"abcdefghijklmnopqrstuvwxyz", 26, "'abcdefghijklmnopqrstuvw...'"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char buf[32];
		cr_assert_str_eq(gr__infile_quote(buf, sizeof buf, cases[i].text, cases[i].bytes),
			cases[i].quoted);
	}
	/* Never past the buffer, whatever its size. */
	for (size_t size = 16; size < 64; size++) {
		char buf[64 + 1];
		char text[64];
		memset(buf, '#', sizeof buf);
		memset(text, '\n', sizeof text);
		gr__infile_quote(buf, size, text, sizeof text);
		cr_assert_lt(strlen(buf), size);
		cr_assert_eq(buf[size], '#');
	}
}
