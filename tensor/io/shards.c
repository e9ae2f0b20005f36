/*
 * Sharded safetensors: an index, {"weight_map": {tensor: file, ...}, "metadata": ...}, beside the
 * files that it names. Names of files are bare, so an index cannot point out of its folder. Index
 * and files must agree: every tensor is where the index says, and no file holds others.
 */
#include <string.h>

#include "archive_priv.h"
#include "gradus/json.h"
#include "pool.h"
#include "tensorfile_priv.h"

enum { MAX_INDEX = 100000000 };

struct set {
	gr_tensorfile *f;
	const gr_tensorfile_part *index;
	const gr_json *map;
	gr_namelist files; /* value: their gr_tensorfile_part */
};

static gr_status bad(const struct set *s, size_t offset, const char *what, const char *name)
{
	char quoted[96];
	gr__infile_quote(quoted, sizeof quoted, name, strlen(name));
	return gr__infile_fail(&s->index->file, GR_EFORMAT, offset, "weight_map: %s %s", what, quoted);
}

static gr_status read_index(const gr_infile *f, gr_json_doc **doc)
{
	if (f->size > MAX_INDEX)
		return gr__infile_fail(f, GR_EFORMAT, 0, "index of more than 100 MB");
	char *text = gr__pool_alloc((size_t)f->size);
	if (!text)
		return gr__infile_fail(f, GR_EMEM, 0, "no memory for the index");
	gr_status status = gr__infile_read(f, 0, text, (size_t)f->size);
	gr_json_error error;
	if (status == GR_OK) {
		*doc = gr_json_parse(text, (size_t)f->size, &(gr_json_limits){.depth = 8}, &error);
		if (!*doc)
			status = gr__infile_fail(f, error.code, error.offset, "index: %s", error.reason);
	}
	gr__pool_free(text);
	return status;
}

static bool is_bare(const char *name)
{
	return *name != '\0' && *name != '.' && !strpbrk(name, "/\\");
}

/* Open a file beside the index and list its tensors. */
static gr_status open_file(struct set *s, const char *name)
{
	const char *index = s->index->path;
	const char *slash = strrchr(index, '/');
	size_t folder = slash ? (size_t)(slash - index) + 1 : 0;
	size_t bytes = folder + strlen(name) + 1;
	char *path = gr__pool_alloc(bytes);
	if (!path)
		return gr__infile_fail(&s->index->file, GR_EMEM, 0, "no memory for a name");
	snprintf(path, bytes, "%.*s%s", (int)folder, index, name);
	gr_tensorfile_part *part = NULL;
	gr_status status = gr__tensorfile_part_open(s->f, "safetensors", path, &part);
	gr__pool_free(path);
	if (status == GR_OK && !gr__namelist_append(&s->files, name, part))
		status = gr__infile_fail(&s->index->file, GR_EMEM, 0, "no memory for a name");
	return status ? status : gr__safetensors_list(s->f, part);
}

static gr_status open_files(struct set *s)
{
	for (const gr_json *v = s->map->child; v; v = v->next) {
		if (v->kind != GR_JSON_STRING || !is_bare(v->string))
			return bad(s, v->offset, "not a file beside the index, for tensor", v->name);
		if (gr__namelist_find(&s->files, v->string))
			continue;
		gr_status status = open_file(s, v->string);
		if (status)
			return status;
	}
	return GR_OK;
}

static gr_status check_map(const struct set *s)
{
	for (const gr_json *v = s->map->child; v; v = v->next) {
		const gr_namelist_entry *file = gr__namelist_find(&s->files, v->string);
		const gr_namelist_entry *e = gr__namelist_find(&s->f->entries, v->name);
		if (!e || ((gr_tensorfile_entry *)e->value)->part != file->value)
			return bad(s, v->offset, "its file does not hold tensor", v->name);
	}
	for (int64_t i = 0; i < s->f->entries.count; i++) {
		const char *name = s->f->entries.entries[i].name;
		if (!gr_json_find(s->map, name))
			return bad(s, s->map->offset, "there is no entry for tensor", name);
	}
	return GR_OK;
}

static void keep(void *part)
{
	(void)part; /* belongs to the gr_tensorfile */
}

gr_status gr__shards_list(gr_tensorfile *f, const gr_tensorfile_part *index)
{
	gr_json_doc *doc = NULL;
	struct set s = {.f = f, .index = index};
	gr__namelist_init(&s.files);
	gr_status status = read_index(&index->file, &doc);
	if (status == GR_OK) {
		s.map = gr_json_find(gr_json_root(doc), "weight_map");
		if (!s.map || s.map->kind != GR_JSON_OBJECT)
			status = gr__infile_fail(&index->file, GR_EFORMAT, 0,
				"JSON without a weight_map: not the index of a sharded safetensors file");
	}
	if (status == GR_OK)
		status = open_files(&s);
	if (status == GR_OK)
		status = check_map(&s);
	gr__namelist_free(&s.files, keep);
	gr_json_free(doc);
	return status;
}
