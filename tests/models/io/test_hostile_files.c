/*
 * Containers that mean harm or are broken (archives, legacy streams, plain pickles with nested
 * streams), and every damage to a good one: cut at each byte, each bit flipped.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "pt_build.h"

TestSuite(hostile_files, .init = pt_begin, .fini = pt_end);

static const pt_tensor_of good = {.ndim = 2, .dims = {2, 2}, .strides = {2, 1}};

/* --- archives -------------------------------------------------------------------------------- */

/* The good archive with one member changed or added. */
static bool opens_with(pt_member changed, const char *instead_of)
{
	pt_bytes pickle = {.data = NULL};
	pt_bytes file = {.data = NULL};
	pt_state_dict(&pickle, "w", &good);
	pt_member members[5] = {
		{.name = "top/data.pkl", .data = pickle.data, .bytes = pickle.count},
		{.name = "top/data/0", .data = "0123456789abcdef", .bytes = 16},
		{.name = "top/byteorder", .data = "little", .bytes = 6},
		{.name = "top/.data/serialization_id", .data = "1", .bytes = 1},
	};
	int count = 4;
	int at = 4;
	for (int i = 0; i < 4; i++)
		at = instead_of != NULL && strcmp(members[i].name, instead_of) == 0 ? i : at;
	count += at == 4 && changed.name != NULL;
	if (changed.name != NULL && changed.data == NULL) {
		changed.data = members[at].data;
		changed.bytes = members[at].bytes;
	}
	if (changed.name != NULL)
		members[at] = changed;
	pt_zip(&file, members, count);
	bool opened = pt_opens(&file, NULL);
	pt_free(&pickle);
	pt_free(&file);
	return opened;
}

Test(hostile_files, archives)
{
	static const struct {
		pt_member member;
		const char *instead_of;
		gr_status code;
		const char *text;
	} cases[] = {
		{{.name = "other/data/1", .data = "", .bytes = 0}, NULL, GR_EFORMAT, "top directory"},
		{{.name = "top/../x", .data = "", .bytes = 0}, NULL, GR_EFORMAT, "'..'"},
		{{.name = "/top/x", .data = "", .bytes = 0}, NULL, GR_EFORMAT, "empty part"},
		{{.name = "top/data/0", .data = "", .bytes = 0}, NULL, GR_EFORMAT, "one name"},
		{{.name = "top/constants.pkl", .data = "", .bytes = 0}, NULL, GR_EUNSUPPORTED,
			"TorchScript"},
		{{.name = "top/code/net.py", .data = "", .bytes = 0}, NULL, GR_EUNSUPPORTED, "TorchScript"},
		{{.name = "top/byteorder", .data = "middle", .bytes = 6}, "top/byteorder", GR_EFORMAT,
			"byteorder"},
		{{.name = "top/model.pkl"}, "top/data.pkl", GR_EFORMAT, "without data.pkl"},
		{{.name = "top/data.pkl", .method = 8}, "top/data.pkl", GR_EFORMAT, "compressed"},
		{{.name = "top/data/0", .method = 8}, "top/data/0", GR_EFORMAT, "compressed"},
		{{.name = "top/data/0", .method = 12}, "top/data/0", GR_EUNSUPPORTED, "method 12"},
		{{.name = "top/data/0", .flags = 1}, "top/data/0", GR_EUNSUPPORTED, "encrypted"},
		{{.name = "top/data/0", .data = "0123", .bytes = 4}, "top/data/0", GR_EFORMAT,
			"has 4 bytes"},
	};
	bool opened = opens_with((pt_member){.name = NULL}, NULL);
	cr_assert(opened, "%s", gr_error_message());
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		opened = opens_with(cases[i].member, cases[i].instead_of);
		cr_assert_not(opened, "%s", cases[i].text);
		cr_assert_eq(gr_error_code(), cases[i].code, "%s", gr_error_message());
		cr_assert_not_null(strstr(gr_error_message(), cases[i].text), "'%s' is not in '%s'",
			cases[i].text, gr_error_message());
		gr_error_clear();
	}
}

/* --- every section cut, every bit flipped ---------------------------------------------------- */

static void attack(const pt_bytes *file)
{
	pt_bytes copy = {.data = NULL};
	pt_put(&copy, file->data, file->count);
	bool opened = pt_opens(file, NULL);
	cr_assert(opened, "the whole file: %s", gr_error_message());
	for (size_t n = 0; n < file->count; n++) {
		copy.count = n;
		opened = pt_opens(&copy, NULL);
		cr_assert_not(opened, "cut to %zu of %zu bytes", n, file->count);
		cr_assert(gr_error_code() == GR_EFORMAT || gr_error_code() == GR_EUNSUPPORTED,
			"cut to %zu bytes: %s", n, gr_error_message());
		gr_error_clear();
	}
	copy.count = file->count;
	for (size_t bit = 0; bit < 8 * file->count; bit++) {
		copy.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		opened = pt_opens(&copy, NULL);
		cr_assert(opened || gr_error_code() == GR_EFORMAT || gr_error_code() == GR_EUNSUPPORTED,
			"bit %zu of byte %zu: %s", bit % 8, bit / 8, gr_error_message());
		gr_error_clear();
		copy.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	pt_free(&copy);
}

Test(hostile_files, damaged_archive)
{
	pt_bytes pickle = {.data = NULL};
	pt_bytes file = {.data = NULL};
	pt_state_dict(&pickle, "w", &good);
	pt_checkpoint(&file, &pickle, 4);
	attack(&file);
	pt_free(&pickle);
	pt_free(&file);
}

/* A legacy stream of one tensor; the storage says `count` elements under `key`. */
static void legacy(pt_bytes *out, const char *key, uint64_t count)
{
	pt_legacy_head(out);
	pt_state_dict(out, "w", &good);
	pt_put(out, "\x80\x02]", 3);
	pt_text(out, key);
	pt_ops(out, "a.");
	pt_u64(out, count);
	pt_put(out, "0123456789abcdef", 16);
}

Test(hostile_files, damaged_stream)
{
	pt_bytes file = {.data = NULL};
	legacy(&file, "0", 4);
	attack(&file);
	pt_free(&file);
}

Test(hostile_files, streams)
{
	static const struct {
		const char *key;
		uint64_t count;
		const char *more;
		const char *text;
	} cases[] = {
		{"0", 5, "", "has 5 elements and should have 4"},
		{"0", UINT64_MAX, "", "should have 4"},
		{"1", 4, "", "belongs to nothing"},
		{"0", 4, "x", "after the last storage"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		pt_bytes file = {.data = NULL};
		legacy(&file, cases[i].key, cases[i].count);
		pt_ops(&file, cases[i].more);
		bool opened = pt_opens(&file, NULL);
		cr_assert_not(opened);
		cr_assert_eq(gr_error_code(), GR_EFORMAT);
		cr_assert_not_null(strstr(gr_error_message(), cases[i].text), "'%s' is not in '%s'",
			cases[i].text, gr_error_message());
		gr_error_clear();
		pt_free(&file);
	}
}

/* --- plain pickles ---------------------------------------------------------------------------- */

/* A pickle whose tensor's storage is a nested stream; `times` calls unpack the same bytes. */
static void plain(pt_bytes *out, int times)
{
	pt_bytes inner = {.data = NULL};
	pt_legacy_head(&inner);
	pt_put(&inner, "\x80\x02", 2);
	pt_storage(&inner, "FloatStorage", "0", 4);
	pt_put(&inner, ".\x80\x02]", 4);
	pt_text(&inner, "0");
	pt_ops(&inner, "a.");
	pt_u64(&inner, 4);
	pt_put(&inner, "0123456789abcdef", 16);
	pt_put(out, "\x80\x04}B", 4);
	pt_u32(out, inner.count);
	pt_put(out, inner.data, inner.count);
	pt_put(out, "q\0000", 3);
	for (int i = 0; i < times; i++) {
		char name[16];
		snprintf(name, sizeof name, "w%d", i);
		pt_text(out, name);
		pt_global(out, "torch._utils", "_rebuild_tensor_v2");
		pt_ops(out, "(");
		pt_global(out, "torch.storage", "_load_from_bytes");
		pt_put(out, "h\0\x85R", 4);
		pt_int(out, 0);
		pt_ints(out, 2, good.dims);
		pt_ints(out, 2, good.strides);
		pt_ops(out, "\x89NtRs");
	}
	pt_ops(out, ".");
	pt_free(&inner);
}

Test(hostile_files, damaged_plain)
{
	pt_bytes file = {.data = NULL};
	plain(&file, 1);
	attack(&file);
	pt_free(&file);
	/* The same stream over and over would cost the square of the file. */
	plain(&file, 100);
	bool opened = pt_opens(&file, NULL);
	cr_assert_not(opened);
	cr_assert_not_null(strstr(gr_error_message(), "nested stream"), "%s", gr_error_message());
	gr_error_clear();
	pt_free(&file);
}

Test(hostile_files, plain_has_no_ids)
{
	pt_bytes file = {.data = NULL};
	pt_state_dict(&file, "w", &good);
	bool opened = pt_opens(&file, NULL);
	cr_assert_not(opened);
	cr_assert_not_null(strstr(gr_error_message(), "persistent id"));
	gr_error_clear();
	pt_free(&file);
}

Test(hostile_files, formats_of_the_past)
{
	unsigned char bytes[600] = "PYTORCH1";
	pt_bytes file = {.data = NULL};
	pt_put(&file, bytes, sizeof bytes);
	bool opened = pt_opens(&file, NULL);
	cr_assert_not(opened);
	cr_assert_not_null(strstr(gr_error_message(), "preview"));
	gr_error_clear();
	memset(bytes, 0, sizeof bytes);
	memcpy(bytes + 257, "ustar", 5);
	pt_free(&file);
	pt_put(&file, bytes, sizeof bytes);
	opened = pt_opens(&file, NULL);
	cr_assert_not(opened);
	cr_assert_not_null(strstr(gr_error_message(), "tar archive"));
	gr_error_clear();
	pt_free(&file);
}
