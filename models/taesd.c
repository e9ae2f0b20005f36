/*
 * TAESD: two chains, whose links the files number (C conv 3x3, D conv of stride 2 without bias, B
 * block, U nearest x2, N conv without bias):
 *
 *	encoder: C B D BBB D BBB D MMM C
 *	decoder: 3 tanh(z/3), C, ReLU, MMM U N BBB U N BBB U N B C
 *
 * Block: y = ReLU(conv(x) + x), three convolutions with ReLUs between. M is B, and with
 * use_midblock_gn first x = x + pool(x): 1x1 conv to 4 times the width, group norm of 4 groups,
 * ReLU, 1x1 conv back, both without bias.
 */
#include "gradus/taesd.h"

#include "block.h"
#include "gradus/layers.h"
#include "gradus/ops.h"
#include "options_priv.h"

#define LINKS_MAX 24
#define LIMIT 3.0

typedef struct tiny_block {
	gr_conv *conv[3];
	gr_conv *pool[2]; /* NULL: none */
	gr_groupnorm *pool_norm;
} tiny_block;

typedef struct tiny_link {
	char kind;
	const void *layer;
} tiny_link;

typedef struct tiny_chain {
	gr_module *module;
	int count;
	tiny_link link[LINKS_MAX];
} tiny_chain;

struct gr_taesd {
	gr_taesd_config config;
	gr_module *root;
	tiny_chain encoder, decoder;
};

#define FIELD(name) offsetof(gr_taesd_config, name)

static const option options[] = {
	{"latent_channels", OPTION_COUNT, FIELD(latent_channels), 0, NULL},
	{"image_channels", OPTION_COUNT, FIELD(image_channels), 0, NULL},
	{"width", OPTION_COUNT, FIELD(width), 0, NULL},
	{"use_midblock_gn", OPTION_FLAG, FIELD(use_midblock_gn), 0, NULL},
};

static const option_table table = {"taesd", options, sizeof options / sizeof *options};

gr_status gr_taesd_config_from_json(gr_taesd_config *out, const gr_json *object)
{
	gr_taesd_config c = {.size = sizeof c};
	gr_status status = gr__options_read(&table, object, &c);
	if (status == GR_OK && out != NULL)
		*out = c;
	return status;
}

static gr_status check_config(gr_taesd_config *c)
{
	if (c->latent_channels == 0)
		c->latent_channels = 4;
	if (c->image_channels == 0)
		c->image_channels = 3;
	if (c->width == 0)
		c->width = 64;
	if (c->latent_channels < 1 || c->image_channels < 1 || c->width < 1)
		return gr_error_set(GR_EARG,
			"taesd: latent_channels %lld, image_channels %lld, width %lld: all must be positive",
			(long long)c->latent_channels, (long long)c->image_channels, (long long)c->width);
	return GR_OK;
}

static tiny_block *block_new(gr_module *parent, const char *name, int64_t width, bool pooled)
{
	gr_module *m = gr_module_child(parent, name);
	tiny_block *b = gr_module_alloc(m, sizeof *b);
	if (b == NULL)
		return NULL;
	*b = (tiny_block){.pool_norm = NULL};
	for (int i = 0; i < 3; i++) {
		const char place[] = {'c', 'o', 'n', 'v', '.', (char)('0' + 2 * i), '\0'};
		b->conv[i] = gr_conv_new(m, place, GR_OPTS(gr_conv_layer_opts, .in = width, .out = width));
	}
	if (pooled) {
		b->pool[0] = gr_conv_new(m, "pool.0",
			GR_OPTS(gr_conv_layer_opts, .in = width, .out = 4 * width, .kernel = 1,
				.no_bias = true));
		b->pool_norm = gr_groupnorm_new(m, "pool.1",
			GR_OPTS(gr_groupnorm_opts, .channels = 4 * width, .groups = 4));
		b->pool[1] = gr_conv_new(m, "pool.3",
			GR_OPTS(gr_conv_layer_opts, .in = 4 * width, .out = width, .kernel = 1,
				.no_bias = true));
	}
	return b;
}

/* One link for each letter of plan, at the place that it has there. */
static void build_chain(tiny_chain *chain, const gr_taesd_config *c, const char *plan, int64_t in,
	int64_t out)
{
	gr_module *m = chain->module;
	int64_t from = in;
	for (int i = 0; plan[i] != '\0'; i++) {
		const bool last = plan[i + 1] == '\0';
		char name[] = {(char)('0' + i / 10), (char)('0' + i % 10), '\0'};
		const char *place = i < 10 ? name + 1 : name;
		const void *layer = NULL;
		if (plan[i] == 'B' || plan[i] == 'M')
			layer = block_new(m, place, c->width, plan[i] == 'M' && c->use_midblock_gn);
		else if (plan[i] == 'C' || plan[i] == 'N' || plan[i] == 'D')
			layer = gr_conv_new(m, place,
				GR_OPTS(gr_conv_layer_opts, .in = from, .out = last ? out : c->width,
					.stride = plan[i] == 'D' ? 2 : 1, .no_bias = plan[i] != 'C'));
		if (layer != NULL)
			from = c->width;
		chain->link[chain->count++] = (tiny_link){plan[i], layer};
	}
}

static gr_status build(gr_taesd *v)
{
	const gr_taesd_config *c = &v->config;
	v->encoder.module = gr_module_child(v->root, "encoder");
	v->decoder.module = gr_module_child(v->root, "decoder");
	build_chain(&v->encoder, c, "CBDBBBDBBBDMMMC", c->image_channels, c->latent_channels);
	build_chain(&v->decoder, c, "TCRMMMUNBBBUNBBBUNBC", c->latent_channels, c->image_channels);
	return gr_module_status(v->root);
}

gr_taesd *gr_taesd_new(const gr_taesd_config *config)
{
	gr_taesd_config filled = config == NULL ? (gr_taesd_config){.size = sizeof filled} : *config;
	if (check_config(&filled) != GR_OK)
		return NULL;
	gr_taesd *v = gr_alloc(sizeof *v);
	if (v == NULL)
		return NULL;
	*v = (gr_taesd){.config = filled, .root = gr_module_new()};
	if (v->root == NULL || gr_module_set_dtype(v->root, filled.dtype) != GR_OK ||
		build(v) != GR_OK) {
		gr_taesd_free(v);
		return NULL;
	}
	return v;
}

void gr_taesd_free(gr_taesd *v)
{
	if (v == NULL)
		return;
	gr_module_free(v->root);
	gr_free(v);
}

gr_module *gr_taesd_module(gr_taesd *v)
{
	return v == NULL ? NULL : v->root;
}

gr_module *gr_taesd_encoder(gr_taesd *v)
{
	return v == NULL ? NULL : v->encoder.module;
}

gr_module *gr_taesd_decoder(gr_taesd *v)
{
	return v == NULL ? NULL : v->decoder.module;
}

const gr_taesd_config *gr_taesd_get_config(const gr_taesd *v)
{
	return v == NULL ? NULL : &v->config;
}

static gr_tensor *apply_block(const tiny_block *b, gr_tensor *x)
{
	if (b->pool_norm != NULL) {
		gr_tensor *p = gr_relu(gr_groupnorm_forward(b->pool_norm, gr_conv_forward(b->pool[0], x)));
		x = gr_add(x, gr_conv_forward(b->pool[1], p));
	}
	gr_tensor *y = gr_relu(gr_conv_forward(b->conv[0], x));
	y = gr_relu(gr_conv_forward(b->conv[1], y));
	return gr_relu(gr_add(gr_conv_forward(b->conv[2], y), x));
}

static gr_tensor *apply_link(const void *layer, gr_tensor *x, const void *shared)
{
	const tiny_link *l = layer;
	(void)shared;
	switch (l->kind) {
	case 'T': return gr_mul_s(gr_tanh(gr_mul_s(x, 1.0 / LIMIT)), LIMIT);
	case 'R': return gr_relu(x);
	case 'U': return gr_upsample_nearest2d(x, 2);
	case 'B':
	case 'M': return apply_block(l->layer, x);
	default: return gr_conv_forward(l->layer, x);
	}
}

static gr_tensor *run(const tiny_chain *chain, gr_tensor *x, const char *what, int64_t channels)
{
	char text[128];
	if (gr_tensor_ndim(x) != 4 || gr_tensor_dim(x, 1) != channels) {
		gr_error_set(GR_ESHAPE, "taesd: %s is %s, expected [N,%lld,H,W]", what,
			gr_tensor_describe(x, text, sizeof text), (long long)channels);
		return NULL;
	}
	gr_scope_begin();
	gr_tensor *h = gr_tensor_retain(x);
	for (int i = 0; i < chain->count; i++)
		h = gr__block_advance(h, apply_link, &chain->link[i], NULL);
	gr_tensor *y = gr_escape(h);
	gr_tensor_release(h);
	gr_scope_end();
	return y;
}

gr_tensor *gr_taesd_encode(const gr_taesd *v, gr_tensor *x)
{
	return v == NULL || x == NULL ? NULL : run(&v->encoder, x, "x", v->config.image_channels);
}

gr_tensor *gr_taesd_decode(const gr_taesd *v, gr_tensor *z)
{
	return v == NULL || z == NULL ? NULL : run(&v->decoder, z, "z", v->config.latent_channels);
}
