/*
 * What all feature networks share: counting, preparing images, and making of what a kind gives what
 * was asked for (see gradus/feature.h). Those of folders are in feature_folder.c.
 */
#include "gradus/feature.h"

#include <math.h>
#include <stdatomic.h>

#include "gradus/ops.h"
#include "term_priv.h"

struct gr_feature {
	gr_feature_table table;
	void *self;
	gr_feature_opts opts;
	atomic_int owners;
};

/* --- life --- */

static gr_status check(const gr_feature_table *table, const gr_feature_opts *o)
{
	if (!table || !table->name || !table->apply)
		return gr_error_set(GR_EARG, "feature network: name and apply are needed");
	if (!o)
		return GR_OK;
	if (o->range < GR_FEATURE_SIGNED || o->range > GR_FEATURE_IMAGENET)
		return gr_error_set(GR_EARG, "feature network %s: unknown range %d", table->name,
			(int)o->range);
	if (o->height < 0 || o->width < 0 || (o->height == 0) != (o->width == 0))
		return gr_error_set(GR_EARG, "feature network %s: resampled to %lld x %lld", table->name,
			(long long)o->height, (long long)o->width);
	return GR_OK;
}

gr_feature *gr_feature_new(const gr_feature_table *table, void *self, const gr_feature_opts *opts)
{
	gr_feature *f = check(table, opts) ? NULL : gr_alloc(sizeof(*f));
	if (!f) {
		if (table && table->free)
			table->free(self);
		return NULL;
	}
	f->table = *table;
	f->self = self;
	if (opts)
		f->opts = *opts;
	atomic_init(&f->owners, 1);
	return f;
}

gr_feature *gr_feature_retain(gr_feature *f)
{
	if (f)
		atomic_fetch_add(&f->owners, 1);
	return f;
}

void gr_feature_release(gr_feature *f)
{
	if (!f || atomic_fetch_sub(&f->owners, 1) != 1)
		return;
	if (f->table.free)
		f->table.free(f->self);
	gr_free(f);
}

const char *gr_feature_name(const gr_feature *f)
{
	return f ? f->table.name : NULL;
}

gr_feature_domain gr_feature_get_domain(const gr_feature *f)
{
	return f ? f->table.domain : GR_FEATURE_OF_IMAGES;
}

/* --- evaluation --- */

/* ((x + 1) / 2 - mean) / deviation, channel by channel. */
static gr_tensor *normalise(const gr_feature *f, gr_tensor *x)
{
	static const double mean[] = {0.485, 0.456, 0.406};
	static const double deviation[] = {0.229, 0.224, 0.225};
	double scale[3];
	double shift[3];
	if (gr_tensor_dim(x, 1) != 3) {
		char is[96];
		gr_error_set(GR_ESHAPE, "feature network %s: x is %s, ImageNet's range has 3 channels",
			f->table.name, gr_tensor_describe(x, is, sizeof(is)));
		return NULL;
	}
	for (int i = 0; i < 3; i++) {
		scale[i] = 0.5 / deviation[i];
		shift[i] = (0.5 - mean[i]) / deviation[i];
	}
	gr_dtype dtype = gr_tensor_dtype(x);
	return gr_muladd(x, gr_from_f64(dtype, scale, GR_DIMS(1, 3, 1, 1)),
		gr_from_f64(dtype, shift, GR_DIMS(1, 3, 1, 1)));
}

static gr_tensor *prepare(const gr_feature *f, gr_tensor *x)
{
	if (gr_tensor_ndim(x) != 4) {
		char is[96];
		gr_error_set(GR_ESHAPE, "feature network %s: x is %s, expected [N,C,H,W]", f->table.name,
			gr_tensor_describe(x, is, sizeof(is)));
		return NULL;
	}
	if (f->opts.range == GR_FEATURE_IMAGENET)
		x = normalise(f, x);
	int64_t h = f->opts.height;
	int64_t w = f->opts.width;
	if (x && h > 0 && (gr_tensor_dim(x, 2) != h || gr_tensor_dim(x, 3) != w))
		x = gr_resize2d(x, h, w, GR_OPTS(gr_resize_opts, .mode = GR_RESIZE_CUBIC));
	return x;
}

/* [N,P,D] of an image H x W -> [N,D,h,w], h w = P, h / w = H / W */
static gr_tensor *as_map(const gr_feature *f, gr_tensor *tokens, const gr_tensor *x)
{
	int64_t count = gr_tensor_dim(tokens, 1);
	int64_t height = gr_tensor_dim(x, 2);
	int64_t width = gr_tensor_dim(x, 3);
	int64_t h = llround(sqrt((double)count * (double)height / (double)width));
	if (h < 1 || count % h != 0 || h * width != count / h * height) {
		gr_error_set(GR_ESHAPE,
			"feature network %s: %lld tokens of an image %lld x %lld are no grid of its shape",
			f->table.name, (long long)count, (long long)height, (long long)width);
		return NULL;
	}
	return gr_reshape(gr_transpose(tokens, 1, 2),
		GR_DIMS(gr_tensor_dim(tokens, 0), gr_tensor_dim(tokens, 2), h, count / h));
}

static gr_tensor *as_tokens(gr_tensor *map)
{
	return gr_transpose(gr_reshape(map, GR_DIMS(gr_tensor_dim(map, 0), gr_tensor_dim(map, 1), -1)),
		1, 2);
}

static bool has_shape(const gr_tensor *t, int ndim, int64_t n)
{
	return !t || (gr_tensor_ndim(t) == ndim && gr_tensor_dim(t, 0) == n);
}

/* What the kind has to say of x. */
static gr_status apply(const gr_feature *f, gr_tensor *x, gr_feature_call *call)
{
	if (!f || !x)
		return gr_failed() ? gr_error_code()
						   : gr_error_set(GR_EARG, "feature network: %s is NULL", f ? "x" : "it");
	*call = (gr_feature_call){.x = prepare(f, x)};
	gr_status status = call->x ? f->table.apply(f->self, call) : gr_error_code();
	if (status)
		return status;
	if (!call->map && !call->tokens)
		return gr_failed()
			? gr_error_code()
			: gr_error_set(GR_ESTATE, "feature network %s: it gave no features", f->table.name);
	int64_t n = gr_tensor_dim(x, 0);
	if (!has_shape(call->map, 4, n) || !has_shape(call->tokens, 3, n) ||
		!has_shape(call->vector, 2, n))
		return gr_error_set(GR_ESHAPE,
			"feature network %s: expected a map [%lld,D,h,w], tokens [%lld,P,D], a vector [%lld,V]",
			f->table.name, (long long)n, (long long)n, (long long)n);
	return GR_OK;
}

gr_tensor *gr_feature_map(const gr_feature *f, gr_tensor *x)
{
	gr_feature_call call;
	if (apply(f, x, &call))
		return NULL;
	return call.map ? call.map : as_map(f, call.tokens, call.x);
}

gr_tensor *gr_feature_tokens(const gr_feature *f, gr_tensor *x)
{
	gr_feature_call call;
	if (apply(f, x, &call))
		return NULL;
	return call.tokens ? call.tokens : as_tokens(call.map);
}

gr_tensor *gr_feature_vector(const gr_feature *f, gr_tensor *x)
{
	gr_feature_call call;
	if (apply(f, x, &call))
		return NULL;
	if (call.vector)
		return call.vector;
	gr_tensor *all = call.map ? call.map : call.tokens;
	return gr_reshape(all, GR_DIMS(gr_tensor_dim(x, 0), -1));
}

/* --- kinds without a folder --- */

static gr_status pixels(void *self, gr_feature_call *call)
{
	(void)self;
	call->map = call->x;
	return GR_OK;
}

gr_feature *gr_feature_pixels_new(void)
{
	static const gr_feature_table table = {.name = "pixels", .apply = pixels};
	return gr_feature_new(&table, NULL, NULL);
}

static gr_status encode(void *self, gr_feature_call *call)
{
	call->map = gr_prior_encode(self, call->x);
	return gr_error_code();
}

static gr_status decode(void *self, gr_feature_call *call)
{
	call->map = gr_prior_decode(self, call->x);
	return gr_error_code();
}

static gr_status decode_encode(void *self, gr_feature_call *call)
{
	call->map = gr_prior_encode(self, gr_prior_decode(self, call->x));
	return gr_error_code();
}

static gr_status encode_decode(void *self, gr_feature_call *call)
{
	call->map = gr_prior_decode(self, gr_prior_encode(self, call->x));
	return gr_error_code();
}

/* The tables hand `self` back as it was given; the coders above only read the prior. */
static gr_feature *coder_new(const gr_feature_table *table, const gr_prior *prior)
{
	if (!prior) {
		if (!gr_failed())
			gr_error_set(GR_EARG, "feature network %s: the prior is NULL", table->name);
		return NULL;
	}
	if (!gr_is_latent_prior(prior)) {
		gr_error_set(GR_EUNSUPPORTED,
			"feature network %s: the states of prior %s are images; hint: name a network",
			table->name, gr_prior_name(prior));
		return NULL;
	}
	return gr_feature_new(table, (void *)(uintptr_t)prior, NULL);
}

gr_feature *gr_feature_encoder_new(const gr_prior *prior)
{
	static const gr_feature_table table = {.name = "encoder", .apply = encode};
	return coder_new(&table, prior);
}

gr_feature *gr_feature_decoder_new(const gr_prior *prior)
{
	static const gr_feature_table table = {.name = "decoder",
		.domain = GR_FEATURE_OF_STATES,
		.apply = decode};
	return coder_new(&table, prior);
}

bool gr__feature_decodes(const gr_feature *f, const gr_prior *prior)
{
	return f && f->table.apply == decode && f->self == (const void *)prior;
}

gr_feature *gr_feature_decode_encode_new(const gr_prior *prior)
{
	static const gr_feature_table table = {.name = "decoder and encoder",
		.domain = GR_FEATURE_OF_STATES,
		.apply = decode_encode};
	return coder_new(&table, prior);
}

gr_feature *gr_feature_encode_decode_new(const gr_prior *prior)
{
	static const gr_feature_table table = {.name = "encoder and decoder", .apply = encode_decode};
	return coder_new(&table, prior);
}
