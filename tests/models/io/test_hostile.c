/*
 * Pickles that mean harm or are broken: each ends with one clear error that names the file, or
 * loads what it honestly holds. Nothing here may crash, hang or allocate more than a few times the file.
 * What contains the pickles is in test_hostile_files.c, damage to zip archives in
 * tests/tensor/test_zip.c, to safetensors in test_safetensors.c.
 *
 * Length: one small function for each of the 57 pickles, which a table then names.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "pt_build.h"

TestSuite(hostile, .init = pt_begin, .fini = pt_end);

/* --- pickles: what stands between protocol and STOP ------------------------------------------ */

static const pt_tensor_of good = {.ndim = 2, .dims = {2, 2}, .strides = {2, 1}};

/* "w": a good tensor, in a dict that is open for more. */
static void begin(pt_bytes *b)
{
	pt_put(b, "\x80\x02}", 3);
	pt_text(b, "w");
	pt_tensor(b, &good);
	pt_ops(b, "s");
}

static void tensor_of(pt_bytes *b, pt_tensor_of t)
{
	pt_state_dict(b, "w", &t);
}

static void negative_stride(pt_bytes *b)
{
	tensor_of(b, (pt_tensor_of){.ndim = 1, .dims = {4}, .strides = {-1}, .offset = 3});
}

static void negative_size(pt_bytes *b)
{
	tensor_of(b, (pt_tensor_of){.ndim = 2, .dims = {-2, -2}, .strides = {2, 1}});
}

static void negative_offset(pt_bytes *b)
{
	tensor_of(b, (pt_tensor_of){.ndim = 1, .dims = {2}, .strides = {1}, .offset = -1});
}

static void past_the_end(pt_bytes *b)
{
	tensor_of(b, (pt_tensor_of){.ndim = 1, .dims = {4}, .strides = {1}, .offset = 1});
}

static void far_offset(pt_bytes *b)
{
	tensor_of(b, (pt_tensor_of){.ndim = 1, .dims = {1}, .strides = {1}, .offset = INT64_MAX});
}

static void stride_overflows(pt_bytes *b)
{
	tensor_of(b,
		(pt_tensor_of){.ndim = 2, .dims = {3, 3}, .strides = {INT64_MAX / 2, INT64_MAX / 2}});
}

static void reach_overflows(pt_bytes *b)
{
	tensor_of(b, (pt_tensor_of){.ndim = 2, .dims = {2, 2}, .strides = {INT64_MAX, INT64_MAX}});
}

static void expanded_bomb(pt_bytes *b)
{
	tensor_of(b, (pt_tensor_of){.ndim = 1, .dims = {(int64_t)1 << 32}, .strides = {0}});
}

static void endless_shape(pt_bytes *b)
{
	tensor_of(b, (pt_tensor_of){.ndim = 3, .dims = {1 << 30, 1 << 30, 1 << 30}});
}

/* 40 tensors of 4 MiB each from four floats. */
static void repeated_bomb(pt_bytes *b)
{
	begin(b);
	for (int i = 0; i < 40; i++) {
		char name[16];
		snprintf(name, sizeof name, "t%d", i);
		pt_text(b, name);
		pt_tensor(b, &(pt_tensor_of){.ndim = 1, .dims = {1 << 20}, .strides = {0}});
		pt_ops(b, "s");
	}
	pt_ops(b, ".");
}

static void count_too_large(pt_bytes *b)
{
	tensor_of(b, (pt_tensor_of){.count = 5, .ndim = 1, .dims = {1}, .strides = {1}});
}

static void count_huge(pt_bytes *b)
{
	tensor_of(b, (pt_tensor_of){.count = INT64_MAX / 2, .ndim = 1, .dims = {1}, .strides = {1}});
}

static void count_negative(pt_bytes *b)
{
	tensor_of(b, (pt_tensor_of){.count = -4, .ndim = 1, .dims = {1}, .strides = {1}});
}

static void width_lies(pt_bytes *b)
{
	tensor_of(b, (pt_tensor_of){.type = "DoubleStorage", .ndim = 1, .dims = {4}, .strides = {1}});
}

static void key_is_missing(pt_bytes *b)
{
	tensor_of(b, (pt_tensor_of){.key = "7", .ndim = 1, .dims = {1}, .strides = {1}});
}

static void key_is_a_path(pt_bytes *b)
{
	tensor_of(b, (pt_tensor_of){.key = "../../etc/passwd", .ndim = 1, .dims = {1}, .strides = {1}});
}

static void two_types(pt_bytes *b)
{
	begin(b);
	pt_text(b, "v");
	pt_tensor(b, &(pt_tensor_of){.type = "IntStorage", .ndim = 1, .dims = {1}, .strides = {1}});
	pt_ops(b, "s.");
}

static void rank_17(pt_bytes *b)
{
	tensor_of(b, (pt_tensor_of){.ndim = 17});
}

static void strides_are_short(pt_bytes *b)
{
	pt_put(b, "\x80\x02}", 3);
	pt_text(b, "w");
	pt_global(b, "torch._utils", "_rebuild_tensor_v2");
	pt_ops(b, "(");
	pt_storage(b, "FloatStorage", "0", 4);
	pt_int(b, 0);
	pt_ints(b, 2, good.dims);
	pt_ints(b, 1, good.strides);
	pt_ops(b, "tRs.");
}

static void tensor_of_nothing(pt_bytes *b)
{
	pt_put(b, "\x80\x02}", 3);
	pt_text(b, "w");
	pt_global(b, "torch._utils", "_rebuild_tensor_v2");
	pt_ops(b, ")Rs.");
}

static void call_with_a_list(pt_bytes *b)
{
	begin(b);
	pt_global(b, "torch", "Size");
	pt_ops(b, "]R.");
}

static void call_of_a_number(pt_bytes *b)
{
	begin(b);
	pt_text(b, "x");
	pt_ops(b, "K\1)Rs.");
}

static void underflow(pt_bytes *b)
{
	pt_put(b, "\x80\x02s.", 4);
}

static void pop_below_mark(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "(R.");
}

static void no_mark(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "u.");
}

static void two_values(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "N.");
}

static void open_mark(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "(.");
}

static void no_stop(pt_bytes *b)
{
	begin(b);
}

static void memo_unknown(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "h\x05s.");
}

static void memo_huge(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "r");
	pt_u32(b, 0xfffffff0u);
	pt_ops(b, ".");
}

static void memo_of_nothing(pt_bytes *b)
{
	pt_put(b, "\x80\x02q\0.", 5);
}

static void old_instance(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "(ios\nsystem\n.");
}

static void extension(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "\x82\1.");
}

static void textual_id(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "P0\n.");
}

static void outside_buffer(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "\x97.");
}

static void protocol_9(pt_bytes *b)
{
	pt_put(b, "\x80\x09}.", 4);
}

static void text_too_long(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "X");
	pt_u32(b, 0xffffffffu);
}

static void bytes_too_long(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "\x8e");
	pt_u64(b, (uint64_t)1 << 63);
}

static void frame_too_long(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "\x95");
	pt_u64(b, UINT64_MAX);
}

static void odd_items(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "(NNNu.");
}

static void append_to_number(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "K\1Na.");
}

static void state_of_number(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "K\1Nb.");
}

static void global_of_numbers(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "K\1K\1\x93.");
}

static void global_endless(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "c");
	for (int i = 0; i < 5000; i++)
		pt_ops(b, "a");
	pt_ops(b, "\nb\n.");
}

static void id_is_text(pt_bytes *b)
{
	begin(b);
	pt_text(b, "storage");
	pt_ops(b, "Q.");
}

static void id_is_short(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "(");
	pt_text(b, "storage");
	pt_ops(b, "tQ.");
}

static void name_twice(pt_bytes *b)
{
	begin(b);
	pt_text(b, "w");
	pt_tensor(b, &good);
	pt_ops(b, "s.");
}

static void name_with_nul(pt_bytes *b)
{
	begin(b);
	pt_ops(b, "X");
	pt_u32(b, 3);
	pt_put(b, "a\0b", 3);
	pt_tensor(b, &good);
	pt_ops(b, "s.");
}

static void name_not_utf8(pt_bytes *b)
{
	begin(b);
	pt_text(b, "\xff\x1b[2J");
	pt_tensor(b, &good);
	pt_ops(b, "s.");
}

static void name_endless(pt_bytes *b)
{
	char name[3000];
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	begin(b);
	pt_text(b, name);
	pt_tensor(b, &good);
	pt_ops(b, "s.");
}

/* A dict that is its own "state_dict" and "model" and holds no tensor. */
static void contains_itself(pt_bytes *b)
{
	static const char *const names[] = {"ema", "model_ema", "state_dict", "model", "module", "net"};
	pt_put(b, "\x80\x02}q\0", 5);
	for (int i = 0; i < 6; i++) {
		pt_text(b, names[i]);
		pt_put(b, "h\0s", 3);
	}
	pt_ops(b, ".");
}

static void list_of_itself(pt_bytes *b)
{
	pt_put(b, "\x80\x02]q\0h\0a.", 9);
}

static void deep(pt_bytes *b)
{
	pt_put(b, "\x80\x02N", 3);
	for (int i = 0; i < 1000000; i++)
		pt_byte(b, 0x85);
	pt_ops(b, ".");
}

/* {"_parameters": {}, "_modules": {"m": the module itself}} as the state of an inert object. */
static void module_of_itself(pt_bytes *b)
{
	pt_put(b, "\x80\x02", 2);
	pt_global(b, "net", "Net");
	pt_put(b, ")\x81q\0}", 5);
	pt_text(b, "_parameters");
	pt_ops(b, "}s");
	pt_text(b, "_modules");
	pt_ops(b, "}");
	pt_text(b, "m");
	pt_put(b, "h\0ssb.", 6);
}

/* One list of pairs, made into a dict over and over. */
static void dict_bomb(pt_bytes *b)
{
	pt_put(b, "\x80\x02]q\0(", 6);
	for (int i = 0; i < 1000; i++)
		pt_put(b, "NN\x86", 3);
	pt_ops(b, "e");
	for (int i = 0; i < 5000; i++) {
		pt_global(b, "collections", "OrderedDict");
		pt_put(b, "h\0\x85R", 4);
	}
	pt_ops(b, ".");
}

static void conjugated(pt_bytes *b)
{
	pt_put(b, "\x80\x02}", 3);
	pt_text(b, "w");
	pt_global(b, "torch._utils", "_rebuild_tensor_v2");
	pt_ops(b, "(");
	pt_storage(b, "FloatStorage", "0", 4);
	pt_int(b, 0);
	pt_ints(b, 2, good.dims);
	pt_ints(b, 2, good.strides);
	pt_ops(b, "\x89N}");
	pt_text(b, "neg");
	pt_ops(b, "\x88stRs.");
}

/* 200,000 times a dict of 200,000. */
static void shared_dict(pt_bytes *b)
{
	pt_put(b, "\x80\x02}(", 4);
	for (int i = 0; i < 200000; i++)
		pt_ops(b, "NN");
	pt_put(b, "uq\0000}(", 6);
	for (int i = 0; i < 200000; i++)
		pt_put(b, "Nh\0", 3);
	pt_ops(b, "u.");
}

static void endless_key(pt_bytes *b)
{
	char key[300];
	memset(key, '7', sizeof key - 1);
	key[sizeof key - 1] = '\0';
	tensor_of(b, (pt_tensor_of){.key = key, .ndim = 1, .dims = {1}, .strides = {1}});
}

static void no_tensors(pt_bytes *b)
{
	pt_put(b, "\x80\x02}.", 4);
}

static const struct pickle_case {
	const char *name;
	void (*build)(pt_bytes *b);
	gr_status code;
	const char *text;
} pickles[] = {
	{"a negative stride", negative_stride, GR_EFORMAT, "negative"},
	{"a negative size", negative_size, GR_EFORMAT, "negative"},
	{"a negative offset", negative_offset, GR_EFORMAT, "negative"},
	{"one element past the end", past_the_end, GR_EFORMAT, "outside its storage"},
	{"an offset of 2^63", far_offset, GR_EFORMAT, "outside its storage"},
	{"strides that overflow", stride_overflows, GR_EFORMAT, "outside its storage"},
	{"a reach that overflows", reach_overflows, GR_EFORMAT, "outside its storage"},
	{"four floats expanded to 16 GiB", expanded_bomb, GR_EFORMAT, "64 MiB"},
	{"a shape that overflows", endless_shape, GR_EFORMAT, "too many elements"},
	{"four floats repeated", repeated_bomb, GR_EFORMAT, "64 MiB"},
	{"a count that is too large", count_too_large, GR_EFORMAT, "should have 5 elements"},
	{"a count of 2^62", count_huge, GR_EFORMAT, "storage '0'"},
	{"a negative count", count_negative, GR_EFORMAT, "persistent id"},
	{"an element that is too wide", width_lies, GR_EFORMAT, "elements of 8 bytes"},
	{"a storage that is missing", key_is_missing, GR_EFORMAT, "not in the archive"},
	{"a storage outside the archive", key_is_a_path, GR_EFORMAT, "not in the archive"},
	{"two types of one storage", two_types, GR_EFORMAT, "two types"},
	{"17 dims", rank_17, GR_EFORMAT, "sizes and strides"},
	{"fewer strides than sizes", strides_are_short, GR_EFORMAT, "sizes and strides"},
	{"a tensor of nothing", tensor_of_nothing, GR_EFORMAT, "sizes and strides"},
	{"a call with a list", call_with_a_list, GR_EFORMAT, "no tuple"},
	{"an empty stack", underflow, GR_EFORMAT, "without a container"},
	{"a pop below the mark", pop_below_mark, GR_EFORMAT, "nothing on the stack"},
	{"no mark", no_mark, GR_EFORMAT, "no mark"},
	{"two values at the end", two_values, GR_EFORMAT, "2 values"},
	{"a mark at the end", open_mark, GR_EFORMAT, "at its end"},
	{"no end", no_stop, GR_EFORMAT, "truncated"},
	{"a memo entry that is not there", memo_unknown, GR_EFORMAT, "never made"},
	{"a memo index of 2^32", memo_huge, GR_EFORMAT, "memo index"},
	{"nothing to remember", memo_of_nothing, GR_EFORMAT, "nothing on the stack"},
	{"an instance by name", old_instance, GR_EUNSUPPORTED, "opcode 0x69"},
	{"an extension", extension, GR_EUNSUPPORTED, "opcode 0x82"},
	{"a persistent id in text", textual_id, GR_EUNSUPPORTED, "opcode 0x50"},
	{"a buffer outside", outside_buffer, GR_EUNSUPPORTED, "opcode 0x97"},
	{"protocol 9", protocol_9, GR_EUNSUPPORTED, "protocol 9"},
	{"text of 4 GiB", text_too_long, GR_EFORMAT, "truncated"},
	{"bytes of 2^63", bytes_too_long, GR_EFORMAT, "truncated"},
	{"a frame of 2^64", frame_too_long, GR_EFORMAT, "truncated"},
	{"a key without a value", odd_items, GR_EFORMAT, "without its value"},
	{"an item for a number", append_to_number, GR_EFORMAT, "no container"},
	{"state for a number", state_of_number, GR_EFORMAT, "state"},
	{"a global of numbers", global_of_numbers, GR_EFORMAT, "no text"},
	{"a global of 5000 bytes", global_endless, GR_EFORMAT, "4096"},
	{"a persistent id that is text", id_is_text, GR_EFORMAT, "persistent id"},
	{"a persistent id of one part", id_is_short, GR_EFORMAT, "persistent id"},
	{"a name twice", name_twice, GR_EFORMAT, "two tensors"},
	{"a name with a NUL", name_with_nul, GR_EFORMAT, "no text"},
	{"a name with escapes", name_not_utf8, GR_EFORMAT, "\\xff\\x1b"},
	{"a name of 3000 bytes", name_endless, GR_EFORMAT, "no text"},
	{"a dict of itself", contains_itself, GR_EFORMAT, "no dict of tensors"},
	{"a list of itself", list_of_itself, GR_EFORMAT, "no dict of tensors"},
	{"a million tuples in one another", deep, GR_EFORMAT, "no dict of tensors"},
	{"a module of itself", module_of_itself, GR_EFORMAT, "without end"},
	{"a list made into many dicts", dict_bomb, GR_EFORMAT, "honestly"},
	{"a dict shared 200000 times", shared_dict, GR_EFORMAT, "no dict of tensors"},
	{"a key of 299 bytes", endless_key, GR_EFORMAT, "key has 299 bytes"},
	{"nothing at all", no_tensors, GR_EFORMAT, "no dict of tensors"},
};

Test(hostile, pickles)
{
	for (size_t i = 0; i < sizeof pickles / sizeof *pickles; i++) {
		const struct pickle_case *c = &pickles[i];
		pt_bytes pickle = {.data = NULL};
		pt_bytes file = {.data = NULL};
		uint64_t held = gr_memory_stats().bytes_in_use;
		c->build(&pickle);
		pt_checkpoint(&file, &pickle, 4);
		gr_memory_reset_peak();
		bool opened = pt_opens(&file, NULL);
		uint64_t peak = gr_memory_stats().bytes_peak - held;
		cr_assert_not(opened, "%s: opened", c->name);
		cr_assert_eq(gr_error_code(), c->code, "%s: code %d: %s", c->name, gr_error_code(),
			gr_error_message());
		cr_assert_not_null(strstr(gr_error_message(), c->text), "%s: '%s' is not in '%s'", c->name,
			c->text, gr_error_message());
		cr_assert_not_null(strstr(gr_error_message(), "/file: byte "), "%s: no place in '%s'",
			c->name, gr_error_message());
		gr_error_clear();
		cr_assert_lt(peak, 200 * file.count + (1 << 20), "%s: %llu bytes for a file of %zu",
			c->name, (unsigned long long)peak, file.count);
		cr_assert_eq(gr_memory_stats().bytes_in_use, held, "%s: leak", c->name);
		pt_free(&pickle);
		pt_free(&file);
	}
}

/* A call of `module name` with one argument beside the good tensor. */
static void call_beside(pt_bytes *b, const char *module, const char *name, bool on_stack)
{
	begin(b);
	pt_text(b, "x");
	if (on_stack) {
		pt_text(b, module);
		pt_text(b, name);
		pt_byte(b, 0x93);
	} else {
		pt_global(b, module, name);
	}
	pt_text(b, "touch /tmp/gradus-was-here");
	pt_ops(b, "\x85Rs.");
}

/* Names are never resolved: without --strict they are objects that nobody looks at. */
Test(hostile, calls_do_nothing)
{
	static const char *const names[][2] = {{"os", "system"}, {"posix", "system"},
		{"builtins", "eval"}, {"__builtin__", "exec"}, {"subprocess", "Popen"},
		{"torch.hub", "load"}, {"torch._utils", "_import_dotted_name"}};
	const gr_checkpoint_opts strict = {.size = sizeof strict, .strict = true};
	for (size_t i = 0; i < 2 * sizeof names / sizeof *names; i++) {
		pt_bytes pickle = {.data = NULL};
		pt_bytes file = {.data = NULL};
		call_beside(&pickle, names[i / 2][0], names[i / 2][1], i % 2 != 0);
		pt_checkpoint(&file, &pickle, 4);
		bool opened = pt_opens(&file, NULL);
		cr_assert(opened, "%s", gr_error_message());
		opened = pt_opens(&file, &strict);
		cr_assert_not(opened);
		cr_assert_eq(gr_error_code(), GR_EUNSUPPORTED);
		cr_assert_not_null(strstr(gr_error_message(), names[i / 2][1]));
		gr_error_clear();
		pt_free(&pickle);
		pt_free(&file);
	}
	FILE *f = fopen("/tmp/gradus-was-here", "r");
	cr_assert_null(f);
}

/* Listed, so that the rest can be used, and refused when it is read. */
Test(hostile, listed_and_refused)
{
	static const struct {
		void (*build)(pt_bytes *b);
		const char *text;
	} cases[] = {{conjugated, "conjugated"}, {call_of_a_number, NULL}};
	for (int i = 0; i < 2; i++) {
		pt_bytes pickle = {.data = NULL};
		pt_bytes file = {.data = NULL};
		gr_tensorfile *f = NULL;
		gr_tensor_info info;
		cases[i].build(&pickle);
		pt_checkpoint(&file, &pickle, 4);
		pt_file(pt_path("file"), file.data, file.count);
		gr_status status = gr_checkpoint_open(&f, pt_path("file"), NULL);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		bool listed = gr_tensorfile_info(f, 0, &info);
		cr_assert(listed);
		cr_assert_str_eq(info.name, "w");
		const gr_tensor *t = gr_tensorfile_read(f, 0);
		cr_assert_eq(t == NULL, cases[i].text != NULL);
		if (cases[i].text != NULL) {
			cr_assert_eq(gr_error_code(), GR_EUNSUPPORTED);
			cr_assert_not_null(strstr(gr_error_message(), cases[i].text));
		}
		gr_error_clear();
		gr_tensorfile_close(f);
		pt_free(&pickle);
		pt_free(&file);
	}
}
