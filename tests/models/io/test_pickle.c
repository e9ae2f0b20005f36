/* The pickle machine and its opcodes: what each value becomes. Broken pickles: test_hostile.c. */
#include <criterion/criterion.h>
#include <string.h>

#include "io/pickle_priv.h"
#include "pt_build.h"

TestSuite(pickle, .init = pt_begin, .fini = pt_end);

static gr_tensorfile *file;

/* Run the pickle; end with finish(). */
static void start(gr_pickle *p, const void *bytes, size_t count)
{
	pt_file(pt_path("p"), bytes, count);
	gr_status status = gr_tensorfile_begin(&file, "test", "pickle", pt_path("p"));
	cr_assert_eq(status, GR_OK);
	*p = (gr_pickle){.file = file, .limit = count, .origin = GR_PICKLE_TORCH};
	status = gr__pickle_run(p);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_assert_eq(p->at, count);
}

static void finish(gr_pickle *p)
{
	gr__pickle_free(p);
	gr_tensorfile_close(file);
	cr_assert_eq(gr_memory_stats().bytes_in_use, 0);
}

Test(pickle, integers)
{
	static const struct {
		const char *bytes;
		size_t count;
		int64_t value;
	} cases[] = {
		{"K\xff.", 3, 255},
		{"M\x01\x02.", 4, 513},
		{"J\xfe\xff\xff\xff.", 6, -2},
		{"J\xff\xff\xff\x7f.", 6, INT32_MAX},
		{"\x8a\x00.", 3, 0},
		{"\x8a\x01\x80.", 4, -128},
		{"\x8a\x02\x80\x00.", 5, 128},
		{"\x8a\x03\xff\xff\x7f.", 6, 0x7fffff},
		{"\x8a\x08\0\0\0\0\0\0\0\x80.", 11, INT64_MIN},
		{"\x8b\x02\0\0\0\xff\xff.", 8, -1},
		{"I-12\n.", 6, -12},
		{"L34L\n.", 6, 34},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		gr_pickle p;
		int64_t v = 0;
		start(&p, cases[i].bytes, cases[i].count);
		bool is_int = gr__pickle_int(&p, p.result, &v);
		cr_assert(is_int, "case %d", (int)i);
		cr_assert_eq(v, cases[i].value, "case %d: %lld", (int)i, (long long)v);
		finish(&p);
	}
}

Test(pickle, scalars)
{
	gr_pickle p;
	start(&p, "\x80\x04\x95\x0b\0\0\0\0\0\0\0G\x3f\xf8\0\0\0\0\0\0N0.", 23);
	cr_assert_eq(gr__pickle_kind(&p, p.result), GR_PICKLE_FLOAT);
	cr_assert(p.nodes[p.result].u.real == 1.5);
	finish(&p);
	start(&p, "F-2.5\n.", 7);
	cr_assert(p.nodes[p.result].u.real == -2.5);
	finish(&p);
	start(&p, "I01\n.", 5);
	cr_assert_eq(gr__pickle_kind(&p, p.result), GR_PICKLE_BOOL);
	cr_assert_eq(p.nodes[p.result].u.integer, 1);
	finish(&p);
	start(&p, "\x8a\x09\1\2\3\4\5\6\7\x08\x09.", 12);
	cr_assert_eq(gr__pickle_kind(&p, p.result), GR_PICKLE_BIG);
	cr_assert_eq(p.nodes[p.result].count, 9);
	finish(&p);
	start(&p, "\x8c\x02hi.", 5);
	cr_assert(gr__pickle_is_text(&p, p.result, "hi"));
	cr_assert_not(gr__pickle_is_text(&p, p.result, "h"));
	finish(&p);
	start(&p, "C\x02hi.", 5);
	cr_assert_eq(gr__pickle_kind(&p, p.result), GR_PICKLE_BYTES);
	finish(&p);
}

/* [1, (2, 3), {"k": 4}, set, frozenset] by the ways that there are. */
Test(pickle, containers)
{
	static const char bytes[] = "\x80\x04](K\1K\2K\3\x86}\x8c\1kK\4s\x8f(K\5\x90(K\6\x91"
								"e(K\7l0K\x08"
								"a(K\x09tb.";
	gr_pickle p;
	int64_t v = 0;
	start(&p, bytes, sizeof bytes - 1);
	cr_assert_eq(gr__pickle_kind(&p, p.result), GR_PICKLE_LIST);
	cr_assert_eq(p.nodes[p.result].count, 6);
	static const gr_pickle_kind kinds[] = {GR_PICKLE_INT, GR_PICKLE_TUPLE, GR_PICKLE_DICT,
		GR_PICKLE_SET, GR_PICKLE_SET, GR_PICKLE_INT};
	for (uint32_t i = 0; i < 6; i++)
		cr_assert_eq(gr__pickle_kind(&p, gr__pickle_item(&p, p.result, i)), kinds[i]);
	cr_assert_eq(gr__pickle_item(&p, p.result, 6), 0);
	bool found = gr__pickle_int(&p, gr__pickle_get(&p, gr__pickle_item(&p, p.result, 2), "k"), &v);
	cr_assert(found && v == 4);
	cr_assert_eq(gr__pickle_get(&p, gr__pickle_item(&p, p.result, 2), "j"), 0);
	finish(&p);
}

/* One value through each kind of memo; it is one node that is shared, not three. */
Test(pickle, memo)
{
	static const char bytes[] = "\x80\x04](\x8c\1aq\x03r\x08\0\0\0p9\n\x94h\3j\x08\0\0\0g9\nh\3e.";
	gr_pickle p;
	start(&p, bytes, sizeof bytes - 1);
	cr_assert_eq(p.nodes[p.result].count, 5);
	for (uint32_t i = 1; i < 5; i++)
		cr_assert_eq(gr__pickle_item(&p, p.result, i), gr__pickle_item(&p, p.result, 0));
	finish(&p);
}

/* DUP, POP, POP_MARK; a POP right after a MARK takes the mark. */
Test(pickle, stack)
{
	gr_pickle p;
	int64_t v = 0;
	start(&p,
		"K\1(K\2K\3"
		"1(02\x86.",
		13);
	cr_assert_eq(p.nodes[p.result].count, 2);
	cr_assert_eq(gr__pickle_item(&p, p.result, 0), gr__pickle_item(&p, p.result, 1));
	bool is_int = gr__pickle_int(&p, gr__pickle_item(&p, p.result, 0), &v);
	cr_assert(is_int && v == 1);
	finish(&p);
}

/* An unknown class keeps arguments, state and items, whichever way it is made. */
Test(pickle, inert_objects)
{
	static const char *const pickles[] = {
		"cos\nsystem\n(K\1tR",
		"cos\nsystem\n(K\1t\x81",
		"\x8c\2os\x8c\6system\x93K\1\x85}\x92",
	};
	for (int i = 0; i < 3; i++) {
		gr_pickle p;
		pt_bytes b = {.data = NULL};
		pt_ops(&b, pickles[i]);
		pt_ops(&b,
			"}\x8c\1sK\2sb\x8c\1iK\3sK\4"
			"a.");
		start(&p, b.data, b.count);
		cr_assert_eq(gr__pickle_kind(&p, p.result), GR_PICKLE_OBJECT);
		const gr_pickle_node *n = &p.nodes[p.result];
		cr_assert(gr__pickle_is_global(&p, n->u.box.callable, "os", "system"));
		cr_assert_eq(p.nodes[n->u.box.args].count, 1);
		int64_t v = 0;
		bool found = gr__pickle_int(&p, gr__pickle_get(&p, n->u.box.state, "s"), &v);
		cr_assert(found && v == 2);
		found = gr__pickle_int(&p, gr__pickle_get(&p, p.result, "i"), &v);
		cr_assert(found && v == 3);
		cr_assert_eq(n->count, 3);
		finish(&p);
		pt_free(&b);
	}
}

/* Many values: arrays grow, bytes are read in pieces. */
Test(pickle, large)
{
	enum { COUNT = 100000 };
	pt_bytes b = {.data = NULL};
	gr_pickle p;
	int64_t v = 0;
	pt_ops(&b, "](");
	for (int i = 0; i < COUNT; i++)
		pt_int(&b, i);
	pt_ops(&b, "e.");
	start(&p, b.data, b.count);
	cr_assert_eq(p.nodes[p.result].count, COUNT);
	int64_t sum = 0;
	for (uint32_t c = p.nodes[p.result].u.box.first; c != 0; c = p.cells[c].next) {
		gr__pickle_int(&p, p.cells[c].value, &v);
		sum += v;
	}
	cr_assert_eq(sum, (int64_t)COUNT * (COUNT - 1) / 2);
	finish(&p);
	pt_free(&b);
}
