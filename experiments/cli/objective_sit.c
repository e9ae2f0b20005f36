/*
 * A flow prior on latents: SiT (Ma et al. 2024) trained with REPA (Yu et al. 2025). Latents z_0 of an
 * autoencoder, mean 0, variance 1, drawn from its posterior; t uniform in [0,1] and e ~ N(0, I) per
 * sample; z_t = (1 - t) z_0 + t e. The network predicts the velocity u = e - z_0 = dz_t/dt, and the
 * projector r_p of the hidden state after block `align` the patch feature f_p, of the clean image x,
 * of a network that was trained without labels:
 *
 *	L = mean (v(z_t, t) - u)^2 - weight mean over samples and patches of cos(r_p, f_p)
 *
 * Without --encoder the second part is left out: the control. The prior knows no classes: its one
 * label is 0. Autoencoder and encoder are constants, each a folder of its own.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "canvas.h"
#include "gradus/ops.h"
#include "gradus/sit.h"
#include "latent.h"
#include "objective.h"
#include "runfolder.h"

#define SHOWN 16 /* samples in a picture */
#define EULER 16 /* steps for each */

typedef struct sit_state {
	/* as typed */
	const char *autoencoder, *encoder;
	int64_t hidden, depth, heads, patch, align, projector;
	double weight;
	/* derived */
	gr_sit_config config;
	gr_sit *net;
	latent_space latent;
	gr_vit *vit; /* NULL: the control */
	char vit_name[FOLDER_PATH], vit_sha256[65];
} sit_state;

static int list_args(void *self, gr_arg *rows)
{
	sit_state *s = self;
	const gr_arg own[] = {
		{"autoencoder", GR_ARG_STRING, NULL, "folder of the autoencoder, or its name",
			&s->autoencoder},
		{"encoder", GR_ARG_STRING, NULL,
			"folder or name of the feature network to align with; default: none", &s->encoder},
		{"hidden", GR_ARG_INT, "160", "width of a token", &s->hidden},
		{"depth", GR_ARG_INT, "8", "blocks", &s->depth},
		{"heads", GR_ARG_INT, "5", "attention heads, a divisor of --hidden", &s->heads},
		{"patch", GR_ARG_INT, "1", "side of a patch of the latent", &s->patch},
		{"align", GR_ARG_INT, "3", "the block that is aligned, 1 to --depth", &s->align},
		{"projector", GR_ARG_INT, "320", "hidden width of the projector", &s->projector},
		{"align-weight", GR_ARG_DOUBLE, "0.5", "of the alignment in the loss", &s->weight},
	};
	memcpy(rows, own, sizeof own);
	return (int)(sizeof own / sizeof *own);
}

/* The feature network, whose patches must be the latent's. */
static gr_status open_encoder(sit_state *s, const train_run *run)
{
	prior_folder f;
	gr_status status = gr__folder_open(&f, s->encoder);
	if (!status)
		status = gr__folder_call(s->vit_name, sizeof s->vit_name, &f, s->encoder, run->o->output);
	if (!status)
		status = gr__folder_sha256(&f, s->vit_sha256);
	if (!status)
		status = gr__folder_vit(&s->vit, &f);
	gr__folder_close(&f);
	if (status)
		return status;
	const gr_vit_config *c = gr_vit_get_config(s->vit);
	const int64_t across = run->o->info.height / c->patch_size;
	const int64_t own = s->config.input_size / s->patch;
	if (across != own || c->in_chans != run->o->info.channels)
		return gr_error_set(GR_EARG,
			"--encoder %s: %" PRId64 " patches a side of %" PRId64
			"-channel images, the prior has %" PRId64 " a side; hint: --patch",
			s->encoder, across, c->in_chans, own);
	s->config.num_projectors = 1;
	s->config.z_dims[0] = c->embed_dim;
	return GR_OK;
}

static gr_status derive(sit_state *s, const train_run *run)
{
	if (!s->autoencoder)
		return gr_error_set(GR_EARG,
			"--autoencoder is needed: the folder of one, as trained by "
			"`gradus train vae`");
	if (s->hidden < 1 || s->depth < 1 || s->heads < 1 || s->patch < 1 || s->align < 1 ||
		s->align > s->depth || s->projector < 1 || !(s->weight >= 0.0))
		return gr_error_set(GR_EARG,
			"--hidden, --depth, --heads, --patch and --projector are positive, --align is 1 to "
			"--depth, --align-weight not negative");
	gr_status status = gr__runfolder_make(run->o->output);
	if (!status)
		status = gr__latent_measure(&s->latent, s->autoencoder, run->o->output, run->dataset);
	if (status)
		return status;
	const gr_vae_config *c = gr_vae_get_config(s->latent.net);
	s->config = (gr_sit_config){
		.size = sizeof s->config,
		.input_size = run->o->info.height >> (c->coder.num_levels - 1),
		.patch_size = s->patch,
		.in_channels = c->embed_dim,
		.hidden_size = s->hidden,
		.depth = s->depth,
		.num_heads = s->heads,
		.num_classes = 1,
		.class_dropout_prob = -1.0, /* none */
		.encoder_depth = s->align,
		.projector_dim = s->projector,
	};
	return s->encoder ? open_encoder(s, run) : GR_OK;
}

static gr_status build(void *self, const train_run *run)
{
	sit_state *s = self;
	gr_status status = derive(s, run);
	if (status)
		return status;
	s->net = gr_sit_new(&s->config);
	return s->net ? GR_OK : gr_error_code();
}

static gr_module *module(void *self)
{
	sit_state *s = self;
	return gr_sit_module(s->net);
}

/* z_0 of this step's images, by keys of their places in the batch. */
static gr_tensor *draw_latents(const sit_state *s, gr_tensor *x, int64_t n, gr_key key)
{
	gr_key *keys = gr_alloc((size_t)n * sizeof *keys);
	if (!keys)
		return NULL;
	for (int64_t i = 0; i < n; i++)
		keys[i] = gr_key_fold(key, (uint64_t)i);
	gr_tensor *z = gr__latent_encode(&s->latent, x, keys);
	gr_free(keys);
	return z;
}

/* The prediction at z [N,E,h,w] and times t [N]. */
static gr_tensor *velocity(const sit_state *s, gr_tensor *z, gr_tensor *t, gr_tensor **projected)
{
	gr_tensor *labels = gr_zeros(GR_I64, GR_DIMS(gr_tensor_dim(z, 0)));
	return gr_sit_forward_with(s->net, z, t, labels,
		GR_OPTS(gr_sit_forward_opts, .projected = projected));
}

static gr_tensor *loss(void *self, const train_run *run, int64_t step, gr_key key)
{
	const sit_state *s = self;
	const int64_t n = run->o->batch;
	gr_tensor *x = gr_affine(gr_loader_batch(run->loader, step, NULL), 2.0, -1.0); /* [N,C,H,W] */
	gr_tensor *z0 = draw_latents(s, x, n, gr_key_fold_name(key, "z"));
	gr_tensor *t = gr_random_uniform(gr_key_fold_name(key, "t"), GR_F32, GR_DIMS(n), 0.0, 1.0);
	if (!z0 || !t)
		return NULL;
	gr_tensor *e = gr_random_normal(gr_key_fold_name(key, "eps"), GR_F32, gr_tensor_ndim(z0),
		gr_tensor_dims(z0));
	gr_tensor *u = gr_sub(e, z0);
	gr_tensor *z_t = gr_muladd(u, gr_reshape(t, GR_DIMS(n, 1, 1, 1)), z0);
	gr_tensor *r = NULL;
	if (!z_t)
		return NULL;
	gr_tensor *miss = gr_mse(velocity(s, z_t, t, s->vit ? &r : NULL), u);
	if (!s->vit)
		return miss;
	gr_tensor *cosine = gr_cosine_similarity(r, gr_vit_forward(s->vit, x), 2, 1e-12); /* [N,T] */
	return gr_sub(miss, gr_mul_s(gr_mean(cosine, GR_ALL_AXES, false), s->weight));
}

static void describe(const void *self, FILE *f)
{
	const sit_state *s = self;
	const gr_sit_config *c = &s->config;
	fprintf(f, "\t\"prediction\": \"velocity\",\n");
	gr__latent_describe(&s->latent, f);
	fprintf(f, "\t\"sit\": {\n\t\t\"input_size\": %" PRId64 ",\n\t\t\"patch_size\": %" PRId64,
		c->input_size, c->patch_size);
	fprintf(f, ",\n\t\t\"in_channels\": %" PRId64 ",\n\t\t\"hidden_size\": %" PRId64,
		c->in_channels, c->hidden_size);
	fprintf(f, ",\n\t\t\"depth\": %" PRId64 ",\n\t\t\"num_heads\": %" PRId64, c->depth,
		c->num_heads);
	fprintf(f, ",\n\t\t\"num_classes\": 1,\n\t\t\"class_dropout_prob\": 0");
	if (s->vit)
		fprintf(f,
			",\n\t\t\"encoder_depth\": %" PRId64 ",\n\t\t\"z_dims\": [%" PRId64
			"],\n\t\t\"projector_dim\": %" PRId64,
			c->encoder_depth, c->z_dims[0], c->projector_dim);
	fprintf(f, "\n\t},\n\t\"objective\": { \"loss\": \"velocity\", \"align_weight\": %.17g },\n",
		s->vit ? s->weight : 0.0);
	if (s->vit) {
		fprintf(f, "\t\"encoder\": ");
		gr_json_write_string(f, s->vit_name);
		fprintf(f, ",\n\t\"encoder_sha256\": \"%s\",\n", s->vit_sha256);
	}
}

/* Samples from the same noise each time: dz/dt = v from t = 1 to 0 by Euler's steps. */
static gr_status picture(void *self, const train_run *run, const char *path)
{
	const sit_state *s = self;
	const int64_t S = s->config.input_size;
	gr_key key = gr_key_fold_name(gr_key_seed((uint64_t)run->o->seed), "grid");
	gr_tensor *z = gr_random_normal(key, GR_F32, GR_DIMS(SHOWN, s->config.in_channels, S, S));
	for (int i = 0; z && i < EULER; i++) {
		gr_tensor *t = gr_full(GR_F32, GR_DIMS(SHOWN), 1.0 - (double)i / EULER);
		z = gr_axpby(z, 1.0, velocity(s, z, t, NULL), -1.0 / EULER);
	}
	gr_tensor *x = gr_clamp(gr__latent_decode(&s->latent, z), -1.0, 1.0);
	if (!x)
		return gr_error_code();
	return gr__canvas_grid(path, x, 4, gr_tensor_dim(x, 3) < 64 ? 2 : 1, 2);
}

static void release(void *self)
{
	sit_state *s = self;
	gr_sit_free(s->net);
	gr_vit_free(s->vit);
	gr__latent_close(&s->latent);
}

const objective gr__objective_sit = {
	.name = "sit",
	.model = "sit",
	.summary = "a transformer that predicts velocities of latents: a flow prior",
	.bytes = sizeof(sit_state),
	.args = list_args,
	.build = build,
	.module = module,
	.loss = loss,
	.describe = describe,
	.picture = picture,
	.release = release,
};
