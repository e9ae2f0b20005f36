/*
 * Checkpoints that are in order: where the state dict is found, what its names and values are, in
 * which format. Those of $GRADUS_SHARED are read where they are there.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gradus/layers.h"
#include "golden.h"
#include "pt_build.h"

TestSuite(checkpoint, .init = pt_begin, .fini = pt_end);

static const pt_tensor_of square = {.ndim = 2, .dims = {2, 2}, .strides = {2, 1}};
static const pt_tensor_of turned = {.ndim = 2, .dims = {2, 2}, .strides = {1, 2}};

/* Open the archive of a pickle that ends here. */
static gr_status open_pickle(gr_tensorfile **f, pt_bytes *pickle, const gr_checkpoint_opts *opts)
{
	pt_bytes file = {.data = NULL};
	pt_ops(pickle, ".");
	pt_checkpoint(&file, pickle, 4);
	pt_file(pt_path("file"), file.data, file.count);
	pt_free(&file);
	gr_status status = gr_checkpoint_open(f, pt_path("file"), opts);
	pt_free(pickle);
	return status;
}

/* "key": { "module.w": tensor } into an open dict. */
static void put_dict(pt_bytes *b, const char *key, const char *name, const pt_tensor_of *t)
{
	pt_text(b, key);
	pt_ops(b, "}");
	pt_text(b, name);
	pt_tensor(b, t);
	pt_ops(b, "ss");
}

static double value(const gr_tensorfile *f, const char *name, int64_t i, int64_t j)
{
	const gr_tensor *t = gr_tensorfile_read(f, gr_tensorfile_find(f, name));
	cr_assert_not_null(t, "%s: %s", name, gr_error_message());
	return gr_tensor_at(t, (const int64_t[]){i, j});
}

Test(checkpoint, finds_the_averaged_weights)
{
	pt_bytes b = {.data = NULL};
	gr_tensorfile *f;
	pt_put(&b, "\x80\x02}", 3);
	put_dict(&b, "model", "w", &turned);
	put_dict(&b, "ema", "module.w", &square);
	pt_text(&b, "epoch");
	pt_ops(&b, "K\x07s");
	gr_status status = open_pickle(&f, &b, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_assert_str_eq(gr_tensorfile_format(f), "PyTorch zip archive");
	cr_assert_str_eq(gr_tensorfile_root(f), "/ema");
	cr_assert_eq(gr_tensorfile_count(f), 1);
	double v = value(f, "w", 0, 1);
	cr_assert(v == 1.0);
	gr_tensorfile_close(f);
}

Test(checkpoint, root_and_prefix_by_choice)
{
	const gr_checkpoint_opts opts = {.size = sizeof opts, .root = "/model", .keep_prefix = true};
	const gr_checkpoint_opts wrong = {.size = sizeof wrong, .root = "/optimizer"};
	for (int i = 0; i < 2; i++) {
		pt_bytes b = {.data = NULL};
		gr_tensorfile *f;
		pt_put(&b, "\x80\x02}", 3);
		put_dict(&b, "model", "module.w", &turned);
		put_dict(&b, "ema", "module.w", &square);
		gr_status status = open_pickle(&f, &b, i == 0 ? &opts : &wrong);
		cr_assert_eq(status, i == 0 ? GR_OK : GR_EFORMAT);
		if (i == 0) {
			double v = value(f, "module.w", 0, 1);
			cr_assert(v == 2.0);
		}
		gr_error_clear();
		gr_tensorfile_close(f);
	}
}

Test(checkpoint, several_candidates)
{
	pt_bytes b = {.data = NULL};
	gr_tensorfile *f;
	pt_put(&b, "\x80\x02}", 3);
	put_dict(&b, "G", "w", &square);
	put_dict(&b, "D", "w", &square);
	gr_status status = open_pickle(&f, &b, NULL);
	cr_assert_eq(status, GR_EUNSUPPORTED);
	cr_assert_not_null(strstr(gr_error_message(), "/G /D"), "%s", gr_error_message());
	gr_error_clear();
}

Test(checkpoint, lists_and_bare_tensors)
{
	for (int i = 0; i < 2; i++) {
		pt_bytes b = {.data = NULL};
		gr_tensorfile *f;
		pt_put(&b, "\x80\x02", 2);
		if (i == 0) {
			pt_ops(&b, "](}");
			pt_text(&b, "w");
			pt_tensor(&b, &turned);
			pt_ops(&b, "sK\1}");
			pt_text(&b, "w");
			pt_tensor(&b, &square);
			pt_ops(&b, "se");
		} else {
			pt_tensor(&b, &square);
		}
		gr_status status = open_pickle(&f, &b, NULL);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		cr_assert_str_eq(gr_tensorfile_root(f), i == 0 ? "/2" : "/");
		double v = value(f, i == 0 ? "w" : "tensor", 0, 1);
		cr_assert(v == 1.0);
		gr_tensorfile_close(f);
	}
}

/* A saved module: parameters, buffers, submodules become dotted names. */
Test(checkpoint, modules)
{
	pt_bytes b = {.data = NULL};
	gr_tensorfile *f;
	gr_tensor_info info;
	pt_put(&b, "\x80\x02", 2);
	pt_global(&b, "torch.nn", "Sequential");
	pt_put(&b, ")\x81}", 3);
	put_dict(&b, "_parameters", "scale", &square);
	put_dict(&b, "_buffers", "mean", &turned);
	pt_text(&b, "_modules");
	pt_ops(&b, "}");
	pt_text(&b, "0");
	pt_global(&b, "torch.nn", "Linear");
	pt_put(&b, ")\x81}", 3);
	put_dict(&b, "_parameters", "weight", &turned);
	pt_ops(&b, "bssb");
	gr_status status = open_pickle(&f, &b, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	static const char *const names[] = {"scale", "mean", "0.weight"};
	cr_assert_eq(gr_tensorfile_count(f), 3);
	for (int i = 0; i < 3; i++) {
		gr_tensorfile_info(f, i, &info);
		cr_assert_str_eq(info.name, names[i]);
	}
	gr_tensorfile_close(f);
}

/* Two floats 1.0 and 2.0 in each of the types that tensors are kept in, and in integers. */
Test(checkpoint, element_types)
{
	static const struct {
		const char *storage;
		const char *bytes;
		size_t width;
		gr_dtype dtype;
	} cases[] = {
		{"HalfStorage", "\x00\x3c\x00\x40", 2, GR_F16},
		{"BFloat16Storage", "\x80\x3f\x00\x40", 2, GR_BF16},
		{"DoubleStorage", "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\x40", 8, GR_F64},
		{"LongStorage", "\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0", 8, GR_I64},
		{"IntStorage", "\1\0\0\0\2\0\0\0", 4, GR_I64},
		{"ShortStorage", "\1\0\2\0", 2, GR_I64},
		{"CharStorage", "\1\2", 1, GR_I64},
		{"ByteStorage", "\1\2", 1, GR_U8},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		pt_bytes pickle = {.data = NULL};
		pt_bytes file = {.data = NULL};
		gr_tensorfile *f;
		pt_state_dict(&pickle, "w",
			&(pt_tensor_of){.type = cases[i].storage,
				.count = 2,
				.ndim = 2,
				.dims = {1, 2},
				.strides = {2, 1}});
		const pt_member members[] = {
			{.name = "a/data.pkl", .data = pickle.data, .bytes = pickle.count},
			{.name = "a/data/0", .data = cases[i].bytes, .bytes = 2 * cases[i].width},
		};
		pt_zip(&file, members, 2);
		pt_file(pt_path("file"), file.data, file.count);
		gr_status status = gr_checkpoint_open(&f, pt_path("file"), NULL);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		const gr_tensor *t = gr_tensorfile_read(f, 0);
		cr_assert_eq(gr_tensor_dtype(t), cases[i].dtype);
		for (int64_t k = 0; k < 2; k++)
			cr_assert(gr_tensor_at(t, (const int64_t[]){0, k}) == 1.0 + (double)k, "%s",
				cases[i].storage);
		gr_tensorfile_close(f);
		pt_free(&pickle);
		pt_free(&file);
	}
}

Test(checkpoint, big_endian)
{
	pt_bytes pickle = {.data = NULL};
	pt_bytes file = {.data = NULL};
	gr_tensorfile *f;
	pt_state_dict(&pickle, "w",
		&(pt_tensor_of){.count = 1, .ndim = 2, .dims = {1, 1}, .strides = {1, 1}});
	const pt_member members[] = {
		{.name = "a/data.pkl", .data = pickle.data, .bytes = pickle.count},
		{.name = "a/data/0", .data = "\x40\x00\x00\x00", .bytes = 4},
		{.name = "a/byteorder", .data = "big", .bytes = 3},
	};
	pt_zip(&file, members, 3);
	pt_file(pt_path("file"), file.data, file.count);
	gr_status status = gr_checkpoint_open(&f, pt_path("file"), NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	double v = value(f, "w", 0, 0);
	cr_assert(v == 2.0);
	gr_tensorfile_close(f);
	pt_free(&pickle);
	pt_free(&file);
}

/* A flipped bit in the data is seen when it is asked for. */
Test(checkpoint, crc)
{
	const gr_checkpoint_opts check = {.size = sizeof check, .check_crc = true};
	pt_bytes pickle = {.data = NULL};
	pt_bytes file = {.data = NULL};
	pt_state_dict(&pickle, "w", &square);
	pt_checkpoint(&file, &pickle, 4);
	bool opened = pt_opens(&file, &check);
	cr_assert(opened, "%s", gr_error_message());
	for (size_t i = 0; i + 4 < file.count; i++) {
		if (memcmp(file.data + i, "\0\0\x80\x3f", 4) == 0)
			file.data[i] ^= 1;
	}
	opened = pt_opens(&file, NULL);
	cr_assert(opened);
	opened = pt_opens(&file, &check);
	cr_assert_not(opened);
	cr_assert_not_null(strstr(gr_error_message(), "CRC"), "%s", gr_error_message());
	gr_error_clear();
	pt_free(&pickle);
	pt_free(&file);
}

Test(checkpoint, other_formats)
{
	const gr_checkpoint_opts opts = {.size = sizeof opts, .root = "/x"};
	gr_archive *a = gr_archive_new();
	gr_tensorfile *f;
	gr_status status = gr_archive_add(a, "x", gr_scalar(GR_BF16, 1.0));
	if (status == GR_OK)
		status = gr_safetensors_write(pt_path("s"), a);
	if (status == GR_OK)
		status = gr_checkpoint_open(&f, pt_path("s"), NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_tensor_dtype(gr_tensorfile_read(f, 0)), GR_BF16);
	gr_tensorfile_close(f);
	status = gr_checkpoint_open(&f, pt_path("s"), &opts);
	cr_assert_eq(status, GR_EARG);
	gr_error_clear();
	status = gr_checkpoint_open(&f, pt_path("absent"), NULL);
	cr_assert_eq(status, GR_EIO);
	gr_error_clear();
	status = gr_checkpoint_open(&f, NULL, NULL);
	cr_assert_eq(status, GR_EARG);
	gr_error_clear();
	gr_archive_free(a);
}

/* Peak memory of loading: the module and its largest tensor, not the file beside them. */
Test(checkpoint, loads_one_by_one)
{
	enum { LAYERS = 20, WIDTH = 64 };
	gr_module *from = gr_module_new(), *to = gr_module_new();
	gr_archive *a = gr_archive_new();
	for (int i = 0; i < LAYERS; i++) {
		const gr_linear_opts opts = {.size = sizeof opts, .in = WIDTH, .out = WIDTH};
		char name[16];
		snprintf(name, sizeof name, "l%d", i);
		gr_linear_new(from, name, &opts);
		gr_linear_new(to, name, &opts);
	}
	gr_status status = gr_module_init(from, gr_key_seed(1));
	if (status == GR_OK)
		status = gr_module_save(from, a, GR_F32);
	if (status == GR_OK)
		status = gr_safetensors_write(pt_path("s"), a);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_archive_free(a);
	gr_tensorfile *f;
	status = gr_checkpoint_open(&f, pt_path("s"), NULL);
	cr_assert_eq(status, GR_OK);
	uint64_t before = gr_memory_stats().bytes_in_use;
	gr_memory_reset_peak();
	status = gr_module_load_file(to, f, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_memory stats = gr_memory_stats();
	uint64_t weights = stats.bytes_in_use - before;
	cr_assert_geq(weights, LAYERS * WIDTH * WIDTH * sizeof(float));
	cr_assert_leq(stats.bytes_peak - before, weights + 3 * WIDTH * WIDTH * sizeof(float));
	gr_tensorfile_close(f);
	gr_module_free(from);
	gr_module_free(to);
}

/* --- files of others ------------------------------------------------------------------------- */

/* The shared file; NULL, and "skipped", when it is not there. */
static const char *shared(const char *name)
{
	static char path[600];
	const char *folder = getenv("GRADUS_SHARED");
	snprintf(path, sizeof path, "%s/data/%s", folder != NULL ? folder : "", name);
	if (folder != NULL && folder[0] != '\0' && access(path, R_OK) == 0)
		return path;
	printf("skipped: no %s (GRADUS_SHARED)\n", name);
	return NULL;
}

static void expect_file(const char *path, int64_t count, int64_t numbers, const char *look)
{
	const gr_checkpoint_opts strict = {.size = sizeof strict, .strict = true, .check_crc = true};
	gr_tensorfile *f;
	gr_tensor_info info;
	int64_t total = 0;
	gr_status status = gr_checkpoint_open(&f, path, &strict);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	for (int64_t i = 0; gr_tensorfile_info(f, i, &info); i++) {
		gr_scope_begin();
		const gr_tensor *t = gr_tensorfile_read(f, i);
		cr_assert_not_null(t, "%s: %s", path, gr_error_message());
		total += info.count;
		gr_scope_end();
	}
	cr_assert_eq(gr_tensorfile_count(f), count, "%s: %lld tensors", path,
		(long long)gr_tensorfile_count(f));
	cr_assert_eq(total, numbers, "%s: %lld numbers", path, (long long)total);
	const char *guess = gr_checkpoint_guess(f);
	cr_assert(look == NULL || (guess != NULL && strcmp(guess, look) == 0), "%s: %s", path,
		guess != NULL ? guess : "nothing");
	gr_tensorfile_close(f);
}

Test(checkpoint, shared_files)
{
	static const struct {
		const char *name;
		int64_t count, numbers;
		const char *look;
	} files[] = {
		{"taef2-vae/taef2_decoder.pth", 79, 1338499, "TAESD tiny autoencoder: decoder"},
		{"taef2-vae/taef2_encoder.pth", 79, 1338528, "TAESD tiny autoencoder: encoder"},
		{"lpips-heads/v0.0/alex.pth", 5, 1152, "LPIPS linear heads"},
		{"lpips-heads/v0.0/squeeze.pth", 7, 2240, "LPIPS linear heads"},
		{"lpips-heads/v0.0/vgg.pth", 5, 1472, "LPIPS linear heads"},
		{"lpips-heads/v0.1/alex.pth", 5, 1152, "LPIPS linear heads"},
		{"lpips-heads/v0.1/squeeze.pth", 7, 2240, "LPIPS linear heads"},
		{"lpips-heads/v0.1/vgg.pth", 5, 1472, "LPIPS linear heads"},
		{"darcy-burgers-small/burgers_train_16.pt", 3, 230401, NULL},
		{"darcy-burgers-small/burgers_test_16.pt", 3, 115201, NULL},
		{"darcy-burgers-small/darcy_train_16.pt", 2, 512000, NULL},
		{"darcy-burgers-small/darcy_test_16.pt", 2, 25600, NULL},
		{"darcy-burgers-small/darcy_test_32.pt", 2, 102400, NULL},
	};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		const char *path = shared(files[i].name);
		if (path != NULL)
			expect_file(path, files[i].count, files[i].numbers, files[i].look);
	}
}

/* Keys, shapes, and that every weight of the metric is positive, as its README says. */
Test(checkpoint, lpips_heads)
{
	static const struct {
		const char *name;
		int64_t channels[7];
	} heads[] = {
		{"lpips-heads/v0.1/alex.pth", {64, 192, 384, 256, 256}},
		{"lpips-heads/v0.0/vgg.pth", {64, 128, 256, 512, 512}},
		{"lpips-heads/v0.0/squeeze.pth", {64, 128, 256, 384, 384, 512, 512}},
	};
	for (int h = 0; h < 3; h++) {
		const char *path = shared(heads[h].name);
		gr_tensorfile *f;
		if (path == NULL)
			return;
		gr_status status = gr_checkpoint_open(&f, path, NULL);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		for (int k = 0; k < 7 && heads[h].channels[k] > 0; k++) {
			char name[40];
			snprintf(name, sizeof name, "lin%d.model.1.weight", k);
			const gr_tensor *t = gr_tensorfile_read(f, gr_tensorfile_find(f, name));
			cr_assert_not_null(t, "%s: %s", name, gr_error_message());
			cr_assert_eq(gr_tensor_ndim(t), 4);
			cr_assert_eq(gr_tensor_dim(t, 1), heads[h].channels[k]);
			const float *w = gr_tensor_data_const(t);
			for (int64_t i = 0; i < gr_tensor_size(t); i++)
				cr_assert(w[i] >= 0.0f);
		}
		gr_tensorfile_close(f);
	}
}

Test(checkpoint, goldens)
{
	static const struct {
		const char *folder;
		const char *file;
		int64_t count, numbers;
		const char *look;
	} cases[] = {
		{"adm_unet", "weights.pt", 216, 1422278, "ADM U-Net"},
		{"dinov2_vit", "weights.pt", 49, 114816, "DINOv2 ViT"},
		{"sit_repa", "weights.pt", 58, 202736, "SiT with the REPA projector"},
		{"ldm_unet", "weights.safetensors", 286, 1049412,
			"latent diffusion U-Net with cross-attention"},
		{"ldm_autoencoder_kl", "weights.safetensors", 152, 954567, "KL autoencoder"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *path = golden_path(cases[i].folder, cases[i].file);
		if (path != NULL)
			expect_file(path, cases[i].count, cases[i].numbers, cases[i].look);
	}
}
