/* Forms of tensors and storages that one checkpoint rarely shows together. */
#include <criterion/criterion.h>
#include <string.h>

#include "pt_build.h"

TestSuite(torch, .init = pt_begin, .fini = pt_end);

static const int64_t two[] = {2};
static const int64_t one[] = {1};

/* Open the bytes and compare the two values of tensor "w". */
static void expect_values(const pt_bytes *bytes, double a, double b, const char *what)
{
	gr_tensorfile *f;
	pt_file(pt_path("file"), bytes->data, bytes->count);
	gr_status status = gr_checkpoint_open(&f, pt_path("file"), NULL);
	cr_assert_eq(status, GR_OK, "%s: %s", what, gr_error_message());
	const gr_tensor *t = gr_tensorfile_read(f, gr_tensorfile_find(f, "w"));
	cr_assert(t != NULL && gr_tensor_size(t) == 2, "%s: %s", what, gr_error_message());
	double values[2];
	status = gr_tensor_to_f64(t, values);
	cr_assert_eq(status, GR_OK);
	cr_assert(values[0] == a && values[1] == b, "%s: %g %g", what, values[0], values[1]);
	gr_tensorfile_close(f);
}

/* Offset 1, two elements, of storage "0" 0.0 1.0 2.0 3.0. */
static void put_args(pt_bytes *b)
{
	pt_ops(b, "(");
	pt_storage(b, "FloatStorage", "0", 4);
	pt_int(b, 1);
	pt_ints(b, 1, two);
	pt_ints(b, 1, one);
}

/* The ways in which a tensor is wrapped: all of them are the tensor. */
Test(torch, rebuild_functions)
{
	static const char *const ways[] = {"_rebuild_tensor", "_rebuild_tensor_v2",
		"_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_from_type_v2"};
	for (int i = 0; i < 5; i++) {
		pt_bytes pickle = {.data = NULL};
		pt_bytes file = {.data = NULL};
		pt_put(&pickle, "\x80\x02}", 3);
		pt_text(&pickle, "w");
		pt_global(&pickle, i == 4 ? "torch._tensor" : "torch._utils", ways[i]);
		if (i == 2 || i == 3) {
			pt_ops(&pickle, "(");
			pt_global(&pickle, "torch._utils", "_rebuild_tensor_v2");
		} else if (i == 4) {
			pt_ops(&pickle, "(");
			pt_global(&pickle, "torch._utils", "_rebuild_tensor_v2");
			pt_global(&pickle, "my.package", "Tensor");
		}
		put_args(&pickle);
		if (i == 0)
			pt_ops(&pickle, "tR");
		else
			pt_ops(&pickle, i == 4 ? "\x89Nt}tR" : "\x89NtR");
		if (i == 2 || i == 3)
			pt_ops(&pickle, i == 2 ? "\x89NtR" : "\x89N}tR");
		pt_ops(&pickle, "s.");
		pt_checkpoint(&file, &pickle, 4);
		expect_values(&file, 1.0, 2.0, ways[i]);
		pt_free(&pickle);
		pt_free(&file);
	}
}

/* Version 3: the type is an argument, the storage only bytes. */
Test(torch, untyped_storages)
{
	pt_bytes pickle = {.data = NULL};
	pt_bytes file = {.data = NULL};
	const unsigned char words[] = {9, 0, 7, 0, 8, 0};
	pt_put(&pickle, "\x80\x02}", 3);
	pt_text(&pickle, "w");
	pt_global(&pickle, "torch._utils", "_rebuild_tensor_v3");
	pt_ops(&pickle, "((");
	pt_text(&pickle, "storage");
	pt_global(&pickle, "torch.storage", "UntypedStorage");
	pt_text(&pickle, "0");
	pt_text(&pickle, "cpu");
	pt_int(&pickle, 6);
	pt_ops(&pickle, "tQ");
	pt_int(&pickle, 1);
	pt_ints(&pickle, 1, two);
	pt_ints(&pickle, 1, one);
	pt_ops(&pickle, "\x89N");
	pt_global(&pickle, "torch", "uint16");
	pt_ops(&pickle, "tRs.");
	const pt_member members[] = {
		{.name = "a/data.pkl", .data = pickle.data, .bytes = pickle.count},
		{.name = "a/data/0", .data = words, .bytes = sizeof words},
	};
	pt_zip(&file, members, 2);
	expect_values(&file, 7.0, 8.0, "uint16");
	pt_free(&pickle);
	pt_free(&file);
}

/* An OrderedDict given its pairs as a list, and a key that is a number. */
Test(torch, dicts_of_pairs)
{
	pt_bytes pickle = {.data = NULL};
	pt_bytes file = {.data = NULL};
	gr_tensorfile *f;
	pt_put(&pickle, "\x80\x02", 2);
	pt_global(&pickle, "collections", "OrderedDict");
	pt_ops(&pickle, "(](](");
	pt_text(&pickle, "w");
	pt_tensor(&pickle, &(pt_tensor_of){.ndim = 1, .dims = {2}, .strides = {3}});
	pt_ops(&pickle, "eK\5");
	pt_tensor(&pickle, &(pt_tensor_of){.ndim = 1, .dims = {2}, .strides = {3}});
	pt_ops(&pickle,
		"\x86"
		"etR}b.");
	pt_checkpoint(&file, &pickle, 4);
	expect_values(&file, 0.0, 3.0, "pairs");
	gr_status status = gr_checkpoint_open(&f, pt_path("file"), NULL);
	cr_assert_eq(status, GR_OK);
	cr_assert_eq(gr_tensorfile_find(f, "5"), 1);
	gr_tensorfile_close(f);
	pt_free(&pickle);
	pt_free(&file);
}

/* Legacy streams: a view of a storage, in either byte order. */
Test(torch, legacy_views)
{
	for (int big = 0; big < 2; big++) {
		pt_bytes file = {.data = NULL};
		pt_legacy_head(&file);
		if (big)
			file.data[file.count - 3] = 0x89; /* little_endian: False */
		pt_put(&file, "\x80\x02}", 3);
		pt_text(&file, "w");
		pt_global(&file, "torch._utils", "_rebuild_tensor");
		pt_ops(&file, "((");
		pt_text(&file, "storage");
		pt_global(&file, "torch", "ShortStorage");
		pt_text(&file, "k");
		pt_text(&file, "cuda:0");
		pt_int(&file, 4);
		pt_ops(&file, "(");
		pt_text(&file, "view");
		pt_int(&file, 1);
		pt_int(&file, 3);
		pt_ops(&file, "ttQ");
		pt_int(&file, 1);
		pt_ints(&file, 1, two);
		pt_ints(&file, 1, one);
		pt_ops(&file, "tRs.\x80\x02]");
		pt_text(&file, "k");
		pt_ops(&file, "a.");
		pt_put(&file, big ? "\0\0\0\0\0\0\0\4" : "\4\0\0\0\0\0\0\0", 8);
		pt_put(&file, big ? "\0\5\0\6\0\7\0\x08" : "\5\0\6\0\7\0\x08\0", 8);
		expect_values(&file, 7.0, 8.0, big ? "big-endian" : "little-endian");
		pt_free(&file);
	}
}

/* Let allocation 1, 2, 3, ... fail: out of memory each time, and nothing is held after it. */
static void starve(const pt_bytes *file, const char *what)
{
	bool opened = pt_opens(file, NULL);
	cr_assert(opened, "%s: %s", what, gr_error_message());
	uint64_t held = gr_memory_stats().bytes_in_use;
	opened = false;
	for (uint64_t n = 1; !opened; n++) {
		gr_memory_fail_at(n);
		opened = pt_opens(file, NULL);
		gr_memory_fail_at(0);
		cr_assert_eq(gr_memory_stats().bytes_in_use, held, "%s, allocation %d: leak", what, (int)n);
		cr_assert(opened ? n > 10 : gr_error_code() == GR_EMEM, "%s, allocation %d: %s", what,
			(int)n, gr_error_message());
		gr_error_clear();
		cr_assert_lt(n, 1000);
	}
}

Test(torch, without_memory)
{
	pt_bytes pickle = {.data = NULL};
	pt_bytes file = {.data = NULL};
	const pt_tensor_of t = {.ndim = 2, .dims = {2, 2}, .strides = {1, 2}};
	pt_state_dict(&pickle, "w", &t);
	pt_checkpoint(&file, &pickle, 4);
	starve(&file, "zip");
	pt_free(&file);
	pt_legacy_head(&file);
	pt_put(&file, pickle.data, pickle.count);
	pt_put(&file, "\x80\x02]", 3);
	pt_text(&file, "0");
	pt_ops(&file, "a.");
	pt_u64(&file, 4);
	pt_put(&file, "0123456789abcdef", 16);
	starve(&file, "legacy");
	pt_free(&file);
	pt_free(&pickle);
}
