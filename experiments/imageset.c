/* Reading a set of PNG images: names sorted, sizes checked, values mapped to [-1,1]. */
#include "imageset.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gradus/io.h"
#include "gradus/ops.h"

#define MAX_IMAGES 1000000
#define PATH_SIZE 4096

static bool is_png(const char *name)
{
	size_t n = strlen(name);
	return n > 4 && name[0] != '.' && strcmp(name + n - 4, ".png") == 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static gr_status push_name(gr_imageset *s, int64_t *room, const char *name)
{
	if (s->n == MAX_IMAGES)
		return gr_error_set(GR_EARG, "images: more than %d files", MAX_IMAGES);
	if (s->n == *room) {
		int64_t more = *room == 0 ? 64 : 2 * *room;
		char **grown = gr_alloc((size_t)more * sizeof *grown);
		if (grown == NULL)
			return gr_error_code();
		if (s->n > 0)
			memcpy(grown, s->names, (size_t)s->n * sizeof *grown);
		gr_free(s->names);
		s->names = grown;
		*room = more;
	}
	s->names[s->n] = gr_strdup(name);
	return s->names[s->n] == NULL ? gr_error_code() : (s->n++, GR_OK);
}

static gr_status list_folder(gr_imageset *s, const char *path)
{
	DIR *dir = opendir(path);
	if (dir == NULL)
		return gr_error_set(GR_EIO, "images: %s: %s", path, strerror(errno));
	int64_t room = 0;
	gr_status status = GR_OK;
	for (struct dirent *e; status == GR_OK && (e = readdir(dir)) != NULL;) {
		if (is_png(e->d_name))
			status = push_name(s, &room, e->d_name);
	}
	closedir(dir);
	if (status == GR_OK && s->n == 0)
		return gr_error_set(GR_EIO, "images: %s: no .png files in this folder", path);
	if (status == GR_OK)
		qsort(s->names, (size_t)s->n, sizeof *s->names, by_bytes);
	return status;
}

/* f32 [C,H,W] in [-1,1] of the size needed. */
static gr_tensor *read_one(const char *path, const int64_t dims[3])
{
	gr_tensor *x = gr_png_read(path, GR_OPTS(gr_png_opts, .channels = (int)dims[0]));
	if (x == NULL)
		return NULL;
	if (gr_tensor_dim(x, 1) != dims[1] || gr_tensor_dim(x, 2) != dims[2]) {
		gr_error_set(GR_EFORMAT, "images: %s: %lld x %lld pixels, the prior needs %lld x %lld",
			path, (long long)gr_tensor_dim(x, 2), (long long)gr_tensor_dim(x, 1),
			(long long)dims[2], (long long)dims[1]);
		return NULL;
	}
	return gr_affine(x, 2.0, -1.0);
}

static gr_status read_all(gr_imageset *s, const char *path, bool folder, const int64_t dims[3])
{
	s->sha = gr_alloc((size_t)s->n * sizeof *s->sha);
	s->x = gr_tensor_retain(gr_zeros(GR_F32, GR_DIMS(s->n, dims[0], dims[1], dims[2])));
	if (s->sha == NULL || s->x == NULL)
		return gr_error_code();
	int64_t pixels = dims[0] * dims[1] * dims[2];
	for (int64_t i = 0; i < s->n; i++) {
		char full[PATH_SIZE];
		snprintf(full, sizeof full, "%s%s%s", path, folder ? "/" : "", folder ? s->names[i] : "");
		gr_scope_begin();
		gr_tensor *x = read_one(full, dims);
		if (x != NULL && gr_sha256_file(full, s->sha[i]) == GR_OK)
			gr_tensor_to_f32(x, (float *)gr_tensor_data(s->x) + i * pixels);
		if (gr_scope_end() != GR_OK)
			return gr_error_code();
		char *dot = strrchr(s->names[i], '.');
		if (dot != NULL)
			*dot = '\0';
	}
	return GR_OK;
}

gr_status gr__imageset_open(gr_imageset **out, const char *path, const int64_t dims[3],
	int64_t limit)
{
	*out = NULL;
	struct stat info;
	if (stat(path, &info) != 0)
		return gr_error_set(GR_EIO, "images: %s: %s", path, strerror(errno));
	gr_imageset *s = gr_alloc(sizeof *s);
	if (s == NULL)
		return gr_error_code();
	bool folder = S_ISDIR(info.st_mode);
	int64_t room = 0;
	const char *slash = strrchr(path, '/');
	gr_status status =
		folder ? list_folder(s, path) : push_name(s, &room, slash != NULL ? slash + 1 : path);
	if (status == GR_OK && limit > 0) {
		for (; s->n > limit; s->n--)
			gr_free(s->names[s->n - 1]);
	}
	if (status == GR_OK) {
		gr_scope_begin();
		status = read_all(s, path, folder, dims);
		gr_scope_end();
	}
	if (status != GR_OK) {
		gr__imageset_free(s);
		return status;
	}
	*out = s;
	return GR_OK;
}

gr_status gr__imageset_shard(gr_imageset *s, int64_t shard, int64_t shards)
{
	if (shard < 0 || shard >= shards)
		return gr_error_set(GR_EARG, "images: shard %lld of %lld; they are counted from 0",
			(long long)shard, (long long)shards);
	if (shard >= s->n)
		return gr_error_set(GR_EARG, "images: shard %lld of %lld holds none of %lld images",
			(long long)shard, (long long)shards, (long long)s->n);
	gr_scope_begin();
	gr_tensor *kept = gr_contiguous(gr_slice(s->x, 0, shard, s->n, shards));
	int64_t n = 0;
	for (int64_t i = 0; i < s->n && kept != NULL; i++) {
		if (i % shards != shard) {
			gr_free(s->names[i]);
			continue;
		}
		memmove(s->sha[n], s->sha[i], sizeof s->sha[n]);
		s->names[n++] = s->names[i];
	}
	if (kept != NULL) {
		s->n = n;
		gr_tensor_release(s->x);
		s->x = gr_tensor_retain(kept);
	}
	return gr_scope_end();
}

void gr__imageset_free(gr_imageset *s)
{
	if (s == NULL)
		return;
	for (int64_t i = 0; i < s->n; i++)
		gr_free(s->names[i]);
	gr_free(s->names);
	gr_free(s->sha);
	gr_tensor_release(s->x);
	gr_free(s);
}

gr_tensor *gr__batch_range(gr_tensor *x, int64_t begin, int64_t end)
{
	return gr_contiguous(gr_slice(x, 0, begin, end, 1));
}

gr_tensor *gr__batch_one(gr_tensor *x, int64_t i)
{
	return gr_squeeze(gr__batch_range(x, i, i + 1), 0);
}
