/*
 * The ADM U-Net and that of latent diffusion: how the blocks are strung together, and one pass
 * through them. "Attention" is a SpatialTransformer if asked for.
 *
 *	input stages:  conv; per level num_res_blocks x (Res [, Attention]); Down but at the last level
 *	middle stage:  Res, Attention, Res
 *	output stages: per level, lowest first, num_res_blocks + 1 x (Res [, Attention] [, Up])
 *	out:           GN, SiLU, conv
 *
 * Every input stage's result is kept; output stages take them back last first, joined as [h, skip]
 * along the channels. Names number the children of a stage, so Up is ".1" or ".2".
 */
#include "unet_priv.h"

#include <math.h>
#include <string.h>

#include "block.h"
#include "gradus/ops.h"
#include "gradus/recompute.h"

#define MAX_STAGES 128
#define MAX_CHILDREN 3

typedef enum child_kind {
	CHILD_CONV,
	CHILD_RES,
	CHILD_ATTENTION,
	CHILD_TRANSFORMER,
	CHILD_UP,
	CHILD_DOWN,
} child_kind;

typedef struct stage {
	gr_module *module;
	int count;
	child_kind kind[MAX_CHILDREN];
	const void *child[MAX_CHILDREN];
} stage;

struct gr_unet {
	gr_unet_config config;
	gr_module *root;
	gr_linear *time[2];
	gr_embedding *label; /* NULL: unconditional */
	stage input[MAX_STAGES], middle, output[MAX_STAGES];
	int input_count, output_count;
	gr_groupnorm *out_norm;
	gr_conv *out_conv;
	bool recompute; /* stages keep their inputs only, see gr_unet_set_recompute() */
};

static void fill_defaults(gr_unet_config *c)
{
	static const double usual_mult[] = {1.0, 2.0, 4.0, 8.0};
	if (c->in_channels == 0)
		c->in_channels = 3;
	if (c->out_channels == 0)
		c->out_channels = c->in_channels;
	if (c->num_res_blocks == 0)
		c->num_res_blocks = 2;
	if (c->num_levels == 0) {
		c->num_levels = 4;
		memcpy(c->channel_mult, usual_mult, sizeof usual_mult);
	}
	if (c->num_heads <= 0)
		c->num_heads = 1;
	if (c->num_heads_upsample <= 0)
		c->num_heads_upsample = c->num_heads;
	if (c->norm_groups == 0)
		c->norm_groups = 32;
	if (c->transformer_depth == 0)
		c->transformer_depth = 1;
}

static int64_t level_width(const gr_unet_config *c, int level)
{
	return (int64_t)floor(c->channel_mult[level] * (double)c->model_channels);
}

static gr_status check_config(const gr_unet_config *c)
{
	if (c->model_channels < 1 || c->in_channels < 1 || c->out_channels < 1 || c->norm_groups < 1)
		return gr_error_set(GR_EARG,
			"unet: model_channels %lld, in_channels %lld, out_channels "
			"%lld, norm_groups %lld: all must be positive",
			(long long)c->model_channels, (long long)c->in_channels, (long long)c->out_channels,
			(long long)c->norm_groups);
	if (c->num_levels < 1 || c->num_levels > GR_UNET_MAX_LEVELS || c->num_attention < 0 ||
		c->num_attention > GR_UNET_MAX_LEVELS)
		return gr_error_set(GR_EARG, "unet: %d levels and %d attention factors; at most %d",
			c->num_levels, c->num_attention, GR_UNET_MAX_LEVELS);
	if (c->num_res_blocks < 1 || (c->num_res_blocks + 1) * c->num_levels > MAX_STAGES)
		return gr_error_set(GR_EARG, "unet: num_res_blocks %lld is not in 1..%d",
			(long long)c->num_res_blocks, MAX_STAGES / c->num_levels - 1);
	if (c->use_spatial_transformer != (c->context_dim > 0) || c->transformer_depth < 1 ||
		c->transformer_depth > UNET_TRANSFORMER_DEPTH_MAX)
		return gr_error_set(GR_EARG,
			"unet: use_spatial_transformer and context_dim (%lld) go together, transformer_depth "
			"(%lld) is in 1..%d",
			(long long)c->context_dim, (long long)c->transformer_depth, UNET_TRANSFORMER_DEPTH_MAX);
	if (!(c->dropout >= 0.0 && c->dropout < 1.0))
		return gr_error_set(GR_EARG, "unet: dropout %g is not in 0 <= p < 1", c->dropout);
	for (int i = 0; i < c->num_levels; i++) {
		/* Skips join neighbouring widths, so if each is a multiple their sums are, too. */
		if (level_width(c, i) < 1 || level_width(c, i) % c->norm_groups != 0)
			return gr_error_set(GR_EARG,
				"unet: width %lld of level %d is not a multiple of the "
				"%lld groups of its norms; hint: norm_groups",
				(long long)level_width(c, i), i, (long long)c->norm_groups);
	}
	return GR_OK;
}

static bool has_attention(const gr_unet_config *c, int64_t ds)
{
	for (int i = 0; i < c->num_attention; i++)
		if (c->attention_ds[i] == ds)
			return true;
	return false;
}

/* One more child at the end of a stage; `child` NULL leaves the failure with the tree. */
static void append(stage *s, child_kind kind, const void *child)
{
	s->kind[s->count] = kind;
	s->child[s->count] = child;
	s->count++;
}

static void append_res(gr_unet *u, stage *s, int64_t in, int64_t out, unet_resample resample)
{
	const char name[] = {(char)('0' + s->count), '\0'};
	append(s, CHILD_RES, gr__unet_res_new(s->module, name, &u->config, in, out, resample));
}

/* heads: what the options say where no head width is given. */
static gr_status append_attention(gr_unet *u, stage *s, int64_t width, int64_t heads)
{
	const gr_unet_config *c = &u->config;
	const char name[] = {(char)('0' + s->count), '\0'};
	const int64_t head = c->num_head_channels;
	if (head > 0)
		heads = width / head;
	const bool whole = heads > 0 && width % heads == 0 && (head == 0 || heads * head == width);
	if (heads < 1 || (!whole && !c->use_spatial_transformer))
		return gr_error_set(GR_EARG,
			"unet: width %lld does not split into heads (num_heads %lld, "
			"num_head_channels %lld)",
			(long long)width, (long long)c->num_heads, (long long)head);
	const int64_t inner = heads * (c->not_legacy && head > 0 ? head : width / heads);
	if (c->use_spatial_transformer)
		append(s, CHILD_TRANSFORMER,
			gr__unet_transformer_new(s->module, name, c, width, heads, inner));
	else
		append(s, CHILD_ATTENTION, gr__unet_attention_new(s->module, name, c, width, heads));
	return GR_OK;
}

static void append_resample(gr_unet *u, stage *s, int64_t width, bool up)
{
	const char name[] = {(char)('0' + s->count), '\0'};
	const gr_resample_opts opts = {.size = sizeof opts,
		.channels = width,
		.no_conv = u->config.no_conv_resample};
	if (u->config.resblock_updown)
		append_res(u, s, width, width, up ? UNET_UP : UNET_DOWN);
	else if (up)
		append(s, CHILD_UP, gr_upsample_new(s->module, name, &opts));
	else
		append(s, CHILD_DOWN, gr_downsample_new(s->module, name, &opts));
}

static stage *next_input(gr_unet *u)
{
	stage *s = &u->input[u->input_count];
	s->module = gr_module_childf(u->root, "input_blocks.%d", u->input_count++);
	return s;
}

static stage *next_output(gr_unet *u)
{
	stage *s = &u->output[u->output_count];
	s->module = gr_module_childf(u->root, "output_blocks.%d", u->output_count++);
	return s;
}

/* The whole tree, in the reference's order of registration. skip[] is the stack of widths. */
static gr_status build(gr_unet *u)
{
	const gr_unet_config *c = &u->config;
	const int64_t emb = 4 * c->model_channels;
	const bool one_rule = c->not_legacy || c->use_spatial_transformer;
	const int64_t heads_up = one_rule ? c->num_heads : c->num_heads_upsample;
	int64_t skip[MAX_STAGES];
	int64_t ds = 1;
	gr_status status = GR_OK;

	u->time[0] = gr_linear_new(u->root, "time_embed.0",
		GR_OPTS(gr_linear_opts, .in = c->model_channels, .out = emb));
	u->time[1] =
		gr_linear_new(u->root, "time_embed.2", GR_OPTS(gr_linear_opts, .in = emb, .out = emb));
	if (c->num_classes > 0)
		u->label = gr_embedding_new(u->root, "label_emb",
			GR_OPTS(gr_embedding_opts, .count = c->num_classes, .dim = emb));

	int64_t ch = level_width(c, 0);
	stage *s = next_input(u);
	append(s, CHILD_CONV,
		gr_conv_new(s->module, "0", GR_OPTS(gr_conv_layer_opts, .in = c->in_channels, .out = ch)));
	skip[0] = ch;
	for (int level = 0; level < c->num_levels; level++) {
		for (int64_t i = 0; i < c->num_res_blocks && status == GR_OK; i++) {
			s = next_input(u);
			append_res(u, s, ch, level_width(c, level), UNET_SAME);
			ch = level_width(c, level);
			if (has_attention(c, ds))
				status = append_attention(u, s, ch, c->num_heads);
			skip[u->input_count - 1] = ch;
		}
		if (level + 1 < c->num_levels) {
			append_resample(u, next_input(u), ch, false);
			skip[u->input_count - 1] = ch;
			ds *= 2;
		}
	}

	u->middle.module = gr_module_child(u->root, "middle_block");
	append_res(u, &u->middle, ch, ch, UNET_SAME);
	if (status == GR_OK)
		status = append_attention(u, &u->middle, ch, c->num_heads);
	append_res(u, &u->middle, ch, ch, UNET_SAME);

	int top = u->input_count;
	for (int level = c->num_levels - 1; level >= 0; level--) {
		for (int64_t i = 0; i <= c->num_res_blocks && status == GR_OK; i++) {
			s = next_output(u);
			append_res(u, s, ch + skip[--top], level_width(c, level), UNET_SAME);
			ch = level_width(c, level);
			if (has_attention(c, ds))
				status = append_attention(u, s, ch, heads_up);
			if (level > 0 && i == c->num_res_blocks) {
				append_resample(u, s, ch, true);
				ds /= 2;
			}
		}
	}
	u->out_norm = gr_groupnorm_new(u->root, "out.0",
		GR_OPTS(gr_groupnorm_opts, .channels = ch, .groups = c->norm_groups, .silu = true));
	u->out_conv = gr_conv_new(u->root, "out.2",
		GR_OPTS(gr_conv_layer_opts, .in = ch, .out = c->out_channels, .init = GR_INIT_ZEROS));
	return status != GR_OK ? status : gr_module_status(u->root);
}

gr_unet *gr_unet_new(const gr_unet_config *config)
{
	if (config == NULL) {
		gr_error_set(GR_EARG, "unet: a configuration is required");
		return NULL;
	}
	gr_unet_config filled = *config;
	fill_defaults(&filled);
	if (check_config(&filled) != GR_OK)
		return NULL;
	gr_unet *u = gr_alloc(sizeof *u);
	if (u == NULL)
		return NULL;
	memset(u, 0, sizeof *u);
	u->config = filled;
	u->root = gr_module_new();
	if (u->root == NULL || gr_module_set_dtype(u->root, filled.dtype) != GR_OK ||
		build(u) != GR_OK) {
		gr_unet_free(u);
		return NULL;
	}
	return u;
}

void gr_unet_free(gr_unet *u)
{
	if (u == NULL)
		return;
	gr_module_free(u->root);
	gr_free(u);
}

gr_module *gr_unet_module(gr_unet *u)
{
	return u == NULL ? NULL : u->root;
}

const gr_unet_config *gr_unet_get_config(const gr_unet *u)
{
	return u == NULL ? NULL : &u->config;
}

void gr_unet_set_recompute(gr_unet *u, bool on)
{
	if (u != NULL)
		u->recompute = on;
}

static gr_tensor *apply_child(const stage *s, int i, gr_tensor *x, unet_pass *pass)
{
	const void *child = s->child[i];
	switch (s->kind[i]) {
	case CHILD_CONV: return gr_conv_forward(child, x);
	case CHILD_RES: return gr__unet_res_forward(child, x, pass);
	case CHILD_ATTENTION: return gr__unet_attention_forward(child, x);
	case CHILD_TRANSFORMER: return gr__unet_transformer_forward(child, x, pass);
	case CHILD_UP: return gr_upsample_forward(child, x);
	case CHILD_DOWN: return gr_downsample_forward(child, x);
	}
	return NULL;
}

/* A stage as a function of h, or of h and skip: its results are joined along the channels. */
typedef struct stage_call {
	const stage *stage;
	int inputs;
	unet_pass pass;
	gr_key key; /* where pass.dropout_key points while this runs: the caller's may be gone */
} stage_call;

static gr_status run_stage(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	stage_call *c = payload;
	if (c->pass.dropout_key != NULL)
		c->pass.dropout_key = &c->key;
	y[0] = c->inputs == 1 ? x[0] : gr_concat(2, x, 1);
	for (int i = 0; i < c->stage->count; i++)
		y[0] = apply_child(c->stage, i, y[0], &c->pass);
	return y[0] != NULL ? GR_OK : gr_error_code();
}

/* The result is the scope's, NULL on error. */
static gr_tensor *stage_forward(const gr_unet *u, const stage *s, gr_tensor *h, gr_tensor *skip,
	unet_pass *pass)
{
	gr_tensor *y = NULL, *x[2] = {h, skip};
	stage_call c = {.stage = s, .inputs = skip == NULL ? 1 : 2, .pass = *pass};
	if (pass->dropout_key != NULL)
		c.key = *pass->dropout_key;
	const gr_recompute_opts opts = {.size = sizeof opts, .payload = &c, .payload_bytes = sizeof c};
	gr_status status = h == NULL ? gr_error_code()
		: u->recompute           ? gr_checkpoint(&y, run_stage, c.inputs, x, &opts)
								 : run_stage(&y, x, &c);
	/* A run counts its own dropout places. */
	for (int i = 0; i < s->count && pass->dropout_key != NULL; i++)
		pass->site += s->kind[i] == CHILD_RES ? 1 : 0;
	return status == GR_OK ? y : NULL;
}

/*
 * One stage on h, or on [h, skip]. Takes over the caller's reference to skip and to h, and returns
 * a result that the caller holds a reference to: features are freed as soon as they are used up,
 * which a scope around the whole pass would not do.
 */
static gr_tensor *advance(const gr_unet *u, const stage *s, gr_tensor *h, gr_tensor *skip,
	unet_pass *pass)
{
	gr_scope_begin();
	gr_tensor *y = gr_tensor_retain(stage_forward(u, s, h, skip, pass));
	gr_scope_end();
	gr_tensor_release(h);
	gr_tensor_release(skip);
	return y;
}

static gr_status check_inputs(const gr_unet *u, const gr_tensor *x, const gr_tensor *t,
	const gr_tensor *labels)
{
	const gr_unet_config *c = &u->config;
	const int64_t multiple = (int64_t)1 << (c->num_levels - 1);
	char text[128];
	if (gr_tensor_ndim(x) != 4 || gr_tensor_dim(x, 1) != c->in_channels ||
		gr_tensor_dim(x, 2) % multiple != 0 || gr_tensor_dim(x, 3) % multiple != 0)
		return gr_error_set(GR_ESHAPE,
			"unet: x is %s, expected [N,%lld,H,W] with H and W multiples of %lld",
			gr_tensor_describe(x, text, sizeof text), (long long)c->in_channels,
			(long long)multiple);
	if (gr_tensor_ndim(t) != 1 || gr_tensor_dim(t, 0) != gr_tensor_dim(x, 0))
		return gr_error_set(GR_ESHAPE,
			"unet: t is %s, expected one timestep for each of %lld samples",
			gr_tensor_describe(t, text, sizeof text), (long long)gr_tensor_dim(x, 0));
	if ((labels != NULL) != (u->label != NULL))
		return gr_error_set(GR_EARG,
			labels != NULL ? "unet: labels given to an unconditional network"
						   : "unet: a class-conditional network needs labels");
	if (labels != NULL &&
		(gr_tensor_ndim(labels) != 1 || gr_tensor_dim(labels, 0) != gr_tensor_dim(x, 0)))
		return gr_error_set(GR_ESHAPE, "unet: labels are %s, expected one for each of %lld samples",
			gr_tensor_describe(labels, text, sizeof text), (long long)gr_tensor_dim(x, 0));
	return GR_OK;
}

static gr_status check_context(const gr_unet *u, const gr_tensor *x, const gr_tensor *context)
{
	char text[128];
	if (context == NULL)
		return GR_OK;
	if (!u->config.use_spatial_transformer)
		return gr_error_set(GR_EARG, "unet: a context given to a network without transformers");
	if (gr_tensor_ndim(context) == 3 && gr_tensor_dim(context, 0) == gr_tensor_dim(x, 0) &&
		gr_tensor_dim(context, 2) == u->config.context_dim)
		return GR_OK;
	return gr_error_set(GR_ESHAPE, "unet: the context is %s, expected [%lld,M,%lld]",
		gr_tensor_describe(context, text, sizeof text), (long long)gr_tensor_dim(x, 0),
		(long long)u->config.context_dim);
}

/* SiLU(emb), emb = W2 SiLU(W1 e(t) + b1) + b2 [+ row of the label]: [N,4 mc]. Every residual block
 * wants the SiLU, so it is applied here, once. */
static gr_tensor *embed(const gr_unet *u, gr_tensor *t, gr_tensor *labels)
{
	gr_scope_begin();
	gr_tensor *e = gr_timestep_embedding(t, u->config.model_channels, u->config.dtype, NULL);
	e = gr_linear_forward(u->time[1], gr_silu(gr_linear_forward(u->time[0], e)));
	if (u->label != NULL)
		e = gr_add(e, gr_embedding_forward(u->label, labels));
	return gr__block_leave(gr_silu(e));
}

gr_tensor *gr_unet_forward_with(const gr_unet *u, gr_tensor *x, gr_tensor *t, gr_tensor *labels,
	const gr_unet_forward_opts *opts)
{
	gr_tensor *context = opts == NULL ? NULL : opts->context;
	if (u == NULL || x == NULL || t == NULL || check_inputs(u, x, t, labels) != GR_OK ||
		check_context(u, x, context) != GR_OK)
		return NULL;
	gr_scope_begin();
	unet_pass pass = {.emb = embed(u, t, labels), .context = context, .dropout = u->config.dropout};
	if (opts != NULL && u->config.dropout > 0.0)
		pass.dropout_key = opts->dropout_key;

	gr_tensor *skip[MAX_STAGES];
	int top = 0;
	gr_tensor *h = gr_tensor_retain(x);
	for (int i = 0; i < u->input_count; i++) {
		h = advance(u, &u->input[i], h, NULL, &pass);
		skip[top++] = gr_tensor_retain(h);
	}
	h = advance(u, &u->middle, h, NULL, &pass);
	if (opts != NULL && opts->middle != NULL)
		*opts->middle = gr_escape(h);
	for (int i = 0; i < u->output_count; i++)
		h = advance(u, &u->output[i], h, skip[--top], &pass);
	gr_tensor *y = gr_conv_forward(u->out_conv, gr_groupnorm_forward(u->out_norm, h));
	gr_tensor_release(h);
	return gr__block_leave(y);
}

gr_tensor *gr_unet_forward(const gr_unet *u, gr_tensor *x, gr_tensor *t, gr_tensor *labels)
{
	return gr_unet_forward_with(u, x, t, labels, NULL);
}
