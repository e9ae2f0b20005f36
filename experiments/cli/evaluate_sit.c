/*
 * A flow prior on held-out images: the mean squared error of its velocity at z_t = (1 - t) z_0 + t e,
 * z_0 an image's latent and e its noise, per t; and, where the folder names an encoder, the mean
 * cosine between projected tokens and the clean image's patch features. The best velocity is not 0
 * off: predicting 0 gives 1 + Var z_0 = 2.
 */
#include <inttypes.h>
#include <stdio.h>

#include "data_path.h"
#include "evaluate.h"
#include "gradus/ops.h"
#include "latent.h"

#define AT_ONCE 64

static const double times[] = {0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95};
#define NTIMES ((int)(sizeof times / sizeof *times))

typedef struct flow {
	gr_sit *net;
	latent_space latent;
	gr_vit *encoder; /* NULL: none */
	gr_dataset *data;
	gr_key key;
	double error[NTIMES], cosine[NTIMES]; /* sums over images */
} flow;

/* Latents and noise of images first..first+m-1, the same for every t. */
static gr_status draw(const flow *f, gr_tensor *x, int64_t first, int64_t m, gr_tensor **z0,
	gr_tensor **noise)
{
	gr_key keys[AT_ONCE];
	for (int64_t i = 0; i < m; i++)
		keys[i] = gr_key_fold(f->key, (uint64_t)(first + i));
	*z0 = gr__latent_encode(&f->latent, x, keys);
	if (*z0 == NULL)
		return gr_error_code();
	for (int64_t i = 0; i < m; i++)
		keys[i] = gr_key_fold_name(keys[i], "eps");
	*noise = gr__evaluate_draw(keys, m, gr_tensor_dims(*z0) + 1);
	return *noise == NULL ? gr_error_code() : GR_OK;
}

static gr_status measure(flow *f, int64_t first, int64_t m)
{
	gr_tensor *z0, *noise, *x = gr__data_images(f->data, first, m);
	gr_status status = draw(f, x, first, m, &z0, &noise);
	if (status != GR_OK)
		return status;
	gr_tensor *labels = gr_zeros(GR_I64, GR_DIMS(m)), *projected = NULL;
	gr_tensor *features = f->encoder != NULL ? gr_vit_forward(f->encoder, x) : NULL;
	gr_tensor *u = gr_sub(noise, z0);
	const double elements = (double)(gr_tensor_size(z0) / m);
	for (int k = 0; k < NTIMES; k++) {
		gr_tensor *z_t = gr_axpby(z0, 1.0 - times[k], noise, times[k]);
		gr_tensor *v =
			gr_sit_forward_with(f->net, z_t, gr_full(GR_F32, GR_DIMS(m), times[k]), labels,
				GR_OPTS(gr_sit_forward_opts, .projected = features != NULL ? &projected : NULL));
		f->error[k] += gr_item(gr_sumsq(gr_sub(v, u), GR_ALL_AXES, false)) / elements;
		if (features != NULL) {
			gr_tensor *cosine = gr_cosine_similarity(projected, features, 2, 1e-12); /* [m,T] */
			f->cosine[k] += (double)m * gr_item(gr_mean(cosine, GR_ALL_AXES, false));
		}
	}
	return gr_error_code();
}

static gr_status measure_all(flow *f)
{
	const int64_t n = gr_dataset_describe(f->data).count;
	for (int64_t first = 0; first < n; first += AT_ONCE) {
		gr_scope_begin();
		gr_status status = measure(f, first, n - first < AT_ONCE ? n - first : AT_ONCE);
		gr_status ended = gr_scope_end();
		if (status != GR_OK || ended != GR_OK)
			return status != GR_OK ? status : ended;
	}
	double error = 0.0, cosine = 0.0;
	printf("| t | velocity's error%s |\n|---|---|%s\n", f->encoder != NULL ? " | cosine" : "",
		f->encoder != NULL ? "---|" : "");
	for (int k = 0; k <= NTIMES; k++) {
		const bool last = k == NTIMES;
		const double e = (last ? error / NTIMES : f->error[k]) / (double)n;
		const double c = (last ? cosine / NTIMES : f->cosine[k]) / (double)n;
		if (last)
			printf("| mean | %.5f |", e);
		else
			printf("| %.2f | %.5f |", times[k], e);
		if (f->encoder != NULL)
			printf(" %.4f |", c);
		printf("\n");
		if (!last) {
			error += f->error[k];
			cosine += f->cosine[k];
		}
	}
	return GR_OK;
}

static gr_status open_encoder(flow *f, const prior_folder *folder)
{
	prior_folder encoder;
	if (gr_json_find(folder->root, "encoder") == NULL)
		return GR_OK;
	gr_status status = gr__folder_called(&encoder, folder, "encoder");
	if (status == GR_OK)
		status = gr__folder_vit(&f->encoder, &encoder);
	gr__folder_close(&encoder);
	if (status != GR_OK)
		return status;
	const gr_sit_config *c = gr_sit_get_config(f->net);
	const gr_vit_config *v = gr_vit_get_config(f->encoder);
	const int64_t own = c->input_size / c->patch_size;
	if (c->num_projectors == 1 && c->z_dims[0] == v->embed_dim && v->in_chans == folder->dims[0] &&
		folder->dims[1] == own * v->patch_size)
		return GR_OK;
	return gr_error_set(GR_EFORMAT, "%s: its projector and the patches of its encoder do not agree",
		folder->path);
}

gr_status gr__evaluate_sit(const prior_folder *folder, const evaluate_options *o)
{
	flow f = {.key = gr_key_fold_name(gr_key_seed((uint64_t)o->seed), "evaluate")};
	gr_status status = gr__folder_sit(&f.net, folder);
	if (status == GR_OK)
		status = gr__latent_open(&f.latent, folder);
	if (status == GR_OK)
		status = open_encoder(&f, folder);
	if (status == GR_OK)
		status = gr__evaluate_data(&f.data, o->data, folder, o->limit);
	if (status == GR_OK)
		status = measure_all(&f);
	gr_dataset_free(f.data);
	gr_vit_free(f.encoder);
	gr__latent_close(&f.latent);
	gr_sit_free(f.net);
	return status;
}
