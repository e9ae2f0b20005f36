/*
 * Opening, reading and complaining about input files (infile_priv.h).
 *
 * Promise: no read goes past the size found at opening, and every message starts with the path.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "infile_priv.h"

gr_status gr__infile_open(gr_infile *f, const char *op, const char *path)
{
	*f = (gr_infile){.op = op, .path = path, .fd = -1};
	gr_at("", 0);
	if (!path)
		return gr__fail(GR_EARG, op, "no file name given");
	/* Without O_NONBLOCK, opening a named pipe would wait for a writer. */
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f->fd < 0)
		return gr__fail(GR_EIO, op, "%s: cannot open: %s", path, strerror(errno));
	struct stat st;
	gr_status status = GR_OK;
	if (fstat(f->fd, &st) != 0)
		status = gr__fail(GR_EIO, op, "%s: cannot stat: %s", path, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		status = gr__fail(GR_EIO, op, "%s: %s", path, strerror(EISDIR));
	else if (!S_ISREG(st.st_mode))
		status = gr__fail(GR_EIO, op, "%s: not a regular file", path);
	if (status) {
		gr__infile_close(f);
		return status;
	}
	f->size = (uint64_t)st.st_size;
	return GR_OK;
}

void gr__infile_close(gr_infile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

gr_status gr__infile_read(const gr_infile *f, uint64_t offset, void *dst, size_t bytes)
{
	if (offset > f->size || bytes > f->size - offset)
		return gr__infile_fail(f, GR_EFORMAT, f->size, "truncated: %zu bytes expected at byte %llu",
			bytes, (unsigned long long)offset);
	char *to = dst;
	while (bytes > 0) {
		/* Linux moves at most 2 GiB in one call. */
		size_t chunk = bytes < ((size_t)1 << 30) ? bytes : (size_t)1 << 30;
		ssize_t got = pread(f->fd, to, chunk, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return gr__infile_fail(f, GR_EIO, offset, "cannot read: %s", strerror(errno));
		if (got == 0)
			return gr__infile_fail(f, GR_EIO, offset, "the file became shorter while it was read");
		to += got;
		offset += (uint64_t)got;
		bytes -= (size_t)got;
	}
	return GR_OK;
}

gr_status gr__infile_fail(const gr_infile *f, gr_status code, uint64_t offset, const char *format,
	...)
{
	char reason[512];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	return gr__fail(code, f->op, "%s: byte %llu: %s", f->path, (unsigned long long)offset, reason);
}

const char *gr__infile_quote(char *buf, size_t size, const char *text, size_t bytes)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;
	buf[n++] = '\'';
	for (size_t i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)text[i];
		if (n + 9 > size) { /* an escape, "...", the quote and the NUL */
			memcpy(buf + n, "...", 3);
			n += 3;
			break;
		}
		if (c >= ' ' && c < 0x7f && c != '\'' && c != '\\') {
			buf[n++] = (char)c;
		} else {
			buf[n++] = '\\';
			buf[n++] = 'x';
			buf[n++] = hex[c >> 4];
			buf[n++] = hex[c & 15];
		}
	}
	buf[n++] = '\'';
	buf[n] = '\0';
	return buf;
}

const char *gr__infile_guess(const unsigned char *head, size_t bytes)
{
	static const struct {
		const char *magic;
		size_t bytes;
		size_t at;
		const char *what;
	} table[] = {
		{"\x93NUMPY", 6, 0, "a NumPy array (.npy)"},
		{"PK\x03\x04", 4, 0, "a zip archive (.npz, or a checkpoint of torch)"},
		{"\x89PNG", 4, 0, "a PNG image"},
		{"\xff\xd8\xff", 3, 0, "a JPEG image"},
		{"{", 1, 8, "a safetensors file"},
		{"\x80\x02", 2, 0, "a Python pickle"},
		{"<", 1, 0, "a web page"},
		{"version https://git-lfs", 23, 0, "a pointer of Git LFS, not the file itself"},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (bytes >= table[i].at + table[i].bytes &&
			memcmp(head + table[i].at, table[i].magic, table[i].bytes) == 0)
			return table[i].what;
	}
	return NULL;
}
