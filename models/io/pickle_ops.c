/*
 * The opcodes of pickles, protocols 0 to 5 (CPython's pickletools documents them), as a table from
 * byte to function. Each takes its payload from the input and works on stack, marks and memo.
 */
#include <stdlib.h>
#include <string.h>

#include "pickle_priv.h"

/* The next integer of 1, 2, 4 or 8 bytes, little-endian. */
static gr_status take(gr_pickle *p, int bytes, uint64_t *out)
{
	gr_status status = gr__pickle_need(p, (uint64_t)bytes);
	*out = 0;
	for (int i = 0; status == GR_OK && i < bytes; i++)
		*out |= (uint64_t)p->text[p->at + (size_t)i] << 8 * i;
	if (status == GR_OK)
		p->at += (size_t)bytes;
	return status;
}

/* The text up to the next newline, which is stepped over. */
static gr_status take_line(gr_pickle *p, uint32_t *start, uint32_t *bytes)
{
	const size_t from = p->at;
	for (size_t end = from;; end++) {
		p->at = end;
		gr_status status = gr__pickle_need(p, 1);
		p->at = status == GR_OK && p->text[end] == '\n' ? end + 1 : from;
		if (status != GR_OK)
			return status;
		if (p->text[end] == '\n') {
			*start = (uint32_t)from;
			*bytes = (uint32_t)(end - from);
			return GR_OK;
		}
		if (end - from >= 4096)
			return gr__pickle_fail(p, GR_EFORMAT, "a line of more than 4096 bytes");
	}
}

static gr_status push(gr_pickle *p, gr_pickle_ref r)
{
	gr_pickle_ref *stack = gr__pickle_grow(p, p->stack, p->stack_count, &p->stack_room,
		sizeof *p->stack, GR_PICKLE_NODES_MAX);
	if (stack == NULL)
		return gr_error_code();
	p->stack = stack;
	p->stack[p->stack_count++] = r;
	return GR_OK;
}

static uint32_t floor_of(const gr_pickle *p)
{
	return p->mark_count > 0 ? p->marks[p->mark_count - 1] : 0;
}

/* The value on top, which stays there. */
static gr_status top(const gr_pickle *p, gr_pickle_ref *out)
{
	if (p->stack_count <= floor_of(p))
		return gr__pickle_fail(p, GR_EFORMAT, "nothing on the stack for opcode 0x%02x",
			p->text[p->op]);
	*out = p->stack[p->stack_count - 1];
	return GR_OK;
}

static gr_status pop(gr_pickle *p, gr_pickle_ref *out)
{
	gr_status status = top(p, out);
	if (status == GR_OK)
		p->stack_count--;
	return status;
}

/* Close the last mark; the values above it are stack[*first .. stack_count-1]. */
static gr_status close_mark(gr_pickle *p, uint32_t *first)
{
	if (p->mark_count == 0)
		return gr__pickle_fail(p, GR_EFORMAT, "no mark for opcode 0x%02x", p->text[p->op]);
	*first = p->marks[--p->mark_count];
	return GR_OK;
}

static gr_status push_new(gr_pickle *p, gr_pickle_kind kind, gr_pickle_ref *out)
{
	gr_status status = gr__pickle_new(p, kind, out);
	return status == GR_OK ? push(p, *out) : status;
}

/* --- opcodes; `arg` is from the table ----------------------------------------------------- */

static gr_status op_proto(gr_pickle *p, int arg)
{
	uint64_t version;
	gr_status status = take(p, 1, &version);
	(void)arg;
	if (status == GR_OK && version > 5)
		return gr__pickle_fail(p, GR_EUNSUPPORTED, "protocol %d; at most 5 is known", (int)version);
	return status;
}

static gr_status op_frame(gr_pickle *p, int arg)
{
	uint64_t bytes;
	gr_status status = take(p, 8, &bytes);
	(void)arg;
	if (status == GR_OK && bytes > p->limit - p->at)
		return gr__pickle_fail(p, GR_EFORMAT, "truncated: a frame of %llu bytes",
			(unsigned long long)bytes);
	return status;
}

static gr_status op_mark(gr_pickle *p, int arg)
{
	(void)arg;
	uint32_t *marks = gr__pickle_grow(p, p->marks, p->mark_count, &p->mark_room, sizeof *p->marks,
		GR_PICKLE_NODES_MAX);
	if (marks == NULL)
		return gr_error_code();
	p->marks = marks;
	p->marks[p->mark_count++] = p->stack_count;
	return GR_OK;
}

static gr_status op_pop(gr_pickle *p, int arg)
{
	gr_pickle_ref r;
	uint32_t first;
	(void)arg;
	/* Python pops the mark itself when nothing is above it. */
	if (p->mark_count > 0 && p->stack_count == floor_of(p))
		return close_mark(p, &first);
	return pop(p, &r);
}

static gr_status op_pop_mark(gr_pickle *p, int arg)
{
	(void)arg;
	return close_mark(p, &p->stack_count);
}

static gr_status op_dup(gr_pickle *p, int arg)
{
	gr_pickle_ref r = 0;
	(void)arg;
	gr_status status = top(p, &r);
	return status == GR_OK ? push(p, r) : status;
}

static gr_status op_none(gr_pickle *p, int arg)
{
	gr_pickle_ref r;
	(void)arg;
	return push_new(p, GR_PICKLE_NONE, &r);
}

static gr_status op_bool(gr_pickle *p, int arg)
{
	gr_pickle_ref r = 0;
	gr_status status = push_new(p, GR_PICKLE_BOOL, &r);
	if (status == GR_OK)
		p->nodes[r].u.integer = arg;
	return status;
}

static gr_status push_int(gr_pickle *p, int64_t value)
{
	gr_pickle_ref r = 0;
	gr_status status = push_new(p, GR_PICKLE_INT, &r);
	if (status == GR_OK)
		p->nodes[r].u.integer = value;
	return status;
}

/* arg bytes: one and two are unsigned, four are signed. */
static gr_status op_int(gr_pickle *p, int arg)
{
	uint64_t v;
	gr_status status = take(p, arg, &v);
	if (status != GR_OK)
		return status;
	return push_int(p, arg == 4 ? (int32_t)(uint32_t)v : (int64_t)v);
}

/* A slice of the input with its length in arg bytes before it. */
static gr_status push_slice(gr_pickle *p, gr_pickle_kind kind, uint64_t bytes)
{
	gr_pickle_ref r = 0;
	gr_status status = gr__pickle_need(p, bytes);
	if (status == GR_OK)
		status = push_new(p, kind, &r);
	if (status != GR_OK)
		return status;
	p->nodes[r].u.text = (uint32_t)p->at;
	p->nodes[r].count = (uint32_t)bytes;
	p->at += (size_t)bytes;
	return GR_OK;
}

static gr_status op_text(gr_pickle *p, int arg)
{
	uint64_t bytes;
	gr_status status = take(p, arg, &bytes);
	return status == GR_OK ? push_slice(p, GR_PICKLE_TEXT, bytes) : status;
}

static gr_status op_bytes(gr_pickle *p, int arg)
{
	uint64_t bytes;
	gr_status status = take(p, arg, &bytes);
	return status == GR_OK ? push_slice(p, GR_PICKLE_BYTES, bytes) : status;
}

/* Two's complement of any length. */
static gr_status op_long(gr_pickle *p, int arg)
{
	uint64_t bytes;
	uint64_t v = 0;
	gr_status status = take(p, arg, &bytes);
	if (status == GR_OK && bytes > 8)
		return push_slice(p, GR_PICKLE_BIG, bytes);
	if (status == GR_OK)
		status = take(p, (int)bytes, &v);
	if (status != GR_OK)
		return status;
	if (bytes > 0 && bytes < 8 && v >> (8 * bytes - 1) != 0)
		v |= UINT64_MAX << 8 * bytes;
	return push_int(p, (int64_t)v);
}

static gr_status op_float(gr_pickle *p, int arg)
{
	gr_pickle_ref r = 0;
	uint64_t little;
	uint64_t big = 0;
	gr_status status = take(p, 8, &little);
	(void)arg;
	if (status == GR_OK)
		status = push_new(p, GR_PICKLE_FLOAT, &r);
	for (int i = 0; i < 8; i++)
		big = big << 8 | (little >> 8 * i & 0xff);
	if (status == GR_OK)
		memcpy(&p->nodes[r].u.real, &big, sizeof big);
	return status;
}

/* A number as a line of text: 'I' and 'L' integers, 'F' floats. */
static gr_status op_line(gr_pickle *p, int arg)
{
	uint32_t start = 0;
	uint32_t bytes = 0;
	char text[64];
	char *end = text;
	gr_pickle_ref r = 0;
	gr_status status = take_line(p, &start, &bytes);
	if (status != GR_OK)
		return status;
	if (bytes == 0 || bytes >= sizeof text)
		return gr__pickle_fail(p, GR_EUNSUPPORTED, "a number of %u digits", bytes);
	memcpy(text, p->text + start, bytes);
	text[bytes] = '\0';
	if (arg == 'I' && (strcmp(text, "00") == 0 || strcmp(text, "01") == 0))
		return op_bool(p, text[1] == '1');
	if (arg == 'L' && text[bytes - 1] == 'L')
		text[bytes - 1] = '\0';
	int64_t integer = arg == 'F' ? 0 : strtoll(text, &end, 10);
	double real = arg == 'F' ? strtod(text, &end) : 0.0;
	if (end == text || *end != '\0')
		return gr__pickle_fail(p, GR_EFORMAT, "a line that is no number");
	if (arg != 'F')
		return push_int(p, integer);
	status = push_new(p, GR_PICKLE_FLOAT, &r);
	if (status == GR_OK)
		p->nodes[r].u.real = real;
	return status;
}

static gr_status op_empty(gr_pickle *p, int arg)
{
	gr_pickle_ref r;
	return push_new(p, (gr_pickle_kind)arg, &r);
}

/* Move the values from `first` on into the box. */
static gr_status fill(gr_pickle *p, gr_pickle_ref box, uint32_t first)
{
	gr_status status = GR_OK;
	for (uint32_t i = first; i < p->stack_count && status == GR_OK; i++)
		status = gr__pickle_append(p, box, p->stack[i]);
	p->stack_count = first;
	return status;
}

/* A tuple of the last arg values. */
static gr_status op_tuple(gr_pickle *p, int arg)
{
	gr_pickle_ref r = 0;
	if (p->stack_count - floor_of(p) < (uint32_t)arg)
		return gr__pickle_fail(p, GR_EFORMAT, "a tuple of %d from a shorter stack", arg);
	gr_status status = gr__pickle_new(p, GR_PICKLE_TUPLE, &r);
	if (status == GR_OK)
		status = fill(p, r, p->stack_count - (uint32_t)arg);
	return status == GR_OK ? push(p, r) : status;
}

/* A container of what is above the mark. */
static gr_status op_gather(gr_pickle *p, int arg)
{
	gr_pickle_ref r = 0;
	uint32_t first = 0;
	gr_status status = close_mark(p, &first);
	if (status == GR_OK && arg == GR_PICKLE_DICT && (p->stack_count - first) % 2 != 0)
		return gr__pickle_fail(p, GR_EFORMAT, "a dict with a key that has no value");
	if (status == GR_OK)
		status = gr__pickle_new(p, (gr_pickle_kind)arg, &r);
	if (status == GR_OK)
		status = fill(p, r, first);
	return status == GR_OK ? push(p, r) : status;
}

/* Add stack[first..] to the container below, which must be of this kind or inert. */
static gr_status add_items(gr_pickle *p, uint32_t first, int kind)
{
	if (first <= floor_of(p))
		return gr__pickle_fail(p, GR_EFORMAT, "no container below the items");
	gr_pickle_ref box = p->stack[first - 1];
	gr_pickle_kind found = gr__pickle_kind(p, box);
	if (found != (gr_pickle_kind)kind && found != GR_PICKLE_OBJECT)
		return gr__pickle_fail(p, GR_EFORMAT, "items for something that is no container of them");
	if (kind == GR_PICKLE_DICT && (p->stack_count - first) % 2 != 0)
		return gr__pickle_fail(p, GR_EFORMAT, "a key without its value");
	return fill(p, box, first);
}

/* arg: kind of the container; the items are above the mark. */
static gr_status op_items(gr_pickle *p, int arg)
{
	uint32_t first = 0;
	gr_status status = close_mark(p, &first);
	return status == GR_OK ? add_items(p, first, arg) : status;
}

/* The same for one value, or a key and its value. */
static gr_status op_item(gr_pickle *p, int arg)
{
	uint32_t n = arg == GR_PICKLE_DICT ? 2 : 1;
	if (p->stack_count - floor_of(p) < n + 1)
		return gr__pickle_fail(p, GR_EFORMAT, "an item without a container");
	return add_items(p, p->stack_count - n, arg);
}

static gr_status op_global(gr_pickle *p, int arg)
{
	gr_pickle_ref r = 0;
	uint32_t at[2];
	uint32_t bytes[2];
	(void)arg;
	for (int i = 0; i < 2; i++) {
		gr_status status = take_line(p, &at[i], &bytes[i]);
		if (status != GR_OK)
			return status;
	}
	gr_status status = push_new(p, GR_PICKLE_GLOBAL, &r);
	if (status == GR_OK) {
		gr_pickle_node *n = &p->nodes[r];
		n->u.global.module = at[0];
		n->u.global.module_bytes = bytes[0];
		n->u.global.name = at[1];
		n->u.global.name_bytes = bytes[1];
	}
	return status;
}

static gr_status op_stack_global(gr_pickle *p, int arg)
{
	gr_pickle_ref name = 0;
	gr_pickle_ref module = 0;
	gr_pickle_ref r = 0;
	(void)arg;
	gr_status status = pop(p, &name);
	if (status == GR_OK)
		status = pop(p, &module);
	if (status == GR_OK &&
		(gr__pickle_kind(p, name) != GR_PICKLE_TEXT ||
			gr__pickle_kind(p, module) != GR_PICKLE_TEXT))
		return gr__pickle_fail(p, GR_EFORMAT, "a global whose name is no text");
	if (status == GR_OK)
		status = push_new(p, GR_PICKLE_GLOBAL, &r);
	if (status == GR_OK) {
		gr_pickle_node *n = &p->nodes[r];
		n->u.global.module = p->nodes[module].u.text;
		n->u.global.module_bytes = p->nodes[module].count;
		n->u.global.name = p->nodes[name].u.text;
		n->u.global.name_bytes = p->nodes[name].count;
	}
	return status;
}

/* Calls and instances; arg 1: keyword arguments are on top, which are dropped. */
static gr_status op_call(gr_pickle *p, int arg)
{
	gr_pickle_ref args = 0;
	gr_pickle_ref callable = 0;
	gr_pickle_ref result = 0;
	gr_status status = arg == 1 ? pop(p, &args) : GR_OK;
	if (status == GR_OK)
		status = pop(p, &args);
	if (status == GR_OK)
		status = pop(p, &callable);
	if (status == GR_OK && gr__pickle_kind(p, args) != GR_PICKLE_TUPLE)
		return gr__pickle_fail(p, GR_EFORMAT, "a call whose arguments are no tuple");
	if (status == GR_OK)
		status = gr__pickle_call(p, callable, args, &result);
	return status == GR_OK ? push(p, result) : status;
}

/* State goes to inert objects; that of dicts and tensors is attributes, which nobody needs. */
static gr_status op_build(gr_pickle *p, int arg)
{
	gr_pickle_ref state = 0;
	gr_pickle_ref target = 0;
	(void)arg;
	gr_status status = pop(p, &state);
	if (status == GR_OK)
		status = top(p, &target);
	if (status != GR_OK)
		return status;
	switch (gr__pickle_kind(p, target)) {
	case GR_PICKLE_OBJECT: p->nodes[target].u.box.state = state; return GR_OK;
	case GR_PICKLE_DICT:
	case GR_PICKLE_TENSOR:
	case GR_PICKLE_LIST:
	case GR_PICKLE_TUPLE:
	case GR_PICKLE_SET: return GR_OK;
	default: return gr__pickle_fail(p, GR_EFORMAT, "state for something that has none");
	}
}

static gr_status op_persistent(gr_pickle *p, int arg)
{
	gr_pickle_ref id = 0;
	gr_pickle_ref result = 0;
	(void)arg;
	gr_status status = pop(p, &id);
	if (status == GR_OK)
		status = gr__pickle_persistent(p, id, &result);
	return status == GR_OK ? push(p, result) : status;
}

/* The index in arg bytes, or as a line when arg is 0. */
static gr_status take_index(gr_pickle *p, int arg, uint64_t *index)
{
	if (arg > 0)
		return take(p, arg, index);
	uint32_t start = 0;
	uint32_t bytes = 0;
	gr_status status = take_line(p, &start, &bytes);
	*index = 0;
	for (uint32_t i = 0; i < bytes && status == GR_OK; i++) {
		unsigned char c = p->text[start + i];
		if (c < '0' || c > '9' || i > 9)
			return gr__pickle_fail(p, GR_EFORMAT, "a memo index that is no number");
		*index = *index * 10 + (uint64_t)(c - '0');
	}
	return status;
}

static gr_status op_get(gr_pickle *p, int arg)
{
	uint64_t index = 0;
	gr_status status = take_index(p, arg, &index);
	if (status != GR_OK)
		return status;
	if (index >= p->memo_room || p->memo[index] == 0)
		return gr__pickle_fail(p, GR_EFORMAT, "memo entry %llu was never made",
			(unsigned long long)index);
	return push(p, p->memo[index]);
}

/* Every entry takes two bytes or more, so an index past the bytes read was not made by Python. */
static gr_status put(gr_pickle *p, uint64_t index)
{
	gr_pickle_ref r = 0;
	gr_status status = top(p, &r);
	if (status == GR_OK && index > p->at)
		return gr__pickle_fail(p, GR_EFORMAT, "memo index %llu after %zu bytes",
			(unsigned long long)index, p->at);
	while (status == GR_OK && index >= p->memo_room) {
		gr_pickle_ref *memo = gr__pickle_grow(p, p->memo, p->memo_room, &p->memo_room,
			sizeof *p->memo, 2 * (uint64_t)p->at + 64);
		if (memo == NULL)
			return gr_error_code();
		p->memo = memo;
	}
	if (status == GR_OK) {
		p->memo_count += p->memo[index] == 0;
		p->memo[index] = r;
	}
	return status;
}

static gr_status op_put(gr_pickle *p, int arg)
{
	uint64_t index = 0;
	gr_status status = take_index(p, arg, &index);
	return status == GR_OK ? put(p, index) : status;
}

static gr_status op_memoize(gr_pickle *p, int arg)
{
	(void)arg;
	return put(p, p->memo_count);
}

/* What an opcode does. Those that are not here (classes by name, extensions, buffers outside the
 * pickle, the text strings of protocol 0) are refused. */
const gr_pickle_opcode gr__pickle_opcodes[256] = {
	[0x80] = {op_proto, 0},
	[0x95] = {op_frame, 0},
	['('] = {op_mark, 0},
	['0'] = {op_pop, 0},
	['1'] = {op_pop_mark, 0},
	['2'] = {op_dup, 0},
	['N'] = {op_none, 0},
	[0x88] = {op_bool, 1},
	[0x89] = {op_bool, 0},
	['J'] = {op_int, 4},
	['K'] = {op_int, 1},
	['M'] = {op_int, 2},
	[0x8a] = {op_long, 1},
	[0x8b] = {op_long, 4},
	['I'] = {op_line, 'I'},
	['L'] = {op_line, 'L'},
	['F'] = {op_line, 'F'},
	['G'] = {op_float, 0},
	['X'] = {op_text, 4},
	[0x8c] = {op_text, 1},
	[0x8d] = {op_text, 8},
	['U'] = {op_text, 1},
	['T'] = {op_text, 4},
	['B'] = {op_bytes, 4},
	['C'] = {op_bytes, 1},
	[0x8e] = {op_bytes, 8},
	[0x96] = {op_bytes, 8},
	[')'] = {op_empty, GR_PICKLE_TUPLE},
	[']'] = {op_empty, GR_PICKLE_LIST},
	['}'] = {op_empty, GR_PICKLE_DICT},
	[0x8f] = {op_empty, GR_PICKLE_SET},
	['t'] = {op_gather, GR_PICKLE_TUPLE},
	['l'] = {op_gather, GR_PICKLE_LIST},
	['d'] = {op_gather, GR_PICKLE_DICT},
	[0x91] = {op_gather, GR_PICKLE_SET},
	[0x85] = {op_tuple, 1},
	[0x86] = {op_tuple, 2},
	[0x87] = {op_tuple, 3},
	['a'] = {op_item, GR_PICKLE_LIST},
	['s'] = {op_item, GR_PICKLE_DICT},
	['e'] = {op_items, GR_PICKLE_LIST},
	['u'] = {op_items, GR_PICKLE_DICT},
	[0x90] = {op_items, GR_PICKLE_SET},
	['c'] = {op_global, 0},
	[0x93] = {op_stack_global, 0},
	['R'] = {op_call, 0},
	[0x81] = {op_call, 0},
	[0x92] = {op_call, 1},
	['b'] = {op_build, 0},
	['Q'] = {op_persistent, 0},
	['h'] = {op_get, 1},
	['j'] = {op_get, 4},
	['g'] = {op_get, 0},
	['q'] = {op_put, 1},
	['r'] = {op_put, 4},
	['p'] = {op_put, 0},
	[0x94] = {op_memoize, 0},
};
