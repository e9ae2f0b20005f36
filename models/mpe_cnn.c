/*
 * EquiReg's small network, f = block_B(... block_1(x)):
 *
 *	block: ReLU(BN(conv 3 x 3 of stride 2, one zero around))
 *	head: W mean_pixels(f) + b;   projector: W2 ReLU(W1 mean_pixels(f) + b1) + b2
 */
#include "gradus/mpe_cnn.h"

#include "block.h"
#include "gradus/layers.h"
#include "gradus/ops.h"
#include "options_priv.h"

#define BLOCKS_MAX 8

typedef struct mpe_block {
	gr_conv *conv;
	gr_batchnorm *norm;
} mpe_block;

struct gr_mpe_cnn {
	gr_mpe_cnn_config config;
	gr_module *root;
	mpe_block block[BLOCKS_MAX];
	gr_linear *head, *projector[2]; /* NULL: none */
};

#define FIELD(name) offsetof(gr_mpe_cnn_config, name)

static const option options[] = {
	{"in_channels", OPTION_COUNT, FIELD(in_channels), 0, NULL},
	{"width", OPTION_COUNT, FIELD(width), 0, NULL},
	{"max_width", OPTION_COUNT, FIELD(max_width), 0, NULL},
	{"num_blocks", OPTION_COUNT, FIELD(num_blocks), 0, NULL},
	{"num_classes", OPTION_COUNT, FIELD(num_classes), 0, NULL},
	{"projector_hidden", OPTION_COUNT, FIELD(projector_hidden), 0, NULL},
	{"projector_out", OPTION_COUNT, FIELD(projector_out), 0, NULL},
};

static const option_table table = {"mpe_cnn", options, sizeof options / sizeof *options};

gr_status gr_mpe_cnn_config_from_json(gr_mpe_cnn_config *out, const gr_json *object)
{
	gr_mpe_cnn_config c = {.size = sizeof c};
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

static gr_status check_config(gr_mpe_cnn_config *c)
{
	default_to(&c->in_channels, 3);
	default_to(&c->width, 64);
	default_to(&c->max_width, 4 * c->width);
	default_to(&c->num_blocks, 4);
	if (c->projector_hidden > 0 || c->projector_out > 0) {
		default_to(&c->projector_hidden, 256);
		default_to(&c->projector_out, 128);
	}
	if (c->in_channels < 1 || c->width < 1 || c->max_width < c->width || c->num_classes < 0 ||
		c->projector_hidden < 0 || c->projector_out < 0 || c->num_blocks < 1 ||
		c->num_blocks > BLOCKS_MAX)
		return gr_error_set(GR_EARG,
			"mpe_cnn: in_channels %lld, width %lld to %lld, num_blocks %lld, num_classes %lld, "
			"projector %lld to %lld: 1 to %d blocks, and widths that are positive",
			(long long)c->in_channels, (long long)c->width, (long long)c->max_width,
			(long long)c->num_blocks, (long long)c->num_classes, (long long)c->projector_hidden,
			(long long)c->projector_out, BLOCKS_MAX);
	return GR_OK;
}

static gr_status build(gr_mpe_cnn *n)
{
	const gr_mpe_cnn_config *c = &n->config;
	int64_t in = c->in_channels, out = c->width;
	for (int i = 0; i < c->num_blocks; i++) {
		gr_module *m = gr_module_childf(n->root, "blocks.%d", i);
		n->block[i].conv =
			gr_conv_new(m, "conv", GR_OPTS(gr_conv_layer_opts, .in = in, .out = out, .stride = 2));
		n->block[i].norm = gr_batchnorm_new(m, "bn", GR_OPTS(gr_batchnorm_opts, .channels = out));
		in = out;
		out = 2 * out < c->max_width ? 2 * out : c->max_width;
	}
	if (c->num_classes > 0)
		n->head = gr_linear_new(n->root, "head",
			GR_OPTS(gr_linear_opts, .in = in, .out = c->num_classes));
	if (c->projector_out > 0) {
		n->projector[0] = gr_linear_new(n->root, "projector.0",
			GR_OPTS(gr_linear_opts, .in = in, .out = c->projector_hidden));
		n->projector[1] = gr_linear_new(n->root, "projector.2",
			GR_OPTS(gr_linear_opts, .in = c->projector_hidden, .out = c->projector_out));
	}
	return gr_module_status(n->root);
}

gr_mpe_cnn *gr_mpe_cnn_new(const gr_mpe_cnn_config *config)
{
	gr_mpe_cnn_config filled =
		config == NULL ? (gr_mpe_cnn_config){.size = sizeof filled} : *config;
	if (check_config(&filled) != GR_OK)
		return NULL;
	gr_mpe_cnn *n = gr_alloc(sizeof *n);
	if (n == NULL)
		return NULL;
	*n = (gr_mpe_cnn){.config = filled, .root = gr_module_new()};
	if (n->root == NULL || gr_module_set_dtype(n->root, filled.dtype) != GR_OK ||
		build(n) != GR_OK) {
		gr_mpe_cnn_free(n);
		return NULL;
	}
	return n;
}

void gr_mpe_cnn_free(gr_mpe_cnn *n)
{
	if (n == NULL)
		return;
	gr_module_free(n->root);
	gr_free(n);
}

gr_module *gr_mpe_cnn_module(gr_mpe_cnn *n)
{
	return n == NULL ? NULL : n->root;
}

const gr_mpe_cnn_config *gr_mpe_cnn_get_config(const gr_mpe_cnn *n)
{
	return n == NULL ? NULL : &n->config;
}

static gr_status check_call(const gr_mpe_cnn *n, const gr_tensor *x,
	const gr_mpe_cnn_forward_opts *opts)
{
	char text[128];
	if (gr_tensor_ndim(x) != 4 || gr_tensor_dim(x, 1) != n->config.in_channels)
		return gr_error_set(GR_ESHAPE, "mpe_cnn: x is %s, expected [N,%lld,H,W]",
			gr_tensor_describe(x, text, sizeof text), (long long)n->config.in_channels);
	if (opts != NULL && opts->logits != NULL && n->head == NULL)
		return gr_error_set(GR_EARG, "mpe_cnn: it has no head; hint: num_classes");
	if (opts != NULL && opts->projected != NULL && n->projector[0] == NULL)
		return gr_error_set(GR_EARG, "mpe_cnn: it has no projector; hint: projector_out");
	return GR_OK;
}

static gr_tensor *apply_block(const void *layer, gr_tensor *x, const void *shared)
{
	const mpe_block *b = layer;
	const bool *train = shared;
	x = gr_conv_forward(b->conv, x);
	return gr_relu(*train ? gr_batchnorm_train(b->norm, x) : gr_batchnorm_forward(b->norm, x));
}

gr_tensor *gr_mpe_cnn_forward(const gr_mpe_cnn *n, gr_tensor *x,
	const gr_mpe_cnn_forward_opts *opts)
{
	if (n == NULL || x == NULL || check_call(n, x, opts) != GR_OK)
		return NULL;
	const bool train = opts != NULL && opts->train;
	gr_scope_begin();
	gr_tensor *h = gr_tensor_retain(x), *mean = NULL;
	for (int i = 0; i < n->config.num_blocks; i++)
		h = gr__block_advance(h, apply_block, &n->block[i], &train);
	if (opts != NULL && (opts->logits != NULL || opts->projected != NULL))
		mean = gr_mean(h, GR_AXES(2, 3), false);
	if (opts != NULL && opts->logits != NULL)
		*opts->logits = gr_escape(gr_linear_forward(n->head, mean));
	if (opts != NULL && opts->projected != NULL) {
		gr_tensor *u = gr_relu(gr_linear_forward(n->projector[0], mean));
		*opts->projected = gr_escape(gr_linear_forward(n->projector[1], u));
	}
	gr_tensor *y = gr_escape(h);
	gr_tensor_release(h);
	gr_scope_end();
	return y;
}
