/*
 * See ligatures.h. The table, big-endian, offsets of 16 bits from the thing that holds them:
 *
 *	GSUB: .. .. .. .. lookups@8     lookups: count, lookup@...
 *	lookup: type, flag, count, subtable@...     type 7: 1, type, offset of 32 bits to the subtable
 *	type 4: 1, coverage@, count, set@...        set: count, ligature@...
 *	ligature: glyph, parts, part 1, part 2, ...     part 0 is the set's place in the coverage
 *	coverage: 1, count, glyph, ...              or 2, count, (first, last, place of the first), ...
 *
 * Every number is read through at(), which keeps to the table.
 */
#include "ligatures.h"

#include <string.h>

#define LIGATURES_MAX 65536

typedef struct reader {
	const uint8_t *table;
	size_t bytes;
	bool failed;
	size_t bad; /* the first byte asked for that is not there */
	gr_ligature *list;
	size_t n, room;
} reader;

static size_t at(reader *r, size_t offset)
{
	if (r->bytes < 2 || offset > r->bytes - 2) {
		if (!r->failed)
			r->bad = offset;
		r->failed = true;
		return 0;
	}
	return (size_t)r->table[offset] << 8 | r->table[offset + 1];
}

/* Glyph number `place` of a coverage; false when it has none. */
static bool covered(reader *r, size_t coverage, size_t place, uint16_t *glyph)
{
	const size_t format = at(r, coverage), n = at(r, coverage + 2);
	if (format == 1 && place < n) {
		*glyph = (uint16_t)at(r, coverage + 4 + 2 * place);
		return !r->failed;
	}
	for (size_t i = 0; format == 2 && i < n && !r->failed; i++) {
		const size_t range = coverage + 4 + 6 * i;
		const size_t first = at(r, range), last = at(r, range + 2), from = at(r, range + 4);
		if (place >= from && place - from <= last - first && last >= first) {
			*glyph = (uint16_t)(first + place - from);
			return !r->failed;
		}
	}
	return false;
}

static gr_status grow(reader *r)
{
	if (r->n < r->room)
		return GR_OK;
	if (r->n >= LIGATURES_MAX)
		return gr_error_set(GR_EFORMAT, "GSUB: more than %d ligatures", LIGATURES_MAX);
	const size_t room = r->room == 0 ? 256 : 2 * r->room;
	gr_ligature *list = gr_alloc(room * sizeof *list);
	if (list == NULL)
		return gr_error_code();
	if (r->n > 0)
		memcpy(list, r->list, r->n * sizeof *list);
	gr_free(r->list);
	r->list = list;
	r->room = room;
	return GR_OK;
}

static gr_status read_ligature(reader *r, size_t offset, uint16_t first)
{
	const size_t count = at(r, offset + 2);
	if (r->failed || count < 1 || count > GR_LIGATURE_PARTS)
		return GR_OK;
	gr_status status = grow(r);
	if (status != GR_OK)
		return status;
	gr_ligature *l = &r->list[r->n++];
	*l = (gr_ligature){.glyph = (uint16_t)at(r, offset), .count = (int)count};
	l->part[0] = first;
	for (size_t i = 1; i < count; i++)
		l->part[i] = (uint16_t)at(r, offset + 2 + 2 * i);
	return GR_OK;
}

/* A subtable of type 4. */
static gr_status read_sets(reader *r, size_t subtable)
{
	const size_t coverage = subtable + at(r, subtable + 2), sets = at(r, subtable + 4);
	gr_status status = GR_OK;
	if (at(r, subtable) != 1)
		return GR_OK;
	for (size_t k = 0; k < sets && !r->failed && status == GR_OK; k++) {
		const size_t set = subtable + at(r, subtable + 6 + 2 * k), n = at(r, set);
		uint16_t first;
		if (!covered(r, coverage, k, &first))
			continue;
		for (size_t j = 0; j < n && !r->failed && status == GR_OK; j++)
			status = read_ligature(r, set + at(r, set + 2 + 2 * j), first);
	}
	return status;
}

static gr_status read_lookup(reader *r, size_t lookup)
{
	const size_t type = at(r, lookup), n = at(r, lookup + 4);
	gr_status status = GR_OK;
	for (size_t k = 0; k < n && !r->failed && status == GR_OK; k++) {
		size_t subtable = lookup + at(r, lookup + 6 + 2 * k), real = type;
		if (type == 7) {
			real = at(r, subtable + 2);
			subtable += at(r, subtable + 4) << 16 | at(r, subtable + 6);
		}
		if (real == 4)
			status = read_sets(r, subtable);
	}
	return status;
}

gr_status gr__ligatures_read(gr_ligature **out, size_t *n, const uint8_t *table, size_t bytes)
{
	reader r = {.table = table, .bytes = bytes};
	*out = NULL;
	*n = 0;
	const size_t lookups = at(&r, 8), count = at(&r, lookups);
	gr_status status = GR_OK;
	for (size_t i = 0; i < count && !r.failed && status == GR_OK; i++)
		status = read_lookup(&r, lookups + at(&r, lookups + 2 + 2 * i));
	if (status == GR_OK && r.failed)
		status = gr_error_set(GR_EFORMAT, "GSUB: byte %zu is beyond the table's %zu", r.bad, bytes);
	if (status != GR_OK) {
		gr_free(r.list);
		return status;
	}
	*out = r.list;
	*n = r.n;
	return GR_OK;
}
