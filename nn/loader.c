/*
 * Batches as a pure function of (key, step). The only state is a cache of the last two epochs'
 * permutations, since a batch may straddle an epoch's end.
 */

#include "dataset_priv.h"

struct gr_loader {
	gr_dataset *dataset;
	gr_dataset_info info;
	gr_key key;
	int64_t batch;
	bool flip, in_order;
	struct {
		int64_t epoch; /* -1: empty */
		gr_tensor *order;
	} cache[2]; /* epoch e is kept in cache[e % 2] */
};

gr_status gr_loader_new(gr_loader **out, gr_dataset *d, gr_key key, const gr_loader_opts *opts)
{
	*out = NULL;
	int64_t batch = opts && opts->batch ? opts->batch : 1;
	if (!d || batch < 1)
		return gr_error_set(GR_EARG, "loader: batch of %lld from %s", (long long)batch,
			d ? "a dataset" : "no dataset");
	gr_loader *l = gr_alloc(sizeof(*l));
	if (!l)
		return gr_error_set(GR_EMEM, "loader: out of memory");
	l->dataset = d;
	l->info = gr_dataset_describe(d);
	l->key = key;
	l->batch = batch;
	l->flip = opts && opts->flip;
	l->in_order = opts && opts->in_order;
	l->cache[0].epoch = l->cache[1].epoch = -1;
	*out = l;
	return GR_OK;
}

void gr_loader_free(gr_loader *l)
{
	if (!l)
		return;
	for (int i = 0; i < 2; i++)
		gr_tensor_release(l->cache[i].order);
	gr_free(l);
}

/* The image at `position` of an epoch, -1 on error. */
static int64_t image_at(gr_loader *l, int64_t epoch, int64_t position)
{
	if (l->in_order)
		return position;
	int slot = (int)(epoch % 2);
	if (l->cache[slot].epoch != epoch) {
		gr_scope_begin();
		gr_tensor *order =
			gr_random_permutation(gr_key_fold(l->key, (uint64_t)epoch), l->info.count);
		gr_tensor_release(l->cache[slot].order);
		l->cache[slot].order = gr_tensor_retain(order);
		l->cache[slot].epoch = order ? epoch : -1;
		if (gr_scope_end() || !order)
			return -1;
	}
	return ((const int64_t *)gr_tensor_data_const(l->cache[slot].order))[position];
}

static void mirror(float *image, const gr_dataset_info *info)
{
	for (int64_t row = 0; row < info->channels * info->height; row++) {
		float *x = image + row * info->width;
		for (int64_t a = 0, b = info->width - 1; a < b; a++, b--) {
			float kept = x[a];
			x[a] = x[b];
			x[b] = kept;
		}
	}
}

static gr_status fill(gr_loader *l, int64_t sample, float *image, int64_t *label)
{
	int64_t epoch = sample / l->info.count;
	int64_t i = image_at(l, epoch, sample % l->info.count);
	if (i < 0)
		return gr_error_code();
	gr_status status = gr__dataset_get(l->dataset, i, image, label);
	if (status || !l->flip)
		return status;
	gr_key coin = gr_key_fold(gr_key_fold_name(l->key, "flip"), (uint64_t)epoch);
	if (gr_key_bits(gr_key_fold(coin, (uint64_t)i), 0) & 1)
		mirror(image, &l->info);
	return GR_OK;
}

gr_tensor *gr_loader_batch(gr_loader *l, int64_t step, gr_tensor **labels)
{
	if (!l || step < 0 || step > INT64_MAX / l->batch - 1) {
		gr_error_set(GR_EARG, "loader: step %lld", (long long)step);
		return NULL;
	}
	const gr_dataset_info *o = &l->info;
	gr_tensor *x = gr_empty(GR_F32, GR_DIMS(l->batch, o->channels, o->height, o->width));
	gr_tensor *y = labels ? gr_empty(GR_I64, GR_DIMS(l->batch)) : NULL;
	if (!x || (labels && !y))
		return NULL;
	int64_t pixels = o->channels * o->height * o->width;
	for (int64_t j = 0; j < l->batch && !gr_estimating(); j++) {
		int64_t label = -1;
		if (fill(l, step * l->batch + j, (float *)gr_tensor_data(x) + j * pixels, &label))
			return NULL;
		if (y)
			((int64_t *)gr_tensor_data(y))[j] = label;
	}
	if (labels)
		*labels = y;
	return x;
}
