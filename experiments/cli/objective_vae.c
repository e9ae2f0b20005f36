/*
 * The KL autoencoder: latents for a latent prior (Rombach et al. 2022, without the adversary and the
 * perceptual distance, which would need a network trained elsewhere). Images x in [-1,1], posterior
 * N(mu, s^2) per latent element, z = mu + s n:
 *
 *	L = mean (decode(z) - x)^2 + kl mean (mu^2 + s^2 - 1 - log s^2) / 2
 *
 * Both means run over elements, so that `kl` prices a nat of a latent in squared error of a pixel.
 *
 * When the training is over, the standard deviation of the latents gives scale_factor, by which
 * latents have variance 1 (Rombach et al., section D.1): over images 0, 1, ... of the training set.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "canvas.h"
#include "data_path.h"
#include "gradus/ops.h"
#include "gradus/vae.h"
#include "objective.h"

#define MEASURED 2048 /* images for scale_factor */
#define AT_ONCE 64
#define SHOWN 32 /* images in a picture, each beside its reconstruction */

typedef struct vae_state {
	/* as typed */
	const char *mult;
	int64_t base, blocks, groups, latent;
	double kl;
	bool attention;
	/* derived */
	gr_vae_config config;
	gr_vae *net;
	double scale_factor;
} vae_state;

static int list_args(void *self, gr_arg *rows)
{
	vae_state *s = self;
	const gr_arg own[] = {
		{"base", GR_ARG_INT, "32", "channels of the first level", &s->base},
		{"mult", GR_ARG_STRING, "1,1,2", "width of each level, in units of --base", &s->mult},
		{"blocks", GR_ARG_INT, "1", "residual blocks a level, one more in the decoder", &s->blocks},
		{"groups", GR_ARG_INT, "8", "groups of group norm", &s->groups},
		{"latent", GR_ARG_INT, "4", "channels of a latent", &s->latent},
		{"kl", GR_ARG_DOUBLE, "3e-4", "price of a nat of a latent element, in squared error",
			&s->kl},
		{"attend", GR_ARG_FLAG, NULL, "attention at the coarsest level", &s->attention},
	};
	memcpy(rows, own, sizeof(own));
	return (int)(sizeof(own) / sizeof(own[0]));
}

static gr_status derive(vae_state *s, const gr_dataset_info *info)
{
	double mult[GR_VAE_MAX_LEVELS];
	if (s->base < 1 || s->blocks < 1 || s->groups < 1 || s->latent < 1 || !(s->kl >= 0.0))
		return gr_error_set(GR_EARG,
			"--base, --blocks, --groups and --latent are positive, --kl not negative");
	gr_vae_coder_config *c = &s->config.coder;
	s->config.size = sizeof(s->config);
	*c = (gr_vae_coder_config){
		.ch = s->base,
		.num_levels = gr__train_list(s->mult, mult, GR_VAE_MAX_LEVELS),
		.num_res_blocks = s->blocks,
		.resolution = info->height,
		.in_channels = info->channels,
		.out_ch = info->channels,
		.z_channels = s->latent,
		.attn_type = s->attention ? GR_VAE_ATTENTION_VANILLA : GR_VAE_ATTENTION_NONE,
		.norm_groups = s->groups,
	};
	for (int i = 0; i < c->num_levels; i++) {
		c->ch_mult[i] = (int64_t)mult[i];
		if ((double)c->ch_mult[i] != mult[i])
			c->num_levels = -1;
	}
	if (c->num_levels < 1)
		return gr_error_set(GR_EARG, "--mult '%s' is not a list of whole numbers like 1,1,2",
			s->mult);
	int64_t factor = (int64_t)1 << (c->num_levels - 1);
	if (info->height != info->width || info->height % factor != 0)
		return gr_error_set(GR_EARG,
			"images of %" PRId64 " x %" PRId64 " do not fit %d levels; hint: --image-size, a "
			"multiple of %" PRId64,
			info->height, info->width, c->num_levels, factor);
	return GR_OK;
}

static gr_status build(void *self, const train_run *run)
{
	vae_state *s = self;
	gr_status status = derive(s, &run->o->info);
	if (status)
		return status;
	s->net = gr_vae_new(&s->config);
	s->scale_factor = 1.0;
	return s->net ? GR_OK : gr_error_code();
}

static gr_module *module(void *self)
{
	vae_state *s = self;
	return gr_vae_module(s->net);
}

/* Mean over elements of KL(N(mu, s^2) | N(0, 1)). moments [N,2E,h,w] */
static gr_tensor *divergence(gr_tensor *moments, int64_t channels)
{
	gr_tensor *mean = gr_slice(moments, 1, 0, channels, 1);
	gr_tensor *logvar = gr_clamp(gr_slice(moments, 1, channels, 2 * channels, 1), -30.0, 20.0);
	gr_tensor *twice = gr_sub(gr_add(gr_square(mean), gr_exp(logvar)), gr_add_s(logvar, 1.0));
	return gr_mul_s(gr_mean(twice, GR_ALL_AXES, false), 0.5);
}

static gr_tensor *loss(void *self, const train_run *run, int64_t step, gr_key key)
{
	const vae_state *s = self;
	int64_t n = run->o->batch;
	gr_tensor *x = gr_affine(gr_loader_batch(run->loader, step, NULL), 2.0, -1.0); /* [N,C,H,W] */
	gr_key *keys = gr_alloc((size_t)n * sizeof(*keys));
	if (!keys)
		return NULL;
	for (int64_t i = 0; i < n; i++)
		keys[i] = gr_key_fold(gr_key_fold_name(key, "z"), (uint64_t)i);
	gr_tensor *moments = gr_vae_moments(s->net, x);
	gr_tensor *y = gr_vae_decode(s->net, gr_vae_sample(s->net, moments, keys));
	gr_free(keys);
	return gr_add(gr_mse(y, x), gr_mul_s(divergence(moments, s->latent), s->kl));
}

static void describe(const void *self, FILE *f)
{
	const vae_state *s = self;
	const gr_vae_coder_config *c = &s->config.coder;
	fprintf(f, "\t\"autoencoder_kl\": {\n\t\t\"ch\": %" PRId64 ",\n\t\t\"ch_mult\": [", c->ch);
	for (int i = 0; i < c->num_levels; i++)
		fprintf(f, "%s%" PRId64, i ? ", " : "", c->ch_mult[i]);
	fprintf(f, "],\n\t\t\"num_res_blocks\": %" PRId64 ",\n", c->num_res_blocks);
	fprintf(f, "\t\t\"resolution\": %" PRId64 ",\n", c->resolution);
	fprintf(f, "\t\t\"in_channels\": %" PRId64 ",\n", c->in_channels);
	fprintf(f, "\t\t\"out_ch\": %" PRId64 ",\n", c->out_ch);
	fprintf(f, "\t\t\"z_channels\": %" PRId64 ",\n", c->z_channels);
	fprintf(f, "\t\t\"attn_type\": \"%s\",\n", s->attention ? "vanilla" : "none");
	fprintf(f, "\t\t\"norm_groups\": %" PRId64 ",\n", c->norm_groups);
	fprintf(f, "\t\t\"scale_factor\": %.9g\n\t},\n", s->scale_factor);
	fprintf(f, "\t\"objective\": { \"reconstruction\": \"mse\", \"kl\": %.17g },\n", s->kl);
}

/* Each image with its reconstruction to its right. */
static gr_status picture(void *self, const train_run *run, const char *path)
{
	const vae_state *s = self;
	int64_t n = run->o->info.count < SHOWN ? run->o->info.count : SHOWN;
	gr_tensor *x = gr__data_images(run->dataset, 0, n);
	gr_tensor *y = gr_clamp(gr_vae_decode(s->net, gr_vae_encode(s->net, x, NULL)), -1.0, 1.0);
	gr_tensor *pairs = gr_stack(2, (gr_tensor *[]){x, y}, 1); /* [n,2,C,H,W] */
	if (!pairs)
		return gr_error_code();
	const int64_t *d = gr_tensor_dims(x);
	pairs = gr_reshape(pairs, GR_DIMS(2 * n, d[1], d[2], d[3]));
	return pairs ? gr__canvas_grid(path, pairs, 8, d[3] < 64 ? 2 : 1, 2) : gr_error_code();
}

/* scale_factor = 1 / sqrt(mean z^2 - (mean z)^2) of z ~ N(mu, s^2). */
static gr_status finish(void *self, const train_run *run)
{
	vae_state *s = self;
	int64_t count = run->o->info.count < MEASURED ? run->o->info.count : MEASURED;
	double sum = 0.0, squares = 0.0, n = 0.0;
	for (int64_t first = 0; first < count; first += AT_ONCE) {
		gr_scope_begin();
		int64_t m = count - first < AT_ONCE ? count - first : AT_ONCE;
		gr_tensor *moments = gr_vae_moments(s->net, gr__data_images(run->dataset, first, m));
		gr_tensor *mean = gr_slice(moments, 1, 0, s->latent, 1);
		gr_tensor *var = gr_exp(gr_slice(moments, 1, s->latent, 2 * s->latent, 1));
		gr_tensor *mean_sum = gr_sum(mean, GR_ALL_AXES, false);
		gr_tensor *square_sum = gr_sum(gr_add(gr_square(mean), var), GR_ALL_AXES, false);
		if (square_sum) {
			sum += gr_item(mean_sum);
			squares += gr_item(square_sum);
			n += (double)gr_tensor_size(mean);
		}
		gr_status ended = gr_scope_end();
		if (ended)
			return ended;
	}
	s->scale_factor = 1.0 / sqrt(squares / n - (sum / n) * (sum / n));
	return isfinite(s->scale_factor)
		? GR_OK
		: gr_error_set(GR_ENUMERIC, "vae: the latents' standard deviation is not a number");
}

static void release(void *self)
{
	vae_state *s = self;
	gr_vae_free(s->net);
}

const objective gr__objective_vae = {
	.name = "vae",
	.model = "autoencoder_kl",
	.summary = "a KL autoencoder: latents for a latent prior",
	.bytes = sizeof(vae_state),
	.args = list_args,
	.build = build,
	.module = module,
	.loss = loss,
	.describe = describe,
	.picture = picture,
	.finish = finish,
	.release = release,
};
