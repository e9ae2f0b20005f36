/* PNG: every kind that libpng can write, our own files, and hostile ones built chunk by chunk. */
#include <criterion/criterion.h>
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "io_files.h"

TestSuite(png, .init = io_begin, .fini = io_end);

static bool read_png(const char *path)
{
	bool ok = gr_scope_begin() == GR_OK && gr_png_read(path, NULL) != NULL;
	gr_scope_end();
	return ok;
}

/* --- every kind ------------------------------------------------------------------------------ */

enum { HEIGHT = 11, WIDTH = 13 };

struct kind {
	const char *what;
	int type;
	int depth;
	bool transparent; /* with tRNS */
};

static unsigned sample_at(const struct kind *k, int y, int x, int c)
{
	unsigned v = (unsigned)(y * 37 + x * 11 + c * 83 + y * x * c);
	if (k->depth == 16)
		v *= 257 + 31;
	return v & ((1u << k->depth) - 1);
}

static int channels_of(const struct kind *k)
{
	return k->type == PNG_COLOR_TYPE_RGB       ? 3
		: k->type == PNG_COLOR_TYPE_RGBA       ? 4
		: k->type == PNG_COLOR_TYPE_GRAY_ALPHA ? 2
											   : 1;
}

static png_color palette_at(unsigned i)
{
	return (png_color){(png_byte)(i * 3), (png_byte)(255 - i), (png_byte)(i * 7)};
}

/* Transparency of palette entry i; entries from 10 on have none. */
static png_byte palette_alpha(unsigned i)
{
	return i < 10 ? (png_byte)(i * 25) : 255;
}

static void put_ancillary(png_structp png, png_infop info)
{
	png_set_gAMA(png, info, 0.9);
	png_text text = {.compression = PNG_TEXT_COMPRESSION_zTXt,
		.key = (char[]){"k"},
		.text = (char[]){"some text"}};
	png_set_text(png, info, &text, 1);
	png_set_bKGD(png, info, &(png_color_16){.gray = 1, .red = 1});
	png_set_tIME(png, info, &(png_time){2020, 1, 2, 3, 4, 5});
}

static void write_kind(const char *path, const struct kind *k, bool interlaced)
{
	FILE *f = fopen(path, "wb");
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png_create_info_struct(png);
	png_init_io(png, f);
	png_set_IHDR(png, info, WIDTH, HEIGHT, k->depth, k->type,
		interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
		PNG_FILTER_TYPE_DEFAULT);
	png_color palette[256];
	png_byte alpha[10];
	int colours = 1 << (k->depth < 8 ? k->depth : 8);
	for (int i = 0; i < colours; i++)
		palette[i] = palette_at((unsigned)i);
	for (unsigned i = 0; i < 10; i++)
		alpha[i] = palette_alpha(i);
	if (k->type == PNG_COLOR_TYPE_PALETTE) {
		png_set_PLTE(png, info, palette, colours);
		if (k->transparent)
			png_set_tRNS(png, info, alpha, colours < 10 ? colours : 10, NULL);
	} else if (k->transparent) {
		/* The colour of pixel (2, 3) is the transparent one. */
		png_color_16 key = {0};
		key.gray = key.red = (png_uint_16)sample_at(k, 2, 3, 0);
		key.green = (png_uint_16)sample_at(k, 2, 3, 1);
		key.blue = (png_uint_16)sample_at(k, 2, 3, 2);
		png_set_tRNS(png, info, NULL, 0, &key);
	}
	put_ancillary(png, info);
	png_write_info(png, info);
	png_set_packing(png);
	static png_byte data[HEIGHT][WIDTH * 8];
	png_bytep rows[HEIGHT];
	for (int y = 0; y < HEIGHT; y++) {
		png_bytep p = rows[y] = data[y];
		for (int x = 0; x < WIDTH; x++) {
			for (int c = 0; c < channels_of(k); c++) {
				unsigned v = sample_at(k, y, x, c);
				if (k->depth == 16)
					*p++ = (png_byte)(v >> 8);
				*p++ = (png_byte)(v & 255);
			}
		}
	}
	png_write_image(png, rows);
	png_write_end(png, NULL);
	png_destroy_write_struct(&png, &info);
	fclose(f);
}

/* What the reader should give: colours and alpha of a pixel. */
static int expected(const struct kind *k, int y, int x, double rgb[3], double *alpha)
{
	double top = (1 << k->depth) - 1;
	unsigned first = sample_at(k, y, x, 0);
	*alpha = 1.0;
	if (k->type == PNG_COLOR_TYPE_PALETTE) {
		png_color c = palette_at(first);
		rgb[0] = c.red / 255.0;
		rgb[1] = c.green / 255.0;
		rgb[2] = c.blue / 255.0;
		if (k->transparent)
			*alpha = palette_alpha(first) / 255.0;
		return 3;
	}
	int colours = channels_of(k) > 2 ? 3 : 1;
	bool is_key = k->transparent;
	for (int c = 0; c < colours; c++) {
		rgb[c] = sample_at(k, y, x, c) / top;
		is_key = is_key && sample_at(k, y, x, c) == sample_at(k, 2, 3, c);
	}
	if (channels_of(k) % 2 == 0)
		*alpha = sample_at(k, y, x, channels_of(k) - 1) / top;
	else if (is_key)
		*alpha = 0.0;
	return colours;
}

static void check_kind(const struct kind *k, const gr_png_opts *opts)
{
	const char *path = io_path("kind.png");
	double background = opts ? opts->background : 0.0;
	gr_tensor *t = gr_png_read(path, opts);
	cr_assert_not_null(t, "%s: %s", k->what, gr_error_message());
	cr_assert(
		gr_tensor_ndim(t) == 3 && gr_tensor_dim(t, 1) == HEIGHT && gr_tensor_dim(t, 2) == WIDTH);
	cr_assert(gr_tensor_dtype(t) == GR_F32 && gr_is_contiguous(t));
	for (int y = 0; y < HEIGHT; y++) {
		for (int x = 0; x < WIDTH; x++) {
			double rgb[3];
			double alpha;
			int colours = expected(k, y, x, rgb, &alpha);
			for (int c = 0; c < colours; c++)
				rgb[c] = rgb[c] * alpha + background * (1.0 - alpha);
			if (colours == 1)
				rgb[1] = rgb[2] = rgb[0];
			int wanted = opts && opts->channels ? opts->channels : colours;
			if (wanted == 1 && colours == 3)
				rgb[0] = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
			cr_assert_eq(gr_tensor_dim(t, 0), wanted);
			for (int c = 0; c < wanted; c++) {
				double got = gr_tensor_at(t, (int64_t[]){c, y, x});
				cr_assert(fabs(got - rgb[c]) < 3e-7, "%s (%d,%d,%d): %g, expected %g", k->what, c,
					y, x, got, rgb[c]);
			}
		}
	}
}

Test(png, every_kind)
{
	static const struct kind kinds[] = {
		{"grey 1", PNG_COLOR_TYPE_GRAY, 1, false},
		{"grey 2", PNG_COLOR_TYPE_GRAY, 2, false},
		{"grey 4", PNG_COLOR_TYPE_GRAY, 4, false},
		{"grey 8", PNG_COLOR_TYPE_GRAY, 8, false},
		{"grey 16", PNG_COLOR_TYPE_GRAY, 16, false},
		{"grey 2 with key", PNG_COLOR_TYPE_GRAY, 2, true},
		{"grey 8 with key", PNG_COLOR_TYPE_GRAY, 8, true},
		{"grey 16 with key", PNG_COLOR_TYPE_GRAY, 16, true},
		{"grey 8 alpha", PNG_COLOR_TYPE_GRAY_ALPHA, 8, false},
		{"grey 16 alpha", PNG_COLOR_TYPE_GRAY_ALPHA, 16, false},
		{"palette 1", PNG_COLOR_TYPE_PALETTE, 1, false},
		{"palette 2", PNG_COLOR_TYPE_PALETTE, 2, true},
		{"palette 4", PNG_COLOR_TYPE_PALETTE, 4, true},
		{"palette 8", PNG_COLOR_TYPE_PALETTE, 8, false},
		{"palette 8 alpha", PNG_COLOR_TYPE_PALETTE, 8, true},
		{"RGB 8", PNG_COLOR_TYPE_RGB, 8, false},
		{"RGB 16", PNG_COLOR_TYPE_RGB, 16, false},
		{"RGB 8 with key", PNG_COLOR_TYPE_RGB, 8, true},
		{"RGB 16 with key", PNG_COLOR_TYPE_RGB, 16, true},
		{"RGBA 8", PNG_COLOR_TYPE_RGBA, 8, false},
		{"RGBA 16", PNG_COLOR_TYPE_RGBA, 16, false},
	};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		for (int interlaced = 0; interlaced < 2; interlaced++) {
			write_kind(io_path("kind.png"), &kinds[i], interlaced);
			check_kind(&kinds[i], NULL);
			check_kind(&kinds[i], GR_OPTS(gr_png_opts, .background = 0.5));
			check_kind(&kinds[i], GR_OPTS(gr_png_opts, .channels = 3, .background = 1.0));
			check_kind(&kinds[i], GR_OPTS(gr_png_opts, .channels = 1));
		}
	}
}

Test(png, attacked)
{
	static const struct kind interlaced = {"RGBA", PNG_COLOR_TYPE_PALETTE, 2, true};
	size_t n;
	write_kind(io_path("kind.png"), &interlaced, true);
	unsigned char *file = io_get(io_path("kind.png"), &n);
	io_attack(file, n, read_png);
	free(file);
}

Test(png, starved)
{
	static const struct kind interlaced = {"RGBA", PNG_COLOR_TYPE_RGBA, 16, false};
	write_kind(io_path("kind.png"), &interlaced, true);
	io_starve(io_path("kind.png"), read_png);
}

/* --- our own --------------------------------------------------------------------------------- */

Test(png, round_trip)
{
	for (int depth = 8; depth <= 16; depth += 8) {
		int64_t top = (1 << depth) - 1;
		for (int64_t channels = 1; channels <= 3; channels += 2) {
			const int64_t dims[] = {channels, 37, 53};
			gr_tensor *t = gr_zeros(GR_F64, 3, dims);
			double *p = gr_tensor_data(t);
			for (int64_t i = 0; i < gr_tensor_size(t); i++)
				p[i] = (double)(i * 7919 % (top + 1)) / (double)top;
			const gr_png_opts *opts = GR_OPTS(gr_png_opts, .depth = depth);
			const char *path = io_path("t.png");
			cr_assert_eq(gr_png_write(path, t, opts), GR_OK, "%s", gr_error_message());
			gr_tensor *back = gr_png_read(path, NULL);
			cr_assert(gr_is_same_shape(back, t), "%s", gr_error_message());
			for (int64_t i = 0; i < gr_tensor_size(t); i++) {
				double got = (double)((const float *)gr_tensor_data_const(back))[i];
				cr_assert(fabs(got - p[i]) < 1e-7, "depth %d", depth);
			}
			/* Equal images are equal files, and reading and writing is the identity. */
			size_t n;
			size_t m;
			unsigned char *first = io_get(path, &n);
			cr_assert_eq(gr_png_write(path, back, opts), GR_OK);
			unsigned char *second = io_get(path, &m);
			cr_assert(n == m && memcmp(first, second, n) == 0);
			free(first);
			free(second);
		}
	}
	cr_assert_eq(io_count(), 1);
}

Test(png, rounding_and_clamping)
{
	static const double in[] = {-1.0, -0.0, 0.001, 0.499 / 255, 0.501 / 255, 127.49 / 255,
		127.51 / 255, 0.5, 1.0, 2.0, INFINITY, -INFINITY, NAN};
	static const double out[] = {0, 0, 0, 0, 1, 127, 128, 128, 255, 255, 255, 0, 0};
	const int64_t n = sizeof in / sizeof *in;
	gr_tensor *t = gr_from_f64(GR_F64, in, GR_DIMS(1, n));
	cr_assert_eq(gr_png_write(io_path("t.png"), t, NULL), GR_OK);
	gr_tensor *back = gr_png_read(io_path("t.png"), NULL);
	for (int64_t i = 0; i < n; i++)
		cr_assert_float_eq(gr_tensor_at(back, (int64_t[]){0, 0, i}) * 255.0, out[i], 1e-4, "%g",
			in[i]);
}

Test(png, channels_and_layout)
{
	gr_tensor *t = io_counted(GR_F32, 3, (int64_t[]){3, 4, 5}, true);
	gr_tensor *scaled = gr_zeros(GR_F32, GR_DIMS(3, 4, 5));
	float *p = gr_tensor_data(scaled);
	cr_assert_eq(gr_tensor_to_f32(t, p), GR_OK);
	for (int i = 0; i < 60; i++)
		p[i] /= 255.0f;
	cr_assert_eq(gr_png_write(io_path("c.png"), scaled, NULL), GR_OK);
	io_assert_equal(scaled, gr_png_read(io_path("c.png"), NULL), "contiguous");
	/* RGB written as grey is RGB read as grey. */
	cr_assert_eq(gr_png_write(io_path("g.png"), scaled,
					 GR_OPTS(gr_png_opts, .channels = 1, .depth = 16)),
		GR_OK);
	gr_tensor *a = gr_png_read(io_path("g.png"), NULL);
	gr_tensor *b = gr_png_read(io_path("c.png"), GR_OPTS(gr_png_opts, .channels = 1));
	for (int i = 0; i < 20; i++)
		cr_assert_float_eq(((float *)gr_tensor_data(a))[i], ((float *)gr_tensor_data(b))[i], 1e-5f);
	/* Grey [H,W] of half precision, transposed, written as RGB. */
	gr_tensor *half = io_counted(GR_F16, 2, (int64_t[]){1, 2}, true);
	cr_assert_eq(gr_png_write(io_path("h.png"), half, GR_OPTS(gr_png_opts, .channels = 3)), GR_OK);
	gr_tensor *h = gr_png_read(io_path("h.png"), NULL);
	cr_assert_eq(gr_tensor_dim(h, 0), 3);
	for (int64_t c = 0; c < 3; c++) {
		for (int64_t x = 0; x < 2; x++)
			cr_assert(gr_tensor_at(h, (int64_t[]){c, 0, x}) ==
				fmin(1.0, gr_tensor_at(half, (int64_t[]){0, x})));
	}
}

Test(png, refused_tensors)
{
	const char *path = io_path("t.png");
	const struct {
		gr_tensor *t;
		gr_status code;
	} cases[] = {
		{gr_zeros(GR_U8, GR_DIMS(4, 4)), GR_EDTYPE},
		{gr_zeros(GR_I64, GR_DIMS(4, 4)), GR_EDTYPE},
		{gr_zeros(GR_F32, GR_DIMS(4)), GR_ESHAPE},
		{gr_zeros(GR_F32, GR_DIMS(2, 4, 4)), GR_ESHAPE},
		{gr_zeros(GR_F32, GR_DIMS(1, 3, 4, 4)), GR_ESHAPE},
		{gr_zeros(GR_F32, GR_DIMS(3, 0, 4)), GR_ESHAPE},
		{gr_zeros(GR_F32, GR_DIMS(1, 100001)), GR_ESHAPE},
		{NULL, GR_EARG},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		cr_assert_eq(gr_png_write(path, cases[i].t, NULL), cases[i].code, "case %zu", i);
		gr_error_clear();
	}
	gr_tensor *t = gr_zeros(GR_F32, GR_DIMS(2, 2));
	const gr_png_opts *bad[] = {
		GR_OPTS(gr_png_opts, .channels = 2),
		GR_OPTS(gr_png_opts, .channels = -1),
		GR_OPTS(gr_png_opts, .depth = 4),
		GR_OPTS(gr_png_opts, .background = 1.5),
		GR_OPTS(gr_png_opts, .background = NAN),
		&(gr_png_opts){.depth = 8},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		cr_assert_eq(gr_png_write(path, t, bad[i]), GR_EARG);
		gr_error_clear();
		cr_assert_null(gr_png_read(path, bad[i]));
		cr_assert_eq(gr_error_code(), GR_EARG);
		gr_error_clear();
	}
	cr_assert_eq(gr_png_write("/no/such/t.png", t, NULL), GR_EIO);
	io_expect(GR_EIO, "/no/such/t.png", "directory");
	cr_assert_null(gr_png_read(path, NULL));
	io_expect(GR_EIO, path, "missing");
	cr_assert_eq(io_count(), 0);
}

Test(png, writing_without_memory)
{
	gr_tensor *t = gr_zeros(GR_F32, GR_DIMS(3, 9, 9));
	gr_status status = GR_EMEM;
	uint64_t held = gr_memory_stats().bytes_in_use;
	for (uint64_t n = 1; status == GR_EMEM; n++) {
		cr_assert_lt(n, 100);
		gr_memory_fail_at(n);
		status = gr_png_write(io_path("t.png"), t, NULL);
		gr_memory_fail_at(0);
		cr_assert_eq(gr_memory_stats().bytes_in_use, held, "allocation %d", (int)n);
		cr_assert_eq(io_count(), status == GR_OK);
		gr_error_clear();
	}
	cr_assert_eq(status, GR_OK);
}

/* --- hostile ones ---------------------------------------------------------------------------- */

struct builder {
	unsigned char bytes[4096];
	size_t n;
};

static void put32(struct builder *b, uint32_t v)
{
	for (int i = 24; i >= 0; i -= 8)
		b->bytes[b->n++] = (unsigned char)(v >> i & 0xff);
}

static void put_chunk(struct builder *b, const char *type, const void *data, size_t n)
{
	put32(b, (uint32_t)n);
	size_t start = b->n;
	memcpy(b->bytes + b->n, type, 4);
	b->n += 4;
	if (n > 0)
		memcpy(b->bytes + b->n, data, n);
	b->n += n;
	put32(b, (uint32_t)crc32(0, b->bytes + start, (unsigned)(n + 4)));
}

static void put_header(struct builder *b, uint32_t width, uint32_t height, int depth, int type)
{
	struct builder h = {.n = 0};
	memcpy(b->bytes, "\x89PNG\r\n\x1a\n", 8);
	b->n = 8;
	put32(&h, width);
	put32(&h, height);
	const unsigned char rest[] = {(unsigned char)depth, (unsigned char)type, 0, 0, 0};
	memcpy(h.bytes + 8, rest, 5);
	put_chunk(b, "IHDR", h.bytes, 13);
}

/* Image data: `bytes` zeros, deflated. */
static void put_data(struct builder *b, size_t bytes)
{
	unsigned char zeros[512] = {0};
	unsigned char out[1024];
	unsigned long n = sizeof out;
	cr_assert_eq(compress(out, &n, zeros, bytes), Z_OK);
	put_chunk(b, "IDAT", out, n);
}

static void expect_png(const struct builder *b, gr_status code, const char *what)
{
	const char *path = io_path("hostile.png");
	io_put(path, b->bytes, b->n);
	gr_memory_reset_peak();
	cr_assert_eq(read_png(path), code == GR_OK, "%s: %s", what, gr_error_message());
	if (code != GR_OK)
		io_expect(code, path, what);
	cr_assert_lt(gr_memory_stats().bytes_peak, 10000000, "%s", what);
}

Test(png, headers)
{
	static const struct {
		const char *what;
		uint32_t width;
		uint32_t height;
		int depth;
		int type;
		gr_status code;
	} cases[] = {
		{"valid", 4, 4, 8, 0, GR_OK},
		{"no width", 0, 4, 8, 0, GR_EFORMAT},
		{"no height", 4, 0, 8, 0, GR_EFORMAT},
		{"largest width", 0x7fffffff, 4, 8, 0, GR_EFORMAT},
		{"width with sign", 0xffffffff, 4, 8, 0, GR_EFORMAT},
		{"width over the limit", 100001, 4, 8, 0, GR_EFORMAT},
		{"height over the limit", 4, 100001, 8, 0, GR_EFORMAT},
		{"too many pixels", 100000, 100000, 1, 0, GR_EFORMAT},
		{"too large for the file", 20000, 20000, 8, 0, GR_EFORMAT},
		{"too large for the file, 1 bit", 20000, 19000, 1, 0, GR_EFORMAT},
		{"more rows than data", 4, 5, 8, 0, GR_EFORMAT},
		{"longer rows than data", 5, 4, 8, 0, GR_EFORMAT},
		{"depth 3", 4, 4, 3, 0, GR_EFORMAT},
		{"depth 0", 4, 4, 0, 0, GR_EFORMAT},
		{"RGB of 4 bits", 4, 4, 4, 2, GR_EFORMAT},
		{"palette of 16 bits", 4, 4, 16, 3, GR_EFORMAT},
		{"palette without palette", 4, 4, 8, 3, GR_EFORMAT},
		{"type 1", 4, 4, 8, 1, GR_EFORMAT},
		{"type 7", 4, 4, 8, 7, GR_EFORMAT},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct builder b;
		put_header(&b, cases[i].width, cases[i].height, cases[i].depth, cases[i].type);
		put_data(&b, 20);
		put_chunk(&b, "IEND", NULL, 0);
		expect_png(&b, cases[i].code, cases[i].what);
	}
}

Test(png, chunks)
{
	static const unsigned char palette[800] = {0};
	struct builder b;

	put_header(&b, 4, 4, 8, 0);
	put_chunk(&b, "IEND", NULL, 0);
	expect_png(&b, GR_EFORMAT, "no image data");

	put_header(&b, 4, 4, 8, 0);
	put_chunk(&b, "IDAT", "not deflated", 12);
	put_chunk(&b, "IEND", NULL, 0);
	expect_png(&b, GR_EFORMAT, "wrong image data");

	put_header(&b, 4, 4, 8, 0);
	put_data(&b, 19);
	put_chunk(&b, "IEND", NULL, 0);
	expect_png(&b, GR_EFORMAT, "a sample short");

	put_header(&b, 4, 4, 8, 0);
	put_data(&b, 20);
	expect_png(&b, GR_EFORMAT, "no end");

	put_header(&b, 4, 4, 8, 0);
	put_header(&b, 4, 4, 8, 0);
	memmove(b.bytes + b.n, b.bytes + 8, 25);
	b.n += 25;
	put_data(&b, 20);
	put_chunk(&b, "IEND", NULL, 0);
	expect_png(&b, GR_EFORMAT, "two headers");

	put_header(&b, 4, 4, 8, 3);
	put_chunk(&b, "PLTE", palette, 800);
	put_data(&b, 20);
	put_chunk(&b, "IEND", NULL, 0);
	expect_png(&b, GR_EFORMAT, "palette of 266 2/3 colours");

	/* Index 0 of an image whose palette has one colour; then a critical chunk nobody knows. */
	put_header(&b, 4, 4, 8, 3);
	put_chunk(&b, "PLTE", palette, 3);
	put_data(&b, 20);
	put_chunk(&b, "IEND", NULL, 0);
	expect_png(&b, GR_OK, "palette");
	put_header(&b, 4, 4, 8, 0);
	put_chunk(&b, "CRIT", "x", 1);
	put_data(&b, 20);
	put_chunk(&b, "IEND", NULL, 0);
	expect_png(&b, GR_EFORMAT, "unknown critical chunk");

	/* A chunk longer than the file, and ancillary ones that are nonsense but skipped. */
	put_header(&b, 4, 4, 8, 0);
	put32(&b, 0x7fffffff);
	memcpy(b.bytes + b.n, "IDAT", 4);
	b.n += 4;
	expect_png(&b, GR_EFORMAT, "endless chunk");
	put_header(&b, 4, 4, 8, 0);
	put_chunk(&b, "iCCP", "x\0\0nonsense", 11);
	put_chunk(&b, "gAMA", "\0\0\0\0", 4);
	put_chunk(&b, "zTXt", "k\0\0nonsense", 11);
	put_data(&b, 20);
	put_chunk(&b, "IEND", NULL, 0);
	expect_png(&b, GR_OK, "skipped chunks");

	io_put(io_path("t"), "PK\3\4 not a PNG at all", 21);
	cr_assert_not(read_png(io_path("t")));
	io_expect(GR_EFORMAT, io_path("t"), "zip");
}
