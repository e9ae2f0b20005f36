/* Opening a checkpoint by its first bytes (gradus/checkpoint.h). */
#include <string.h>

#include "torch_priv.h"

static const char op[] = "checkpoint";

typedef gr_status (*lister)(gr_tensorfile *f, const gr_checkpoint_opts *opts);

static bool starts(const unsigned char *head, size_t have, const char *magic, size_t bytes)
{
	return have >= bytes && memcmp(head, magic, bytes) == 0;
}

/* Member names end in .npy for NumPy; torch has a top directory with data.pkl. */
static bool is_npz(const gr_tensorfile *f)
{
	gr_tensorfile_member m;
	for (int64_t i = 0; gr_tensorfile_member_at(f, i, &m); i++) {
		size_t n = strlen(m.name);
		if (n >= 4 && strcmp(m.name + n - 4, ".npy") == 0)
			return true;
		if (n >= 9 && strcmp(m.name + n - 9, "/data.pkl") == 0)
			return false;
	}
	return !gr_tensorfile_member_at(f, 0, &m);
}

static gr_status check_members(const gr_tensorfile *f)
{
	gr_tensorfile_member m;
	gr_status status = GR_OK;
	for (int64_t i = 0; status == GR_OK && gr_tensorfile_member_at(f, i, &m); i++)
		status = gr_tensorfile_member_check(f, i);
	return status;
}

/* What PyTorch never was, or no longer is, read from. */
static gr_status refuse_old(const gr_tensorfile *f, const unsigned char *head, size_t have)
{
	unsigned char ustar[5] = "";
	if (starts(head, have, "PYTORCH1", 8))
		return gr_tensorfile_fail(f, GR_EUNSUPPORTED, 0, "a preview archive of PyTorch");
	if (gr_tensorfile_bytes(f) >= 262) {
		gr_status status = gr_tensorfile_fetch(f, 257, ustar, sizeof ustar);
		if (status != GR_OK)
			return status;
	}
	if (memcmp(ustar, "ustar", sizeof ustar) == 0)
		return gr_tensorfile_fail(f, GR_EUNSUPPORTED, 0,
			"a tar archive, the format of the first versions of PyTorch; hint: save it again");
	return GR_OK;
}

/* The reader of a pickle's first bytes; NULL and GR_OK when gr_tensorfile_open() should read the
 * file. */
static gr_status find_lister(gr_tensorfile *f, const gr_checkpoint_opts *opts, lister *list)
{
	unsigned char head[16];
	uint64_t size = gr_tensorfile_bytes(f);
	size_t have = size < sizeof head ? (size_t)size : sizeof head;
	*list = NULL;
	gr_status status = gr_tensorfile_fetch(f, 0, head, have);
	if (status == GR_OK)
		status = refuse_old(f, head, have);
	if (status != GR_OK)
		return status;
	if (starts(head, have, GR_TORCH_LEGACY_MAGIC, sizeof GR_TORCH_LEGACY_MAGIC - 1))
		*list = gr__torch_legacy;
	else if (have >= 2 && head[0] == 0x80 && head[1] <= 5 && (have < 9 || head[8] != '{'))
		*list = gr__torch_plain;
	if (!starts(head, have, "PK\3\4", 4))
		return GR_OK;
	status = gr_tensorfile_unzip(f);
	if (status == GR_OK && opts->check_crc)
		status = check_members(f);
	if (status == GR_OK && !is_npz(f))
		*list = gr__torch_zip;
	return status;
}

static const char *format_of(lister list)
{
	return list == gr__torch_zip   ? "PyTorch zip archive"
		: list == gr__torch_legacy ? "PyTorch legacy stream"
								   : "pickle";
}

static gr_status open_torch(gr_tensorfile **out, const char *path, const gr_checkpoint_opts *opts)
{
	gr_tensorfile *f;
	lister list = NULL;
	gr_status status = gr_tensorfile_begin(&f, op, "", path);
	if (status != GR_OK)
		return status;
	status = find_lister(f, opts, &list);
	if (status == GR_OK && list != NULL) {
		gr_tensorfile_set_format(f, format_of(list));
		status = list(f, opts);
	}
	if (status == GR_OK && list != NULL && gr_tensorfile_count(f) == 0)
		status = gr_tensorfile_fail(f, GR_EFORMAT, 0, "there are no tensors in it");
	if (status != GR_OK || list == NULL) {
		gr_tensorfile_close(f);
		f = NULL;
	}
	*out = f;
	return status;
}

gr_status gr_checkpoint_open(gr_tensorfile **out, const char *path, const gr_checkpoint_opts *opts)
{
	const gr_checkpoint_opts defaults = {.size = sizeof defaults};
	if (opts == NULL)
		opts = &defaults;
	*out = NULL;
	gr_status status = open_torch(out, path, opts);
	if (status == GR_OK && *out == NULL && opts->root != NULL)
		return gr_error_set(GR_EARG, "checkpoint: %s: only pickles have a root to choose", path);
	return status == GR_OK && *out == NULL ? gr_tensorfile_open(out, path) : status;
}
