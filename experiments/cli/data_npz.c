/* See data_npz.h. The file is hostile: every array's type and shape is checked before it is read. */
#include "data_npz.h"

#include <string.h>

#include "gradus/io.h"

typedef struct pairs {
	gr_archive *archive;
	const float *field[2]; /* [N,S,S] each */
	int64_t nodes;
	npz_moments moments;
} pairs;

static void close_pairs(void *ctx)
{
	pairs *p = ctx;
	gr_archive_free(p->archive);
	gr_free(p);
}

static gr_status get(int64_t i, float *image, int64_t *label, void *ctx)
{
	const pairs *p = ctx;
	*label = -1;
	for (int k = 0; k < 2; k++) {
		const float *from = p->field[k] + i * p->nodes;
		const double scale = 0.25 / p->moments.std[k];
		for (int64_t j = 0; j < p->nodes; j++)
			image[k * p->nodes + j] = (float)(0.5 + ((double)from[j] - p->moments.mean[k]) * scale);
	}
	return GR_OK;
}

static gr_status read_moment(const pairs *p, double out[2], const char *name, const char *path)
{
	const gr_tensor *t = gr_archive_find(p->archive, name);
	if (t == NULL || gr_tensor_dtype(t) != GR_F64 || gr_tensor_ndim(t) != 1 ||
		gr_tensor_dim(t, 0) != 2)
		return gr_error_set(GR_EFORMAT, "%s: '%s' is missing or not f64 [2]", path, name);
	memcpy(out, gr_tensor_data_const(t), 2 * sizeof *out);
	return GR_OK;
}

static gr_status check(pairs *p, const char *path, gr_dataset_info *info)
{
	static const char *const names[] = {"a", "u"};
	const gr_tensor *t[2];
	for (int k = 0; k < 2; k++) {
		t[k] = gr_archive_find(p->archive, names[k]);
		if (t[k] == NULL || gr_tensor_dtype(t[k]) != GR_F32 || gr_tensor_ndim(t[k]) != 3 ||
			gr_tensor_size(t[k]) == 0 || !gr_is_same_shape(t[k], t[0]))
			return gr_error_set(GR_EFORMAT,
				"%s: '%s' is missing or not f32 [N,S,S]; hint: gradus data pde writes such a file",
				path, names[k]);
		p->field[k] = gr_tensor_data_const(t[k]);
	}
	*info = (gr_dataset_info){.count = gr_tensor_dim(t[0], 0),
		.channels = 2,
		.height = gr_tensor_dim(t[0], 1),
		.width = gr_tensor_dim(t[0], 2)};
	p->nodes = info->height * info->width;
	gr_status status = read_moment(p, p->moments.mean, "mean", path);
	if (status == GR_OK)
		status = read_moment(p, p->moments.std, "std", path);
	if (status == GR_OK && !(p->moments.std[0] > 0.0 && p->moments.std[1] > 0.0))
		status = gr_error_set(GR_EFORMAT, "%s: 'std' is not positive", path);
	return status;
}

gr_status gr__data_npz(gr_dataset **out, npz_moments *moments, const char *path,
	const gr_dataset_opts *opts)
{
	const gr_dataset_ops ops = {.size = sizeof ops, .get = get, .free = close_pairs};
	gr_dataset_info info;
	*out = NULL;
	pairs *p = gr_alloc(sizeof *p);
	if (p == NULL)
		return gr_error_code();
	gr_status status = gr_npz_read(&p->archive, path);
	if (status == GR_OK)
		status = check(p, path, &info);
	if (status != GR_OK) {
		close_pairs(p);
		return status;
	}
	if (moments != NULL)
		*moments = p->moments;
	return gr_dataset_new(out, &info, &ops, p, opts);
}
