/*
 * FNO:
 *
 *	h = lifting([x, coordinates])                     1 x 1
 *	each layer: h = GELU(spectral(h) + skip(h))       skip 1 x 1; no GELU after the last
 *	y = projection_2 GELU(projection_1 h)             1 x 1
 */
#include "gradus/fno.h"

#include "block.h"
#include "gradus/layers.h"
#include "gradus/ops.h"
#include "options_priv.h"

#define LAYERS_MAX 32

typedef struct fno_layer {
	gr_spectral *spectral;
	gr_conv *skip;
	bool last;
} fno_layer;

struct gr_fno {
	gr_fno_config config;
	gr_module *root;
	gr_conv *lifting, *projection[2];
	fno_layer layer[LAYERS_MAX];
};

#define FIELD(name) offsetof(gr_fno_config, name)

static const option options[] = {
	{"in_channels", OPTION_COUNT, FIELD(in_channels), 0, NULL},
	{"out_channels", OPTION_COUNT, FIELD(out_channels), 0, NULL},
	{"hidden_channels", OPTION_COUNT, FIELD(hidden_channels), 0, NULL},
	{"projection_channels", OPTION_COUNT, FIELD(projection_channels), 0, NULL},
	{"n_layers", OPTION_COUNT, FIELD(n_layers), 0, NULL},
	{"n_modes", OPTION_COUNT, FIELD(n_modes), 0, NULL},
	{"n_modes_w", OPTION_COUNT, FIELD(n_modes_w), 0, NULL},
	{"coordinates", OPTION_UNSET, FIELD(no_coordinates), 0, NULL},
};

static const option_table table = {"fno", options, sizeof options / sizeof *options};

gr_status gr_fno_config_from_json(gr_fno_config *out, const gr_json *object)
{
	gr_fno_config c = {.size = sizeof c};
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

static gr_status check_config(gr_fno_config *c)
{
	default_to(&c->in_channels, 1);
	default_to(&c->out_channels, c->in_channels);
	default_to(&c->hidden_channels, 32);
	default_to(&c->projection_channels, 128);
	default_to(&c->n_layers, 4);
	default_to(&c->n_modes, 16);
	default_to(&c->n_modes_w, c->n_modes);
	if (c->in_channels < 1 || c->out_channels < 1 || c->hidden_channels < 1 ||
		c->projection_channels < 1 || c->n_modes < 1 || c->n_modes_w < 1 || c->n_layers < 1 ||
		c->n_layers > LAYERS_MAX)
		return gr_error_set(GR_EARG,
			"fno: in_channels %lld, out_channels %lld, hidden_channels %lld, projection_channels "
			"%lld, n_modes %lld x %lld: all must be positive, and n_layers %lld in 1..%d",
			(long long)c->in_channels, (long long)c->out_channels, (long long)c->hidden_channels,
			(long long)c->projection_channels, (long long)c->n_modes, (long long)c->n_modes_w,
			(long long)c->n_layers, LAYERS_MAX);
	return GR_OK;
}

static gr_conv *pointwise(gr_module *m, const char *name, int64_t in, int64_t out)
{
	return gr_conv_new(m, name, GR_OPTS(gr_conv_layer_opts, .in = in, .out = out, .kernel = 1));
}

static gr_status build(gr_fno *f)
{
	const gr_fno_config *c = &f->config;
	const int64_t width = c->hidden_channels;
	f->lifting = pointwise(f->root, "lifting", c->in_channels + (c->no_coordinates ? 0 : 2), width);
	for (int i = 0; i < c->n_layers; i++) {
		gr_module *m = gr_module_childf(f->root, "layers.%d", i);
		f->layer[i].spectral = gr_spectral_new(m, "spectral",
			GR_OPTS(gr_spectral_opts, .in = width, .out = width, .modes = c->n_modes,
				.modes_w = c->n_modes_w));
		f->layer[i].skip = pointwise(m, "skip", width, width);
		f->layer[i].last = i + 1 == c->n_layers;
	}
	f->projection[0] = pointwise(f->root, "projection.0", width, c->projection_channels);
	f->projection[1] = pointwise(f->root, "projection.1", c->projection_channels, c->out_channels);
	return gr_module_status(f->root);
}

gr_fno *gr_fno_new(const gr_fno_config *config)
{
	gr_fno_config filled = config == NULL ? (gr_fno_config){.size = sizeof filled} : *config;
	if (check_config(&filled) != GR_OK)
		return NULL;
	gr_fno *f = gr_alloc(sizeof *f);
	if (f == NULL)
		return NULL;
	*f = (gr_fno){.config = filled, .root = gr_module_new()};
	if (f->root == NULL || gr_module_set_dtype(f->root, filled.dtype) != GR_OK ||
		build(f) != GR_OK) {
		gr_fno_free(f);
		return NULL;
	}
	return f;
}

void gr_fno_free(gr_fno *f)
{
	if (f == NULL)
		return;
	gr_module_free(f->root);
	gr_free(f);
}

gr_module *gr_fno_module(gr_fno *f)
{
	return f == NULL ? NULL : f->root;
}

const gr_fno_config *gr_fno_get_config(const gr_fno *f)
{
	return f == NULL ? NULL : &f->config;
}

/* x and where each value lies, rows and columns from 0 to 1: [N,C + 2,H,W] */
static gr_tensor *with_coordinates(gr_tensor *x)
{
	const int64_t n = gr_tensor_dim(x, 0), h = gr_tensor_dim(x, 2), w = gr_tensor_dim(x, 3);
	const gr_dtype dtype = gr_tensor_dtype(x);
	gr_tensor *rows = gr_arange(dtype, h, 0.0, h > 1 ? 1.0 / (double)(h - 1) : 0.0);
	gr_tensor *columns = gr_arange(dtype, w, 0.0, w > 1 ? 1.0 / (double)(w - 1) : 0.0);
	gr_tensor *part[] = {x, gr_expand(gr_reshape(rows, GR_DIMS(1, 1, h, 1)), GR_DIMS(n, 1, h, w)),
		gr_expand(gr_reshape(columns, GR_DIMS(1, 1, 1, w)), GR_DIMS(n, 1, h, w))};
	return gr_concat(3, part, 1);
}

static gr_tensor *apply_layer(const void *layer, gr_tensor *x, const void *shared)
{
	const fno_layer *l = layer;
	(void)shared;
	gr_tensor *y = gr_add(gr_spectral_forward(l->spectral, x, 0, 0), gr_conv_forward(l->skip, x));
	return l->last ? y : gr_gelu(y);
}

gr_tensor *gr_fno_forward(const gr_fno *f, gr_tensor *x)
{
	char text[128];
	if (f == NULL || x == NULL)
		return NULL;
	if (gr_tensor_ndim(x) != 4 || gr_tensor_dim(x, 1) != f->config.in_channels) {
		gr_error_set(GR_ESHAPE, "fno: x is %s, expected [N,%lld,H,W]",
			gr_tensor_describe(x, text, sizeof text), (long long)f->config.in_channels);
		return NULL;
	}
	gr_scope_begin();
	gr_tensor *h = gr_conv_forward(f->lifting, f->config.no_coordinates ? x : with_coordinates(x));
	gr_tensor_retain(h);
	for (int i = 0; i < f->config.n_layers; i++)
		h = gr__block_advance(h, apply_layer, &f->layer[i], NULL);
	gr_tensor *y = gr_gelu(gr_conv_forward(f->projection[0], h));
	gr_tensor_release(h);
	return gr__block_leave(gr_conv_forward(f->projection[1], y));
}
