/*
 * Configurations of EDM's networks: defaults, what makes no sense, and JSON under the reference's
 * names.
 */
#include <math.h>
#include <string.h>

#include "edm_priv.h"
#include "options_priv.h"

#define BLOCKS_MAX 12

#define FIELD(name) offsetof(gr_edm_config, name)

static const char *const model_words[] = {"SongUNet", "DhariwalUNet", "UNO", NULL};
static const char *const precond_words[] = {"none", "vp", "ve", "iddpm", "edm", NULL};
static const char *const class_words[] = {"", "VPPrecond", "VEPrecond", "iDDPMPrecond",
	"EDMPrecond", NULL};
static const char *const embedding_words[] = {"positional", "fourier", NULL};
static const char *const encoder_words[] = {"standard", "skip", "residual", NULL};
static const char *const decoder_words[] = {"standard", "skip", NULL};

static const option options[] = {
	{"model_type", OPTION_WORD, FIELD(model_type), 0, model_words},
	{"precond", OPTION_WORD, FIELD(precond), 0, precond_words},
	{"class_name", OPTION_WORD, FIELD(precond), 0, class_words},
	{"img_resolution", OPTION_COUNT, FIELD(img_resolution), 0, NULL},
	{"img_channels", OPTION_COUNT, FIELD(in_channels), 0, NULL},
	{"in_channels", OPTION_COUNT, FIELD(in_channels), 0, NULL},
	{"out_channels", OPTION_COUNT, FIELD(out_channels), 0, NULL},
	{"label_dim", OPTION_COUNT, FIELD(label_dim), 0, NULL},
	{"augment_dim", OPTION_COUNT, FIELD(augment_dim), 0, NULL},
	{"model_channels", OPTION_COUNT, FIELD(model_channels), 0, NULL},
	{"channel_mult", OPTION_COUNTS, FIELD(channel_mult), FIELD(num_levels), NULL},
	{"channel_mult_emb", OPTION_COUNT, FIELD(channel_mult_emb), 0, NULL},
	{"channel_mult_noise", OPTION_COUNT, FIELD(channel_mult_noise), 0, NULL},
	{"num_blocks", OPTION_COUNT, FIELD(num_blocks), 0, NULL},
	{"attn_resolutions", OPTION_COUNTS, FIELD(attn_resolutions), FIELD(num_attention), NULL},
	{"dropout", OPTION_REAL, FIELD(dropout), 0, NULL},
	{"embedding_type", OPTION_WORD, FIELD(embedding_type), 0, embedding_words},
	{"encoder_type", OPTION_WORD, FIELD(encoder_type), 0, encoder_words},
	{"decoder_type", OPTION_WORD, FIELD(decoder_type), 0, decoder_words},
	{"resample_filter", OPTION_REALS, FIELD(resample_filter), FIELD(filter_length), NULL},
	{"sigma_data", OPTION_REAL, FIELD(sigma_data), 0, NULL},
	{"sigma_min", OPTION_REAL, FIELD(sigma_min), 0, NULL},
	{"sigma_max", OPTION_REAL, FIELD(sigma_max), 0, NULL},
	{"beta_d", OPTION_REAL, FIELD(beta_d), 0, NULL},
	{"beta_min", OPTION_REAL, FIELD(beta_min), 0, NULL},
	{"epsilon_t", OPTION_REAL, FIELD(epsilon_t), 0, NULL},
	{"M", OPTION_COUNT, FIELD(M), 0, NULL},
	{"C_1", OPTION_REAL, FIELD(C_1), 0, NULL},
	{"C_2", OPTION_REAL, FIELD(C_2), 0, NULL},
	{"label_dropout", OPTION_PASSED, 0, 0, NULL},
	{"use_fp16", OPTION_PASSED, 0, 0, NULL},
};

static const option_table table = {"edm", options, sizeof options / sizeof *options};

gr_status gr_edm_config_from_json(gr_edm_config *out, const gr_json *object)
{
	gr_edm_config c = {.size = sizeof c};
	gr_status status = gr__options_read(&table, object, &c);
	const gr_json *attention = gr_json_find(object, "attn_resolutions");
	if (attention != NULL && attention->kind == GR_JSON_ARRAY && attention->count == 0)
		c.num_attention = -1; /* none, which is not the default */
	if (status == GR_OK && out != NULL)
		*out = c;
	return status;
}

static void default_to(int64_t *field, int64_t value)
{
	if (*field == 0)
		*field = value;
}

static void default_real(double *field, double value)
{
	if (*field == 0.0)
		*field = value;
}

static void fill_network(gr_edm_config *c)
{
	static const int64_t song_mult[] = {1, 2, 2, 2}, dhariwal_mult[] = {1, 2, 3, 4};
	static const int64_t dhariwal_attention[] = {32, 16, 8};
	const bool song = c->model_type != GR_EDM_DHARIWAL;
	default_to(&c->in_channels, 3);
	default_to(&c->out_channels, (c->precond == GR_EDM_IDDPM ? 2 : 1) * c->in_channels);
	default_to(&c->model_channels, song ? 128 : 192);
	default_to(&c->channel_mult_emb, 4);
	default_to(&c->channel_mult_noise, 1);
	default_to(&c->num_blocks, song ? 4 : 3);
	if (c->num_levels == 0) {
		c->num_levels = 4;
		memcpy(c->channel_mult, song ? song_mult : dhariwal_mult, sizeof song_mult);
	}
	if (c->num_attention == 0) {
		c->num_attention = song ? 1 : 3;
		c->attn_resolutions[0] = 16;
		if (!song)
			memcpy(c->attn_resolutions, dhariwal_attention, sizeof dhariwal_attention);
	}
	if (c->filter_length == 0) {
		c->filter_length = 2;
		c->resample_filter[0] = c->resample_filter[1] = 1.0;
	}
}

static void fill_precond(gr_edm_config *c)
{
	default_real(&c->sigma_data, 0.5);
	default_real(&c->beta_d, 19.9);
	default_real(&c->beta_min, 0.1);
	default_real(&c->epsilon_t, 1e-5);
	default_to(&c->M, 1000);
	default_real(&c->C_1, 0.001);
	default_real(&c->C_2, 0.008);
	if (c->precond == GR_EDM_VE)
		default_real(&c->sigma_min, 0.02);
	default_real(&c->sigma_max, c->precond == GR_EDM_VE ? 100.0 : INFINITY);
}

static gr_status check_song_only(const gr_edm_config *c)
{
	if (c->model_type != GR_EDM_DHARIWAL)
		return GR_OK;
	if (c->embedding_type == 0 && c->encoder_type == 0 && c->decoder_type == 0 &&
		c->channel_mult_noise == 1 && c->filter_length == 2 &&
		c->resample_filter[0] == c->resample_filter[1])
		return GR_OK;
	return gr_error_set(GR_EARG,
		"edm: embedding_type, encoder_type, decoder_type, channel_mult_noise and resample_filter "
		"are options of SongUNet and UNO");
}

static gr_status check_levels(const gr_edm_config *c)
{
	if (c->num_levels < 1 || c->num_levels > GR_EDM_MAX_LEVELS ||
		c->num_attention > GR_EDM_MAX_LEVELS || c->num_blocks < 1 || c->num_blocks > BLOCKS_MAX)
		return gr_error_set(GR_EARG,
			"edm: %d levels of %lld blocks with %d attention resolutions; at most %d, %d and %d",
			c->num_levels, (long long)c->num_blocks, c->num_attention, GR_EDM_MAX_LEVELS,
			BLOCKS_MAX, GR_EDM_MAX_LEVELS);
	if (c->img_resolution < (int64_t)1 << (c->num_levels - 1))
		return gr_error_set(GR_EARG, "edm: img_resolution %lld is too small for %d levels",
			(long long)c->img_resolution, c->num_levels);
	if (c->model_type == GR_EDM_UNO && c->img_resolution < (int64_t)2 << (c->num_levels - 1))
		return gr_error_set(GR_EARG, "edm: img_resolution %lld leaves no modes at level %d",
			(long long)c->img_resolution, c->num_levels - 1);
	for (int i = 0; i < c->num_levels; i++) {
		const int64_t width = c->model_channels * c->channel_mult[i];
		if (c->channel_mult[i] < 1 || width < 4 || width % (width >= 128 ? 32 : width / 4) != 0)
			return gr_error_set(GR_EARG,
				"edm: width %lld of level %d does not split into the groups of its norms",
				(long long)width, i);
		if (c->model_type == GR_EDM_DHARIWAL && width >= EDM_HEAD_CHANNELS &&
			width % (width / EDM_HEAD_CHANNELS) != 0)
			return gr_error_set(GR_EARG,
				"edm: width %lld of level %d does not split into %lld heads", (long long)width, i,
				(long long)(width / EDM_HEAD_CHANNELS));
	}
	return GR_OK;
}

gr_status gr__edm_check(gr_edm_config *c)
{
	if ((unsigned)c->model_type > GR_EDM_UNO || (unsigned)c->precond > GR_EDM_EDM)
		return gr_error_set(GR_EARG, "edm: unknown model_type %d or precond %d", (int)c->model_type,
			(int)c->precond);
	fill_network(c);
	fill_precond(c);
	if (c->in_channels < 1 || c->out_channels < 1 || c->model_channels < 1 || c->label_dim < 0 ||
		c->augment_dim < 0 || c->channel_mult_emb < 1 || c->channel_mult_noise < 1 || c->M < 1)
		return gr_error_set(GR_EARG,
			"edm: in_channels %lld, out_channels %lld, model_channels %lld, label_dim %lld, "
			"augment_dim %lld, channel_mult_emb %lld, channel_mult_noise %lld, M %lld: none may be "
			"negative",
			(long long)c->in_channels, (long long)c->out_channels, (long long)c->model_channels,
			(long long)c->label_dim, (long long)c->augment_dim, (long long)c->channel_mult_emb,
			(long long)c->channel_mult_noise, (long long)c->M);
	const int64_t expected = (c->precond == GR_EDM_IDDPM ? 2 : 1) * c->in_channels;
	if (c->precond != GR_EDM_BARE && c->out_channels != expected)
		return gr_error_set(GR_EARG,
			"edm: out_channels is %lld, but this preconditioner of %lld channels needs %lld",
			(long long)c->out_channels, (long long)c->in_channels, (long long)expected);
	if (!(c->dropout >= 0.0 && c->dropout < 1.0))
		return gr_error_set(GR_EARG, "edm: dropout %g is not in 0 <= p < 1", c->dropout);
	double sum = 0.0;
	for (int i = 0; i < c->filter_length && i < GR_EDM_MAX_FILTER; i++)
		sum += c->resample_filter[i];
	if (c->filter_length < 2 || c->filter_length > GR_EDM_MAX_FILTER || c->filter_length % 2 != 0 ||
		!(fabs(sum) > 0.0))
		return gr_error_set(GR_EARG,
			"edm: resample_filter has %d entries of sum %g; hint: an even number of them, not 0",
			c->filter_length, sum);
	gr_status status = check_song_only(c);
	return status != GR_OK ? status : check_levels(c);
}
