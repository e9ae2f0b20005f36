/* JSON: what the grammar allows, and a table of what it does not. */
#include <criterion/criterion.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/json.h"

static gr_json_doc *parse(const char *text, gr_json_error *error)
{
	return gr_json_parse(text, strlen(text), NULL, error);
}

Test(json, tree)
{
	static const char text[] = " {\"a\": [1, -2.5e1, true, null, \"x\\n\\u00e9\\ud83d\\ude00\\/\"],"
							   "\"b\": {}, \"\": [], \"z\": false}\n";
	gr_json_error error;
	gr_json_doc *doc = parse(text, &error);
	cr_assert_not_null(doc, "%s", error.reason);
	const gr_json *root = gr_json_root(doc);
	cr_assert_eq(root->kind, GR_JSON_OBJECT);
	cr_assert_eq(root->count, 4);
	cr_assert_eq(root->offset, 1);
	const gr_json *v = gr_json_find(root, "a")->child;
	cr_assert(v->kind == GR_JSON_NUMBER && v->is_int && v->integer == 1 && v->number == 1.0);
	v = v->next;
	cr_assert(v->kind == GR_JSON_NUMBER && !v->is_int && v->number == -25.0);
	v = v->next;
	cr_assert(v->kind == GR_JSON_BOOL && v->boolean);
	v = v->next;
	cr_assert_eq(v->kind, GR_JSON_NULL);
	v = v->next;
	cr_assert_str_eq(v->string, "x\n\xc3\xa9\xf0\x9f\x98\x80/");
	cr_assert_eq(v->count, 9);
	cr_assert_null(v->next);
	cr_assert_eq(gr_json_find(root, "b")->count, 0);
	cr_assert_eq(gr_json_find(root, "")->kind, GR_JSON_ARRAY);
	cr_assert_not(gr_json_find(root, "z")->boolean);
	cr_assert_null(gr_json_find(root, "c"));
	cr_assert_null(gr_json_find(gr_json_find(root, "a"), "a"));
	/* Members keep the order of the text. */
	cr_assert_str_eq(root->child->name, "a");
	cr_assert_str_eq(root->child->next->next->name, "");
	gr_json_free(doc);
	gr_json_free(NULL);
}

Test(json, numbers)
{
	static const struct {
		const char *text;
		bool is_int;
		int64_t integer;
		double number;
	} cases[] = {
		{"0", true, 0, 0.0},
		{"-0", false, 0, 0.0},
		{"-1", true, -1, -1.0},
		{"1.0", false, 0, 1.0},
		{"1e2", false, 0, 100.0},
		{"1E+2", false, 0, 100.0},
		{"0.1", false, 0, 0.1},
		{"9223372036854775807", true, INT64_MAX, 9223372036854775807.0},
		{"9223372036854775808", false, 0, 9223372036854775808.0},
		{"-9223372036854775808", true, INT64_MIN, -9223372036854775808.0},
		{"-9223372036854775809", false, 0, -9223372036854775809.0},
		{"18446744073709551616", false, 0, 18446744073709551616.0},
		{"1e-400", false, 0, 0.0},
		{"1.7976931348623157e308", false, 0, 1.7976931348623157e308},
	};
	setlocale(LC_ALL, ""); /* a locale with a decimal comma must not matter */
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		gr_json_error error;
		gr_json_doc *doc = parse(cases[i].text, &error);
		cr_assert_not_null(doc, "%s: %s", cases[i].text, error.reason);
		const gr_json *v = gr_json_root(doc);
		cr_assert_eq(v->kind, GR_JSON_NUMBER);
		cr_assert_eq(v->is_int, cases[i].is_int, "%s", cases[i].text);
		cr_assert_eq(v->integer, cases[i].integer, "%s", cases[i].text);
		cr_assert(v->number == cases[i].number, "%s", cases[i].text);
		gr_json_free(doc);
	}
}

Test(json, refused)
{
	static const struct {
		const char *text;
		size_t offset;
	} cases[] = {
		{"", 0},
		{" ", 1},
		{"nul", 0},
		{"True", 0},
		{"{", 1},
		{"[", 1},
		{"[1,]", 3},
		{"[,1]", 1},
		{"[1 2]", 3},
		{"[1}", 2},
		{"{\"a\"}", 4},
		{"{\"a\":}", 5},
		{"{\"a\":1,}", 7},
		{"{a:1}", 1},
		{"{'a':1}", 1},
		{"{1:1}", 1},
		{"{\"a\":1 \"b\":2}", 7},
		{"{\"a\":1,\"a\":2}", 11},
		{"{\"a\":1,\"b\":2,\"\\u0061\":3}", 22},
		{"1 2", 2},
		{"{}{}", 2},
		{"01", 0},
		{"-", 0},
		{"+1", 0},
		{".5", 0},
		{"1.", 0},
		{"1e", 0},
		{"1e+", 0},
		{"0x10", 1},
		{"NaN", 0},
		{"Infinity", 0},
		{"1e999", 0},
		{"\"a", 0},
		{"\"a\\\"", 0},
		{"\"a\\", 0},
		{"\"\\x41\"", 1},
		{"\"\\u12\"", 1},
		{"\"\\u12g4\"", 1},
		{"\"\\u0000\"", 1},
		{"\"\\ud800\"", 1},
		{"\"\\ud800\\u0041\"", 1},
		{"\"\\udc00\"", 1},
		{"\"\\ud83d\\ude0", 0},
		{"\"a\tb\"", 2},
		{"\"a\nb\"", 2},
		{"\"\xff\"", 1},
		{"\"\xc0\x80\"", 1},
		{"\"\xed\xa0\x80\"", 1},
		{"\xef\xbb\xbf{}", 0},
		{"// no\n1", 0},
		{"[1]\v", 3},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		gr_json_error error;
		cr_assert_null(parse(cases[i].text, &error), "%s", cases[i].text);
		cr_assert_eq(error.code, GR_EFORMAT, "%s", cases[i].text);
		cr_assert_eq(error.offset, cases[i].offset, "%s: %s at %zu", cases[i].text, error.reason,
			error.offset);
		cr_assert(error.reason[0]);
	}
	cr_assert_not(gr_failed());
	/* A NUL inside the text is not its end. */
	gr_json_error error;
	cr_assert_null(gr_json_parse("[1\0]", 4, NULL, &error));
	cr_assert_null(gr_json_parse("1\0", 2, NULL, &error));
}

static bool nested(int depth, int limit)
{
	char text[512];
	memset(text, '[', (size_t)depth);
	memset(text + depth, ']', (size_t)depth);
	gr_json_error error;
	gr_json_doc *doc =
		gr_json_parse(text, 2 * (size_t)depth, &(gr_json_limits){.depth = limit}, &error);
	gr_json_free(doc);
	return doc != NULL;
}

Test(json, limits)
{
	cr_assert(nested(64, 0));
	cr_assert_not(nested(65, 0));
	cr_assert_not(nested(65, 1000));
	cr_assert(nested(4, 4));
	cr_assert_not(nested(5, 4));
	gr_json_error error;
	cr_assert_null(gr_json_parse("[1,2]", 5, &(gr_json_limits){.values = 2}, &error));
	cr_assert_null(gr_json_parse("[1,2]", 5, &(gr_json_limits){.bytes = 4}, &error));
	gr_json_doc *doc =
		gr_json_parse("[1,2]", 5, &(gr_json_limits){.values = 3, .bytes = 5}, &error);
	cr_assert_not_null(doc);
	gr_json_free(doc);
	char digits[600];
	memset(digits, '1', sizeof digits);
	cr_assert_null(gr_json_parse(digits, sizeof digits, NULL, &error));
	/* 300 names, so that the index and several blocks are at work. */
	char text[8192] = "{";
	size_t n = 1;
	for (int i = 0; i < 300; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s\"k%d\":%d", i ? "," : "", i * 7 % 300,
			i);
	text[n++] = '}';
	doc = gr_json_parse(text, n, NULL, &error);
	for (int i = 0; i < 300; i++) {
		char name[16];
		snprintf(name, sizeof name, "k%d", i * 7 % 300);
		cr_assert_eq(gr_json_find(gr_json_root(doc), name)->integer, i);
	}
	gr_json_free(doc);
}

Test(json, without_memory)
{
	static const char text[] = "{\"a\":[1,2,{\"b\":\"c\"}]}";
	uint64_t held = gr_memory_stats().bytes_in_use;
	gr_json_error error;
	gr_json_doc *doc = NULL;
	for (uint64_t n = 1; !doc; n++) {
		cr_assert_lt(n, 20);
		gr_memory_fail_at(n);
		doc = parse(text, &error);
		gr_memory_fail_at(0);
		cr_assert(doc || (error.code == GR_EMEM && gr_memory_stats().bytes_in_use == held));
	}
	gr_json_free(doc);
	cr_assert_eq(gr_memory_stats().bytes_in_use, held);
}

Test(json, written_strings_come_back)
{
	static const char s[] = "a\"b\\c/\b\f\n\r\t\x01\x7f\xc3\xa9\xf0\x9f\x98\x80";
	char text[256] = {0};
	FILE *f = fmemopen(text, sizeof text, "w");
	gr_json_write_string(f, s);
	fclose(f);
	gr_json_error error;
	gr_json_doc *doc = parse(text, &error);
	cr_assert_not_null(doc, "%s: %s", text, error.reason);
	cr_assert_str_eq(gr_json_root(doc)->string, s);
	gr_json_free(doc);
	for (size_t i = 0; text[i]; i++)
		cr_assert((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}
