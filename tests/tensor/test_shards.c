/* Sharded safetensors: the index and its files agree, or one error says where they do not. */
#include <criterion/criterion.h>
#include <string.h>

#include "gradus/tensorfile.h"
#include "io_files.h"

TestSuite(shards, .init = io_begin, .fini = io_end);

static void put_part(const char *file, const char *name, double value)
{
	gr_archive *a = gr_archive_new();
	gr_status status = gr_archive_add(a, name, gr_full(GR_F32, GR_DIMS(2), value));
	if (status == GR_OK)
		status = gr_safetensors_write(io_path(file), a);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_archive_free(a);
}

static gr_status open_index(gr_tensorfile **f, const char *text)
{
	io_put(io_path("index.json"), text, strlen(text));
	return gr_tensorfile_open(f, io_path("index.json"));
}

Test(shards, two_files)
{
	gr_tensorfile *f;
	put_part("one.safetensors", "a", 1.0);
	put_part("two.safetensors", "b", 2.0);
	gr_status status = open_index(&f,
		"{\"metadata\":{\"total_size\":16},"
		"\"weight_map\":{\"b\":\"two.safetensors\",\"a\":\"one.safetensors\"}}");
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_assert_str_eq(gr_tensorfile_format(f), "sharded safetensors");
	cr_assert_eq(gr_tensorfile_count(f), 2);
	for (int i = 0; i < 2; i++) {
		const gr_tensor *t = gr_tensorfile_read(f, gr_tensorfile_find(f, i == 0 ? "a" : "b"));
		cr_assert(gr_tensor_at(t, (const int64_t[]){1}) == 1.0 + i);
	}
	gr_tensorfile_close(f);
}

Test(shards, refused)
{
	static const struct {
		const char *index;
		gr_status code;
		const char *text;
	} cases[] = {
		{"{}", GR_EFORMAT, "weight_map"},
		{"{\"weight_map\":[]}", GR_EFORMAT, "weight_map"},
		{"{\"weight_map\":{\"a\":\"../one.safetensors\"}}", GR_EFORMAT, "'a'"},
		{"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", GR_EFORMAT, "'a'"},
		{"{\"weight_map\":{\"a\":\"..\"}}", GR_EFORMAT, "'a'"},
		{"{\"weight_map\":{\"a\":\"x\\\\y\"}}", GR_EFORMAT, "'a'"},
		{"{\"weight_map\":{\"a\":\"\"}}", GR_EFORMAT, "'a'"},
		{"{\"weight_map\":{\"a\":3}}", GR_EFORMAT, "'a'"},
		{"{\"weight_map\":{\"a\":\"index.json\"}}", GR_EFORMAT, "index.json"},
		{"{\"weight_map\":{\"a\":\"three.safetensors\"}}", GR_EIO, "three.safetensors"},
		{"{\"weight_map\":{\"a\":\"two.safetensors\"}}", GR_EFORMAT, "'a'"},
		{"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"one.safetensors\"}}", GR_EFORMAT,
			"'b'"},
		{"{\"weight_map\":{}}", GR_OK, NULL},
		{"{\"weight_map\":{\"a\":\"one.safetensors\",\"a\":\"two.safetensors\"}}", GR_EFORMAT,
			"index"},
		{"{\"weight_map\"", GR_EFORMAT, "index"},
	};
	put_part("one.safetensors", "a", 1.0);
	put_part("two.safetensors", "b", 2.0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		gr_tensorfile *f;
		gr_status status = open_index(&f, cases[i].index);
		cr_assert_eq(status, cases[i].code, "%s: %s", cases[i].index, gr_error_message());
		cr_assert_eq(f == NULL, status != GR_OK);
		if (cases[i].text != NULL)
			cr_assert_not_null(strstr(gr_error_message(), cases[i].text), "'%s' is not in '%s'",
				cases[i].text, gr_error_message());
		gr_error_clear();
		gr_tensorfile_close(f);
	}
	/* One tensor in two files. */
	gr_tensorfile *f;
	put_part("two.safetensors", "a", 2.0);
	gr_status status =
		open_index(&f, "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}");
	cr_assert_eq(status, GR_EFORMAT);
	cr_assert_not_null(strstr(gr_error_message(), "two tensors"));
	gr_error_clear();
}
