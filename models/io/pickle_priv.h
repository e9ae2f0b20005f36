/*
 * Python pickles as data. The machine (pickle.c) turns a pickle into a graph of nodes; the rules
 * (pickle_rules.c) say which calls in it mean something: tensors, storages and plain containers.
 * Every other class or function is a name that keeps its arguments and does nothing. No recursion,
 * nothing is imported, resolved or executed, and memory is bounded by the pickle's own bytes.
 *
 * The graph may share nodes and contain itself (that is legal), so who walks it counts steps.
 */
#ifndef GR_MODELS_PICKLE_PRIV_H
#define GR_MODELS_PICKLE_PRIV_H

#include "gradus/tensorfile.h"

/* Number of a node; 0 is no node. */
typedef uint32_t gr_pickle_ref;

typedef enum gr_pickle_kind {
	GR_PICKLE_NONE = 1,
	GR_PICKLE_BOOL,
	GR_PICKLE_INT, /* what fits int64 */
	GR_PICKLE_BIG, /* a longer integer: its bytes */
	GR_PICKLE_FLOAT,
	GR_PICKLE_TEXT,
	GR_PICKLE_BYTES,
	GR_PICKLE_TUPLE,
	GR_PICKLE_LIST,
	GR_PICKLE_DICT, /* cells: key, value, key, value ... */
	GR_PICKLE_SET,
	GR_PICKLE_GLOBAL,  /* module and name; only ever compared */
	GR_PICKLE_OBJECT,  /* inert: callable, args, state, cells that were appended or set */
	GR_PICKLE_STORAGE, /* integer: index in gr_pickle.storages */
	GR_PICKLE_TENSOR,  /* args of its rebuild function, of version `rule`; 0: one we cannot read */
} gr_pickle_kind;

typedef struct gr_pickle_node {
	uint8_t kind;
	uint8_t rule;   /* TENSOR: see there; BYTES: 1 when they are the Latin-1 of a text */
	uint32_t count; /* bytes of BIG, TEXT, BYTES; cells of containers and objects */
	union {
		int64_t integer; /* BOOL, INT, STORAGE */
		double real;
		uint32_t text; /* where its bytes start in gr_pickle.text */
		struct {
			uint32_t module, module_bytes;
			uint32_t name, name_bytes;
		} global;
		struct {
			uint32_t first, last; /* cells */
			gr_pickle_ref callable, args, state;
		} box;
	} u;
} gr_pickle_node;

/* A chain of values. */
typedef struct gr_pickle_cell {
	gr_pickle_ref value;
	uint32_t next; /* 0: the last */
} gr_pickle_cell;

/* A storage that a pickle refers to; where its bytes are is found out by the reader of the file. */
typedef struct gr_pickle_storage {
	uint32_t key, key_bytes; /* in gr_pickle.text */
	const char *type;        /* of its elements by the names of safetensors; NULL: unknown */
	uint64_t width;          /* bytes of an element */
	int64_t count;           /* elements */
	int64_t view_offset, view_count; /* legacy views, in elements; view_offset -1: none */
	uint64_t begin, end;             /* in the file, once placed */
	bool placed;
} gr_pickle_storage;

/* Where storages come from. */
typedef enum gr_pickle_origin {
	GR_PICKLE_PLAIN = 0, /* nested streams of bytes; persistent ids are refused */
	GR_PICKLE_TORCH = 1, /* persistent ids */
} gr_pickle_origin;

typedef struct gr_pickle {
	const gr_tensorfile *file; /* read from base on, at most `limit` bytes */
	uint64_t base, limit;
	gr_pickle_origin origin;
	bool strict;         /* refuse what would be inert */
	uint64_t nested;     /* bytes of nested streams so far: each may be read once */
	unsigned char *text; /* the bytes read so far */
	size_t have, room;
	size_t at; /* the next byte; after the run: where the pickle ended */
	size_t op; /* the opcode being run, for messages */
	gr_pickle_node *nodes;
	uint32_t node_count, node_room;
	gr_pickle_cell *cells;
	uint32_t cell_count, cell_room;
	gr_pickle_storage *storages;
	uint32_t storage_count, storage_room;
	gr_pickle_ref *stack;
	uint32_t stack_count, stack_room;
	uint32_t *marks; /* heights of the stack */
	uint32_t mark_count, mark_room;
	gr_pickle_ref *memo;
	uint32_t memo_count, memo_room; /* puts so far; slots */
	gr_pickle_ref result;
} gr_pickle;

/* Longest pickle: what stands before the storages, and a plain one that holds them. */
#define GR_PICKLE_MAX ((uint64_t)256 << 20)
#define GR_PICKLE_PLAIN_MAX ((uint64_t)2 << 30)
#define GR_PICKLE_NODES_MAX (16u << 20)
/* Longest key of a storage. */
#define GR_PICKLE_KEY_MAX 256

/* Run the pickle at p->base (file, base, limit, origin, strict are set, the rest zero). */
gr_status gr__pickle_run(gr_pickle *p);
/* Frees what the run left; harmless on zeroed memory. */
void gr__pickle_free(gr_pickle *p);
/* "pickle: reason" at the current opcode; returns `code`. */
gr_status gr__pickle_fail(const gr_pickle *p, gr_status code, const char *format, ...)
	GR_PRINTF(3, 4);

/* What an opcode does; `run` is NULL for those that are refused. */
typedef struct gr_pickle_opcode {
	gr_status (*run)(gr_pickle *p, int arg);
	int arg;
} gr_pickle_opcode;
extern const gr_pickle_opcode gr__pickle_opcodes[256];

/* Have the next n bytes in p->text. */
gr_status gr__pickle_need(gr_pickle *p, uint64_t n);

/* Building, for opcodes and rules. */
gr_status gr__pickle_new(gr_pickle *p, gr_pickle_kind kind, gr_pickle_ref *out);
gr_status gr__pickle_append(gr_pickle *p, gr_pickle_ref box, gr_pickle_ref value);
gr_status gr__pickle_add_storage(gr_pickle *p, const gr_pickle_storage *s, gr_pickle_ref *out);
/* The array with room for one more element, moved when it had none; it doubles, at most to `most`
 * elements. NULL and an error when that fails: the array is as before. */
void *gr__pickle_grow(const gr_pickle *p, void *array, uint32_t count, uint32_t *room, size_t width,
	uint64_t most);

/* Looking. The kind of a node, GR_PICKLE_NONE for 0. */
gr_pickle_kind gr__pickle_kind(const gr_pickle *p, gr_pickle_ref r);
bool gr__pickle_is_text(const gr_pickle *p, gr_pickle_ref r, const char *text);
bool gr__pickle_is_global(const gr_pickle *p, gr_pickle_ref r, const char *module,
	const char *name);
/* Value i of a container, 0 when there is none; walks the chain. */
gr_pickle_ref gr__pickle_item(const gr_pickle *p, gr_pickle_ref box, uint32_t i);
/* The last value of the key in a dict (or a dict-like object), 0 when it is not there. */
gr_pickle_ref gr__pickle_get(const gr_pickle *p, gr_pickle_ref dict, const char *key);
/* An integer; false when it is something else. */
bool gr__pickle_int(const gr_pickle *p, gr_pickle_ref r, int64_t *out);

/* pickle_rules.c: what calling a name with a tuple gives; what a persistent id stands for. */
gr_status gr__pickle_call(gr_pickle *p, gr_pickle_ref callable, gr_pickle_ref args,
	gr_pickle_ref *out);
gr_status gr__pickle_persistent(gr_pickle *p, gr_pickle_ref id, gr_pickle_ref *out);
/* The type of "torch.<name>", as safetensors calls it; NULL when unknown. Sets *width. */
const char *gr__pickle_dtype(const char *name, size_t bytes, uint64_t *width);

#endif
