/* Output files: whole or absent, whatever fails. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io_files.h"

TestSuite(outfile, .init = io_begin, .fini = io_end);

static void expect_content(const char *path, const char *wanted)
{
	size_t n;
	unsigned char *data = io_get(path, &n);
	cr_assert_eq(n, strlen(wanted));
	cr_assert_eq(memcmp(data, wanted, n), 0);
	free(data);
}

Test(outfile, appears_at_commit)
{
	const char *path = io_path("file.txt");
	gr_outfile *f;
	cr_assert_eq(gr_outfile_open(&f, path), GR_OK);
	fputs("hello", gr_outfile_stream(f));
	cr_assert_neq(access(path, F_OK), 0);
	cr_assert_eq(io_count(), 1);
	cr_assert_eq(gr_outfile_commit(f), GR_OK);
	cr_assert_eq(io_count(), 1);
	expect_content(path, "hello");
}

Test(outfile, replaces_at_commit)
{
	const char *path = io_path("file.txt");
	io_put(path, "old", 3);
	gr_outfile *f;
	cr_assert_eq(gr_outfile_open(&f, path), GR_OK);
	fputs("new content", gr_outfile_stream(f));
	expect_content(path, "old");
	cr_assert_eq(gr_outfile_commit(f), GR_OK);
	expect_content(path, "new content");
	cr_assert_eq(io_count(), 1);
}

Test(outfile, abandon_leaves_nothing)
{
	gr_outfile *f;
	cr_assert_eq(gr_outfile_open(&f, io_path("file.txt")), GR_OK);
	fputs("hello", gr_outfile_stream(f));
	gr_outfile_abandon(f);
	cr_assert_eq(io_count(), 0);
	gr_outfile_abandon(NULL);
	cr_assert_null(gr_outfile_stream(NULL));
}

/* Two at once under one name: both are whole, the last commit stays. */
Test(outfile, two_writers)
{
	const char *path = io_path("file.txt");
	gr_outfile *f;
	gr_outfile *g;
	cr_assert_eq(gr_outfile_open(&f, path), GR_OK);
	cr_assert_eq(gr_outfile_open(&g, path), GR_OK);
	fputs("first", gr_outfile_stream(f));
	fputs("second", gr_outfile_stream(g));
	cr_assert_eq(gr_outfile_commit(g), GR_OK);
	cr_assert_eq(gr_outfile_commit(f), GR_OK);
	expect_content(path, "first");
	cr_assert_eq(io_count(), 1);
}

Test(outfile, relative_and_long_names)
{
	char name[256];
	memset(name, 'n', 255);
	name[255] = '\0';
	cr_assert_eq(chdir(io_path("")), 0);
	gr_outfile *f;
	cr_assert_eq(gr_outfile_open(&f, name), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_outfile_commit(f), GR_OK);
	cr_assert_eq(gr_outfile_open(&f, "b"), GR_OK);
	cr_assert_eq(gr_outfile_commit(f), GR_OK);
	cr_assert_eq(io_count(), 2);
}

Test(outfile, impossible_targets)
{
	gr_outfile *f;
	const char *path = io_path("no/such/file");
	cr_assert_eq(gr_outfile_open(&f, path), GR_EIO);
	cr_assert_null(f);
	cr_assert_not_null(strstr(gr_error_message(), "No such file"));
	io_expect(GR_EIO, path, "missing directory");
	static const char *const refused[] = {"/tmp", "/tmp/", "/dev/null", "/dev/full"};
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		cr_assert_eq(gr_outfile_open(&f, refused[i]), GR_EIO);
		io_expect(GR_EIO, refused[i], refused[i]);
	}
	struct stat st;
	cr_assert(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
	cr_assert_eq(gr_outfile_open(&f, NULL), GR_EARG);
	gr_error_clear();
	cr_assert_eq(gr_outfile_open(&f, ""), GR_EARG);
	gr_error_clear();
	cr_assert_eq(gr_outfile_commit(NULL), GR_EARG);
	/* A directory without write permission stops everybody but root. */
	if (geteuid() != 0) {
		chmod(io_path(""), 0500);
		cr_assert_eq(gr_outfile_open(&f, io_path("file")), GR_EIO);
		chmod(io_path(""), 0700);
	}
}

/* A target that becomes a directory meanwhile: the rename fails. */
Test(outfile, rename_fails)
{
	const char *path = io_path("target");
	gr_outfile *f;
	cr_assert_eq(gr_outfile_open(&f, path), GR_OK);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(gr_outfile_commit(f), GR_EIO);
	io_expect(GR_EIO, path, "rename");
	cr_assert_eq(io_count(), 1);
	rmdir(path);
}

/* From here on no file may grow past `bytes`. */
static void limit_files(rlim_t bytes)
{
	signal(SIGXFSZ, SIG_IGN);
	struct rlimit limit = {bytes, bytes};
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A full disk, as far as a test may have one: every writer reports it and leaves nothing. */
Test(outfile, disk_full)
{
	gr_tensor *t = gr_zeros(GR_F32, GR_DIMS(3, 128, 128));
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_archive_add(a, "t", t), GR_OK);
	gr_tensor *noise = gr_random_uniform(gr_key_seed(1), GR_F32, GR_DIMS(3, 128, 128), 0.0, 1.0);
	io_put(io_path("old"), "old", 3);
	limit_files(1000);
	const char *path = io_path("old");
	for (int writer = 0; writer < 5; writer++) {
		gr_status status = GR_OK;
		gr_outfile *f;
		switch (writer) {
		case 0: status = gr_npy_write(path, t); break;
		case 1: status = gr_npz_write(path, a); break;
		case 2: status = gr_safetensors_write(path, a); break;
		case 3: status = gr_png_write(path, noise, NULL); break;
		default:
			/* Small enough for the stream's buffer: only the flush can fail. */
			cr_assert_eq(gr_outfile_open(&f, path), GR_OK);
			for (int i = 0; i < 1001; i++)
				fputc('x', gr_outfile_stream(f));
			status = gr_outfile_commit(f);
		}
		cr_assert_eq(status, GR_EIO, "writer %d", writer);
		io_expect(GR_EIO, path, "disk full");
		cr_assert_eq(io_count(), 1, "writer %d left a file", writer);
		expect_content(path, "old");
	}
	gr_archive_free(a);
}

Test(outfile, without_memory)
{
	uint64_t held = gr_memory_stats().bytes_in_use;
	for (uint64_t n = 1; n <= 3; n++) {
		gr_outfile *f;
		gr_memory_fail_at(n);
		cr_assert_eq(gr_outfile_open(&f, io_path("file")), GR_EMEM);
		gr_memory_fail_at(0);
		io_expect(GR_EMEM, io_path("file"), "memory");
		cr_assert_eq(gr_memory_stats().bytes_in_use, held);
		cr_assert_eq(io_count(), 0);
	}
}
