/*
 * What the names in a pickle mean (pickle_priv.h). This table is all that a checkpoint can call:
 * what is not here makes an inert object, or an error when the caller is strict.
 */
#include <string.h>

#include "pickle_priv.h"
#include "torch_priv.h"

typedef gr_status (*rule)(gr_pickle *p, gr_pickle_ref args, int arg, gr_pickle_ref *out);

/* A dict, filled from a list of pairs when there is one. */
static gr_status rule_dict(gr_pickle *p, gr_pickle_ref args, int arg, gr_pickle_ref *out)
{
	(void)arg;
	gr_status status = gr__pickle_new(p, GR_PICKLE_DICT, out);
	gr_pickle_ref list = gr__pickle_item(p, args, 0);
	gr_pickle_kind kind = gr__pickle_kind(p, list);
	if (status != GR_OK || p->nodes[args].count == 0)
		return status;
	if (p->nodes[args].count != 1 || (kind != GR_PICKLE_LIST && kind != GR_PICKLE_TUPLE))
		return gr__pickle_fail(p, GR_EFORMAT, "OrderedDict of something else than pairs");
	for (uint32_t c = p->nodes[list].u.box.first; c != 0 && status == GR_OK; c = p->cells[c].next) {
		gr_pickle_ref pair = p->cells[c].value;
		gr_pickle_kind pair_kind = gr__pickle_kind(p, pair);
		if ((pair_kind != GR_PICKLE_LIST && pair_kind != GR_PICKLE_TUPLE) ||
			p->nodes[pair].count != 2)
			return gr__pickle_fail(p, GR_EFORMAT, "OrderedDict of something else than pairs");
		status = gr__pickle_append(p, *out, gr__pickle_item(p, pair, 0));
		if (status == GR_OK)
			status = gr__pickle_append(p, *out, gr__pickle_item(p, pair, 1));
	}
	return status;
}

/* A tensor, rebuilt by version `arg` of the function; 0: sparse, quantised and the like. */
static gr_status rule_tensor(gr_pickle *p, gr_pickle_ref args, int arg, gr_pickle_ref *out)
{
	gr_status status = gr__pickle_new(p, GR_PICKLE_TENSOR, out);
	if (status == GR_OK) {
		p->nodes[*out].rule = (uint8_t)arg;
		p->nodes[*out].u.box.args = args;
	}
	return status;
}

/* The first argument: a parameter is its tensor, a torch.Size its tuple. */
static gr_status rule_first(gr_pickle *p, gr_pickle_ref args, int arg, gr_pickle_ref *out)
{
	(void)arg;
	*out = gr__pickle_item(p, args, 0);
	if (*out == 0)
		return gr__pickle_fail(p, GR_EFORMAT, "a parameter or size of nothing");
	return GR_OK;
}

/* Bytes that Python 3 wrote for Python 2: text whose code points are the bytes. */
static gr_status rule_encode(gr_pickle *p, gr_pickle_ref args, int arg, gr_pickle_ref *out)
{
	(void)arg;
	gr_pickle_ref text = gr__pickle_item(p, args, 0);
	if (gr__pickle_kind(p, text) != GR_PICKLE_TEXT)
		return gr__pickle_fail(p, GR_EFORMAT, "_codecs.encode of something that is no text");
	gr_status status = gr__pickle_new(p, GR_PICKLE_BYTES, out);
	if (status == GR_OK) {
		p->nodes[*out].rule = 1;
		p->nodes[*out].count = p->nodes[text].count;
		p->nodes[*out].u.text = p->nodes[text].u.text;
	}
	return status;
}

static gr_status make_inert(gr_pickle *p, gr_pickle_ref callable, gr_pickle_ref args,
	gr_pickle_ref *out)
{
	gr_status status = gr__pickle_new(p, GR_PICKLE_OBJECT, out);
	if (status == GR_OK) {
		p->nodes[*out].u.box.callable = callable;
		p->nodes[*out].u.box.args = args;
	}
	return status;
}

/* A storage as a legacy stream within the pickle's own bytes. */
static gr_status rule_stream(gr_pickle *p, gr_pickle_ref args, int arg, gr_pickle_ref *out)
{
	(void)arg;
	gr_pickle_ref bytes = gr__pickle_item(p, args, 0);
	const gr_pickle_node *n = &p->nodes[bytes];
	if (p->origin != GR_PICKLE_PLAIN)
		return make_inert(p, 0, args, out);
	if (gr__pickle_kind(p, bytes) != GR_PICKLE_BYTES)
		return gr__pickle_fail(p, GR_EFORMAT, "a storage from something that is not bytes");
	if (n->rule == 1)
		return gr__pickle_fail(p, GR_EUNSUPPORTED,
			"a storage written as text (protocol 2); hint: save it again with torch.save()");
	gr_pickle_storage s;
	gr_status status = gr__torch_nested(p, n->u.text, n->count, &s);
	return status == GR_OK ? gr__pickle_add_storage(p, &s, out) : status;
}

static const struct entry {
	const char *module;
	const char *name;
	rule run;
	int arg;
} entries[] = {
	{"collections", "OrderedDict", rule_dict, 0},
	{"torch._utils", "_rebuild_tensor", rule_tensor, 1},
	{"torch._utils", "_rebuild_tensor_v2", rule_tensor, 2},
	{"torch._utils", "_rebuild_tensor_v3", rule_tensor, 3},
	{"torch._utils", "_rebuild_parameter", rule_first, 0},
	{"torch._utils", "_rebuild_parameter_with_state", rule_first, 0},
	{"torch._utils", "_rebuild_sparse_tensor", rule_tensor, 0},
	{"torch._utils", "_rebuild_sparse_csr_tensor", rule_tensor, 0},
	{"torch._utils", "_rebuild_nested_tensor", rule_tensor, 0},
	{"torch._utils", "_rebuild_qtensor", rule_tensor, 0},
	{"torch._utils", "_rebuild_meta_tensor_no_storage", rule_tensor, 0},
	{"torch._utils", "_rebuild_device_tensor_from_numpy", rule_tensor, 0},
	{"torch._utils", "_rebuild_wrapper_subclass", rule_tensor, 0},
	{"torch", "Size", rule_first, 0},
	{"torch.storage", "_load_from_bytes", rule_stream, 0},
	{"_codecs", "encode", rule_encode, 0},
};

static const struct entry *find(const gr_pickle *p, gr_pickle_ref callable)
{
	for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
		if (gr__pickle_is_global(p, callable, entries[i].module, entries[i].name))
			return &entries[i];
	}
	return NULL;
}

static gr_status refuse(const gr_pickle *p, gr_pickle_ref callable)
{
	char module[64];
	char name[64];
	if (gr__pickle_kind(p, callable) != GR_PICKLE_GLOBAL)
		return gr__pickle_fail(p, GR_EUNSUPPORTED, "a call of something that has no name");
	const gr_pickle_node *n = &p->nodes[callable];
	const char *text = (const char *)p->text;
	gr_quote(module, sizeof module, text + n->u.global.module, n->u.global.module_bytes);
	gr_quote(name, sizeof name, text + n->u.global.name, n->u.global.name_bytes);
	return gr__pickle_fail(p, GR_EUNSUPPORTED,
		"it calls %s of %s, which is neither a tensor nor a plain container", name, module);
}

gr_status gr__pickle_call(gr_pickle *p, gr_pickle_ref callable, gr_pickle_ref args,
	gr_pickle_ref *out)
{
	const struct entry *e = find(p, callable);
	if (e != NULL)
		return e->run(p, args, e->arg, out);
	/* A tensor of a subclass: (function, class, arguments, state); one level is unwrapped. */
	if (gr__pickle_is_global(p, callable, "torch._tensor", "_rebuild_from_type_v2")) {
		gr_pickle_ref inner = gr__pickle_item(p, args, 2);
		e = find(p, gr__pickle_item(p, args, 0));
		if (e != NULL && gr__pickle_kind(p, inner) == GR_PICKLE_TUPLE)
			return e->run(p, inner, e->arg, out);
		return rule_tensor(p, args, 0, out);
	}
	return p->strict ? refuse(p, callable) : make_inert(p, callable, args, out);
}

/* --- storages ------------------------------------------------------------------------------ */

/* Types by the names of torch ("torch.float32", "torch.FloatStorage") and of safetensors. */
static const struct type {
	const char *dtype;
	const char *alias;
	const char *storage;
	const char *name;
	uint64_t width;
} types[] = {
	{"float32", "float", "FloatStorage", "F32", 4},
	{"float64", "double", "DoubleStorage", "F64", 8},
	{"float16", "half", "HalfStorage", "F16", 2},
	{"bfloat16", "", "BFloat16Storage", "BF16", 2},
	{"int64", "long", "LongStorage", "I64", 8},
	{"int32", "int", "IntStorage", "I32", 4},
	{"int16", "short", "ShortStorage", "I16", 2},
	{"int8", "", "CharStorage", "I8", 1},
	{"uint8", "", "ByteStorage", "U8", 1},
	{"bool", "", "BoolStorage", "BOOL", 1},
	{"uint16", "", "", "U16", 2},
	{"uint32", "", "", "U32", 4},
	{"uint64", "", "", "U64", 8},
	{"complex64", "cfloat", "ComplexFloatStorage", "C64", 8},
	{"complex128", "cdouble", "ComplexDoubleStorage", "C128", 16},
	{"float8_e4m3fn", "", "", "F8_E4M3", 1},
	{"float8_e5m2", "", "", "F8_E5M2", 1},
	{"", "", "UntypedStorage", "bytes", 1},
};

static bool is(const char *text, size_t bytes, const char *word)
{
	return bytes > 0 && strlen(word) == bytes && memcmp(text, word, bytes) == 0;
}

const char *gr__pickle_dtype(const char *name, size_t bytes, uint64_t *width)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (is(name, bytes, types[i].dtype) || is(name, bytes, types[i].alias)) {
			*width = types[i].width;
			return types[i].name;
		}
	}
	return NULL;
}

static void set_type(const gr_pickle *p, gr_pickle_ref type, gr_pickle_storage *s)
{
	static const char *const modules[] = {"torch", "torch.cuda", "torch.storage"};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		for (int k = 0; k < 3; k++) {
			if (gr__pickle_is_global(p, type, modules[k], types[i].storage)) {
				s->type = types[i].name;
				s->width = types[i].width;
			}
		}
	}
}

gr_status gr__pickle_add_storage(gr_pickle *p, const gr_pickle_storage *s, gr_pickle_ref *out)
{
	gr_pickle_storage *storages = gr__pickle_grow(p, p->storages, p->storage_count,
		&p->storage_room, sizeof *p->storages, GR_PICKLE_NODES_MAX);
	if (storages == NULL)
		return gr_error_code();
	p->storages = storages;
	gr_status status = gr__pickle_new(p, GR_PICKLE_STORAGE, out);
	if (status != GR_OK)
		return status;
	p->nodes[*out].u.integer = p->storage_count;
	p->storages[p->storage_count++] = *s;
	return GR_OK;
}

/* The legacy view (key, offset, count), or none. */
static bool take_view(const gr_pickle *p, gr_pickle_ref view, gr_pickle_storage *s)
{
	s->view_offset = -1;
	if (gr__pickle_kind(p, view) == GR_PICKLE_NONE)
		return true;
	return gr__pickle_kind(p, view) == GR_PICKLE_TUPLE &&
		gr__pickle_int(p, gr__pickle_item(p, view, 1), &s->view_offset) &&
		gr__pickle_int(p, gr__pickle_item(p, view, 2), &s->view_count) && s->view_offset >= 0 &&
		s->view_count >= 0;
}

gr_status gr__pickle_persistent(gr_pickle *p, gr_pickle_ref id, gr_pickle_ref *out)
{
	if (p->origin != GR_PICKLE_TORCH)
		return gr__pickle_fail(p, GR_EUNSUPPORTED, "a persistent id outside a torch checkpoint");
	/* A module with its source text: the class, which stays a name. */
	if (gr__pickle_kind(p, id) == GR_PICKLE_TUPLE &&
		gr__pickle_is_text(p, gr__pickle_item(p, id, 0), "module") && p->nodes[id].count > 1) {
		*out = gr__pickle_item(p, id, 1);
		return GR_OK;
	}
	gr_pickle_storage s = {.type = NULL};
	gr_pickle_ref key = gr__pickle_item(p, id, 2);
	if (gr__pickle_kind(p, id) != GR_PICKLE_TUPLE || p->nodes[id].count < 5 ||
		!gr__pickle_is_text(p, gr__pickle_item(p, id, 0), "storage") ||
		gr__pickle_kind(p, gr__pickle_item(p, id, 1)) != GR_PICKLE_GLOBAL ||
		gr__pickle_kind(p, key) != GR_PICKLE_TEXT ||
		!gr__pickle_int(p, gr__pickle_item(p, id, 4), &s.count) || s.count < 0 ||
		!take_view(p, gr__pickle_item(p, id, 5), &s))
		return gr__pickle_fail(p, GR_EFORMAT,
			"a persistent id that is no (storage, type, key, location, count)");
	if (p->nodes[key].count > GR_PICKLE_KEY_MAX)
		return gr__pickle_fail(p, GR_EFORMAT, "a storage whose key has %u bytes",
			p->nodes[key].count);
	s.key = p->nodes[key].u.text;
	s.key_bytes = p->nodes[key].count;
	set_type(p, gr__pickle_item(p, id, 1), &s);
	return gr__pickle_add_storage(p, &s, out);
}
