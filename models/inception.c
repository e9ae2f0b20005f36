/*
 * FID's Inception. A unit is a convolution without bias, a batch norm (eps 1e-3) by its running
 * statistics, and a ReLU. Blocks are branches, each a chain of units, joined along the channels:
 *
 *	stem: 3 units, max pool; 2 units, max pool                    -> 192 @ 35
 *	A x 3 (Mixed_5b, c, d), B (6a), C x 4 (6b ... e), D (7a), E x 2 (7b, c) -> 2048 @ 8
 *
 * Mean pools (3 x 3, stride 1) divide by the cells inside the image, and Mixed_7c has a max pool in
 * their place: the two ways in which this network is not torchvision's.
 */
#include "gradus/inception.h"

#include <string.h>

#include "block.h"
#include "gradus/layers.h"
#include "gradus/ops.h"
#include "options_priv.h"

#define SIDE 299
#define BLOCKS 11
#define BRANCHES_MAX 8
#define CHAIN_MAX 5
#define BN_EPS 1e-3

typedef struct conv_unit {
	gr_conv *conv;
	gr_batchnorm *norm;
} conv_unit;

/* What a branch starts with, from the block's input or another branch's result. */
typedef enum branch_start {
	START_INPUT = 0,
	START_MEAN_POOL,
	START_MAX_POOL, /* 3 x 3, stride 1 */
	START_HALVING,  /* max pool 3 x 3, stride 2 */
	START_FORK,     /* the result of the last chain that is no output itself */
} branch_start;

typedef struct branch {
	branch_start start;
	int count;
	conv_unit unit[CHAIN_MAX];
} branch;

typedef struct mixed_block {
	gr_module *module;
	int count;
	branch branch[BRANCHES_MAX];
	bool fork[BRANCHES_MAX]; /* its result is no output: two branches go on from it */
} mixed_block;

struct gr_inception {
	gr_inception_config config;
	gr_module *root;
	conv_unit stem[5];
	mixed_block block[BLOCKS];
	gr_linear *fc; /* NULL: none */
	int64_t width; /* of the features */
};

#define FIELD(name) offsetof(gr_inception_config, name)

static const option options[] = {
	{"resize_input", OPTION_UNSET, FIELD(no_resize), 0, NULL},
	{"normalize_input", OPTION_UNSET, FIELD(no_scaling), 0, NULL},
	{"logits", OPTION_UNSET, FIELD(no_logits), 0, NULL},
	{"shrink", OPTION_COUNT, FIELD(shrink), 0, NULL},
};

static const option_table table = {"inception", options, sizeof options / sizeof *options};

gr_status gr_inception_config_from_json(gr_inception_config *out, const gr_json *object)
{
	gr_inception_config c = {.size = sizeof c};
	gr_status status = gr__options_read(&table, object, &c);
	if (status == GR_OK && out != NULL)
		*out = c;
	return status;
}

/* A width of the network from that of the full one. */
static int64_t width_of(const gr_inception *n, int full)
{
	return full > n->config.shrink ? full / n->config.shrink : 1;
}

/* stride 2 has no padding, stride 1 keeps the size unless `valid`. Returns the width of its result. */
static int64_t unit_new(const gr_inception *n, conv_unit *u, gr_module *parent, const char *name,
	int64_t in, int out, int kernel, int kernel_w, int stride, bool valid)
{
	gr_module *m = gr_module_child(parent, name);
	const int64_t width = width_of(n, out);
	u->conv = gr_conv_new(m, "conv",
		GR_OPTS(gr_conv_layer_opts, .in = in, .out = width, .kernel = kernel,
			.kernel_w = kernel_w == kernel ? 0 : kernel_w, .stride = stride,
			.pad = stride > 1 || valid ? -1 : 0, .no_bias = true));
	u->norm =
		gr_batchnorm_new(m, "bn", GR_OPTS(gr_batchnorm_opts, .channels = width, .eps = BN_EPS));
	return width;
}

/* One unit of a branch: its name, full width and kernel (height, width); stride 2 if `halving`. */
typedef struct unit_plan {
	const char *name;
	int out, kernel, kernel_w;
	bool halving;
} unit_plan;

typedef struct branch_plan {
	branch_start start;
	bool fork; /* what follows starts from its result, which is no output itself */
	unit_plan unit[CHAIN_MAX];
} branch_plan;

/* Builds the branches of one block on `in` channels; returns the width of its result. */
static int64_t block_new(gr_inception *n, mixed_block *b, const char *name, int64_t in,
	const branch_plan *plan, int count)
{
	int64_t total = 0, forked = 0;
	b->module = gr_module_child(n->root, name);
	b->count = count;
	for (int i = 0; i < count; i++) {
		branch *to = &b->branch[i];
		int64_t width = plan[i].start == START_FORK ? forked : in;
		to->start = plan[i].start;
		b->fork[i] = plan[i].fork;
		for (; to->count < CHAIN_MAX && plan[i].unit[to->count].name != NULL; to->count++) {
			const unit_plan *u = &plan[i].unit[to->count];
			width = unit_new(n, &to->unit[to->count], b->module, u->name, width, u->out, u->kernel,
				u->kernel_w, u->halving ? 2 : 1, false);
		}
		if (plan[i].fork)
			forked = width;
		else
			total += width;
	}
	return total;
}

#define COUNT(plan) ((int)(sizeof(plan) / sizeof *(plan)))

static int64_t block_a(gr_inception *n, int at, const char *name, int64_t in, int pool)
{
	const branch_plan plan[] = {
		{START_INPUT, false, {{"branch1x1", 64, 1, 1, false}}},
		{START_INPUT, false, {{"branch5x5_1", 48, 1, 1, false}, {"branch5x5_2", 64, 5, 5, false}}},
		{START_INPUT, false,
			{{"branch3x3dbl_1", 64, 1, 1, false}, {"branch3x3dbl_2", 96, 3, 3, false},
				{"branch3x3dbl_3", 96, 3, 3, false}}},
		{START_MEAN_POOL, false, {{"branch_pool", pool, 1, 1, false}}},
	};
	return block_new(n, &n->block[at], name, in, plan, COUNT(plan));
}

static int64_t block_b(gr_inception *n, int at, const char *name, int64_t in)
{
	const branch_plan plan[] = {
		{START_INPUT, false, {{"branch3x3", 384, 3, 3, true}}},
		{START_INPUT, false,
			{{"branch3x3dbl_1", 64, 1, 1, false}, {"branch3x3dbl_2", 96, 3, 3, false},
				{"branch3x3dbl_3", 96, 3, 3, true}}},
		{START_HALVING, false, {{NULL, 0, 0, 0, false}}},
	};
	return block_new(n, &n->block[at], name, in, plan, COUNT(plan));
}

static int64_t block_c(gr_inception *n, int at, const char *name, int64_t in, int c)
{
	const branch_plan plan[] = {
		{START_INPUT, false, {{"branch1x1", 192, 1, 1, false}}},
		{START_INPUT, false,
			{{"branch7x7_1", c, 1, 1, false}, {"branch7x7_2", c, 1, 7, false},
				{"branch7x7_3", 192, 7, 1, false}}},
		{START_INPUT, false,
			{{"branch7x7dbl_1", c, 1, 1, false}, {"branch7x7dbl_2", c, 7, 1, false},
				{"branch7x7dbl_3", c, 1, 7, false}, {"branch7x7dbl_4", c, 7, 1, false},
				{"branch7x7dbl_5", 192, 1, 7, false}}},
		{START_MEAN_POOL, false, {{"branch_pool", 192, 1, 1, false}}},
	};
	return block_new(n, &n->block[at], name, in, plan, COUNT(plan));
}

static int64_t block_d(gr_inception *n, int at, const char *name, int64_t in)
{
	const branch_plan plan[] = {
		{START_INPUT, false, {{"branch3x3_1", 192, 1, 1, false}, {"branch3x3_2", 320, 3, 3, true}}},
		{START_INPUT, false,
			{{"branch7x7x3_1", 192, 1, 1, false}, {"branch7x7x3_2", 192, 1, 7, false},
				{"branch7x7x3_3", 192, 7, 1, false}, {"branch7x7x3_4", 192, 3, 3, true}}},
		{START_HALVING, false, {{NULL, 0, 0, 0, false}}},
	};
	return block_new(n, &n->block[at], name, in, plan, COUNT(plan));
}

static int64_t block_e(gr_inception *n, int at, const char *name, int64_t in, branch_start pool)
{
	const branch_plan plan[] = {
		{START_INPUT, false, {{"branch1x1", 320, 1, 1, false}}},
		{START_INPUT, true, {{"branch3x3_1", 384, 1, 1, false}}},
		{START_FORK, false, {{"branch3x3_2a", 384, 1, 3, false}}},
		{START_FORK, false, {{"branch3x3_2b", 384, 3, 1, false}}},
		{START_INPUT, true,
			{{"branch3x3dbl_1", 448, 1, 1, false}, {"branch3x3dbl_2", 384, 3, 3, false}}},
		{START_FORK, false, {{"branch3x3dbl_3a", 384, 1, 3, false}}},
		{START_FORK, false, {{"branch3x3dbl_3b", 384, 3, 1, false}}},
		{pool, false, {{"branch_pool", 192, 1, 1, false}}},
	};
	return block_new(n, &n->block[at], name, in, plan, COUNT(plan));
}

static gr_status build(gr_inception *n)
{
	static const char *const c_names[] = {"Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"};
	static const int c_widths[] = {128, 160, 160, 192};
	int64_t w = unit_new(n, &n->stem[0], n->root, "Conv2d_1a_3x3", 3, 32, 3, 3, 2, true);
	w = unit_new(n, &n->stem[1], n->root, "Conv2d_2a_3x3", w, 32, 3, 3, 1, true);
	w = unit_new(n, &n->stem[2], n->root, "Conv2d_2b_3x3", w, 64, 3, 3, 1, false);
	w = unit_new(n, &n->stem[3], n->root, "Conv2d_3b_1x1", w, 80, 1, 1, 1, true);
	w = unit_new(n, &n->stem[4], n->root, "Conv2d_4a_3x3", w, 192, 3, 3, 1, true);
	w = block_a(n, 0, "Mixed_5b", w, 32);
	w = block_a(n, 1, "Mixed_5c", w, 64);
	w = block_a(n, 2, "Mixed_5d", w, 64);
	w = block_b(n, 3, "Mixed_6a", w);
	for (int i = 0; i < 4; i++)
		w = block_c(n, 4 + i, c_names[i], w, c_widths[i]);
	w = block_d(n, 8, "Mixed_7a", w);
	w = block_e(n, 9, "Mixed_7b", w, START_MEAN_POOL);
	n->width = block_e(n, 10, "Mixed_7c", w, START_MAX_POOL);
	if (!n->config.no_logits)
		n->fc = gr_linear_new(n->root, "fc",
			GR_OPTS(gr_linear_opts, .in = n->width, .out = width_of(n, 1008)));
	return gr_module_status(n->root);
}

gr_inception *gr_inception_new(const gr_inception_config *config)
{
	gr_inception_config filled =
		config == NULL ? (gr_inception_config){.size = sizeof filled} : *config;
	if (filled.shrink == 0)
		filled.shrink = 1;
	if (filled.shrink < 1) {
		gr_error_set(GR_EARG, "inception: shrink %lld is not positive", (long long)filled.shrink);
		return NULL;
	}
	gr_inception *n = gr_alloc(sizeof *n);
	if (n == NULL)
		return NULL;
	memset(n, 0, sizeof *n);
	n->config = filled;
	n->root = gr_module_new();
	if (n->root == NULL || gr_module_set_dtype(n->root, filled.dtype) != GR_OK ||
		build(n) != GR_OK) {
		gr_inception_free(n);
		return NULL;
	}
	return n;
}

void gr_inception_free(gr_inception *n)
{
	if (n == NULL)
		return;
	gr_module_free(n->root);
	gr_free(n);
}

gr_module *gr_inception_module(gr_inception *n)
{
	return n == NULL ? NULL : n->root;
}

const gr_inception_config *gr_inception_get_config(const gr_inception *n)
{
	return n == NULL ? NULL : &n->config;
}

static gr_tensor *apply_unit(const conv_unit *u, gr_tensor *x)
{
	return gr_relu(gr_batchnorm_forward(u->norm, gr_conv_forward(u->conv, x)));
}

static gr_tensor *halve(gr_tensor *x)
{
	return gr_max_pool2d(x, GR_OPTS(gr_pool_opts, .kernel = 3, .stride = 2));
}

static gr_tensor *begin(branch_start start, gr_tensor *x, gr_tensor *forked)
{
	const gr_pool_opts same = {.size = sizeof same, .kernel = 3, .stride = 1, .pad = 1};
	switch (start) {
	case START_INPUT: return x;
	case START_MEAN_POOL: return gr_mean_pool2d(x, &same);
	case START_MAX_POOL: return gr_max_pool2d(x, &same);
	case START_HALVING: return halve(x);
	case START_FORK: return forked;
	}
	return NULL;
}

static gr_tensor *apply_block(const void *layer, gr_tensor *x, const void *shared)
{
	const mixed_block *b = layer;
	gr_tensor *part[BRANCHES_MAX], *forked = NULL;
	int parts = 0;
	(void)shared;
	for (int i = 0; i < b->count; i++) {
		gr_tensor *y = begin(b->branch[i].start, x, forked);
		for (int k = 0; k < b->branch[i].count; k++)
			y = apply_unit(&b->branch[i].unit[k], y);
		if (b->fork[i])
			forked = y;
		else
			part[parts++] = y;
	}
	return gr_concat(parts, part, 1);
}

static gr_tensor *apply_stem(const void *layer, gr_tensor *x, const void *shared)
{
	const gr_inception *n = layer;
	(void)shared;
	for (int i = 0; i < 3; i++)
		x = apply_unit(&n->stem[i], x);
	x = halve(x);
	for (int i = 3; i < 5; i++)
		x = apply_unit(&n->stem[i], x);
	return halve(x);
}

gr_tensor *gr_inception_forward(const gr_inception *n, gr_tensor *x, gr_tensor **logits)
{
	char text[128];
	if (n == NULL || x == NULL)
		return NULL;
	if (gr_tensor_ndim(x) != 4 || gr_tensor_dim(x, 1) != 3) {
		gr_error_set(GR_ESHAPE, "inception: x is %s, expected [N,3,H,W]",
			gr_tensor_describe(x, text, sizeof text));
		return NULL;
	}
	gr_scope_begin();
	gr_tensor *h = n->config.no_resize ? x : gr_resize2d(x, SIDE, SIDE, NULL);
	h = gr_tensor_retain(n->config.no_scaling ? h : gr_affine(h, 2.0, -1.0));
	h = gr__block_advance(h, apply_stem, n, NULL);
	for (int i = 0; i < BLOCKS; i++)
		h = gr__block_advance(h, apply_block, &n->block[i], NULL);
	gr_tensor *y = gr_mean(h, GR_AXES(2, 3), false); /* [N,2048] */
	gr_tensor_release(h);
	if (logits != NULL)
		*logits = n->fc == NULL ? NULL : gr_escape(gr_linear_forward(n->fc, y));
	return gr__block_leave(y);
}
