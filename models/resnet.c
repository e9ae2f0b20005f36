/*
 * ResNet: a stem of stride 4, then four stages of residual blocks, all but the first of stride 2.
 *
 *	stem: conv 7 x 7 of stride 2, BN, ReLU, max pool 3 x 3 of stride 2
 *	block: y = ReLU(shortcut(x) + branch(x)), convolutions with BN after each and ReLU between
 *	shortcut: identity, or conv 1 x 1 and BN where width or size change
 */
#include "gradus/resnet.h"

#include <string.h>

#include "block.h"
#include "gradus/layers.h"
#include "gradus/ops.h"
#include "options_priv.h"

#define LAYERS_MAX 64

typedef struct conv_norm {
	gr_conv *conv;
	gr_batchnorm *norm;
} conv_norm;

typedef struct res_block {
	int count;
	conv_norm part[3];
	conv_norm shortcut; /* NULLs: identity */
} res_block;

struct gr_resnet {
	gr_resnet_config config;
	gr_module *root;
	conv_norm stem;
	res_block *block[GR_RESNET_STAGES]; /* layers[k] of them */
	gr_linear *fc;                      /* NULL: none */
};

#define FIELD(name) offsetof(gr_resnet_config, name)

static const char *const block_words[] = {"bottleneck", "basic", NULL};

static const option options[] = {
	{"block", OPTION_WORD, FIELD(block), 0, block_words},
	{"layers", OPTION_COUNTS, FIELD(layers), FIELD(num_stages), NULL},
	{"in_channels", OPTION_COUNT, FIELD(in_channels), 0, NULL},
	{"width", OPTION_COUNT, FIELD(width), 0, NULL},
	{"groups", OPTION_COUNT, FIELD(groups), 0, NULL},
	{"width_per_group", OPTION_COUNT, FIELD(width_per_group), 0, NULL},
	{"num_classes", OPTION_COUNT, FIELD(num_classes), 0, NULL},
};

static const option_table table = {"resnet", options, sizeof options / sizeof *options};

gr_status gr_resnet_config_from_json(gr_resnet_config *out, const gr_json *object)
{
	gr_resnet_config c = {.size = sizeof c};
	gr_status status = gr__options_read(&table, object, &c);
	if (status == GR_OK && out != NULL)
		*out = c;
	return status;
}

static void default_to(int64_t *field, int64_t value)
{
	if (*field == 0)
		*field = value;
}

static gr_status check_config(gr_resnet_config *c)
{
	static const int64_t usual[] = {3, 4, 6, 3};
	if (c->num_stages == 0) {
		c->num_stages = GR_RESNET_STAGES;
		memcpy(c->layers, usual, sizeof usual);
	}
	default_to(&c->in_channels, 3);
	default_to(&c->width, 64);
	default_to(&c->groups, 1);
	default_to(&c->width_per_group, 64);
	if (c->num_stages != GR_RESNET_STAGES)
		return gr_error_set(GR_EARG, "resnet: %d stages, there are four", c->num_stages);
	for (int i = 0; i < GR_RESNET_STAGES; i++)
		if (c->layers[i] < 1 || c->layers[i] > LAYERS_MAX)
			return gr_error_set(GR_EARG, "resnet: %lld blocks in stage %d are not in 1..%d",
				(long long)c->layers[i], i, LAYERS_MAX);
	if (c->in_channels < 1 || c->width < 1 || c->groups < 1 || c->width_per_group < 1 ||
		c->num_classes < 0 || (unsigned)c->block > GR_RESNET_BASIC)
		return gr_error_set(GR_EARG,
			"resnet: in_channels %lld, width %lld, groups %lld, width_per_group %lld: all must be "
			"positive",
			(long long)c->in_channels, (long long)c->width, (long long)c->groups,
			(long long)c->width_per_group);
	if (c->block == GR_RESNET_BASIC && (c->groups != 1 || c->width_per_group != 64))
		return gr_error_set(GR_EARG, "resnet: groups and width_per_group are bottlenecks' options");
	return GR_OK;
}

/* Names "<conv>" and "<norm>" below m. */
static conv_norm pair_new(gr_module *m, const char *conv, const char *norm, int64_t in, int64_t out,
	int64_t kernel, int64_t stride, int64_t groups)
{
	return (conv_norm){gr_conv_new(m, conv,
						   GR_OPTS(gr_conv_layer_opts, .in = in, .out = out, .kernel = kernel,
							   .stride = stride, .groups = groups, .no_bias = true)),
		gr_batchnorm_new(m, norm, GR_OPTS(gr_batchnorm_opts, .channels = out))};
}

/* The width of a block's result, `planes` being that of its stage. */
static int64_t out_width(const gr_resnet_config *c, int64_t planes)
{
	return c->block == GR_RESNET_BASIC ? planes : 4 * planes;
}

static void build_block(res_block *b, gr_module *m, const gr_resnet_config *c, int64_t in,
	int64_t planes, int64_t stride)
{
	const int64_t out = out_width(c, planes);
	if (c->block == GR_RESNET_BASIC) {
		b->count = 2;
		b->part[0] = pair_new(m, "conv1", "bn1", in, planes, 3, stride, 1);
		b->part[1] = pair_new(m, "conv2", "bn2", planes, planes, 3, 1, 1);
	} else {
		const int64_t inner = planes * c->width_per_group / 64 * c->groups;
		b->count = 3;
		b->part[0] = pair_new(m, "conv1", "bn1", in, inner, 1, 1, 1);
		b->part[1] = pair_new(m, "conv2", "bn2", inner, inner, 3, stride, c->groups);
		b->part[2] = pair_new(m, "conv3", "bn3", inner, out, 1, 1, 1);
	}
	if (stride != 1 || in != out)
		b->shortcut = pair_new(m, "downsample.0", "downsample.1", in, out, 1, stride, 1);
}

static gr_status build(gr_resnet *r)
{
	const gr_resnet_config *c = &r->config;
	int64_t width = c->width;
	r->stem = pair_new(r->root, "conv1", "bn1", c->in_channels, width, 7, 2, 1);
	for (int k = 0; k < GR_RESNET_STAGES; k++) {
		const int64_t planes = c->width << k;
		r->block[k] = gr_module_alloc(r->root, (size_t)c->layers[k] * sizeof *r->block[k]);
		for (int64_t i = 0; i < c->layers[k] && r->block[k] != NULL; i++) {
			gr_module *m = gr_module_childf(r->root, "layer%d.%d", k + 1, (int)i);
			build_block(&r->block[k][i], m, c, width, planes, k > 0 && i == 0 ? 2 : 1);
			width = out_width(c, planes);
		}
	}
	if (c->num_classes > 0)
		r->fc = gr_linear_new(r->root, "fc",
			GR_OPTS(gr_linear_opts, .in = width, .out = c->num_classes));
	return gr_module_status(r->root);
}

gr_resnet *gr_resnet_new(const gr_resnet_config *config)
{
	gr_resnet_config filled = config == NULL ? (gr_resnet_config){.size = sizeof filled} : *config;
	if (check_config(&filled) != GR_OK)
		return NULL;
	gr_resnet *r = gr_alloc(sizeof *r);
	if (r == NULL)
		return NULL;
	*r = (gr_resnet){.config = filled, .root = gr_module_new()};
	if (r->root == NULL || gr_module_set_dtype(r->root, filled.dtype) != GR_OK ||
		build(r) != GR_OK) {
		gr_resnet_free(r);
		return NULL;
	}
	return r;
}

void gr_resnet_free(gr_resnet *r)
{
	if (r == NULL)
		return;
	gr_module_free(r->root);
	gr_free(r);
}

gr_module *gr_resnet_module(gr_resnet *r)
{
	return r == NULL ? NULL : r->root;
}

const gr_resnet_config *gr_resnet_get_config(const gr_resnet *r)
{
	return r == NULL ? NULL : &r->config;
}

static bool without_fc(const void *map, const char *key, gr_key_place *place)
{
	(void)map;
	*place = (gr_key_place){.parts = 0};
	if (strlen(key) < sizeof place->name)
		strcpy(place->name, key);
	return strncmp(key, "fc.", 3) != 0;
}

gr_status gr_resnet_load(gr_resnet *r, const gr_tensorfile *f)
{
	if (r == NULL || f == NULL)
		return gr_error_set(GR_EARG, "resnet: nothing to load %s", r == NULL ? "into" : "from");
	return gr_module_load_file(r->root, f,
		GR_OPTS(gr_load_opts, .place = r->fc == NULL ? without_fc : NULL));
}

static gr_tensor *apply_pair(const conv_norm *p, gr_tensor *x)
{
	return gr_batchnorm_forward(p->norm, gr_conv_forward(p->conv, x));
}

static gr_tensor *apply_block(const void *layer, gr_tensor *x, const void *shared)
{
	const res_block *b = layer;
	gr_tensor *y = x;
	(void)shared;
	for (int i = 0; i < b->count; i++) {
		y = apply_pair(&b->part[i], y);
		if (i + 1 < b->count)
			y = gr_relu(y);
	}
	return gr_relu(gr_add(y, b->shortcut.conv == NULL ? x : apply_pair(&b->shortcut, x)));
}

static gr_tensor *apply_stem(const void *layer, gr_tensor *x, const void *shared)
{
	(void)shared;
	return gr_max_pool2d(gr_relu(apply_pair(layer, x)),
		GR_OPTS(gr_pool_opts, .kernel = 3, .stride = 2, .pad = 1));
}

gr_tensor *gr_resnet_forward(const gr_resnet *r, gr_tensor *x, const gr_resnet_forward_opts *opts)
{
	char text[128];
	if (r == NULL || x == NULL)
		return NULL;
	if (gr_tensor_ndim(x) != 4 || gr_tensor_dim(x, 1) != r->config.in_channels) {
		gr_error_set(GR_ESHAPE, "resnet: x is %s, expected [N,%lld,H,W]",
			gr_tensor_describe(x, text, sizeof text), (long long)r->config.in_channels);
		return NULL;
	}
	const bool all = opts == NULL || opts->stages <= 0 || opts->stages > GR_RESNET_STAGES;
	const int stages = all ? GR_RESNET_STAGES : opts->stages;
	gr_scope_begin();
	gr_tensor *h = gr__block_advance(gr_tensor_retain(x), apply_stem, &r->stem, NULL);
	for (int k = 0; k < stages; k++)
		for (int64_t i = 0; i < r->config.layers[k]; i++)
			h = gr__block_advance(h, apply_block, &r->block[k][i], NULL);
	gr_tensor *pooled = NULL;
	if (opts != NULL && (opts->pooled != NULL || opts->logits != NULL))
		pooled = gr_mean(h, GR_AXES(2, 3), false);
	if (opts != NULL && opts->logits != NULL)
		*opts->logits = r->fc == NULL || stages < GR_RESNET_STAGES
			? NULL
			: gr_escape(gr_linear_forward(r->fc, pooled));
	if (opts != NULL && opts->pooled != NULL)
		*opts->pooled = gr_escape(pooled);
	gr_tensor *y = gr_escape(h);
	gr_tensor_release(h);
	gr_scope_end();
	return y;
}
