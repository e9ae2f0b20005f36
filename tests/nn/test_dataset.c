/*
 * Datasets from files written here: IDX, CIFAR-10, PNG folders and .npy, whole, truncated and
 * hostile; batches as a function of (key, step).
 */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "gradus/dataset.h"
#include "gradus/io.h"
#include "nn_check.h"

static char folder[64];

static void make_folder(void)
{
	strcpy(folder, "/tmp/gradus_dataset_XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(dataset, .init = make_folder, .fini = remove_folder);

static const char *path_of(const char *name)
{
	static char path[4][256];
	static int next;
	next = (next + 1) % 4;
	snprintf(path[next], sizeof(path[next]), "%s/%s", folder, name);
	return path[next];
}

static void write_bytes(const char *name, const void *data, size_t bytes)
{
	FILE *f = fopen(path_of(name), "wb");
	cr_assert_not_null(f);
	cr_assert_eq(fwrite(data, 1, bytes, f), bytes);
	fclose(f);
}

static void write_gz(const char *name, const void *data, size_t bytes)
{
	gzFile f = gzopen(path_of(name), "wb");
	cr_assert_eq(gzwrite(f, data, (unsigned)bytes), (int)bytes);
	gzclose(f);
}

/* Five images of 2 x 3: pixel k of image i is 10 i + k. */
#define IDX_BYTES (16 + 30)
static void fill_idx(uint8_t out[IDX_BYTES])
{
	static const uint8_t head[16] = {0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 3};
	memcpy(out, head, 16);
	for (int i = 0; i < 30; i++)
		out[16 + i] = (uint8_t)(10 * (i / 6) + i % 6);
}

static const uint8_t idx_labels[] = {0, 0, 8, 1, 0, 0, 0, 5, 9, 8, 7, 6, 5};

static double pixel(gr_tensor *image, int64_t c, int64_t h, int64_t w)
{
	return gr_tensor_at(image, (const int64_t[]){c, h, w});
}

static void check_idx(const char *path, const gr_dataset_opts *opts)
{
	gr_dataset *d;
	cr_assert_eq(gr_dataset_open(&d, path, opts), GR_OK, "%s", gr_error_message());
	gr_dataset_info info = gr_dataset_describe(d);
	cr_assert(info.count == 5 && info.channels == 1 && info.height == 2 && info.width == 3);
	cr_assert(info.labelled);
	gr_tensor *x = gr_dataset_image(d, 4);
	cr_assert_eq(pixel(x, 0, 1, 2), (double)(45.0f / 255.0f));
	cr_assert_eq(gr_dataset_label(d, 1), 8);
	cr_assert_null(gr_dataset_image(d, 5));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_dataset_free(d);
}

Test(dataset, idx)
{
	uint8_t data[IDX_BYTES];
	fill_idx(data);
	write_bytes("images", data, sizeof(data));
	write_gz("images.gz", data, sizeof(data));
	write_gz("labels.gz", idx_labels, sizeof(idx_labels));
	const char *labels = path_of("labels.gz");
	check_idx(path_of("images"), GR_OPTS(gr_dataset_opts, .labels = labels));
	check_idx(path_of("images.gz"), GR_OPTS(gr_dataset_opts, .labels = labels));
	/* As a folder: both are found by name. */
	write_gz("train-images-idx3-ubyte.gz", data, sizeof(data));
	write_bytes("train-labels-idx1-ubyte", idx_labels, sizeof(idx_labels));
	check_idx(folder, NULL);
}

Test(dataset, centred_and_limited)
{
	uint8_t data[IDX_BYTES];
	gr_dataset *d;
	fill_idx(data);
	write_bytes("images", data, sizeof(data));
	cr_assert_eq(gr_dataset_open(&d, path_of("images"),
					 GR_OPTS(gr_dataset_opts, .image_size = 6, .limit = 2)),
		GR_OK);
	gr_dataset_info info = gr_dataset_describe(d);
	cr_assert(info.count == 2 && info.height == 6 && info.width == 6 && !info.labelled);
	gr_tensor *x = gr_dataset_image(d, 1);
	for (int h = 0; h < 6; h++) {
		for (int w = 0; w < 6; w++) {
			bool inside = h >= 2 && h < 4 && w >= 1 && w < 4;
			float want = inside ? (float)(10 + 3 * (h - 2) + w - 1) / 255.0f : 0.0f;
			cr_assert_eq(pixel(x, 0, h, w), (double)want);
		}
	}
	gr_dataset_free(d);
	cr_assert_eq(gr_dataset_open(&d, path_of("images"), GR_OPTS(gr_dataset_opts, .image_size = 2)),
		GR_EARG);
	gr_error_clear();
}

/* Fails with this code, and the message names the file and holds the text. */
static void refused(const char *path, const gr_dataset_opts *opts, gr_status code, const char *text)
{
	gr_dataset *d;
	cr_assert_eq(gr_dataset_open(&d, path, opts), code, "%s: %s", path, gr_error_message());
	cr_assert_null(d);
	cr_assert(strstr(gr_error_message(), path) || strstr(gr_error_message(), folder), "%s",
		gr_error_message());
	cr_assert(strstr(gr_error_message(), text), "no '%s' in: %s", text, gr_error_message());
	gr_error_clear();
}

Test(dataset, hostile_idx)
{
	uint8_t data[IDX_BYTES], bad[IDX_BYTES + 1];
	fill_idx(data);
	refused(path_of("absent"), NULL, GR_EIO, "No such file");
	/* Every truncation. */
	for (size_t n = 0; n < IDX_BYTES; n++) {
		write_bytes("bad", data, n);
		refused(path_of("bad"), NULL, GR_EFORMAT, "offset");
	}
	memcpy(bad, data, IDX_BYTES);
	bad[IDX_BYTES] = 0;
	write_bytes("bad", bad, IDX_BYTES + 1);
	refused(path_of("bad"), NULL, GR_EFORMAT, "more data than the header says");
	/* 255 million images of 64 thousand pixels in 46 bytes. */
	bad[4] = 0x0f, bad[10] = 1, bad[14] = 1;
	write_bytes("bad", bad, IDX_BYTES);
	refused(path_of("bad"), NULL, GR_EFORMAT, "promises more data");
	memcpy(bad, data, IDX_BYTES);
	bad[2] = 0x0d;
	write_bytes("bad", bad, IDX_BYTES);
	refused(path_of("bad"), NULL, GR_EFORMAT, "not an IDX file");
	memcpy(bad, data, IDX_BYTES);
	bad[11] = 0;
	write_bytes("bad", bad, IDX_BYTES);
	refused(path_of("bad"), NULL, GR_EFORMAT, "offset 12: a dim is zero");
	/* Labels that are images, and too few of them. */
	write_bytes("images", data, sizeof(data));
	refused(path_of("images"), GR_OPTS(gr_dataset_opts, .labels = path_of("images")), GR_EFORMAT,
		"expected labels");
	memcpy(bad, idx_labels, sizeof(idx_labels));
	bad[7] = 4;
	write_bytes("labels", bad, sizeof(idx_labels) - 1);
	refused(path_of("images"), GR_OPTS(gr_dataset_opts, .labels = path_of("labels")), GR_EFORMAT,
		"4 labels for 5 images");
}

Test(dataset, damaged_gzip)
{
	uint8_t data[IDX_BYTES], packed[256];
	fill_idx(data);
	write_gz("whole.gz", data, sizeof(data));
	FILE *f = fopen(path_of("whole.gz"), "rb");
	size_t n = fread(packed, 1, sizeof(packed), f);
	fclose(f);
	for (size_t cut = 3; cut < n; cut++) {
		write_bytes("cut.gz", packed, cut);
		refused(path_of("cut.gz"), NULL, GR_EFORMAT, "offset");
	}
	packed[n - 6] ^= 1; /* the checksum */
	write_bytes("cut.gz", packed, n);
	refused(path_of("cut.gz"), NULL, GR_EFORMAT, "damaged");
}

Test(dataset, cifar)
{
	static uint8_t data[2 * 3073];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i % 251);
	data[0] = 3;
	data[3073] = 9;
	gr_dataset *d;
	write_bytes("data_batch_1.bin", data, sizeof(data));
	write_bytes("data_batch_2.bin", data, 3073);
	cr_assert_eq(gr_dataset_open(&d, folder, NULL), GR_OK, "%s", gr_error_message());
	gr_dataset_info info = gr_dataset_describe(d);
	cr_assert(info.count == 3 && info.channels == 3 && info.height == 32 && info.width == 32);
	cr_assert_eq(gr_dataset_label(d, 1), 9);
	cr_assert_eq(gr_dataset_label(d, 2), 3);
	cr_assert_eq(pixel(gr_dataset_image(d, 1), 2, 31, 30),
		(double)((float)data[2 * 3073 - 2] / 255.0f));
	gr_dataset_free(d);

	write_bytes("short.bin", data, 3073 + 100);
	refused(path_of("short.bin"), NULL, GR_EFORMAT, "offset 3073");
	write_bytes("short.bin", data, 0);
	refused(path_of("short.bin"), NULL, GR_EFORMAT, "cut short");
	data[3073] = 10;
	write_bytes("label.bin", data, sizeof(data));
	refused(path_of("label.bin"), NULL, GR_EFORMAT, "offset 3073: label 10");
}

Test(dataset, png_folder)
{
	gr_dataset *d;
	refused(folder, NULL, GR_EFORMAT, "no images");
	const char *names[] = {"c.png", "a.png", "b.PNG"};
	for (int i = 0; i < 3; i++)
		cr_assert_eq(gr_png_write(path_of(names[i]),
						 gr_full(GR_F32, GR_DIMS(3, 4, 5), (double)names[i][0] / 255.0), NULL),
			GR_OK);
	write_bytes("notes.txt", "x", 1);
	cr_assert_eq(gr_dataset_open(&d, folder, NULL), GR_OK, "%s", gr_error_message());
	gr_dataset_info info = gr_dataset_describe(d);
	cr_assert(info.count == 3 && info.channels == 3 && info.height == 4 && info.width == 5);
	for (int i = 0; i < 3; i++) /* sorted by name */
		cr_assert_float_eq(pixel(gr_dataset_image(d, i), 2, 3, 4), (double)('a' + i) / 255.0, 1e-6);
	cr_assert_eq(gr_dataset_label(d, 0), -1);
	/* Another size, and a damaged file: seen when they are read. */
	cr_assert_eq(gr_png_write(path_of("c.png"), gr_zeros(GR_F32, GR_DIMS(3, 4, 6)), NULL), GR_OK);
	cr_assert_null(gr_dataset_image(d, 2));
	cr_assert_eq(gr_error_code(), GR_EFORMAT);
	cr_assert(strstr(gr_error_message(), "c.png"), "%s", gr_error_message());
	gr_error_clear();
	write_bytes("c.png", "\x89PNG\r\n\x1a\n", 8);
	cr_assert_null(gr_dataset_image(d, 2));
	cr_assert_eq(gr_error_code(), GR_EFORMAT);
	gr_error_clear();
	gr_dataset_free(d);
}

Test(dataset, npy)
{
	gr_dataset *d;
	gr_tensor *x = gr_random_uniform(gr_key_seed(1), GR_F64, GR_DIMS(3, 2, 4, 5), 0.0, 1.0);
	cr_assert_eq(gr_npy_write(path_of("x.npy"), x), GR_OK);
	cr_assert_eq(gr_dataset_open(&d, path_of("x.npy"), NULL), GR_OK, "%s", gr_error_message());
	gr_dataset_info info = gr_dataset_describe(d);
	cr_assert(info.count == 3 && info.channels == 2 && info.height == 4 && info.width == 5);
	cr_assert_eq(pixel(gr_dataset_image(d, 2), 1, 3, 4),
		(double)(float)gr_tensor_at(x, (const int64_t[]){2, 1, 3, 4}));
	gr_dataset_free(d);
	const uint8_t bytes[] = {0, 51, 102, 153, 204, 255};
	cr_assert_eq(gr_npy_write(path_of("u.npy"), gr_from(GR_U8, bytes, GR_DIMS(1, 2, 3))), GR_OK);
	cr_assert_eq(gr_dataset_open(&d, path_of("u.npy"), NULL), GR_OK, "%s", gr_error_message());
	cr_assert_eq(pixel(gr_dataset_image(d, 0), 0, 1, 2), 1.0);
	gr_dataset_free(d);

	cr_assert_eq(gr_npy_write(path_of("x.npy"), gr_affine(x, 2.0, 0.0)), GR_OK);
	refused(path_of("x.npy"), NULL, GR_EFORMAT, "expected 0..1");
	cr_assert_eq(gr_npy_write(path_of("x.npy"), gr_zeros(GR_F32, GR_DIMS(3, 4))), GR_OK);
	refused(path_of("x.npy"), NULL, GR_EFORMAT, "[N,H,W]");
	cr_assert_eq(gr_npy_write(path_of("x.npy"), gr_zeros(GR_F32, GR_DIMS(0, 4, 4))), GR_OK);
	cr_assert_eq(gr_dataset_open(&d, path_of("x.npy"), NULL), GR_EFORMAT);
	gr_error_clear();
}

/* Images whose only pixel is their number. */
static gr_dataset *numbered(int64_t n, int64_t width)
{
	gr_dataset *d;
	gr_tensor *x = gr_zeros(GR_F32, GR_DIMS(n, 1, width));
	float *data = gr_tensor_data(x);
	int64_t labels[64];
	for (int64_t i = 0; i < n; i++) {
		data[i * width] = (float)i / 64.0f;
		labels[i] = i;
	}
	cr_assert_eq(gr_dataset_from_tensor(&d, "numbered", x, gr_from(GR_I64, labels, GR_DIMS(n)),
					 NULL),
		GR_OK);
	return d;
}

/* Each epoch is a permutation, epochs differ, and steps can be asked in any order. */
Test(loader, epochs_are_permutations)
{
	enum { COUNT = 10, BATCH = 4, STEPS = 15 };
	gr_dataset *d = numbered(COUNT, 1);
	gr_loader *a, *b;
	const gr_loader_opts opts = {.size = sizeof opts, .batch = BATCH};
	cr_assert_eq(gr_loader_new(&a, d, gr_key_seed(5), &opts), GR_OK);
	cr_assert_eq(gr_loader_new(&b, d, gr_key_seed(5), &opts), GR_OK);
	int seen[6][COUNT] = {{0}}, order[STEPS * BATCH];
	for (int64_t step = 0; step < STEPS; step++) {
		gr_tensor *labels;
		gr_tensor *x = gr_loader_batch(a, step, &labels);
		for (int64_t j = 0; j < BATCH; j++) {
			int64_t s = step * BATCH + j;
			int i = (int)gr_tensor_at(labels, &j);
			cr_assert_eq(gr_tensor_at(x, (const int64_t[]){j, 0, 0, 0}), i / 64.0);
			seen[s / COUNT][i]++;
			order[s] = i;
		}
	}
	for (int e = 0; e < 6; e++) {
		for (int i = 0; i < COUNT; i++)
			cr_assert_eq(seen[e][i], 1);
		cr_assert(e == 0 || memcmp(order, order + e * COUNT, COUNT * sizeof(int)) != 0);
	}
	for (int64_t step = STEPS - 1; step >= 0; step--)
		cr_assert(nn_same_bits(gr_loader_batch(a, step, NULL), gr_loader_batch(b, step, NULL)));
	gr_loader_free(a);
	cr_assert_eq(gr_loader_new(&a, d, gr_key_seed(6), &opts), GR_OK);
	cr_assert_not(nn_same_bits(gr_loader_batch(a, 0, NULL), gr_loader_batch(b, 0, NULL)));
	cr_assert_null(gr_loader_batch(a, -1, NULL));
	gr_error_clear();
	gr_loader_free(a);
	gr_loader_free(b);
	gr_loader_free(NULL);
	gr_dataset_free(d);
}

/* Mirroring is a coin of (key, epoch, image): about half, other ones in each epoch, repeatable. */
Test(loader, flip)
{
	enum { COUNT = 64 };
	gr_dataset *d = numbered(COUNT, 3);
	gr_loader *l;
	cr_assert_eq(gr_loader_new(&l, d, gr_key_seed(1),
					 GR_OPTS(gr_loader_opts, .batch = COUNT, .flip = true, .in_order = true)),
		GR_OK);
	bool flipped[2][COUNT];
	int total = 0, changed = 0;
	for (int e = 0; e < 2; e++) {
		gr_tensor *x = gr_loader_batch(l, e, NULL);
		for (int64_t i = 1; i < COUNT; i++) { /* image 0 is black */
			double right = gr_tensor_at(x, (const int64_t[]){i, 0, 0, 2});
			double left = gr_tensor_at(x, (const int64_t[]){i, 0, 0, 0});
			cr_assert_eq(left + right, (double)i / 64.0);
			flipped[e][i] = right > 0.0;
			total += flipped[e][i];
			changed += e == 1 && flipped[0][i] != flipped[1][i];
		}
	}
	cr_assert(total > 40 && total < 86, "%d of 126", total);
	cr_assert(changed > 12 && changed < 52, "%d of 63", changed);
	gr_loader_free(l);
	gr_dataset_free(d);
}

/* The real thing, where the package is installed. */
Test(loader, fashion_mnist)
{
	const char *path = "/usr/share/datasets/fashion-mnist";
	gr_dataset *d;
	if (access(path, R_OK) != 0)
		cr_skip("needs dataset-fashion-mnist");
	cr_assert_eq(gr_dataset_open(&d, path, GR_OPTS(gr_dataset_opts, .image_size = 32)), GR_OK);
	gr_dataset_info info = gr_dataset_describe(d);
	cr_assert(info.count == 60000 && info.height == 32 && info.labelled);
	cr_assert_eq(gr_dataset_label(d, 0), 9); /* an ankle boot */
	gr_dataset_free(d);
}
