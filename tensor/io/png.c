/*
 * PNG through libpng: any kind of image to f32 [C,H,W] in 0..1, and back as 8 or 16 bits.
 *
 * libpng reports errors by longjmp(). The rule that keeps this safe: only decode() and encode()
 * call setjmp(), they own nothing and have no variables of their own; everything lives in the job
 * of their caller, which frees it. Warnings are dropped. All chunks but those of the pixels are
 * skipped unread, so samples are taken as they are: gamma and colour profiles are ignored.
 *
 * Promise: dimensions are limited to 100,000 each and 4e8 pixels, and an image larger than its
 * compressed data can inflate to is refused before any memory is allocated for it.
 */
#include <png.h>
#include <string.h>

#include "gradus/io.h"
#include "infile_priv.h"
#include "pool.h"
#include "tensor_int.h"

enum {
	MAX_SIDE = 100000,
	MAX_PIXELS = 400000000,
	MAX_RATIO = 1100, /* deflate cannot exceed 1032 */
};

/* Rec. 601 luma, as JPEG and Pillow's "L" have it. */
static const float luma[3] = {0.299f, 0.587f, 0.114f};

struct job {
	gr_png_opts opts;
	png_structp png;
	png_infop info;
	gr_status status; /* what the error handler recorded */
	bool no_memory;   /* an allocation has failed */
	const char *path;

	/* Reading. */
	gr_infile file;
	uint64_t at; /* next byte of the file */

	/* Of the image; reading: after libpng's transformations. */
	int64_t height;
	int64_t width;
	int channels; /* 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha */
	int bytes;    /* of a sample */

	gr_tensor *tensor; /* f32 [C,H,W], contiguous */
	png_bytep rows;    /* one row, or all of them when the image is interlaced */
	size_t row_bytes;
	bool interlaced;
};

static bool read_opts(gr_png_opts *o, const gr_png_opts *given)
{
	*o = (gr_png_opts){.size = sizeof *o};
	if (given && given->size < sizeof given->size) {
		gr__fail(GR_EARG, "png", "options without their size; hint: use GR_OPTS");
		return false;
	}
	if (given)
		memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
	if (o->depth == 0)
		o->depth = 8;
	if ((o->channels != 0 && o->channels != 1 && o->channels != 3) ||
		(o->depth != 8 && o->depth != 16) || !(o->background >= 0.0 && o->background <= 1.0)) {
		gr__fail(GR_EARG, "png",
			"channels is %d (0, 1 or 3), depth %d (8 or 16), background %g (0..1)", o->channels,
			o->depth, o->background);
		return false;
	}
	return true;
}

/* --- libpng's callbacks ---------------------------------------------------------------------- */

static void on_error(png_structp png, png_const_charp reason)
{
	struct job *j = png_get_error_ptr(png);
	/* A failed read of the file has been recorded already. */
	if (j->status == GR_OK)
		j->status = j->no_memory ? GR_EMEM : GR_EFORMAT;
	gr__infile_fail(&j->file, j->status, j->at, "%s", reason);
	png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp reason)
{
	(void)png;
	(void)reason;
}

static png_voidp on_malloc(png_structp png, png_alloc_size_t bytes)
{
	struct job *j = png_get_mem_ptr(png);
	void *p = gr__pool_alloc(bytes);
	if (!p)
		j->no_memory = true;
	return p;
}

static void on_free(png_structp png, png_voidp p)
{
	(void)png;
	gr__pool_free(p);
}

static void on_read(png_structp png, png_bytep dst, size_t bytes)
{
	struct job *j = png_get_io_ptr(png);
	j->status = gr__infile_read(&j->file, j->at, dst, bytes);
	if (j->status)
		png_error(png, "cannot read");
	j->at += bytes;
}

/* A short write stays in the stream's error flag, which the commit of the file reports. */
static void on_write(png_structp png, png_bytep src, size_t bytes)
{
	fwrite(src, 1, bytes, png_get_io_ptr(png));
}

static void on_flush(png_structp png)
{
	(void)png;
}

/* --- reading --------------------------------------------------------------------------------- */

/* Signature to the first pixels; sets the shape of the image in the job. */
static void read_info(struct job *j)
{
	png_set_read_fn(j->png, j, on_read);
	png_set_user_limits(j->png, MAX_SIDE, MAX_SIDE);
	/* Minus one: all ancillary chunks but tRNS, some of which libpng would otherwise inflate. */
	png_set_keep_unknown_chunks(j->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
	png_read_info(j->png, j->info);
	size_t stored_row = png_get_rowbytes(j->png, j->info);

	png_set_expand(j->png); /* palette to RGB, few bits to 8, transparent colour to alpha */
	png_set_swap(j->png);   /* 16 bits: to the machine's order */
	j->interlaced = png_set_interlace_handling(j->png) > 1;
	png_read_update_info(j->png, j->info);
	j->height = png_get_image_height(j->png, j->info);
	j->width = png_get_image_width(j->png, j->info);
	j->channels = png_get_channels(j->png, j->info);
	j->bytes = png_get_bit_depth(j->png, j->info) / 8;
	j->row_bytes = png_get_rowbytes(j->png, j->info);
	if (j->height > MAX_PIXELS / j->width)
		png_error(j->png, "more than 400 million pixels");
	if ((uint64_t)j->height * stored_row > j->file.size * MAX_RATIO)
		png_error(j->png, "the file is too small for its dimensions");
}

/* One row of samples to the planes of the tensor. */
static void convert_row(const struct job *j, const unsigned char *row, int64_t y)
{
	int colours = j->channels > 2 ? 3 : 1;
	bool alpha = j->channels % 2 == 0;
	int out_channels = (int)j->tensor->dims[0];
	int64_t plane = j->height * j->width;
	float *out = (float *)(void *)j->tensor->data + y * j->width;
	float background = (float)j->opts.background;
	float scale = j->bytes == 2 ? 65535.0f : 255.0f;
	for (int64_t x = 0; x < j->width; x++) {
		float v[4];
		for (int c = 0; c < j->channels; c++) {
			uint16_t sample = *row;
			if (j->bytes == 2)
				memcpy(&sample, row, 2);
			v[c] = (float)sample / scale;
			row += j->bytes;
		}
		for (int c = 0; alpha && c < colours; c++)
			v[c] = v[c] * v[colours] + background * (1.0f - v[colours]);
		if (out_channels == 1 && colours == 3)
			v[0] = luma[0] * v[0] + luma[1] * v[1] + luma[2] * v[2];
		for (int c = 0; c < out_channels; c++)
			out[c * plane + x] = v[c < colours ? c : 0];
	}
}

static void read_pixels(struct job *j)
{
	int passes = j->interlaced ? PNG_INTERLACE_ADAM7_PASSES : 1;
	for (int pass = 0; pass < passes; pass++) {
		for (int64_t y = 0; y < j->height; y++) {
			png_bytep row = j->rows + (j->interlaced ? (size_t)y * j->row_bytes : 0);
			png_read_row(j->png, row, NULL);
			if (pass == passes - 1)
				convert_row(j, row, y);
		}
	}
	png_read_end(j->png, NULL);
}

/* Run a step that may longjmp; false when it did. */
static bool decode(struct job *j, void (*step)(struct job *))
{
	if (setjmp(png_jmpbuf(j->png)))
		return false;
	step(j);
	return true;
}

static gr_status allocate(struct job *j)
{
	int channels = j->opts.channels ? j->opts.channels : j->channels > 2 ? 3 : 1;
	gr_spec spec = {GR_F32, 3, {channels, j->height, j->width}};
	j->tensor = gr__tensor_new("png", &spec);
	if (!j->tensor)
		return gr_error_code();
	size_t rows = j->interlaced ? (size_t)j->height : 1;
	j->rows = gr__pool_alloc(rows * j->row_bytes);
	if (!j->rows)
		return gr__infile_fail(&j->file, GR_EMEM, j->at, "no memory for %zu rows", rows);
	/* Whatever libpng leaves out of a damaged image must not be old memory. */
	memset(j->rows, 0, rows * j->row_bytes);
	return GR_OK;
}

static gr_status read_image(struct job *j)
{
	j->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, j, on_error, on_warning, j, on_malloc,
		on_free);
	if (j->png)
		j->info = png_create_info_struct(j->png);
	if (!j->info)
		return gr__infile_fail(&j->file, GR_EMEM, 0, "no memory for libpng");
	if (!decode(j, read_info))
		return j->status;
	gr_status status = allocate(j);
	if (status)
		return status;
	return decode(j, read_pixels) ? GR_OK : j->status;
}

gr_tensor *gr_png_read(const char *path, const gr_png_opts *opts)
{
	struct job j = {.path = path};
	if (!read_opts(&j.opts, opts) || gr__infile_open(&j.file, "png", path) != GR_OK)
		return NULL;
	gr_status status = read_image(&j);
	png_destroy_read_struct(&j.png, &j.info, NULL);
	gr__pool_free(j.rows);
	gr__infile_close(&j.file);
	if (status) {
		gr_tensor_release(j.tensor);
		return NULL;
	}
	return gr__scope_own(j.tensor);
}

/* --- writing --------------------------------------------------------------------------------- */

/* Row y of the tensor as big-endian samples. */
static void fill_row(const struct job *j, int64_t y)
{
	int in_channels = (int)j->tensor->dims[0];
	int64_t plane = j->height * j->width;
	const float *in = (const float *)(const void *)j->tensor->data + y * j->width;
	float top = j->bytes == 2 ? 65535.0f : 255.0f;
	png_bytep p = j->rows;
	for (int64_t x = 0; x < j->width; x++) {
		float v[3];
		for (int c = 0; c < 3; c++)
			v[c] = in[(in_channels == 3 ? c * plane : 0) + x];
		if (j->channels == 1 && in_channels == 3)
			v[0] = luma[0] * v[0] + luma[1] * v[1] + luma[2] * v[2];
		for (int c = 0; c < j->channels; c++) {
			float clamped = v[c] > 0.0f ? (v[c] < 1.0f ? v[c] : 1.0f) : 0.0f; /* NaN gives 0 */
			unsigned sample = (unsigned)((double)clamped * (double)top + 0.5);
			if (j->bytes == 2)
				*p++ = (png_byte)(sample >> 8);
			*p++ = (png_byte)(sample & 0xff);
		}
	}
}

static void write_image(struct job *j)
{
	/* Fixed settings and no date: the same image is the same file. */
	png_set_compression_level(j->png, 6);
	png_set_IHDR(j->png, j->info, (png_uint_32)j->width, (png_uint_32)j->height, 8 * j->bytes,
		j->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
		PNG_COMPRESSION_TYPE_BASE, PNG_FILTER_TYPE_BASE);
	png_write_info(j->png, j->info);
	for (int64_t y = 0; y < j->height; y++) {
		fill_row(j, y);
		png_write_row(j->png, j->rows);
	}
	png_write_end(j->png, NULL);
}

static bool encode(struct job *j, FILE *out)
{
	if (setjmp(png_jmpbuf(j->png)))
		return false;
	png_set_write_fn(j->png, out, on_write, on_flush);
	write_image(j);
	return true;
}

static gr_status write_file(struct job *j)
{
	j->rows = gr__pool_alloc((size_t)j->width * (size_t)j->channels * (size_t)j->bytes);
	j->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, j, on_error, on_warning, j, on_malloc,
		on_free);
	if (j->png)
		j->info = png_create_info_struct(j->png);
	if (!j->rows || !j->info)
		return gr__fail(GR_EMEM, "png", "%s: no memory to write it", j->path);
	gr_outfile *f;
	gr_status status = gr_outfile_open(&f, j->path);
	if (status)
		return status;
	if (encode(j, gr_outfile_stream(f)))
		return gr_outfile_commit(f);
	gr_outfile_abandon(f);
	return j->status;
}

/* x as f32 [C,H,W], contiguous; the caller holds a reference. */
static gr_tensor *prepare(const gr_tensor *x)
{
	gr_tensor *f = gr__tensor_cast(x, GR_F32);
	if (!f || f->ndim == 3)
		return f;
	const int64_t dims[3] = {1, f->dims[0], f->dims[1]};
	gr_tensor *view = gr__view_reshape(f, 3, dims);
	gr_tensor_release(f);
	return view;
}

gr_status gr_png_write(const char *path, const gr_tensor *x, const gr_png_opts *opts)
{
	struct job j = {.path = path, .file = {.op = "png", .path = path, .fd = -1}};
	if (!x || !path)
		return gr__fail(GR_EARG, "png", "no %s given", path ? "tensor" : "file name");
	if (!read_opts(&j.opts, opts))
		return GR_EARG;
	char shape[160];
	gr_tensor_describe(x, shape, sizeof shape);
	if (x->dtype == GR_I64 || x->dtype == GR_U8)
		return gr__fail(GR_EDTYPE, "png", "x is %s; hint: convert to a float type, in 0..1", shape);
	if ((x->ndim != 2 && x->ndim != 3) || (x->ndim == 3 && x->dims[0] != 1 && x->dims[0] != 3))
		return gr__fail(GR_ESHAPE, "png", "x is %s; needs [H,W], [1,H,W] or [3,H,W]", shape);
	int64_t height = x->dims[x->ndim - 2];
	int64_t width = x->dims[x->ndim - 1];
	if (height < 1 || width < 1 || height > MAX_SIDE || width > MAX_SIDE ||
		height > MAX_PIXELS / width)
		return gr__fail(GR_ESHAPE, "png", "x is %s; sides are 1..%d, at most %d pixels in all",
			shape, MAX_SIDE, MAX_PIXELS);
	j.tensor = prepare(x);
	if (!j.tensor)
		return gr_error_code();
	j.height = height;
	j.width = width;
	j.channels = j.opts.channels ? j.opts.channels : (int)j.tensor->dims[0];
	j.bytes = j.opts.depth / 8;
	gr_status status = write_file(&j);
	png_destroy_write_struct(&j.png, &j.info);
	gr__pool_free(j.rows);
	gr_tensor_release(j.tensor);
	return status;
}
