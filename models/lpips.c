/*
 * LPIPS. Taps k are features of the classifier behind some of its ReLUs:
 *
 *	u_k = f_k / (|f_k| + 1e-10), the norm over channels at each pixel
 *	d(x, y) = sum_k mean_pixels sum_c w_k[c] (u_k(x) - u_k(y))[c]^2
 *
 * The gradient of the norm is 0 at 0, so that dead pixels give none.
 *
 * The classifiers are chains of layers under the numbers that torchvision's files give them; a file
 * of the whole metric groups them in slices that end at the taps.
 */
#include "gradus/lpips.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block.h"
#include "gradus/layers.h"
#include "gradus/ops.h"
#include "io/keymap_priv.h"
#include "options_priv.h"

#define LAYERS_MAX 20
#define TAPS_MAX 7
#define NORM_EPS 1e-10

typedef enum layer_kind {
	LAYER_CONV, /* and ReLU */
	LAYER_POOL,
	LAYER_FIRE, /* 1 x 1, then 1 x 1 and 3 x 3 side by side, half of `out` each; ReLU after all */
} layer_kind;

typedef struct layer_plan {
	layer_kind kind;
	int number;
	int in, out, kernel, stride, pad; /* fire: kernel is the width of its squeeze */
	bool tap;
} layer_plan;

static const layer_plan alex[] = {
	{LAYER_CONV, 0, 3, 64, 11, 4, 2, true},
	{LAYER_POOL, 2, 0, 0, 3, 2, 0, false},
	{LAYER_CONV, 3, 64, 192, 5, 1, 2, true},
	{LAYER_POOL, 5, 0, 0, 3, 2, 0, false},
	{LAYER_CONV, 6, 192, 384, 3, 1, 1, true},
	{LAYER_CONV, 8, 384, 256, 3, 1, 1, true},
	{LAYER_CONV, 10, 256, 256, 3, 1, 1, true},
};

static const layer_plan vgg[] = {
	{LAYER_CONV, 0, 3, 64, 3, 1, 1, false},
	{LAYER_CONV, 2, 64, 64, 3, 1, 1, true},
	{LAYER_POOL, 4, 0, 0, 2, 2, 0, false},
	{LAYER_CONV, 5, 64, 128, 3, 1, 1, false},
	{LAYER_CONV, 7, 128, 128, 3, 1, 1, true},
	{LAYER_POOL, 9, 0, 0, 2, 2, 0, false},
	{LAYER_CONV, 10, 128, 256, 3, 1, 1, false},
	{LAYER_CONV, 12, 256, 256, 3, 1, 1, false},
	{LAYER_CONV, 14, 256, 256, 3, 1, 1, true},
	{LAYER_POOL, 16, 0, 0, 2, 2, 0, false},
	{LAYER_CONV, 17, 256, 512, 3, 1, 1, false},
	{LAYER_CONV, 19, 512, 512, 3, 1, 1, false},
	{LAYER_CONV, 21, 512, 512, 3, 1, 1, true},
	{LAYER_POOL, 23, 0, 0, 2, 2, 0, false},
	{LAYER_CONV, 24, 512, 512, 3, 1, 1, false},
	{LAYER_CONV, 26, 512, 512, 3, 1, 1, false},
	{LAYER_CONV, 28, 512, 512, 3, 1, 1, true},
};

static const layer_plan squeeze[] = {
	{LAYER_CONV, 0, 3, 64, 3, 2, 0, true},
	{LAYER_POOL, 2, 0, 0, 3, 2, 0, false},
	{LAYER_FIRE, 3, 64, 128, 16, 0, 0, false},
	{LAYER_FIRE, 4, 128, 128, 16, 0, 0, true},
	{LAYER_POOL, 5, 0, 0, 3, 2, 0, false},
	{LAYER_FIRE, 6, 128, 256, 32, 0, 0, false},
	{LAYER_FIRE, 7, 256, 256, 32, 0, 0, true},
	{LAYER_POOL, 8, 0, 0, 3, 2, 0, false},
	{LAYER_FIRE, 9, 256, 384, 48, 0, 0, true},
	{LAYER_FIRE, 10, 384, 384, 48, 0, 0, true},
	{LAYER_FIRE, 11, 384, 512, 64, 0, 0, true},
	{LAYER_FIRE, 12, 512, 512, 64, 0, 0, true},
};

#define PLAN(name) name, (int)(sizeof name / sizeof *name)

static const struct {
	const layer_plan *layers;
	int count;
	bool ceil; /* of its pools */
} plans[] = {{PLAN(alex), false}, {PLAN(vgg), false}, {PLAN(squeeze), true}};

typedef struct layer {
	const layer_plan *plan;
	bool ceil;
	gr_conv *conv[3]; /* fire: squeeze, expand 1 x 1, expand 3 x 3 */
} layer;

struct gr_lpips {
	gr_lpips_config config;
	gr_module *root;
	layer layer[LAYERS_MAX];
	int count;
	gr_conv *head[TAPS_MAX]; /* w_k [1,C,1,1]; NULL in the baseline */
};

#define FIELD(name) offsetof(gr_lpips_config, name)

static const char *const net_words[] = {"alex", "vgg", "squeeze", NULL};
static const char *const version_words[] = {"0.1", "0.0", NULL};

typedef struct read_config {
	gr_lpips_config config;
	int version;
} read_config;

static const option options[] = {
	{"net", OPTION_WORD, FIELD(net), 0, net_words},
	{"version", OPTION_WORD, offsetof(read_config, version), 0, version_words},
	{"lpips", OPTION_UNSET, FIELD(baseline), 0, NULL},
	{"spatial", OPTION_FLAG, FIELD(spatial), 0, NULL},
	{"shrink", OPTION_COUNT, FIELD(shrink), 0, NULL},
	{"pretrained", OPTION_PASSED, 0, 0, NULL},
	{"pnet_rand", OPTION_PASSED, 0, 0, NULL},
	{"pnet_tune", OPTION_PASSED, 0, 0, NULL},
	{"use_dropout", OPTION_PASSED, 0, 0, NULL},
	{"eval_mode", OPTION_PASSED, 0, 0, NULL},
};

static const option_table table = {"lpips", options, sizeof options / sizeof *options};

gr_status gr_lpips_config_from_json(gr_lpips_config *out, const gr_json *object)
{
	read_config c = {.config = {.size = sizeof c.config}};
	gr_status status = gr__options_read(&table, object, &c);
	c.config.no_scaling = c.version == 1;
	if (status == GR_OK && out != NULL)
		*out = c.config;
	return status;
}

static gr_status check_config(gr_lpips_config *c)
{
	if (c->shrink == 0)
		c->shrink = 1;
	if ((unsigned)c->net > GR_LPIPS_SQUEEZE || c->shrink < 1)
		return gr_error_set(GR_EARG, "lpips: net %d is none, or shrink %lld is not positive",
			(int)c->net, (long long)c->shrink);
	return GR_OK;
}

/* A width of the network from that of the full one; colours stay three. */
static int64_t width_of(const gr_lpips_config *c, int full)
{
	if (full == 3)
		return 3;
	return full > c->shrink ? full / c->shrink : 1;
}

static void build_fire(layer *l, gr_module *m, const gr_lpips_config *c)
{
	const int64_t in = width_of(c, l->plan->in), narrow = width_of(c, l->plan->kernel);
	const int64_t out = width_of(c, l->plan->out / 2);
	l->conv[0] = gr_conv_new(m, "squeeze",
		GR_OPTS(gr_conv_layer_opts, .in = in, .out = narrow, .kernel = 1));
	l->conv[1] = gr_conv_new(m, "expand1x1",
		GR_OPTS(gr_conv_layer_opts, .in = narrow, .out = out, .kernel = 1));
	l->conv[2] = gr_conv_new(m, "expand3x3",
		GR_OPTS(gr_conv_layer_opts, .in = narrow, .out = out, .kernel = 3));
}

static int64_t layer_out(const gr_lpips_config *c, const layer_plan *p)
{
	return p->kind == LAYER_FIRE ? 2 * width_of(c, p->out / 2) : width_of(c, p->out);
}

static gr_status build(gr_lpips *l)
{
	const gr_lpips_config *c = &l->config;
	gr_module *net = gr_module_child(l->root, "net");
	int slice = 1, taps = 0;
	l->count = plans[c->net].count;
	for (int i = 0; i < l->count; i++) {
		const layer_plan *p = &plans[c->net].layers[i];
		l->layer[i] = (layer){.plan = p, .ceil = plans[c->net].ceil};
		char name[32];
		snprintf(name, sizeof name, "slice%d.%d", slice, p->number);
		if (p->kind == LAYER_FIRE)
			build_fire(&l->layer[i], gr_module_child(net, name), c);
		else if (p->kind == LAYER_CONV)
			l->layer[i].conv[0] = gr_conv_new(net, name,
				GR_OPTS(gr_conv_layer_opts, .in = width_of(c, p->in), .out = width_of(c, p->out),
					.kernel = p->kernel, .stride = p->stride, .pad = p->pad == 0 ? -1 : p->pad));
		slice += p->tap;
	}
	for (int i = 0; i < l->count && !c->baseline; i++) {
		if (!l->layer[i].plan->tap)
			continue;
		char name[32];
		snprintf(name, sizeof name, "lin%d.model.1", taps);
		l->head[taps++] = gr_conv_new(l->root, name,
			GR_OPTS(gr_conv_layer_opts, .in = layer_out(c, l->layer[i].plan), .out = 1, .kernel = 1,
				.no_bias = true));
	}
	return gr_module_status(l->root);
}

gr_lpips *gr_lpips_new(const gr_lpips_config *config)
{
	gr_lpips_config filled = config == NULL ? (gr_lpips_config){.size = sizeof filled} : *config;
	if (check_config(&filled) != GR_OK)
		return NULL;
	gr_lpips *l = gr_alloc(sizeof *l);
	if (l == NULL)
		return NULL;
	*l = (gr_lpips){.config = filled, .root = gr_module_new()};
	if (l->root == NULL || gr_module_set_dtype(l->root, filled.dtype) != GR_OK ||
		build(l) != GR_OK) {
		gr_lpips_free(l);
		return NULL;
	}
	return l;
}

void gr_lpips_free(gr_lpips *l)
{
	if (l == NULL)
		return;
	gr_module_free(l->root);
	gr_free(l);
}

gr_module *gr_lpips_module(gr_lpips *l)
{
	return l == NULL ? NULL : l->root;
}

const gr_lpips_config *gr_lpips_get_config(const gr_lpips *l)
{
	return l == NULL ? NULL : &l->config;
}

/* "features.3.squeeze.weight" is "net.slice2.3.squeeze.weight"; "lins.0." repeats "lin0.". */
static bool place_key(const void *map, const char *key, gr_key_place *place)
{
	const gr_lpips *l = map;
	*place = (gr_key_place){.parts = 0};
	if (strncmp(key, "features.", 9) != 0) {
		snprintf(place->name, sizeof place->name, "%s", key);
		return strncmp(key, "lins.", 5) != 0 && strncmp(key, "scaling_layer.", 14) != 0 &&
			strncmp(key, "classifier.", 11) != 0;
	}
	char *rest;
	const long number = strtol(key + 9, &rest, 10);
	int slice = 1;
	for (int i = 0; i < l->count && l->layer[i].plan->number < number; i++)
		slice += l->layer[i].plan->tap;
	snprintf(place->name, sizeof place->name, "net.slice%d.%ld%s", slice, number, rest);
	return true;
}

gr_status gr_lpips_load(gr_lpips *l, const gr_tensorfile *f)
{
	if (l == NULL || f == NULL)
		return gr_error_set(GR_EARG, "lpips: nothing to load %s", l == NULL ? "into" : "from");
	const bool net = gr__keymap_starts(f, "features.") || gr__keymap_starts(f, "net.slice");
	const bool heads = gr__keymap_starts(f, "lin0.");
	return gr_module_load_file(l->root, f,
		GR_OPTS(gr_load_opts, .place = place_key, .map = l,
			.only = net && !heads ? "net."
				: heads && !net   ? "lin"
								  : NULL));
}

static gr_tensor *apply_layer(const void *layers, gr_tensor *x, const void *shared)
{
	const layer *l = layers;
	(void)shared;
	if (l->plan->kind == LAYER_POOL)
		return gr_max_pool2d(x,
			GR_OPTS(gr_pool_opts, .kernel = l->plan->kernel, .stride = l->plan->stride,
				.ceil = l->ceil));
	x = gr_relu(gr_conv_forward(l->conv[0], x));
	if (l->plan->kind == LAYER_CONV)
		return x;
	gr_tensor *part[] = {gr_relu(gr_conv_forward(l->conv[1], x)),
		gr_relu(gr_conv_forward(l->conv[2], x))};
	return gr_concat(2, part, 1);
}

/* (x - shift) / scale per colour */
static gr_tensor *scale_colours(const gr_lpips *l, gr_tensor *x)
{
	static const double shift[] = {-0.030, -0.088, -0.188}, scale[] = {0.458, 0.448, 0.450};
	if (l->config.no_scaling)
		return x;
	gr_tensor *a = gr_empty(GR_F64, GR_DIMS(3, 1, 1)), *b = gr_empty(GR_F64, GR_DIMS(3, 1, 1));
	double *to_a = gr_tensor_data(a), *to_b = gr_tensor_data(b);
	for (int i = 0; to_a != NULL && to_b != NULL && i < 3; i++) {
		to_a[i] = 1.0 / scale[i];
		to_b[i] = -shift[i] / scale[i];
	}
	return gr_muladd(x, gr_cast(a, l->config.dtype), gr_cast(b, l->config.dtype));
}

static gr_tensor *normalise(gr_tensor *f)
{
	return gr_div(f, gr_add_s(gr_norm(f, GR_AXES(1), true), NORM_EPS));
}

/* The distance at one tap. f, g [N,C,h,w] -> [N], or [N,1,H,W] */
static gr_tensor *compare(const gr_conv *head, const gr_tensor *x, gr_tensor *f, gr_tensor *g,
	bool spatial)
{
	gr_scope_begin();
	gr_tensor *d = gr_square(gr_sub(normalise(f), normalise(g)));
	d = head != NULL ? gr_conv_forward(head, d) : gr_sum(d, GR_AXES(1), true); /* [N,1,h,w] */
	if (spatial)
		d = gr_resize2d(d, gr_tensor_dim(x, 2), gr_tensor_dim(x, 3), NULL);
	else
		d = gr_mean(d, GR_AXES(1, 2, 3), false);
	return gr__block_leave(d);
}

static gr_status check_inputs(const gr_tensor *x, const gr_tensor *y)
{
	char a[128], b[128];
	if (gr_tensor_ndim(x) == 4 && gr_tensor_dim(x, 1) == 3 && gr_is_same_shape(x, y))
		return GR_OK;
	return gr_error_set(GR_ESHAPE, "lpips: the images are %s and %s, expected two [N,3,H,W]",
		gr_tensor_describe(x, a, sizeof a), gr_tensor_describe(y, b, sizeof b));
}

gr_tensor *gr_lpips_distance(const gr_lpips *l, gr_tensor *x, gr_tensor *y)
{
	if (l == NULL || x == NULL || y == NULL || check_inputs(x, y) != GR_OK)
		return NULL;
	gr_scope_begin();
	gr_tensor *h[] = {gr_tensor_retain(scale_colours(l, x)), gr_tensor_retain(scale_colours(l, y))};
	gr_tensor *total = NULL;
	int taps = 0;
	for (int i = 0; i < l->count; i++) {
		for (int side = 0; side < 2; side++)
			h[side] = gr__block_advance(h[side], apply_layer, &l->layer[i], NULL);
		if (!l->layer[i].plan->tap)
			continue;
		gr_tensor *d = compare(l->head[taps], x, h[0], h[1], l->config.spatial);
		total = taps++ == 0 ? d : gr_add(total, d);
	}
	gr_tensor_release(h[0]);
	gr_tensor_release(h[1]);
	return gr__block_leave(total);
}
