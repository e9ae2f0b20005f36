/*
 * From the graph of a pickle to a list of tensors (torch_priv.h): which dict is the state dict, the
 * dotted names of its tensors, and where each lies in its storage.
 *
 * The graph may contain itself. Searches look at fixed names to a fixed depth; the walk through
 * modules is bounded in depth and in steps.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torch_priv.h"

enum {
	NAME_MAX_BYTES = 1024,
	SEARCH_DEPTH = 4,
	SEARCH_TRIES = 64,
	WALK_DEPTH = 64,
	STEPS_MAX = 50000000,
	RANK = 16,
};

/* Names under which training programs keep a state dict, the averaged weights first. */
static const char *const names[] = {"ema", "model_ema", "ema_state_dict", "params_ema",
	"state_dict", "model", "module", "net", "params", "generator_ema"};
#define NNAMES (sizeof names / sizeof *names)

struct walk {
	gr_tensorfile *f;
	const gr_pickle *p;
	bool big_endian;
	int64_t steps;
	size_t strip; /* bytes to cut off each name: the least that all their wrappers take */
	bool listing; /* else only looking at prefixes */
	char name[2 * NAME_MAX_BYTES];
};

/* The attributes of an object: its state, or the "state" of its one argument (EDM's pickles). */
static gr_pickle_ref attributes(const gr_pickle *p, gr_pickle_ref object)
{
	if (gr__pickle_kind(p, object) != GR_PICKLE_OBJECT)
		return 0;
	gr_pickle_ref state = p->nodes[object].u.box.state;
	if (gr__pickle_kind(p, state) == GR_PICKLE_TUPLE) /* (attributes, slots) */
		state = gr__pickle_item(p, state, 0);
	if (gr__pickle_kind(p, state) == GR_PICKLE_DICT)
		return state;
	return gr__pickle_get(p, gr__pickle_item(p, p->nodes[object].u.box.args, 0), "state");
}

static bool is_module(const gr_pickle *p, gr_pickle_ref r)
{
	gr_pickle_ref a = attributes(p, r);
	return gr__pickle_kind(p, gr__pickle_get(p, a, "_parameters")) == GR_PICKLE_DICT;
}

/* Values that a look at r passes by. */
static int64_t cost_of(const gr_pickle *p, gr_pickle_ref r)
{
	gr_pickle_kind kind = gr__pickle_kind(p, r);
	return kind == GR_PICKLE_DICT || kind == GR_PICKLE_OBJECT ? 1 + (int64_t)p->nodes[r].count : 1;
}

/* A dict with tensors among its values, or a module. *steps counts what was looked at: a dict that
 * is shared many times would cost the square of the file. */
static bool holds_tensors(const gr_pickle *p, gr_pickle_ref r, int64_t *steps)
{
	*steps += cost_of(p, r);
	if (gr__pickle_kind(p, r) == GR_PICKLE_OBJECT)
		*steps += cost_of(p, gr__pickle_item(p, p->nodes[r].u.box.args, 0)) +
			cost_of(p, p->nodes[r].u.box.state);
	if (*steps > STEPS_MAX)
		return false;
	if (gr__pickle_kind(p, r) != GR_PICKLE_DICT)
		return is_module(p, r);
	for (uint32_t c = p->nodes[r].u.box.first; c != 0;) {
		uint32_t value = p->cells[c].next;
		if (gr__pickle_kind(p, p->cells[value].value) == GR_PICKLE_TENSOR)
			return true;
		c = p->cells[value].next;
	}
	return false;
}

/* --- finding the root ------------------------------------------------------------------------ */

struct path {
	char text[256];
	size_t used;
	int tries;     /* dicts searched for the names */
	int64_t steps; /* values looked at */
};

static void path_add(struct path *path, const char *part, size_t bytes)
{
	int n = snprintf(path->text + path->used, sizeof path->text - path->used, "/%.*s", (int)bytes,
		part);
	if (n > 0 && path->used + (size_t)n < sizeof path->text)
		path->used += (size_t)n;
}

/* The state dict at r or below it by the known names; 0 when there is none. */
static gr_pickle_ref search(const gr_pickle *p, gr_pickle_ref r, int depth, struct path *path)
{
	/* Dicts that contain one another could be searched without end. */
	if (++path->tries > SEARCH_TRIES)
		return 0;
	for (size_t i = 0; i < NNAMES && depth < SEARCH_DEPTH; i++) {
		gr_pickle_ref below = gr__pickle_get(p, r, names[i]);
		if (below == 0 || gr__pickle_kind(p, below) == GR_PICKLE_TENSOR)
			continue;
		size_t used = path->used;
		path_add(path, names[i], strlen(names[i]));
		gr_pickle_ref found = search(p, below, depth + 1, path);
		if (found != 0)
			return found;
		path->used = used;
		path->text[used] = '\0';
	}
	return holds_tensors(p, r, &path->steps) ? r : 0;
}

/* The last of a list's elements that holds tensors: DDPM's lists end with the averaged weights. */
static gr_pickle_ref search_list(const gr_pickle *p, gr_pickle_ref list, struct path *path)
{
	gr_pickle_ref found = 0;
	unsigned i = 0;
	unsigned at = 0;
	for (uint32_t c = p->nodes[list].u.box.first; c != 0; c = p->cells[c].next, i++) {
		if (holds_tensors(p, p->cells[c].value, &path->steps)) {
			found = p->cells[c].value;
			at = i;
		}
	}
	if (found != 0)
		path->used = (size_t)snprintf(path->text, sizeof path->text, "/%u", at);
	return found;
}

/* The only value of a dict that holds tensors; *count tells how many there are. */
static gr_pickle_ref search_values(const gr_pickle *p, gr_pickle_ref dict, struct path *path,
	int *count)
{
	gr_pickle_ref found = 0;
	char quoted[80];
	for (uint32_t c = p->nodes[dict].u.box.first; c != 0;) {
		uint32_t value = p->cells[c].next;
		const gr_pickle_node *key = &p->nodes[p->cells[c].value];
		if (holds_tensors(p, p->cells[value].value, &path->steps) && key->kind == GR_PICKLE_TEXT) {
			gr_quote(quoted, sizeof quoted, (const char *)p->text + key->u.text, key->count);
			int n = snprintf(path->text + path->used, sizeof path->text - path->used, "%s/%.*s",
				*count > 0 ? " " : "", (int)strlen(quoted) - 2, quoted + 1);
			if (n > 0 && path->used + (size_t)n < sizeof path->text)
				path->used += (size_t)n;
			found = p->cells[value].value;
			*count += 1;
		}
		c = p->cells[value].next;
	}
	return found;
}

/* What the caller's path leads to. */
static gr_pickle_ref follow(const gr_pickle *p, gr_pickle_ref r, const char *path)
{
	while (r != 0 && *path != '\0') {
		char part[256];
		size_t bytes = strcspn(path, "/");
		if (bytes > 0 && bytes < sizeof part) {
			memcpy(part, path, bytes);
			part[bytes] = '\0';
			gr_pickle_kind kind = gr__pickle_kind(p, r);
			if (kind == GR_PICKLE_LIST || kind == GR_PICKLE_TUPLE)
				r = gr__pickle_item(p, r, (uint32_t)strtoul(part, NULL, 10));
			else
				r = gr__pickle_get(p, kind == GR_PICKLE_OBJECT ? attributes(p, r) : r, part);
		} else if (bytes > 0) {
			return 0;
		}
		path += bytes + (path[bytes] == '/');
	}
	return r;
}

static gr_status find_root(const gr_pickle *p, const char *wanted, struct path *path,
	gr_pickle_ref *out)
{
	int count = 0;
	if (wanted != NULL) {
		*out = follow(p, p->result, wanted);
		if (*out == 0 || !holds_tensors(p, *out, &path->steps))
			return gr_tensorfile_fail(p->file, GR_EFORMAT, p->base,
				"there are no tensors at the root '%s'", wanted);
		snprintf(path->text, sizeof path->text, "%s", wanted);
		return GR_OK;
	}
	gr_pickle_kind kind = gr__pickle_kind(p, p->result);
	if (kind == GR_PICKLE_TENSOR) {
		*out = p->result;
		return GR_OK;
	}
	*out = search(p, p->result, 0, path);
	if (*out == 0 && (kind == GR_PICKLE_LIST || kind == GR_PICKLE_TUPLE))
		*out = search_list(p, p->result, path);
	if (*out == 0 && kind == GR_PICKLE_DICT)
		*out = search_values(p, p->result, path, &count);
	if (count > 1)
		return gr_tensorfile_fail(p->file, GR_EUNSUPPORTED, p->base,
			"several dicts of tensors: %s; hint: choose one as the root", path->text);
	if (*out == 0)
		return gr_tensorfile_fail(p->file, GR_EFORMAT, p->base, "no dict of tensors in it");
	return GR_OK;
}

/* --- tensors --------------------------------------------------------------------------------- */

static gr_status malformed(const struct walk *w, const char *name, const char *reason)
{
	char quoted[96];
	gr_quote(quoted, sizeof quoted, name, strlen(name));
	return gr_tensorfile_fail(w->f, GR_EFORMAT, w->p->base, "tensor %s: %s", quoted, reason);
}

/* A tuple of at most RANK integers; -1 when it is something else. */
static int take_numbers(const gr_pickle *p, gr_pickle_ref r, int64_t *out)
{
	gr_pickle_kind kind = gr__pickle_kind(p, r);
	if ((kind != GR_PICKLE_TUPLE && kind != GR_PICKLE_LIST) || p->nodes[r].count > RANK)
		return -1;
	int n = 0;
	for (uint32_t c = p->nodes[r].u.box.first; c != 0; c = p->cells[c].next) {
		if (!gr__pickle_int(p, p->cells[c].value, &out[n++]))
			return -1;
	}
	return n;
}

/* Metadata of a tensor: conjugated and negated views cannot be read. */
static bool has_flag(const gr_pickle *p, gr_pickle_ref metadata)
{
	static const char *const flags[] = {"conj", "neg"};
	for (int i = 0; i < 2; i++) {
		gr_pickle_ref flag = gr__pickle_get(p, metadata, flags[i]);
		gr_pickle_kind kind = gr__pickle_kind(p, flag);
		if (kind == GR_PICKLE_BOOL || kind == GR_PICKLE_INT ? p->nodes[flag].u.integer != 0
															: kind != GR_PICKLE_NONE)
			return true;
	}
	return false;
}

/* The type of version 3, which is an argument. */
static const char *type_argument(const gr_pickle *p, gr_pickle_ref r, uint64_t *width)
{
	if (gr__pickle_kind(p, r) != GR_PICKLE_GLOBAL)
		return NULL;
	const gr_pickle_node *n = &p->nodes[r];
	return gr__pickle_dtype((const char *)p->text + n->u.global.name, n->u.global.name_bytes,
		width);
}

static gr_status list_tensor(struct walk *w, const char *name, const gr_pickle_node *tensor)
{
	const gr_pickle *p = w->p;
	const gr_pickle_ref args = tensor->u.box.args;
	int64_t dims[RANK];
	int64_t strides[RANK];
	gr_tensor_place place = {.size = sizeof place,
		.name = name,
		.type = "?",
		.dims = dims,
		.strides = strides,
		.big_endian = w->big_endian};
	if (tensor->rule == 0) {
		place.refused = "it is sparse, quantised or of a class of its own";
		return gr_tensorfile_add(w->f, &place);
	}
	gr_pickle_ref storage = gr__pickle_item(p, args, 0);
	place.ndim = take_numbers(p, gr__pickle_item(p, args, 2), dims);
	if (gr__pickle_kind(p, storage) != GR_PICKLE_STORAGE ||
		!gr__pickle_int(p, gr__pickle_item(p, args, 1), &place.offset) || place.ndim < 0 ||
		take_numbers(p, gr__pickle_item(p, args, 3), strides) != place.ndim)
		return malformed(w, name, "not rebuilt from storage, offset, sizes and strides");
	const gr_pickle_storage *s = &p->storages[p->nodes[storage].u.integer];
	uint64_t width = s->width;
	place.type =
		tensor->rule == 3 ? type_argument(p, gr__pickle_item(p, args, 6), &width) : s->type;
	place.begin = s->begin;
	place.end = s->end;
	if (place.type == NULL) {
		place.type = "?";
		place.refused = "its type is not known";
	}
	if (has_flag(p, gr__pickle_item(p, args, tensor->rule == 3 ? 7 : 6)))
		place.refused = "it is a conjugated or negated view";
	return gr_tensorfile_add(w->f, &place);
}

/* How much of w->name is "module." or "_orig_mod.", which wrappers put in front. */
static size_t wrapper_prefix(const char *name)
{
	static const char *const wrappers[] = {"module.", "_orig_mod."};
	size_t n = 0;
	for (int i = 0; i < 2; i++) {
		size_t bytes = strlen(wrappers[i]);
		if (strncmp(name + n, wrappers[i], bytes) == 0) {
			n += bytes;
			i = -1;
		}
	}
	return n;
}

/* A tensor under w->name: listed, or in the first pass only its prefix is looked at. */
static gr_status visit(struct walk *w, gr_pickle_ref r)
{
	if (w->listing)
		return list_tensor(w, w->name + w->strip, &w->p->nodes[r]);
	size_t here = wrapper_prefix(w->name);
	w->strip = here < w->strip ? here : w->strip;
	return GR_OK;
}

/* --- walking --------------------------------------------------------------------------------- */

/* Put a key at w->name + used; its new length, 0 when it is no name. */
static size_t put_key(struct walk *w, size_t used, gr_pickle_ref key)
{
	const gr_pickle *p = w->p;
	const gr_pickle_node *n = &p->nodes[key];
	int64_t number;
	int written = -1;
	if (gr__pickle_int(p, key, &number))
		written = snprintf(w->name + used, NAME_MAX_BYTES, "%lld", (long long)number);
	else if (n->kind == GR_PICKLE_TEXT && n->count < NAME_MAX_BYTES &&
		memchr(p->text + n->u.text, '\0', n->count) == NULL)
		written = snprintf(w->name + used, NAME_MAX_BYTES, "%.*s", (int)n->count,
			(const char *)p->text + n->u.text);
	return written < 0 || used + (size_t)written >= NAME_MAX_BYTES ? 0 : used + (size_t)written;
}

/* Looking at r costs as many steps as it has values. */
static gr_status count_steps(struct walk *w, gr_pickle_ref r, int depth)
{
	w->steps += cost_of(w->p, r);
	if (w->steps > STEPS_MAX || depth > WALK_DEPTH)
		return gr_tensorfile_fail(w->f, GR_EFORMAT, w->p->base,
			"modules nested in modules without end");
	return GR_OK;
}

/* The tensors among the values of a dict; others are skipped. */
static gr_status walk_tensors(struct walk *w, gr_pickle_ref dict, size_t used)
{
	const gr_pickle *p = w->p;
	if (gr__pickle_kind(p, dict) != GR_PICKLE_DICT)
		return GR_OK;
	gr_status status = count_steps(w, dict, 0);
	for (uint32_t c = p->nodes[dict].u.box.first; c != 0 && status == GR_OK;) {
		uint32_t value = p->cells[c].next;
		if (gr__pickle_kind(p, p->cells[value].value) == GR_PICKLE_TENSOR) {
			if (put_key(w, used, p->cells[c].value) == 0)
				return gr_tensorfile_fail(w->f, GR_EFORMAT, p->base,
					"a tensor whose key is no text of less than %d bytes", NAME_MAX_BYTES);
			status = visit(w, p->cells[value].value);
		}
		c = p->cells[value].next;
	}
	return status;
}

/* Parameters and buffers of a module, then of its submodules, as state_dict() orders them. */
static gr_status walk_module(struct walk *w, gr_pickle_ref module, size_t used, int depth)
{
	const gr_pickle *p = w->p;
	gr_pickle_ref a = attributes(p, module);
	gr_pickle_ref args = p->nodes[module].u.box.args;
	gr_status status = count_steps(w, a, depth);
	if (status == GR_OK)
		status = count_steps(w, gr__pickle_item(p, args, 0), depth);
	if (status == GR_OK)
		status = walk_tensors(w, gr__pickle_get(p, a, "_parameters"), used);
	if (status == GR_OK)
		status = walk_tensors(w, gr__pickle_get(p, a, "_buffers"), used);
	gr_pickle_ref below = gr__pickle_get(p, a, "_modules");
	if (gr__pickle_kind(p, below) != GR_PICKLE_DICT)
		return status;
	for (uint32_t c = p->nodes[below].u.box.first; c != 0 && status == GR_OK;) {
		uint32_t value = p->cells[c].next;
		gr_pickle_ref child = p->cells[value].value;
		bool is_object = gr__pickle_kind(p, child) == GR_PICKLE_OBJECT;
		status = count_steps(w, 0, depth);
		if (status == GR_OK && is_object && holds_tensors(p, child, &w->steps)) {
			size_t end = put_key(w, used, p->cells[c].value);
			if (end == 0 || end + 1 >= NAME_MAX_BYTES)
				return gr_tensorfile_fail(w->f, GR_EFORMAT, p->base,
					"a module with an endless name");
			w->name[end] = '.';
			status = walk_module(w, child, end + 1, depth + 1);
		}
		c = p->cells[value].next;
	}
	return status;
}

static gr_status walk_root(struct walk *w, gr_pickle_ref root, bool listing)
{
	w->listing = listing;
	w->steps = 0;
	switch (gr__pickle_kind(w->p, root)) {
	case GR_PICKLE_TENSOR: strcpy(w->name, "tensor"); return visit(w, root);
	case GR_PICKLE_DICT: return walk_tensors(w, root, 0);
	default: return walk_module(w, root, 0, 0);
	}
}

gr_status gr__statedict_list(gr_tensorfile *f, const gr_pickle *p, bool big_endian,
	const gr_checkpoint_opts *opts)
{
	struct path path = {.used = 0};
	gr_pickle_ref root = 0;
	gr_status status = find_root(p, opts->root, &path, &root);
	if (status == GR_OK)
		status = gr_tensorfile_set_root(f, path.text[0] != '\0' ? path.text : "/");
	struct walk *w = status == GR_OK ? gr_alloc(sizeof *w) : NULL;
	if (w == NULL)
		return status == GR_OK ? GR_EMEM : status;
	w->f = f;
	w->p = p;
	w->big_endian = big_endian;
	w->strip = opts->keep_prefix ? 0 : SIZE_MAX;
	status = walk_root(w, root, false);
	if (w->strip == SIZE_MAX)
		w->strip = 0; /* a module without tensors */
	if (status == GR_OK)
		status = walk_root(w, root, true);
	gr_free(w);
	return status;
}
