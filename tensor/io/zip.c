/*
 * The directory of a zip archive (zip_priv.h).
 *
 * Sizes come from the central directory; local headers are read for where the data start and must
 * agree. Promises against hostile archives: one disk, no encryption, no duplicate or path-like
 * names, all members disjoint and before the directory, which ends exactly where the end record
 * starts; deflated members are bounded by deflate's best ratio and in sum.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes_priv.h"
#include "pool.h"
#include "utf8_priv.h"
#include "zip_priv.h"

enum {
	END_BYTES = 22,
	LOCATOR_BYTES = 20,
	END64_BYTES = 56,
	CENTRAL_BYTES = 46,
	LOCAL_BYTES = 30,
	MAX_RATIO = 1100, /* deflate cannot exceed 1032 */
};
/* Deflated members may together inflate to this plus 64 times the file. */
static const uint64_t inflated_free = (uint64_t)1 << 30;

/* Flags of a member. */
enum { FLAG_ENCRYPTED = 1 << 0, FLAG_DESCRIPTOR = 1 << 3, FLAG_OTHERS = 1 << 5 | 1 << 6 | 1 << 13 };

/* Where the directory is. */
struct extent {
	uint64_t begin;
	uint64_t bytes;
	uint64_t count;
	uint64_t end; /* of everything: where the end record, or its zip64 form, starts */
};

/* The end record: the last one whose comment reaches exactly to the end of the file. */
static gr_status find_end(const gr_infile *f, unsigned char end[END_BYTES], uint64_t *at)
{
	const size_t most = END_BYTES + 65535;
	if (f->size < END_BYTES)
		return gr__infile_fail(f, GR_EFORMAT, 0, "too short to be a zip archive");
	size_t n = f->size < most ? (size_t)f->size : most;
	unsigned char *tail = gr__pool_alloc(n);
	if (!tail)
		return gr__infile_fail(f, GR_EMEM, 0, "no memory to find the directory");
	gr_status status = gr__infile_read(f, f->size - n, tail, n);
	bool found = false;
	for (size_t i = n - END_BYTES + 1; status == GR_OK && !found && i-- > 0;) {
		found = gr__bytes_load32(tail + i) == GR_ZIP_END &&
			gr__bytes_load16(tail + i + 20) == n - i - END_BYTES;
		if (found) {
			memcpy(end, tail + i, END_BYTES);
			*at = f->size - n + i;
		}
	}
	if (status == GR_OK && !found) {
		const char *guess = f->size == n ? gr__infile_guess(tail, n) : NULL;
		status = gr__infile_fail(f, GR_EFORMAT, f->size,
			"no end record: truncated or not a zip archive%s%s", guess ? "; it looks like " : "",
			guess ? guess : "");
	}
	gr__pool_free(tail);
	return status;
}

/* The zip64 end record, when a locator stands before the end record at `end_at`. */
static gr_status read_end64(const gr_infile *f, uint64_t end_at, struct extent *x)
{
	unsigned char b[END64_BYTES];
	if (end_at < LOCATOR_BYTES)
		return GR_OK;
	gr_status status = gr__infile_read(f, end_at - LOCATOR_BYTES, b, LOCATOR_BYTES);
	if (status || gr__bytes_load32(b) != GR_ZIP_LOCATOR64)
		return status; /* full fields that mean what they say */
	uint64_t at = gr__bytes_load64(b + 8);
	if (gr__bytes_load32(b + 4) != 0 || gr__bytes_load32(b + 16) > 1)
		return gr__infile_fail(f, GR_EUNSUPPORTED, end_at, "archive of several disks");
	if (at > end_at - LOCATOR_BYTES || end_at - LOCATOR_BYTES - at < END64_BYTES)
		return gr__infile_fail(f, GR_EFORMAT, end_at, "zip64 end record out of range");
	status = gr__infile_read(f, at, b, END64_BYTES);
	if (status)
		return status;
	if (gr__bytes_load32(b) != GR_ZIP_END64)
		return gr__infile_fail(f, GR_EFORMAT, at, "zip64 end record lacks its signature");
	if (gr__bytes_load32(b + 16) != 0 || gr__bytes_load32(b + 20) != 0 ||
		gr__bytes_load64(b + 24) != gr__bytes_load64(b + 32))
		return gr__infile_fail(f, GR_EUNSUPPORTED, at, "archive of several disks");
	*x = (struct extent){
		.begin = gr__bytes_load64(b + 48),
		.bytes = gr__bytes_load64(b + 40),
		.count = gr__bytes_load64(b + 32),
		.end = at,
	};
	return GR_OK;
}

static gr_status find_directory(const gr_infile *f, struct extent *x)
{
	unsigned char b[END_BYTES] = {0};
	uint64_t at = 0;
	gr_status status = find_end(f, b, &at);
	if (status)
		return status;
	*x = (struct extent){
		.begin = gr__bytes_load32(b + 16),
		.bytes = gr__bytes_load32(b + 12),
		.count = gr__bytes_load16(b + 10),
		.end = at,
	};
	if (gr__bytes_load16(b + 4) != 0 || gr__bytes_load16(b + 6) != 0 ||
		gr__bytes_load16(b + 8) != x->count)
		return gr__infile_fail(f, GR_EUNSUPPORTED, at, "archive of several disks");
	/* Some writers, PyTorch's among them, add the zip64 record to small archives too. */
	struct extent wide = *x;
	status = read_end64(f, at, &wide);
	if (status)
		return status;
	if ((x->begin != UINT32_MAX && x->begin != wide.begin) ||
		(x->bytes != UINT32_MAX && x->bytes != wide.bytes) ||
		(x->count != UINT16_MAX && x->count != wide.count))
		return gr__infile_fail(f, GR_EFORMAT, at, "the end record contradicts its zip64 form");
	*x = wide;
	if (x->begin > x->end || x->bytes != x->end - x->begin)
		return gr__infile_fail(f, GR_EFORMAT, x->end,
			"the directory does not end at the end record (it says byte %llu, %llu bytes)",
			(unsigned long long)x->begin, (unsigned long long)x->bytes);
	if (x->count > x->bytes / CENTRAL_BYTES)
		return gr__infile_fail(f, GR_EFORMAT, x->end, "%llu members in a directory of %llu bytes",
			(unsigned long long)x->count, (unsigned long long)x->bytes);
	return GR_OK;
}

const char *gr__zip_name_fault(const char *name, size_t bytes)
{
	if (bytes == 0 || bytes > GR_ZIP_NAME_MAX)
		return "empty or too long";
	if (memchr(name, '\0', bytes) || memchr(name, '\\', bytes))
		return "NUL or backslash";
	if (gr__utf8_valid(name, bytes) < bytes)
		return "not UTF-8";
	for (size_t start = 0, i = 0; i <= bytes; i++) {
		if (i < bytes && name[i] != '/')
			continue;
		size_t n = i - start;
		if (n == 0)
			return "empty part of a path";
		if (name[start] == '.' && (n == 1 || (n == 2 && name[start + 1] == '.')))
			return "'.' or '..' in a path";
		start = i + 1;
	}
	return NULL;
}

/* Where the 32-bit field is full, take the next value of the zip64 extra field. */
static bool widen(uint64_t *value, const unsigned char **p, size_t *left)
{
	if (*value != UINT32_MAX)
		return true;
	if (*left < 8)
		return false;
	*value = gr__bytes_load64(*p);
	*p += 8;
	*left -= 8;
	return true;
}

/* Sizes and offset past 4 GiB are in an extra field of id 1; false when they are not there. */
static bool apply_zip64(gr_zip_entry *e, const unsigned char *extra, size_t bytes)
{
	const unsigned char *p = NULL;
	size_t left = 0;
	while (bytes >= 4) {
		size_t n = gr__bytes_load16(extra + 2);
		if (n > bytes - 4)
			return false;
		if (gr__bytes_load16(extra) == 1) {
			p = extra + 4;
			left = n;
			break;
		}
		extra += 4 + n;
		bytes -= 4 + n;
	}
	return widen(&e->bytes, &p, &left) && widen(&e->stored, &p, &left) &&
		widen(&e->local, &p, &left);
}

/* Method, flags and sizes that we can and may read. */
static gr_status check_entry(const gr_infile *f, uint64_t at, const gr_zip_entry *e, unsigned flags,
	unsigned method)
{
	char name[96];
	gr__infile_quote(name, sizeof name, e->name, strlen(e->name));
	if (flags & FLAG_ENCRYPTED)
		return gr__infile_fail(f, GR_EUNSUPPORTED, at, "member %s is encrypted", name);
	if ((flags & FLAG_OTHERS) || (method != 0 && method != 8))
		return gr__infile_fail(f, GR_EUNSUPPORTED, at, "member %s: method %u, flags %u", name,
			method, flags);
	if (!e->deflated && e->stored != e->bytes)
		return gr__infile_fail(f, GR_EFORMAT, at, "member %s is stored, but its sizes differ",
			name);
	if (e->deflated && e->bytes / MAX_RATIO > e->stored)
		return gr__infile_fail(f, GR_EFORMAT, at, "member %s: %llu bytes cannot inflate to %llu",
			name, (unsigned long long)e->stored, (unsigned long long)e->bytes);
	return GR_OK;
}

/* The directory's header of one member at h, `left` bytes there; sets its length. */
static gr_status parse_central(const gr_infile *f, uint64_t at, unsigned char *h, size_t left,
	gr_zip_entry *e, size_t *length)
{
	if (left < CENTRAL_BYTES || gr__bytes_load32(h) != GR_ZIP_CENTRAL)
		return gr__infile_fail(f, GR_EFORMAT, at, "directory entry cut off or without signature");
	unsigned flags = gr__bytes_load16(h + 8);
	unsigned method = gr__bytes_load16(h + 10);
	size_t name_bytes = gr__bytes_load16(h + 28);
	size_t extra_bytes = gr__bytes_load16(h + 30);
	*length = CENTRAL_BYTES + name_bytes + extra_bytes + gr__bytes_load16(h + 32);
	if (*length > left)
		return gr__infile_fail(f, GR_EFORMAT, at, "directory entry longer than the directory");
	if (gr__bytes_load16(h + 34) != 0)
		return gr__infile_fail(f, GR_EUNSUPPORTED, at, "member on another disk");
	*e = (gr_zip_entry){
		.local = gr__bytes_load32(h + 42),
		.stored = gr__bytes_load32(h + 20),
		.bytes = gr__bytes_load32(h + 24),
		.crc = gr__bytes_load32(h + 16),
		.deflated = method == 8,
	};
	if (!apply_zip64(e, h + CENTRAL_BYTES + name_bytes, extra_bytes))
		return gr__infile_fail(f, GR_EFORMAT, at, "wrong extra field of a directory entry");
	const char *fault = gr__zip_name_fault((const char *)h + CENTRAL_BYTES, name_bytes);
	if (fault)
		return gr__infile_fail(f, GR_EFORMAT, at, "name of a member: %s", fault);
	/* The fields are read: the name moves over them, which makes room for its NUL. */
	memmove(h, h + CENTRAL_BYTES, name_bytes);
	h[name_bytes] = '\0';
	e->name = (const char *)h;
	return check_entry(f, at, e, flags, method);
}

/* The local header says where the data start; what else it says must agree with the directory. */
static gr_status read_local(const gr_infile *f, gr_zip_entry *e, uint64_t limit)
{
	unsigned char h[LOCAL_BYTES + GR_ZIP_NAME_MAX];
	size_t name_bytes = strlen(e->name);
	if (e->local > limit || limit - e->local < LOCAL_BYTES + name_bytes)
		return gr__infile_fail(f, GR_EFORMAT, e->local, "local header out of range");
	gr_status status = gr__infile_read(f, e->local, h, LOCAL_BYTES + name_bytes);
	if (status)
		return status;
	unsigned flags = gr__bytes_load16(h + 6);
	unsigned method = gr__bytes_load16(h + 8);
	bool same = gr__bytes_load32(h) == GR_ZIP_LOCAL && method == (e->deflated ? 8 : 0) &&
		!(flags & (FLAG_ENCRYPTED | FLAG_OTHERS)) && gr__bytes_load16(h + 26) == name_bytes &&
		memcmp(h + LOCAL_BYTES, e->name, name_bytes) == 0;
	if (same && !(flags & FLAG_DESCRIPTOR)) {
		uint32_t stored = gr__bytes_load32(h + 18);
		uint32_t bytes = gr__bytes_load32(h + 22);
		same = gr__bytes_load32(h + 14) == e->crc &&
			(stored == UINT32_MAX || stored == e->stored) &&
			(bytes == UINT32_MAX || bytes == e->bytes);
	}
	if (!same)
		return gr__infile_fail(f, GR_EFORMAT, e->local, "local header contradicts the directory");
	e->data = e->local + LOCAL_BYTES + name_bytes + gr__bytes_load16(h + 28);
	if (e->data > limit || e->stored > limit - e->data)
		return gr__infile_fail(f, GR_EFORMAT, e->local,
			"data of a member reach into the directory");
	return GR_OK;
}

static int by_name(const void *a, const void *b)
{
	const gr_zip_entry *const *x = a;
	const gr_zip_entry *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

static int by_place(const void *a, const void *b)
{
	const gr_zip_entry *const *x = a;
	const gr_zip_entry *const *y = b;
	return ((*x)->local > (*y)->local) - ((*x)->local < (*y)->local);
}

/* No two members of one name, none that share bytes, and a bound on what all inflate to. */
static gr_status check_all(const gr_zip *z)
{
	const gr_zip_entry **sorted = gr__pool_alloc(z->count * sizeof *sorted);
	if (!sorted)
		return gr__infile_fail(z->file, GR_EMEM, 0, "no memory for %zu members", z->count);
	gr_status status = GR_OK;
	uint64_t inflated_left = inflated_free + 64 * z->file->size;
	for (size_t i = 0; i < z->count && status == GR_OK; i++) {
		const gr_zip_entry *e = &z->entries[i];
		sorted[i] = e;
		if (e->deflated && e->bytes > inflated_left)
			status = gr__infile_fail(z->file, GR_EUNSUPPORTED, e->local,
				"the members inflate to more than 64 times the file and 1 GiB (a zip bomb?)");
		else if (e->deflated)
			inflated_left -= e->bytes;
	}
	if (status == GR_OK)
		qsort(sorted, z->count, sizeof *sorted, by_name);
	for (size_t i = 1; i < z->count && status == GR_OK; i++) {
		if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
			status =
				gr__infile_fail(z->file, GR_EFORMAT, sorted[i]->local, "two members of one name");
	}
	if (status == GR_OK)
		qsort(sorted, z->count, sizeof *sorted, by_place);
	for (size_t i = 1; i < z->count && status == GR_OK; i++) {
		if (sorted[i]->local < sorted[i - 1]->data + sorted[i - 1]->stored)
			status = gr__infile_fail(z->file, GR_EFORMAT, sorted[i]->local, "members overlap");
	}
	gr__pool_free(sorted);
	return status;
}

static gr_status read_directory(gr_zip *z, const struct extent *x)
{
	const gr_infile *f = z->file;
	z->directory = gr__pool_alloc((size_t)x->bytes);
	z->entries = gr__pool_alloc((size_t)x->count * sizeof *z->entries);
	if (!z->directory || !z->entries)
		return gr__infile_fail(f, GR_EMEM, x->begin, "no memory for the directory");
	gr_status status = gr__infile_read(f, x->begin, z->directory, (size_t)x->bytes);
	size_t at = 0;
	while (status == GR_OK && z->count < x->count) {
		size_t length = 0;
		gr_zip_entry *e = &z->entries[z->count];
		status =
			parse_central(f, x->begin + at, z->directory + at, (size_t)x->bytes - at, e, &length);
		if (status == GR_OK)
			status = read_local(f, e, x->begin);
		at += length;
		z->count++;
	}
	if (status == GR_OK && at != x->bytes)
		status =
			gr__infile_fail(f, GR_EFORMAT, x->begin + at, "more in the directory than its entries");
	return status ? status : check_all(z);
}

gr_status gr__zip_open(gr_zip *z, const gr_infile *f)
{
	*z = (gr_zip){.file = f};
	struct extent x;
	gr_status status = find_directory(f, &x);
	if (status == GR_OK)
		status = read_directory(z, &x);
	if (status)
		gr__zip_close(z);
	return status;
}

void gr__zip_close(gr_zip *z)
{
	gr__pool_free(z->entries);
	gr__pool_free(z->directory);
	*z = (gr_zip){.file = NULL};
}

gr_status gr__zip_stream(const gr_zip *z, size_t i, gr_instream *s)
{
	const gr_zip_entry *e = &z->entries[i];
	gr_status status = GR_OK;
	if (e->deflated)
		status = gr__instream_deflated(s, z->file, e->data, e->stored, e->bytes);
	else
		gr__instream_stored(s, z->file, e->data, e->bytes);
	s->member = e->name;
	s->want_crc = true;
	return status;
}

gr_status gr__zip_finish(const gr_zip *z, size_t i, gr_instream *s)
{
	gr_status status = gr__instream_finish(s);
	if (status)
		return status;
	if (s->crc != z->entries[i].crc)
		return gr__instream_fail(s, GR_EFORMAT, 0, "damaged: its CRC-32 is %08x and should be %08x",
			(unsigned)s->crc, (unsigned)z->entries[i].crc);
	return GR_OK;
}
