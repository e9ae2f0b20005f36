/* Folders of runs: creation, text files, growing texts, and where priors are found. */
#include "runfolder.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gradus/io.h"

#define PATH_SIZE 4096
#define MAX_TEXT ((long)64 << 20)

static bool is_folder(const char *path)
{
	struct stat info;
	return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	if (dir == NULL)
		return false;
	bool empty = true;
	for (struct dirent *e; (e = readdir(dir)) != NULL;)
		empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
	closedir(dir);
	return empty;
}

gr_status gr__runfolder_make(const char *path)
{
	char part[PATH_SIZE];
	if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part)
		return gr_error_set(GR_EARG, "run folder: the path is too long");
	for (char *p = part + 1;; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char end = *p;
		*p = '\0';
		if (mkdir(part, 0777) != 0 && !(errno == EEXIST && is_folder(part)))
			return gr_error_set(GR_EIO, "run folder: %s: %s", part, strerror(errno));
		if (end == '\0')
			return GR_OK;
		*p = end;
	}
}

bool gr__runfolder_has(const char *folder, const char *name)
{
	char path[PATH_SIZE];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

gr_status gr__runfolder_write(const char *folder, const char *name, const char *text)
{
	if (text == NULL)
		return gr_failed() ? gr_error_code() : gr_error_set(GR_EMEM, "%s: no room", name);
	char path[PATH_SIZE];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	gr_outfile *f;
	gr_status status = gr_outfile_open(&f, path);
	if (status != GR_OK)
		return status;
	fputs(text, gr_outfile_stream(f));
	return gr_outfile_commit(f);
}

char *gr__runfolder_read(const char *folder, const char *name)
{
	char path[PATH_SIZE];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "rb");
	if (f == NULL) {
		gr_error_set(GR_EIO, "%s: %s", path, strerror(errno));
		return NULL;
	}
	char *text = NULL;
	if (fseek(f, 0, SEEK_END) == 0) {
		long size = ftell(f);
		rewind(f);
		if (size >= 0 && size <= MAX_TEXT)
			text = gr_alloc((size_t)size + 1);
		if (text != NULL && fread(text, 1, (size_t)size, f) != (size_t)size) {
			gr_free(text);
			text = NULL;
		}
	}
	if (text == NULL && !gr_failed())
		gr_error_set(GR_EIO, "%s: cannot be read, or is larger than 64 MiB", path);
	fclose(f);
	return text;
}

void gr__runfolder_remove(const char *folder, const char *name)
{
	char path[PATH_SIZE], inner[PATH_SIZE + 256];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	DIR *dir = opendir(path);
	if (dir != NULL) {
		for (struct dirent *e; (e = readdir(dir)) != NULL;) {
			snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
			if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
				unlink(inner);
		}
		closedir(dir);
		rmdir(path);
	} else {
		unlink(path);
	}
}

/* One file, to a temporary name and renamed. */
static gr_status copy_file(const char *from, const char *to)
{
	char block[65536];
	gr_outfile *out;
	FILE *in = fopen(from, "rb");
	if (in == NULL)
		return gr_error_set(GR_EIO, "%s: %s", from, strerror(errno));
	gr_status status = gr_outfile_open(&out, to);
	for (size_t n; status == GR_OK && (n = fread(block, 1, sizeof block, in)) > 0;)
		fwrite(block, 1, n, gr_outfile_stream(out));
	bool failed = ferror(in) != 0;
	fclose(in);
	if (status == GR_OK)
		status = gr_outfile_commit(out);
	return status == GR_OK && failed ? gr_error_set(GR_EIO, "%s: cannot be read", from) : status;
}

gr_status gr__runfolder_copy(const char *from, const char *to)
{
	char source[PATH_SIZE + 256], target[PATH_SIZE + 256];
	gr_status status = GR_OK;
	DIR *dir = opendir(from);
	if (dir == NULL)
		return gr_error_set(GR_EIO, "%s: %s", from, strerror(errno));
	for (struct dirent *e; status == GR_OK && (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(source, sizeof source, "%s/%s", from, e->d_name);
		snprintf(target, sizeof target, "%s/%s", to, e->d_name);
		status = copy_file(source, target);
	}
	closedir(dir);
	return status;
}

gr_status gr__runfolder_open(const char *path, const char *config, bool resume)
{
	if (is_folder(path) && !is_empty(path)) {
		if (!resume)
			return gr_error_set(GR_EARG,
				"run folder: %s exists and is not empty; hint: choose another --output, or "
				"--resume",
				path);
		char *before = gr__runfolder_read(path, "config.json");
		if (before == NULL)
			return gr_error_code();
		bool same = strcmp(before, config) == 0;
		gr_free(before);
		if (!same)
			return gr_error_set(GR_EARG,
				"run folder: %s/config.json differs from this run's options; hint: repeat them, or "
				"choose another --output",
				path);
		return GR_OK;
	}
	gr_status status = gr__runfolder_make(path);
	return status == GR_OK ? gr__runfolder_write(path, "config.json", config) : status;
}

const char *gr__prior_place(int i)
{
	const char *places[GR_PRIOR_PLACES] = {getenv("GRADUS_PRIORS"), GRADUS_PRIORS_SOURCE_DIR,
		GRADUS_PRIORS_INSTALL_DIR};
	return places[i];
}

gr_status gr__prior_find(char *path, size_t size, const char *name)
{
	char tried[1024] = "";
	for (int i = -1; i < GR_PRIOR_PLACES; i++) {
		const char *place = i < 0 ? "" : gr__prior_place(i);
		if (place == NULL)
			continue;
		snprintf(path, size, "%s%s%s", place, i < 0 ? "" : "/", name);
		if (gr__runfolder_has(path, "config.json"))
			return GR_OK;
		size_t used = strlen(tried);
		snprintf(tried + used, sizeof tried - used, "%s%s", used > 0 ? ", " : "", path);
	}
	return gr_error_set(GR_EIO, "prior %s: no config.json in any of %s", name, tried);
}

static void reserve(gr_text *t, size_t more)
{
	size_t want = t->used + more + 1;
	if (want <= t->room)
		return;
	char *grown = gr_alloc(2 * want);
	if (grown != NULL && t->text != NULL)
		memcpy(grown, t->text, t->used + 1);
	gr_free(t->text);
	t->text = grown;
	t->room = grown != NULL ? 2 * want : 0;
}

void gr__text_add(gr_text *t, const char *format, ...)
{
	char small[2048];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(small, sizeof small, format, args);
	va_end(args);
	if (n < 0 || (t->text == NULL && t->used > 0))
		return;
	size_t length = (size_t)n < sizeof small ? (size_t)n : sizeof small - 1;
	reserve(t, length);
	if (t->text != NULL)
		memcpy(t->text + t->used, small, length + 1);
	t->used += length;
}

void gr__text_json(gr_text *t, const char *s)
{
	gr__text_add(t, "\"");
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\')
			gr__text_add(t, "\\%c", c);
		else if (c < 0x20)
			gr__text_add(t, "\\u%04x", c);
		else
			gr__text_add(t, "%c", c);
	}
	gr__text_add(t, "\"");
}
