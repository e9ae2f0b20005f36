/*
 * The ligatures of a font: which glyphs, one after the other, another glyph stands for. Read from the
 * bytes of its GSUB table (OpenType 1.9, lookup types 4 and 7); all else in the table is passed over.
 */
#ifndef GRADUS_INTERNAL_LIGATURES_H
#define GRADUS_INTERNAL_LIGATURES_H

#include "gradus/base.h"

#define GR_LIGATURE_PARTS 16

typedef struct gr_ligature {
	uint16_t glyph; /* what is drawn */
	int count;      /* parts, 1 to GR_LIGATURE_PARTS; longer ligatures are passed over */
	uint16_t part[GR_LIGATURE_PARTS];
} gr_ligature;

/* All of them, in the order of the table: *out is a gr_alloc() block of *n. GR_EFORMAT names the byte
 * of the table that points outside it. */
gr_status gr__ligatures_read(gr_ligature **out, size_t *n, const uint8_t *table, size_t bytes);

#endif
