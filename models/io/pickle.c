/*
 * The pickle machine (pickle_priv.h): its memory, its loop, and looking at what it made. The
 * opcodes are in pickle_ops.c. An opcode of n bytes makes at most one node and a bounded number of
 * cells, so nodes, cells, stack and memo are linear in the bytes read; strings are slices of them.
 * Bytes are read as the machine gets to them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pickle_priv.h"

enum { FIRST_READ = 4096 };

gr_status gr__pickle_fail(const gr_pickle *p, gr_status code, const char *format, ...)
{
	char reason[256];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	return gr_tensorfile_fail(p->file, code, p->base + p->op, "pickle: %s", reason);
}

void *gr__pickle_grow(const gr_pickle *p, void *array, uint32_t count, uint32_t *room, size_t width,
	uint64_t most)
{
	if (count < *room)
		return array;
	if (count >= most) {
		gr__pickle_fail(p, GR_EFORMAT, "more objects than %zu bytes can honestly hold", p->at);
		return NULL;
	}
	uint64_t grown = *room == 0 ? 64 : 2 * (uint64_t)*room;
	if (grown > most)
		grown = most;
	void *bytes = gr_alloc((size_t)grown * width);
	if (bytes == NULL)
		return NULL;
	if (array != NULL)
		memcpy(bytes, array, (size_t)count * width);
	gr_free(array);
	*room = (uint32_t)grown;
	return bytes;
}

gr_status gr__pickle_need(gr_pickle *p, uint64_t n)
{
	if (n <= p->have - p->at)
		return GR_OK;
	if (n > p->limit - p->at)
		return gr__pickle_fail(p, GR_EFORMAT, "truncated: %llu bytes expected, %llu are there",
			(unsigned long long)n, (unsigned long long)(p->limit - p->at));
	uint64_t want = p->at + n;
	uint64_t room = p->room < FIRST_READ ? FIRST_READ : 2 * (uint64_t)p->room;
	if (room < want)
		room = want;
	if (room > p->limit)
		room = p->limit;
	unsigned char *grown = gr_alloc((size_t)room);
	if (grown == NULL)
		return GR_EMEM;
	if (p->have > 0)
		memcpy(grown, p->text, p->have);
	gr_free(p->text);
	p->text = grown;
	p->room = (size_t)room;
	gr_status status =
		gr_tensorfile_fetch(p->file, p->base + p->have, grown + p->have, (size_t)room - p->have);
	if (status == GR_OK)
		p->have = (size_t)room;
	return status;
}

gr_status gr__pickle_new(gr_pickle *p, gr_pickle_kind kind, gr_pickle_ref *out)
{
	if (p->node_count == 0)
		p->node_count = 1; /* number 0 is no node */
	gr_pickle_node *nodes = gr__pickle_grow(p, p->nodes, p->node_count, &p->node_room,
		sizeof *p->nodes, GR_PICKLE_NODES_MAX);
	if (nodes == NULL)
		return gr_error_code();
	p->nodes = nodes;
	*out = p->node_count++;
	p->nodes[*out] = (gr_pickle_node){.kind = (uint8_t)kind};
	return GR_OK;
}

gr_status gr__pickle_append(gr_pickle *p, gr_pickle_ref box, gr_pickle_ref value)
{
	if (p->cell_count == 0)
		p->cell_count = 1;
	/* Every value was pushed by an opcode of its own; dicts made from a list double them once. */
	gr_pickle_cell *cells = gr__pickle_grow(p, p->cells, p->cell_count, &p->cell_room,
		sizeof *p->cells, 4 * (uint64_t)p->at + 64);
	if (cells == NULL)
		return gr_error_code();
	p->cells = cells;
	uint32_t cell = p->cell_count++;
	p->cells[cell] = (gr_pickle_cell){.value = value};
	gr_pickle_node *n = &p->nodes[box];
	if (n->u.box.first == 0)
		n->u.box.first = cell;
	else
		p->cells[n->u.box.last].next = cell;
	n->u.box.last = cell;
	n->count++;
	return GR_OK;
}

static gr_status run(gr_pickle *p)
{
	for (;;) {
		p->op = p->at;
		gr_status status = gr__pickle_need(p, 1);
		if (status != GR_OK)
			return status;
		unsigned char op = p->text[p->at++];
		if (op == '.')
			break;
		if (gr__pickle_opcodes[op].run == NULL)
			return gr__pickle_fail(p, GR_EUNSUPPORTED, "opcode 0x%02x is not one that is read", op);
		status = gr__pickle_opcodes[op].run(p, gr__pickle_opcodes[op].arg);
		if (status != GR_OK)
			return status;
	}
	if (p->stack_count != 1 || p->mark_count != 0)
		return gr__pickle_fail(p, GR_EFORMAT, "%u values at its end, there must be one",
			p->stack_count);
	p->result = p->stack[0];
	return GR_OK;
}

gr_status gr__pickle_run(gr_pickle *p)
{
	const uint64_t most = p->origin == GR_PICKLE_PLAIN ? GR_PICKLE_PLAIN_MAX : GR_PICKLE_MAX;
	if (p->limit > most)
		p->limit = most;
	gr_status status = run(p);
	gr_free(p->stack);
	gr_free(p->marks);
	gr_free(p->memo);
	p->stack = NULL;
	p->marks = NULL;
	p->memo = NULL;
	p->stack_room = p->mark_room = p->memo_room = 0;
	return status;
}

void gr__pickle_free(gr_pickle *p)
{
	gr_free(p->text);
	gr_free(p->nodes);
	gr_free(p->cells);
	gr_free(p->storages);
	gr_free(p->stack);
	gr_free(p->marks);
	gr_free(p->memo);
	*p = (gr_pickle){.file = NULL};
}

gr_pickle_kind gr__pickle_kind(const gr_pickle *p, gr_pickle_ref r)
{
	return r == 0 ? GR_PICKLE_NONE : (gr_pickle_kind)p->nodes[r].kind;
}

static bool same(const gr_pickle *p, uint32_t at, uint32_t bytes, const char *text)
{
	return strlen(text) == bytes && memcmp(p->text + at, text, bytes) == 0;
}

bool gr__pickle_is_text(const gr_pickle *p, gr_pickle_ref r, const char *text)
{
	return gr__pickle_kind(p, r) == GR_PICKLE_TEXT &&
		same(p, p->nodes[r].u.text, p->nodes[r].count, text);
}

bool gr__pickle_is_global(const gr_pickle *p, gr_pickle_ref r, const char *module, const char *name)
{
	if (gr__pickle_kind(p, r) != GR_PICKLE_GLOBAL)
		return false;
	const gr_pickle_node *n = &p->nodes[r];
	return same(p, n->u.global.module, n->u.global.module_bytes, module) &&
		same(p, n->u.global.name, n->u.global.name_bytes, name);
}

gr_pickle_ref gr__pickle_item(const gr_pickle *p, gr_pickle_ref box, uint32_t i)
{
	gr_pickle_kind kind = gr__pickle_kind(p, box);
	if (kind < GR_PICKLE_TUPLE || kind > GR_PICKLE_SET || i >= p->nodes[box].count)
		return 0;
	uint32_t cell = p->nodes[box].u.box.first;
	while (i-- > 0)
		cell = p->cells[cell].next;
	return p->cells[cell].value;
}

gr_pickle_ref gr__pickle_get(const gr_pickle *p, gr_pickle_ref dict, const char *key)
{
	gr_pickle_ref found = 0;
	gr_pickle_kind kind = gr__pickle_kind(p, dict);
	if (kind != GR_PICKLE_DICT && kind != GR_PICKLE_OBJECT)
		return 0;
	for (uint32_t cell = p->nodes[dict].u.box.first; cell != 0;) {
		uint32_t value = p->cells[cell].next;
		if (value == 0)
			break; /* an object's lone item */
		if (gr__pickle_is_text(p, p->cells[cell].value, key))
			found = p->cells[value].value;
		cell = p->cells[value].next;
	}
	return found;
}

bool gr__pickle_int(const gr_pickle *p, gr_pickle_ref r, int64_t *out)
{
	if (gr__pickle_kind(p, r) != GR_PICKLE_INT)
		return false;
	*out = p->nodes[r].u.integer;
	return true;
}
