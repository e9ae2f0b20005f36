/*
 * See data_emoji.h. A bitmap is BGRA of premultiplied alpha: on white its colour is c + 1 - alpha. It
 * is centred on a white square of its larger side, which is reduced by an antialiased cubic filter.
 *
 * A glyph's group is a code point: its own, or, for a ligature, that of the first part that stands
 * for a thing. Signs of gender, direction and skin, joiners and selectors do not; man, woman, adult
 * and the ages likewise count as one, and a trade's sign as the trade. So a drawing and its variants
 * are on one side.
 */
#include "data_emoji.h"

#ifndef GRADUS_FREETYPE

gr_status gr__data_emoji(gr_dataset **out, bool held_out, const gr_dataset_opts *opts)
{
	(void)held_out, (void)opts;
	*out = NULL;
	return gr_error_set(GR_EUNSUPPORTED,
		"emoji: this program was built without FreeType; hint: apt-get install libfreetype-dev "
		"fonts-noto-color-emoji, then build again");
}

#else

#include <ft2build.h>
#include FT_FREETYPE_H
#include FT_TRUETYPE_TABLES_H
#include <string.h>

#include "gradus/io.h"
#include "gradus/ops.h"
#include "ligatures.h"

#define FONT "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
#define GLYPHS_MAX 65536
#define BITMAP_MAX 1024 /* its sides */
#define CHAIN_MAX 8     /* ligatures of ligatures of ... */
#define PERSON 0x1F9D1
#define HELD_OUT 10 /* one group of so many */

typedef struct font {
	FT_Library library;
	FT_Face face;
	uint32_t *group; /* [GLYPHS_MAX]; 0: none */
} font;

static void close_font(font *f)
{
	FT_Done_Face(f->face);
	FT_Done_FreeType(f->library);
	gr_free(f->group);
}

static gr_status open_font(font *f)
{
	*f = (font){0};
	if (FT_Init_FreeType(&f->library) != 0)
		return gr_error_set(GR_EMEM, "emoji: FreeType does not start");
	if (FT_New_Face(f->library, FONT, 0, &f->face) != 0)
		return gr_error_set(GR_EIO,
			"%s: cannot be read; hint: apt-get install fonts-noto-color-emoji", FONT);
	if (f->face->num_fixed_sizes < 1 || FT_Select_Size(f->face, 0) != 0 ||
		f->face->num_glyphs > GLYPHS_MAX)
		return gr_error_set(GR_EFORMAT, "%s: not a font of bitmaps", FONT);
	f->group = gr_alloc(GLYPHS_MAX * sizeof *f->group);
	return f->group == NULL ? gr_error_code() : GR_OK;
}

/* Whether a code point says of what kind a drawing is, and not of what. */
static bool is_modifier(uint32_t c)
{
	return c == 0x2640 || c == 0x2642 || c == 0x27A1 || c == 0x200D || c == 0xFE0F || c == 0x20E3 ||
		(c >= 0x1F3FB && c <= 0x1F3FF);
}

static uint32_t canonical(uint32_t c)
{
	static const uint32_t persons[] = {0x1F466, 0x1F467, 0x1F468, 0x1F469, 0x1F474, 0x1F475,
		0x1F476, 0x1F9D2, 0x1F9D3};
	for (size_t i = 0; i < sizeof persons / sizeof *persons; i++) {
		if (c == persons[i])
			return PERSON;
	}
	return c;
}

/* The group of a ligature whose parts' groups are known; 0 when they are not. */
static uint32_t group_of(const font *f, const gr_ligature *l)
{
	uint32_t found = 0;
	for (int i = 0; i < l->count; i++) {
		const uint32_t c = f->group[l->part[i]];
		if (c == 0)
			return 0;
		if (found == 0 || is_modifier(found))
			found = c;
	}
	return found;
}

static gr_status find_groups(font *f)
{
	FT_UInt glyph;
	FT_ULong bytes = 0;
	for (FT_ULong c = FT_Get_First_Char(f->face, &glyph); glyph != 0;
		 c = FT_Get_Next_Char(f->face, c, &glyph))
		f->group[glyph] = canonical((uint32_t)c);
	if (FT_Load_Sfnt_Table(f->face, FT_MAKE_TAG('G', 'S', 'U', 'B'), 0, NULL, &bytes) != 0)
		return gr_error_set(GR_EFORMAT, "%s: no table GSUB", FONT);
	uint8_t *table = gr_alloc(bytes);
	if (table == NULL)
		return gr_error_code();
	gr_ligature *list = NULL;
	size_t n = 0;
	gr_status status = GR_OK;
	if (FT_Load_Sfnt_Table(f->face, FT_MAKE_TAG('G', 'S', 'U', 'B'), 0, table, &bytes) != 0)
		status = gr_error_set(GR_EFORMAT, "%s: the table GSUB cannot be read", FONT);
	if (status == GR_OK)
		status = gr__ligatures_read(&list, &n, table, bytes);
	for (int round = 0; round < CHAIN_MAX && status == GR_OK; round++) {
		for (size_t i = 0; i < n; i++) {
			if (f->group[list[i].glyph] == 0)
				f->group[list[i].glyph] = group_of(f, &list[i]);
		}
	}
	gr_free(list);
	gr_free(table);
	return status;
}

static bool is_held_out(uint32_t group)
{
	gr_key key = gr_key_fold_name(gr_key_seed(0), "emoji");
	return gr_key_below(gr_key_fold(key, group), 0, HELD_OUT) == 0;
}

/* The glyph in the slot, [3,side,side] in 0..1. */
static gr_tensor *draw(const FT_Bitmap *b, int64_t side)
{
	const int64_t h = b->rows, w = b->width, S = h > w ? h : w;
	gr_tensor *x = gr_full(GR_F32, GR_DIMS(3, S, S), 1.0);
	float *out = x != NULL ? gr_tensor_data(x) : NULL;
	for (int64_t i = 0; out != NULL && i < h; i++) {
		const unsigned char *row = b->buffer + i * b->pitch;
		for (int64_t j = 0; j < w; j++) {
			const int64_t to = (i + (S - h) / 2) * S + j + (S - w) / 2;
			const unsigned char *bgra = row + 4 * j;
			for (int c = 0; c < 3; c++)
				out[c * S * S + to] = (float)(bgra[2 - c] + 255 - bgra[3]) / 255.0F;
		}
	}
	return gr_clamp(gr_resize2d(x, side, side,
						GR_OPTS(gr_resize_opts, .mode = GR_RESIZE_CUBIC, .antialias = true)),
		0.0, 1.0);
}

typedef struct drawings {
	int64_t n, side;
	uint8_t *pixels;    /* [room,3,side,side] */
	char (*sha256)[65]; /* of each, to find the same again */
} drawings;

/* One more, unless it is there. */
static gr_status add(drawings *d, const FT_Bitmap *b)
{
	const int64_t size = 3 * d->side * d->side;
	uint8_t *to = d->pixels + d->n * size;
	gr_scope_begin();
	const gr_tensor *x = draw(b, d->side);
	const float *v = x != NULL ? gr_tensor_data_const(x) : NULL;
	for (int64_t i = 0; v != NULL && i < size; i++)
		to[i] = (uint8_t)(v[i] * 255.0F + 0.5F);
	gr_status status = gr_scope_end();
	if (status != GR_OK)
		return status;
	gr_sha256_bytes(to, (size_t)size, d->sha256[d->n]);
	for (int64_t i = 0; i < d->n; i++) {
		if (strcmp(d->sha256[i], d->sha256[d->n]) == 0)
			return GR_OK;
	}
	d->n++;
	return GR_OK;
}

static gr_status draw_all(drawings *d, const font *f, bool held_out)
{
	const FT_Long count = f->face->num_glyphs;
	d->pixels = gr_alloc((size_t)count * 3 * (size_t)(d->side * d->side));
	d->sha256 = gr_alloc((size_t)count * sizeof *d->sha256);
	gr_status status = d->pixels == NULL || d->sha256 == NULL ? gr_error_code() : GR_OK;
	for (FT_Long g = 0; g < count && status == GR_OK; g++) {
		if (f->group[g] == 0 || is_held_out(f->group[g]) != held_out ||
			FT_Load_Glyph(f->face, (FT_UInt)g, FT_LOAD_COLOR) != 0)
			continue;
		const FT_Bitmap *b = &f->face->glyph->bitmap;
		if (b->pixel_mode == FT_PIXEL_MODE_BGRA && b->width > 0 && b->width <= BITMAP_MAX &&
			b->rows > 0 && b->rows <= BITMAP_MAX)
			status = add(d, b);
	}
	return status;
}

/* The drawings as a dataset, which keeps them. */
static gr_status wrap(gr_dataset **out, const drawings *d, const gr_dataset_opts *opts)
{
	if (d->n == 0)
		return gr_error_set(GR_EFORMAT, "%s: no drawings", FONT);
	gr_scope_begin();
	gr_tensor *images = gr_empty(GR_U8, GR_DIMS(d->n, 3, d->side, d->side));
	gr_status status = images == NULL ? gr_error_code() : GR_OK;
	if (status == GR_OK) {
		memcpy(gr_tensor_data(images), d->pixels, (size_t)gr_tensor_size(images));
		status = gr_dataset_from_tensor(out, "emoji", images, NULL, opts);
	}
	gr_status ended = gr_scope_end();
	return status != GR_OK ? status : ended;
}

gr_status gr__data_emoji(gr_dataset **out, bool held_out, const gr_dataset_opts *opts)
{
	font f;
	drawings d = {.side = opts->image_size > 0 ? opts->image_size : 64};
	*out = NULL;
	if (d.side > BITMAP_MAX)
		return gr_error_set(GR_EARG, "emoji: --image-size %lld is above %d", (long long)d.side,
			BITMAP_MAX);
	gr_status status = open_font(&f);
	if (status == GR_OK)
		status = find_groups(&f);
	if (status == GR_OK)
		status = draw_all(&d, &f, held_out);
	if (status == GR_OK)
		status = wrap(out, &d, opts);
	gr_free(d.pixels);
	gr_free(d.sha256);
	close_font(&f);
	return status;
}

#endif
