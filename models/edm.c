/*
 * EDM's networks: how their blocks are strung together, and one pass through them; the denoiser
 * around it is edm_precond.c's. With R the resolution of a level:
 *
 *	enc: RxR_conv; per level below RxR_down [, RxR_aux_...]; RxR_block0, ...
 *	dec: RxR_in0 (with attention), RxR_in1 at the lowest level, RxR_up above; RxR_block0, ... one
 *	     more than on the way down; [RxR_aux_up,] RxR_aux_norm, RxR_aux_conv at the top (Song; with
 *	     decoder_type skip at every level) or out_norm, out_conv beside dec (Dhariwal)
 *
 * Every result on the way down is kept; blocks on the way up take them back last first, joined as
 * [h, skip] along the channels. The auxiliary branches carry the image, or the output, along.
 */
#include "gradus/edm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "block.h"
#include "edm_priv.h"
#include "gradus/ops.h"

#define UNITS_MAX 160
#define PI 3.14159265358979323846

typedef enum unit_kind {
	UNIT_CONV,
	UNIT_BLOCK,
	UNIT_JOIN,         /* a block that takes a skip */
	UNIT_AUX_RESAMPLE, /* of the image down, of the output up */
	UNIT_AUX_SKIP,
	UNIT_AUX_RESIDUAL,
	UNIT_AUX_NORM,
	UNIT_AUX_CONV,
} unit_kind;

typedef struct unit {
	unit_kind kind;
	const void *layer;
} unit;

typedef struct chain {
	gr_module *module;
	int count;
	unit unit[UNITS_MAX];
} chain;

struct gr_edm {
	gr_edm_config config;
	gr_module *root;
	gr_param *freqs; /* [noise / 2]; NULL: positional */
	gr_linear *label, *augment, *layer[2];
	chain enc, dec;
	double *grid; /* iDDPM */
};

static bool has_attention(const gr_edm_config *c, int64_t resolution)
{
	for (int i = 0; i < c->num_attention; i++)
		if (c->attn_resolutions[i] == resolution)
			return true;
	return false;
}

static const char *unit_name(char *name, size_t size, int64_t r, const char *what, int64_t i)
{
	const int n = snprintf(name, size, "%lldx%lld_%s", (long long)r, (long long)r, what);
	if (i >= 0)
		snprintf(name + n, size - (size_t)n, "%lld", (long long)i);
	return name;
}

static void append(chain *c, unit_kind kind, const void *layer)
{
	c->unit[c->count++] = (unit){kind, layer};
}

static void append_block(gr_edm *e, chain *to, unit_kind kind, const char *name, int64_t in,
	int64_t out, int64_t r, edm_resample resample, bool attention)
{
	append(to, kind,
		gr__edm_block_new(to->module, name, &e->config, in, out, r, resample, attention));
}

static void append_conv(gr_edm *e, chain *to, unit_kind kind, const char *name, int64_t in,
	int64_t out, int64_t kernel, edm_resample resample, bool fused)
{
	append(to, kind,
		gr__edm_conv_new(to->module, name, &e->config, in, out, kernel, resample, fused, EDM_INIT));
}

/* The branch of the image at a level, `*aux` channels before it, onto `width` channels. */
static void append_aux_down(gr_edm *e, int64_t r, int64_t *aux, int64_t width)
{
	char name[64];
	if (e->config.encoder_type == GR_EDM_ENCODER_SKIP) {
		append_conv(e, &e->enc, UNIT_AUX_RESAMPLE, "", *aux, *aux, 0, EDM_DOWN, false);
		append_conv(e, &e->enc, UNIT_AUX_SKIP, unit_name(name, sizeof name, r, "aux_skip", -1),
			*aux, width, 1, EDM_SAME, false);
	} else if (e->config.encoder_type == GR_EDM_ENCODER_RESIDUAL) {
		append_conv(e, &e->enc, UNIT_AUX_RESIDUAL,
			unit_name(name, sizeof name, r, "aux_residual", -1), *aux, width, 3, EDM_DOWN, true);
		*aux = width;
	}
}

/* Fills skip[] with the widths on the way down; returns the last. */
static int64_t build_encoder(gr_edm *e, int64_t *skip, int *skips)
{
	const gr_edm_config *c = &e->config;
	const bool song = c->model_type != GR_EDM_DHARIWAL;
	char name[64];
	int64_t width = c->model_channels * (song ? 1 : c->channel_mult[0]), aux = c->in_channels;
	const bool lifting = c->model_type == GR_EDM_UNO; /* lifts values and coordinates */
	append_conv(e, &e->enc, UNIT_CONV, unit_name(name, sizeof name, c->img_resolution, "conv", -1),
		c->in_channels + (lifting ? 2 : 0), width, lifting ? 1 : 3, EDM_SAME, false);
	skip[(*skips)++] = width;
	for (int level = 0; level < c->num_levels; level++) {
		const int64_t r = c->img_resolution >> level;
		if (level > 0) {
			append_block(e, &e->enc, UNIT_BLOCK, unit_name(name, sizeof name, r, "down", -1), width,
				width, r, EDM_DOWN, false);
			skip[(*skips)++] = width;
			append_aux_down(e, r, &aux, width);
		}
		for (int64_t i = 0; i < c->num_blocks; i++) {
			const int64_t out = c->model_channels * c->channel_mult[level];
			append_block(e, &e->enc, UNIT_BLOCK, unit_name(name, sizeof name, r, "block", i), width,
				out, r, EDM_SAME, has_attention(c, r));
			skip[(*skips)++] = width = out;
		}
	}
	return width;
}

static void append_aux_up(gr_edm *e, int level, int64_t width)
{
	const gr_edm_config *c = &e->config;
	const int64_t r = c->img_resolution >> level;
	const bool every = c->decoder_type == GR_EDM_DECODER_SKIP;
	char name[64];
	if (!every && level > 0)
		return;
	if (every && level < c->num_levels - 1)
		append_conv(e, &e->dec, UNIT_AUX_RESAMPLE, "", c->out_channels, c->out_channels, 0, EDM_UP,
			false);
	append(&e->dec, UNIT_AUX_NORM,
		gr__edm_norm_new(e->dec.module, unit_name(name, sizeof name, r, "aux_norm", -1), c, width,
			true));
	append(&e->dec, UNIT_AUX_CONV,
		gr__edm_conv_new(e->dec.module, unit_name(name, sizeof name, r, "aux_conv", -1), c, width,
			c->out_channels, c->model_type == GR_EDM_UNO ? 1 : 3, EDM_SAME, false, EDM_INIT_ZERO));
}

static void build_decoder(gr_edm *e, gr_module *net, int64_t width, const int64_t *skip, int skips)
{
	const gr_edm_config *c = &e->config;
	const bool song = c->model_type != GR_EDM_DHARIWAL;
	char name[64];
	for (int level = c->num_levels - 1; level >= 0; level--) {
		const int64_t r = c->img_resolution >> level;
		if (level == c->num_levels - 1) {
			append_block(e, &e->dec, UNIT_BLOCK, unit_name(name, sizeof name, r, "in0", -1), width,
				width, r, EDM_SAME, true);
			append_block(e, &e->dec, UNIT_BLOCK, unit_name(name, sizeof name, r, "in1", -1), width,
				width, r, EDM_SAME, false);
		} else {
			append_block(e, &e->dec, UNIT_BLOCK, unit_name(name, sizeof name, r, "up", -1), width,
				width, r, EDM_UP, false);
		}
		for (int64_t i = 0; i <= c->num_blocks; i++) {
			const int64_t out = c->model_channels * c->channel_mult[level];
			const bool attention = has_attention(c, r) && (!song || i == c->num_blocks);
			append_block(e, &e->dec, UNIT_JOIN, unit_name(name, sizeof name, r, "block", i),
				width + skip[--skips], out, r, EDM_SAME, attention);
			width = out;
		}
		if (song)
			append_aux_up(e, level, width);
	}
	if (song)
		return;
	append(&e->dec, UNIT_AUX_NORM, gr__edm_norm_new(net, "out_norm", c, width, true));
	append(&e->dec, UNIT_AUX_CONV,
		gr__edm_conv_new(net, "out_conv", c, width, c->out_channels, 3, EDM_SAME, false,
			EDM_INIT_ZERO));
}

static void build_mapping(gr_edm *e, gr_module *net)
{
	const gr_edm_config *c = &e->config;
	const bool song = c->model_type != GR_EDM_DHARIWAL;
	const int64_t noise = c->model_channels * c->channel_mult_noise;
	const int64_t emb = c->model_channels * c->channel_mult_emb;
	if (c->embedding_type == GR_EDM_FOURIER)
		e->freqs = gr_module_add_param(gr_module_child(net, "map_noise"), "freqs",
			GR_OPTS(gr_param_opts, .init = GR_INIT_NORMAL, .scale = 16.0, .buffer = true),
			GR_DIMS(noise / 2));
	if (c->label_dim > 0 && song)
		e->label = gr__edm_linear_new(net, "map_label", c, c->label_dim, noise, true);
	if (c->augment_dim > 0)
		e->augment = gr__edm_linear_new(net, "map_augment", c, c->augment_dim, noise, false);
	e->layer[0] = gr__edm_linear_new(net, "map_layer0", c, noise, emb, true);
	e->layer[1] = gr__edm_linear_new(net, "map_layer1", c, emb, emb, true);
	if (c->label_dim > 0 && !song)
		e->label = gr_linear_new(net, "map_label",
			GR_OPTS(gr_linear_opts, .in = c->label_dim, .out = emb, .no_bias = true,
				.init = GR_INIT_NORMAL, .init_scale = 1.0));
}

static gr_status build(gr_edm *e)
{
	gr_module *net = e->config.precond == GR_EDM_BARE ? e->root : gr_module_child(e->root, "model");
	int64_t skip[UNITS_MAX];
	int skips = 0;
	build_mapping(e, net);
	e->enc.module = gr_module_child(net, "enc");
	e->dec.module = gr_module_child(net, "dec");
	const int64_t width = build_encoder(e, skip, &skips);
	build_decoder(e, net, width, skip, skips);
	if (e->config.precond == GR_EDM_IDDPM) {
		e->grid = gr_module_alloc(e->root, (size_t)(e->config.M + 1) * sizeof *e->grid);
		if (e->grid != NULL)
			gr__edm_grid(&e->config, e->grid);
	}
	return gr_module_status(e->root);
}

gr_edm *gr_edm_new(const gr_edm_config *config)
{
	if (config == NULL) {
		gr_error_set(GR_EARG, "edm: a configuration is required");
		return NULL;
	}
	gr_edm_config filled = *config;
	if (gr__edm_check(&filled) != GR_OK)
		return NULL;
	gr_edm *e = gr_alloc(sizeof *e);
	if (e == NULL)
		return NULL;
	memset(e, 0, sizeof *e);
	e->config = filled;
	e->root = gr_module_new();
	if (e->root == NULL || gr_module_set_dtype(e->root, filled.dtype) != GR_OK ||
		build(e) != GR_OK) {
		gr_edm_free(e);
		return NULL;
	}
	return e;
}

void gr_edm_free(gr_edm *e)
{
	if (e == NULL)
		return;
	gr_module_free(e->root);
	gr_free(e);
}

gr_module *gr_edm_module(gr_edm *e)
{
	return e == NULL ? NULL : e->root;
}

const gr_edm_config *gr_edm_get_config(const gr_edm *e)
{
	return e == NULL ? NULL : &e->config;
}

const double *gr__edm_levels(const gr_edm *e)
{
	return e->grid;
}

/* "model." as this network has it; filters and grids are constants. */
static bool place_key(const void *map, const char *key, gr_key_place *place)
{
	const gr_edm *e = map;
	static const char filter[] = ".resample_filter";
	if (strncmp(key, "model.", 6) == 0)
		key += 6;
	const size_t length = strlen(key);
	*place = (gr_key_place){.parts = 0};
	snprintf(place->name, sizeof place->name, "%s%s",
		e->config.precond == GR_EDM_BARE ? "" : "model.", key);
	return strcmp(key, "u") != 0 &&
		(length < sizeof filter || strcmp(key + length - sizeof filter + 1, filter) != 0);
}

gr_status gr_edm_load(gr_edm *e, const gr_tensorfile *f)
{
	if (e == NULL || f == NULL)
		return gr_error_set(GR_EARG, "edm: nothing to load %s", e == NULL ? "into" : "from");
	gr_tensor_info t;
	for (int64_t i = 0; gr_tensorfile_info(f, i, &t); i++) {
		const char *last = strrchr(t.name, '.');
		if (last != NULL && strcmp(last, ".resample_filter") == 0 && t.ndim > 0 &&
			t.dims[t.ndim - 1] != e->config.filter_length)
			return gr_error_set(GR_EFORMAT,
				"edm: the file is for filters of length %lld, this network has %d; hint: "
				"resample_filter",
				(long long)t.dims[t.ndim - 1], e->config.filter_length);
	}
	return gr_module_load_file(e->root, f, GR_OPTS(gr_load_opts, .place = place_key, .map = e));
}

/* Sines and cosines of the noise labels: [N,noise] */
static gr_tensor *embed_noise(const gr_edm *e, gr_tensor *label)
{
	const gr_edm_config *c = &e->config;
	const bool song = c->model_type != GR_EDM_DHARIWAL;
	if (e->freqs == NULL)
		return gr_timestep_embedding(label, c->model_channels * c->channel_mult_noise, c->dtype,
			GR_OPTS(gr_timestep_opts, .sin_first = song, .divide_by_h1 = song));
	gr_tensor *w = gr_mul_s(gr_param_tensor(e->freqs), 2.0 * PI);
	gr_tensor *angle = gr_mul(gr_unsqueeze(gr_cast(label, c->dtype), 1), w); /* [N,noise / 2] */
	return gr_concat(2, (gr_tensor *const[]){gr_sin(angle), gr_cos(angle)}, 1);
}

/* Rows for the classes: [N,label_dim] */
static gr_tensor *label_rows(const gr_edm *e, gr_tensor *labels, int64_t n)
{
	const gr_edm_config *c = &e->config;
	if (labels == NULL)
		return gr_zeros(c->dtype, GR_DIMS(n, c->label_dim));
	if (gr_tensor_dtype(labels) == GR_I64)
		return gr_one_hot(labels, c->label_dim, c->dtype);
	return gr_cast(labels, c->dtype);
}

/* What all blocks see, its SiLU applied: [N,E] */
static gr_tensor *embed(const gr_edm *e, gr_tensor *label, const gr_edm_forward_opts *opts)
{
	const gr_edm_config *c = &e->config;
	const bool song = c->model_type != GR_EDM_DHARIWAL;
	gr_scope_begin();
	gr_tensor *h = embed_noise(e, label), *rows = NULL;
	if (e->label != NULL)
		rows = label_rows(e, opts == NULL ? NULL : opts->labels, gr_tensor_dim(label, 0));
	if (e->label != NULL && song)
		h = gr_add(h, gr_linear_forward(e->label, gr_mul_s(rows, sqrt((double)c->label_dim))));
	if (e->augment != NULL && opts != NULL && opts->augment != NULL)
		h = gr_add(h, gr_linear_forward(e->augment, gr_cast(opts->augment, c->dtype)));
	h = gr_linear_forward(e->layer[1], gr_silu(gr_linear_forward(e->layer[0], h)));
	if (e->label != NULL && !song)
		h = gr_add(h, gr_linear_forward(e->label, rows));
	return gr__block_leave(gr_silu(h));
}

/* x and two channels of coordinates, rows and columns from 0 to 1: [N,C + 2,H,W] */
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

/* Features held by reference, so that each goes as soon as nothing needs it. */
typedef struct state {
	gr_tensor *h, *aux, *normed, *skip[UNITS_MAX];
	int top;
} state;

static void replace(gr_tensor **slot, gr_tensor *by)
{
	gr_tensor *old = *slot;
	*slot = gr_tensor_retain(by);
	gr_tensor_release(old);
}

static void go_down(const unit *u, state *s, edm_pass *pass)
{
	gr_scope_begin();
	gr_tensor *y = NULL;
	switch (u->kind) {
	case UNIT_AUX_RESAMPLE: replace(&s->aux, gr__edm_conv_forward(u->layer, s->aux)); break;
	case UNIT_AUX_SKIP: y = gr_add(s->h, gr__edm_conv_forward(u->layer, s->aux)); break;
	case UNIT_AUX_RESIDUAL:
		y = gr_mul_s(gr_add(s->h, gr__edm_conv_forward(u->layer, s->aux)), sqrt(0.5));
		replace(&s->aux, y);
		break;
	case UNIT_CONV: y = gr__edm_conv_forward(u->layer, s->h); break;
	default: y = gr__edm_block_forward(u->layer, s->h, pass);
	}
	if (u->kind == UNIT_CONV || u->kind == UNIT_BLOCK)
		s->top++;
	if (u->kind != UNIT_AUX_RESAMPLE) {
		replace(&s->h, y);
		replace(&s->skip[s->top - 1], y);
	}
	gr_scope_end();
}

static void go_up(const unit *u, state *s, edm_pass *pass)
{
	gr_scope_begin();
	gr_tensor *y;
	switch (u->kind) {
	case UNIT_AUX_RESAMPLE: replace(&s->aux, gr__edm_conv_forward(u->layer, s->aux)); break;
	case UNIT_AUX_NORM: replace(&s->normed, gr_groupnorm_forward(u->layer, s->h)); break;
	case UNIT_AUX_CONV:
		y = gr__edm_conv_forward(u->layer, s->normed);
		replace(&s->aux, s->aux == NULL ? y : gr_add(s->aux, y));
		break;
	case UNIT_JOIN:
		s->top--;
		y = gr_concat(2, (gr_tensor *const[]){s->h, s->skip[s->top]}, 1);
		replace(&s->skip[s->top], NULL);
		replace(&s->h, gr__edm_block_forward(u->layer, y, pass));
		break;
	default: replace(&s->h, gr__edm_block_forward(u->layer, s->h, pass));
	}
	gr_scope_end();
}

gr_tensor *gr__edm_apply(const gr_edm *e, gr_tensor *x, gr_tensor *label,
	const gr_edm_forward_opts *opts)
{
	gr_scope_begin();
	edm_pass pass = {.emb = embed(e, label, opts), .dropout = e->config.dropout};
	if (opts != NULL && e->config.dropout > 0.0)
		pass.dropout_key = opts->dropout_key;
	state s = {.h = gr_tensor_retain(x), .aux = gr_tensor_retain(x)};
	if (e->config.model_type == GR_EDM_UNO)
		replace(&s.h, with_coordinates(x));
	for (int i = 0; i < e->enc.count; i++)
		go_down(&e->enc.unit[i], &s, &pass);
	replace(&s.aux, NULL);
	for (int i = 0; i < e->dec.count; i++)
		go_up(&e->dec.unit[i], &s, &pass);
	gr_tensor *y = gr_escape(s.aux);
	gr_tensor_release(s.aux);
	gr_tensor_release(s.normed);
	gr_tensor_release(s.h);
	gr_scope_end();
	return y;
}
