/*
 * Files that appear whole or not at all: written under `.<name>.tmp-<pid>-<n>` beside the target,
 * synchronised to disk, then renamed over it.
 *
 * Promise: after any failure the temporary file is gone and the target is as it was. An existing
 * regular file is replaced atomically; whether it may be is for the caller to decide. Anything else
 * that exists (a directory, /dev/null) is refused: renaming over a device would replace it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fail.h"
#include "gradus/io.h"
#include "pool.h"

struct gr_outfile {
	FILE *stream;
	char *path;
	char *temp;
};

/* Where the file name starts in a path. */
static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static void discard(gr_outfile *f)
{
	if (f->stream)
		fclose(f->stream);
	gr__pool_free(f->path);
	gr__pool_free(f->temp);
	gr__pool_free(f);
}

static gr_status check_target(const char *path)
{
	gr_at("", 0);
	if (!path || !*path)
		return gr__fail(GR_EARG, "outfile", "no file name given");
	if (!*base_name(path))
		return gr__fail(GR_EIO, "outfile", "%s: cannot write: %s", path, strerror(EISDIR));
	struct stat st;
	if (stat(path, &st) != 0) /* ENOENT is the usual case; open() reports what is amiss */
		return GR_OK;
	if (S_ISDIR(st.st_mode))
		return gr__fail(GR_EIO, "outfile", "%s: cannot write: %s", path, strerror(EISDIR));
	if (!S_ISREG(st.st_mode))
		return gr__fail(GR_EIO, "outfile", "%s: cannot write: not a regular file", path);
	return GR_OK;
}

/* Create f->temp under a name that nobody has; sets errno and returns -1 when it does not work. */
static int open_temp(gr_outfile *f, size_t temp_size)
{
	static atomic_uint counter;
	const char *base = base_name(f->path);
	int dir = (int)(base - f->path);
	for (int attempt = 0; attempt < 1000; attempt++) {
		/* The name is cut so that the decorated one stays below the usual limit of 255 bytes. */
		snprintf(f->temp, temp_size, "%.*s.%.200s.tmp-%ld-%u", dir, f->path, base, (long)getpid(),
			atomic_fetch_add(&counter, 1u));
		int fd = open(f->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

gr_status gr_outfile_open(gr_outfile **out, const char *path)
{
	*out = NULL;
	gr_status status = check_target(path);
	if (status)
		return status;
	gr_outfile *f = gr__pool_alloc(sizeof *f);
	if (!f)
		return gr__fail(GR_EMEM, "outfile", "%s: no memory to open it", path);
	size_t temp_size = strlen(path) + 48;
	*f = (gr_outfile){.path = gr__pool_strdup(path), .temp = gr__pool_alloc(temp_size)};
	if (!f->path || !f->temp) {
		discard(f);
		return gr__fail(GR_EMEM, "outfile", "%s: no memory to open it", path);
	}
	int fd = open_temp(f, temp_size);
	if (fd < 0) {
		status = gr__fail(GR_EIO, "outfile", "%s: cannot create a temporary file beside it: %s",
			path, strerror(errno));
		discard(f);
		return status;
	}
	f->stream = fdopen(fd, "wb");
	if (!f->stream) {
		status =
			gr__fail(GR_EMEM, "outfile", "%s: cannot open a stream: %s", path, strerror(errno));
		close(fd);
		unlink(f->temp);
		discard(f);
		return status;
	}
	*out = f;
	return GR_OK;
}

FILE *gr_outfile_stream(gr_outfile *f)
{
	return f ? f->stream : NULL;
}

/* The rename itself must reach the disk too; file systems that cannot promise it are left alone. */
static void sync_directory(const char *path)
{
	const char *base = base_name(path);
	char dir[4096] = ".";
	size_t n = (size_t)(base - path);
	if (n >= sizeof dir)
		return;
	if (n > 0) {
		memcpy(dir, path, n);
		dir[n] = '\0';
	}
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

/* Write everything out; returns what failed, with errno (0 when stdio has forgotten it). */
static const char *finish(gr_outfile *f)
{
	errno = 0;
	if (fflush(f->stream) != 0 || ferror(f->stream))
		return "cannot write";
	if (fsync(fileno(f->stream)) != 0 && errno != EINVAL && errno != EROFS)
		return "cannot synchronise";
	FILE *stream = f->stream;
	f->stream = NULL;
	if (fclose(stream) != 0)
		return "cannot close";
	if (rename(f->temp, f->path) != 0)
		return "cannot rename the temporary file";
	return NULL;
}

gr_status gr_outfile_commit(gr_outfile *f)
{
	if (!f)
		return gr__fail(GR_EARG, "outfile", "no file to commit");
	const char *failed = finish(f);
	if (failed) {
		gr_status status = gr__fail(GR_EIO, "outfile", "%s: %s: %s", f->path, failed,
			errno ? strerror(errno) : "an earlier write failed (disk full?)");
		gr_outfile_abandon(f);
		return status;
	}
	sync_directory(f->path);
	discard(f);
	return GR_OK;
}

void gr_outfile_abandon(gr_outfile *f)
{
	if (!f)
		return;
	unlink(f->temp);
	discard(f);
}
