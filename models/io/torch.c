/*
 * PyTorch's containers (torch_priv.h). All end alike: the pickle has run, every storage it refers
 * to is found in the file and has the size that the pickle says, and the state dict is listed.
 *
 *     zip      <top>/data.pkl, <top>/data/<key> for each storage, all stored; caffe2/serialize
 *     legacy   five pickles (magic, version, system, object, keys), then for each key its count and
 *              its elements; torch/serialization.py
 *     plain    one pickle; storages are legacy streams within its byte strings
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torch_priv.h"

enum { NAME_MAX_BYTES = 1024 };

/* --- storages by key ----------------------------------------------------------------------- */

/* The storages of a pickle, sorted by key: a graph refers to one of them many times. */
struct index {
	gr_pickle *p;
	uint32_t *order; /* of p->storages */
	uint32_t count;
};

static int compare_keys(const gr_pickle *p, const gr_pickle_storage *a, const char *key,
	uint32_t bytes)
{
	uint32_t least = a->key_bytes < bytes ? a->key_bytes : bytes;
	int c = memcmp(p->text + a->key, key, least);
	return c != 0 ? c : (a->key_bytes > bytes) - (a->key_bytes < bytes);
}

/* Sift down in a heap of `count`: heapsort, since qsort() has no room for p. */
static void sift(const struct index *x, uint32_t at, uint32_t count)
{
	const gr_pickle_storage *s = x->p->storages;
	const char *text = (const char *)x->p->text;
	for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
		const gr_pickle_storage *left = &s[x->order[child]];
		if (child + 1 < count) {
			const gr_pickle_storage *right = &s[x->order[child + 1]];
			if (compare_keys(x->p, left, text + right->key, right->key_bytes) < 0)
				left = &s[x->order[++child]];
		}
		const gr_pickle_storage *here = &s[x->order[at]];
		if (compare_keys(x->p, here, text + left->key, left->key_bytes) >= 0)
			return;
		uint32_t swap = x->order[at];
		x->order[at] = x->order[child];
		x->order[child] = swap;
	}
}

/* Sorts, and checks that storages of one key agree. */
static gr_status index_new(struct index *x, gr_pickle *p)
{
	*x = (struct index){.p = p, .count = p->storage_count};
	x->order = gr_alloc((size_t)x->count * sizeof *x->order + 1);
	if (x->order == NULL)
		return GR_EMEM;
	for (uint32_t i = 0; i < x->count; i++)
		x->order[i] = i;
	for (uint32_t i = x->count / 2; i-- > 0;)
		sift(x, i, x->count);
	for (uint32_t end = x->count; end-- > 1;) {
		uint32_t swap = x->order[0];
		x->order[0] = x->order[end];
		x->order[end] = swap;
		sift(x, 0, end);
	}
	for (uint32_t i = 1; i < x->count; i++) {
		const gr_pickle_storage *a = &p->storages[x->order[i - 1]];
		const gr_pickle_storage *b = &p->storages[x->order[i]];
		if (compare_keys(p, a, (const char *)p->text + b->key, b->key_bytes) == 0 &&
			(a->count != b->count || a->type != b->type))
			return gr__pickle_fail(p, GR_EFORMAT, "two types or sizes of one storage");
	}
	return GR_OK;
}

static void index_free(struct index *x)
{
	gr_free(x->order);
}

/* The first place in the order whose key is not less. */
static uint32_t lower_bound(const struct index *x, const char *key, uint32_t bytes)
{
	uint32_t low = 0;
	uint32_t high = x->count;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (compare_keys(x->p, &x->p->storages[x->order[mid]], key, bytes) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The storage's bytes in the file start at `begin`; a view is a part of them. */
static gr_status place(const gr_pickle *p, gr_pickle_storage *s, uint64_t begin)
{
	const uint64_t width = s->width;
	s->placed = true;
	s->begin = begin;
	s->end = begin + (uint64_t)s->count * width;
	if (s->view_offset < 0)
		return GR_OK;
	if (s->view_offset > s->count || s->view_count > s->count - s->view_offset)
		return gr__pickle_fail(p, GR_EFORMAT, "a view outside its storage");
	s->begin += (uint64_t)s->view_offset * width;
	s->end = s->begin + (uint64_t)s->view_count * width;
	return GR_OK;
}

/* --- zip ------------------------------------------------------------------------------------ */

/* The archive's one top directory, from its first member; length in *bytes. */
static gr_status find_top(const gr_tensorfile *f, const char **top, int *bytes)
{
	gr_tensorfile_member m;
	if (!gr_tensorfile_member_at(f, 0, &m) || strchr(m.name, '/') == NULL)
		return gr_tensorfile_fail(f, GR_EFORMAT, 0, "a zip archive without data.pkl or .npy");
	*top = m.name;
	*bytes = (int)(strchr(m.name, '/') - m.name) + 1;
	for (int64_t i = 0; gr_tensorfile_member_at(f, i, &m); i++) {
		char name[64];
		const char *below = m.name + *bytes;
		if (strncmp(m.name, *top, (size_t)*bytes) != 0)
			return gr_tensorfile_fail(f, GR_EFORMAT, m.offset,
				"member %s is outside the top directory",
				gr_quote(name, sizeof name, m.name, strlen(m.name)));
		if (strcmp(below, "constants.pkl") == 0 || strncmp(below, "code/", 5) == 0)
			return gr_tensorfile_fail(f, GR_EUNSUPPORTED, m.offset,
				"a TorchScript program; hint: save its state_dict() with torch.save()");
		if (m.deflated && (strcmp(below, "data.pkl") == 0 || strncmp(below, "data/", 5) == 0))
			return gr_tensorfile_fail(f, GR_EFORMAT, m.offset, "compressed data in a checkpoint");
	}
	return GR_OK;
}

static gr_status read_byteorder(const gr_tensorfile *f, const gr_tensorfile_member *m, bool *big)
{
	char text[8] = "";
	size_t bytes = m->bytes < sizeof text ? (size_t)m->bytes : sizeof text - 1;
	gr_status status = gr_tensorfile_fetch(f, m->offset, text, bytes);
	if (status == GR_OK && strcmp(text, "little") != 0 && strcmp(text, "big") != 0)
		return gr_tensorfile_fail(f, GR_EFORMAT, m->offset, "a byteorder that is none");
	*big = text[0] == 'b';
	return status;
}

static gr_status place_members(const gr_tensorfile *f, gr_pickle *p, const char *top, int top_bytes)
{
	for (uint32_t i = 0; i < p->storage_count; i++) {
		gr_pickle_storage *s = &p->storages[i];
		gr_tensorfile_member m;
		char name[2 * NAME_MAX_BYTES];
		char key[48];
		gr_quote(key, sizeof key, (const char *)p->text + s->key, s->key_bytes);
		snprintf(name, sizeof name, "%.*sdata/%.*s", top_bytes, top, (int)s->key_bytes,
			(const char *)p->text + s->key);
		if (!gr_tensorfile_member_find(f, name, &m))
			return gr__pickle_fail(p, GR_EFORMAT, "storage %s is not in the archive", key);
		if (s->width > 0 && (m.bytes % s->width != 0 || (uint64_t)s->count != m.bytes / s->width))
			return gr__pickle_fail(p, GR_EFORMAT,
				"storage %s should have %lld elements of %llu bytes and has %llu bytes", key,
				(long long)s->count, (unsigned long long)s->width, (unsigned long long)m.bytes);
		gr_status status = place(p, s, m.offset);
		if (status != GR_OK)
			return status;
	}
	return GR_OK;
}

gr_status gr__torch_zip(gr_tensorfile *f, const gr_checkpoint_opts *opts)
{
	gr_tensorfile_member m = {.name = NULL};
	const char *top = NULL;
	int top_bytes = 0;
	char name[2 * NAME_MAX_BYTES];
	bool big = false;
	gr_status status = find_top(f, &top, &top_bytes);
	if (status != GR_OK)
		return status;
	snprintf(name, sizeof name, "%.*sbyteorder", top_bytes, top);
	if (gr_tensorfile_member_find(f, name, &m))
		status = read_byteorder(f, &m, &big);
	snprintf(name, sizeof name, "%.*sdata.pkl", top_bytes, top);
	if (status == GR_OK && !gr_tensorfile_member_find(f, name, &m))
		return gr_tensorfile_fail(f, GR_EFORMAT, 0, "a zip archive without data.pkl");
	if (status == GR_OK && m.bytes > GR_PICKLE_MAX)
		return gr_tensorfile_fail(f, GR_EFORMAT, m.offset, "data.pkl of more than 256 MiB");
	gr_pickle p = {.file = f,
		.base = m.offset,
		.limit = m.bytes,
		.origin = GR_PICKLE_TORCH,
		.strict = opts->strict};
	struct index x = {.p = &p};
	if (status == GR_OK)
		status = gr__pickle_run(&p);
	if (status == GR_OK)
		status = index_new(&x, &p);
	if (status == GR_OK)
		status = place_members(f, &p, top, top_bytes);
	if (status == GR_OK)
		status = gr__statedict_list(f, &p, big, opts);
	index_free(&x);
	gr__pickle_free(&p);
	return status;
}

/* --- legacy --------------------------------------------------------------------------------- */

/* A stream from `at` to `end` of the file. */
struct stream {
	const gr_tensorfile *f;
	uint64_t at, end;
	bool strict;
};

/* Run the next pickle of the stream; the caller frees it. */
static gr_status next_pickle(struct stream *s, gr_pickle *p)
{
	*p = (gr_pickle){.file = s->f,
		.base = s->at,
		.limit = s->end - s->at,
		.origin = GR_PICKLE_TORCH,
		.strict = s->strict};
	gr_status status = gr__pickle_run(p);
	s->at += p->at;
	return status;
}

/* Magic number, protocol version and byte order: the three pickles before the object. */
static gr_status read_head(struct stream *s, bool *big)
{
	unsigned char magic[sizeof GR_TORCH_LEGACY_MAGIC - 1];
	int64_t version = 0;
	if (s->end - s->at < sizeof magic)
		return gr_tensorfile_fail(s->f, GR_EFORMAT, s->at,
			"truncated: no room for a legacy stream");
	gr_status status = gr_tensorfile_fetch(s->f, s->at, magic, sizeof magic);
	if (status == GR_OK && memcmp(magic, GR_TORCH_LEGACY_MAGIC, sizeof magic) != 0)
		return gr_tensorfile_fail(s->f, GR_EFORMAT, s->at, "no legacy stream of torch");
	s->at += sizeof magic;
	gr_pickle p = {.file = NULL};
	if (status == GR_OK)
		status = next_pickle(s, &p);
	if (status == GR_OK && (!gr__pickle_int(&p, p.result, &version) || version != 1001))
		status = gr__pickle_fail(&p, GR_EUNSUPPORTED, "legacy protocol %lld; 1001 is known",
			(long long)version);
	gr__pickle_free(&p);
	if (status == GR_OK)
		status = next_pickle(s, &p);
	if (status == GR_OK) {
		gr_pickle_ref little = gr__pickle_get(&p, p.result, "little_endian");
		*big = gr__pickle_kind(&p, little) == GR_PICKLE_BOOL && p.nodes[little].u.integer == 0;
	}
	gr__pickle_free(&p);
	return status;
}

static uint64_t load64(const unsigned char b[8], bool big)
{
	uint64_t v = 0;
	for (int i = 0; i < 8; i++)
		v |= (uint64_t)b[big ? 7 - i : i] << 8 * i;
	return v;
}

/* The storage of this key stands at s->at: place all that refer to it, step over it. */
static gr_status read_storage(struct stream *s, const struct index *x, const char *key,
	uint32_t bytes, bool big)
{
	unsigned char b[8];
	char quoted[48];
	gr_pickle *p = x->p;
	gr_quote(quoted, sizeof quoted, key, bytes);
	uint32_t i = lower_bound(x, key, bytes);
	gr_pickle_storage *first = i < x->count ? &p->storages[x->order[i]] : NULL;
	if (first == NULL || compare_keys(p, first, key, bytes) != 0)
		return gr_tensorfile_fail(s->f, GR_EFORMAT, s->at, "storage %s belongs to nothing", quoted);
	if (first->placed || first->width == 0)
		return gr_tensorfile_fail(s->f, first->placed ? GR_EFORMAT : GR_EUNSUPPORTED, s->at,
			"storage %s %s", quoted, first->placed ? "twice" : "has elements of an unknown type");
	if (s->end - s->at < 8)
		return gr_tensorfile_fail(s->f, GR_EFORMAT, s->at, "truncated before storage %s", quoted);
	gr_status status = gr_tensorfile_fetch(s->f, s->at, b, 8);
	uint64_t count = load64(b, big);
	s->at += 8;
	if (status == GR_OK && count != (uint64_t)first->count)
		return gr_tensorfile_fail(s->f, GR_EFORMAT, s->at - 8,
			"storage %s has %llu elements and should have %lld", quoted, (unsigned long long)count,
			(long long)first->count);
	if (status == GR_OK && count > (s->end - s->at) / first->width)
		return gr_tensorfile_fail(s->f, GR_EFORMAT, s->at, "truncated within storage %s", quoted);
	for (; status == GR_OK && i < x->count; i++) {
		gr_pickle_storage *r = &p->storages[x->order[i]];
		if (compare_keys(p, r, key, bytes) != 0)
			break;
		status = place(p, r, s->at);
	}
	s->at += count * first->width;
	return status;
}

/* The keys in their order, then the storages in the same. */
static gr_status read_storages(struct stream *s, gr_pickle *p, bool big)
{
	gr_pickle keys = {.file = NULL};
	struct index x = {.p = p};
	gr_status status = index_new(&x, p);
	if (status == GR_OK)
		status = next_pickle(s, &keys);
	if (status == GR_OK && gr__pickle_kind(&keys, keys.result) != GR_PICKLE_LIST)
		status = gr__pickle_fail(&keys, GR_EFORMAT, "the storages' keys are no list");
	uint32_t c = status == GR_OK ? keys.nodes[keys.result].u.box.first : 0;
	for (; c != 0 && status == GR_OK; c = keys.cells[c].next) {
		gr_pickle_ref key = keys.cells[c].value;
		if (gr__pickle_kind(&keys, key) != GR_PICKLE_TEXT)
			status = gr__pickle_fail(&keys, GR_EFORMAT, "a storage's key is no text");
		else
			status = read_storage(s, &x, (const char *)keys.text + keys.nodes[key].u.text,
				keys.nodes[key].count, big);
	}
	for (uint32_t i = 0; status == GR_OK && i < p->storage_count; i++) {
		if (!p->storages[i].placed)
			status = gr__pickle_fail(p, GR_EFORMAT, "a storage that the stream does not hold");
	}
	if (status == GR_OK && s->at != s->end)
		status = gr_tensorfile_fail(s->f, GR_EFORMAT, s->at, "bytes after the last storage");
	index_free(&x);
	gr__pickle_free(&keys);
	return status;
}

gr_status gr__torch_legacy(gr_tensorfile *f, const gr_checkpoint_opts *opts)
{
	struct stream s = {.f = f, .end = gr_tensorfile_bytes(f), .strict = opts->strict};
	gr_pickle p = {.file = NULL};
	bool big = false;
	gr_status status = read_head(&s, &big);
	if (status == GR_OK)
		status = next_pickle(&s, &p);
	if (status == GR_OK)
		status = read_storages(&s, &p, big);
	if (status == GR_OK)
		status = gr__statedict_list(f, &p, big, opts);
	gr__pickle_free(&p);
	return status;
}

gr_status gr__torch_nested(gr_pickle *outer, uint32_t at, uint32_t bytes, gr_pickle_storage *out)
{
	outer->nested += bytes;
	if (outer->nested > outer->limit)
		return gr__pickle_fail(outer, GR_EFORMAT, "one nested stream for many storages");
	uint64_t begin = outer->base + at;
	struct stream s = {.f = outer->file, .at = begin, .end = begin + bytes};
	gr_pickle p = {.file = NULL};
	bool big = false;
	gr_status status = read_head(&s, &big);
	if (status == GR_OK)
		status = next_pickle(&s, &p);
	if (status == GR_OK)
		status = read_storages(&s, &p, big);
	if (status == GR_OK && gr__pickle_kind(&p, p.result) != GR_PICKLE_STORAGE)
		status = gr__pickle_fail(&p, GR_EFORMAT, "a nested stream that is no storage");
	if (status == GR_OK && big)
		status = gr__pickle_fail(&p, GR_EUNSUPPORTED, "a nested stream of big-endian numbers");
	if (status == GR_OK)
		*out = p.storages[p.nodes[p.result].u.integer];
	gr__pickle_free(&p);
	return status;
}

/* --- plain ---------------------------------------------------------------------------------- */

gr_status gr__torch_plain(gr_tensorfile *f, const gr_checkpoint_opts *opts)
{
	gr_pickle p = {.file = f,
		.limit = gr_tensorfile_bytes(f),
		.origin = GR_PICKLE_PLAIN,
		.strict = opts->strict};
	gr_status status = gr__pickle_run(&p);
	if (status == GR_OK && p.at != gr_tensorfile_bytes(f))
		status = gr_tensorfile_fail(f, GR_EFORMAT, p.at, "bytes after the pickle");
	if (status == GR_OK)
		status = gr__statedict_list(f, &p, false, opts);
	gr__pickle_free(&p);
	return status;
}
