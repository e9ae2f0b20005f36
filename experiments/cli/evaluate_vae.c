/*
 * An autoencoder on held-out images: the PSNR of decode(mode of encode(x)), clamped to [-1,1], mean
 * over images with its interval; of latents z = scale_factor (mu + s n) drawn from the posterior,
 * mean and deviation over images and pixels per channel; the mean of s scale_factor; and the mean
 * divergence KL(N(mu, s^2) | N(0, 1)) in nats an element.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "data_path.h"
#include "evaluate.h"
#include "gradus/metric.h"
#include "gradus/ops.h"
#include "gradus/statistics.h"

#define AT_ONCE 64

/* Sums over images and pixels, per channel. */
typedef struct sums {
	double z, zz, spread, divergence;
} sums;

static void add_channel(sums *out, gr_tensor *z, gr_tensor *mean, gr_tensor *logvar, int64_t c,
	double scale)
{
	z = gr_slice(z, 1, c, c + 1, 1);
	mean = gr_slice(mean, 1, c, c + 1, 1);
	logvar = gr_clamp(gr_slice(logvar, 1, c, c + 1, 1), -30.0, 20.0);
	gr_tensor *twice = gr_sub(gr_add(gr_square(mean), gr_exp(logvar)), gr_add_s(logvar, 1.0));
	out->z += gr_item(gr_sum(z, GR_ALL_AXES, false));
	out->zz += gr_item(gr_sumsq(z, GR_ALL_AXES, false));
	out->spread += scale * gr_item(gr_sum(gr_exp(gr_mul_s(logvar, 0.5)), GR_ALL_AXES, false));
	out->divergence += 0.5 * gr_item(gr_sum(twice, GR_ALL_AXES, false));
}

/* Images first..first+m-1: their PSNR, and what they add to the sums. */
static gr_status measure(const gr_vae *net, gr_dataset *data, gr_key key, int64_t first, int64_t m,
	double *psnr, sums *sum)
{
	const gr_vae_config *c = gr_vae_get_config(net);
	gr_key keys[AT_ONCE];
	for (int64_t i = 0; i < m; i++)
		keys[i] = gr_key_fold(key, (uint64_t)(first + i));
	gr_tensor *x = gr__data_images(data, first, m);
	gr_tensor *moments = gr_vae_moments(net, x);
	gr_tensor *y = gr_clamp(gr_vae_decode(net, gr_vae_sample(net, moments, NULL)), -1.0, 1.0);
	gr_tensor *z = gr_vae_sample(net, moments, keys);
	if (y == NULL || z == NULL)
		return gr_error_code();
	gr_status status = gr_psnr(psnr + first, y, x, NULL);
	gr_tensor *mean = gr_slice(moments, 1, 0, c->embed_dim, 1);
	gr_tensor *logvar = gr_slice(moments, 1, c->embed_dim, 2 * c->embed_dim, 1);
	for (int64_t k = 0; k < c->embed_dim && status == GR_OK; k++) {
		add_channel(&sum[k], z, mean, logvar, k, c->scale_factor);
		status = gr_error_code();
	}
	return status;
}

static gr_status report(const gr_vae *net, const sums *sum, const double *psnr, int64_t images,
	double pixels, gr_key key)
{
	gr_summary s;
	double divergence = 0.0;
	gr_status status = gr_summarize(&s, psnr, images, gr_key_fold_name(key, "interval"));
	if (status != GR_OK)
		return status;
	const int64_t channels = gr_vae_get_config(net)->embed_dim;
	const double n = (double)images * pixels; /* elements of a channel */
	printf("| latent channel | mean | deviation | of it the posterior's |\n|---|---|---|---|\n");
	for (int64_t k = 0; k < channels; k++) {
		const double mean = sum[k].z / n;
		printf("| %" PRId64 " | %.4f | %.4f | %.4f |\n", k, mean,
			sqrt(fmax(0.0, sum[k].zz / n - mean * mean)), sum[k].spread / n);
		divergence += sum[k].divergence / (n * (double)channels);
	}
	printf("\n| on %" PRId64 " images | |\n|---|---|\n", images);
	printf("| PSNR of reconstructions, dB | %.2f (%.2f to %.2f) |\n", s.mean, s.low, s.high);
	printf("| KL, nats a latent element | %.4f |\n", divergence);
	printf("| scale_factor | %.6g |\n", gr_vae_get_config(net)->scale_factor);
	return GR_OK;
}

static gr_status measure_all(const gr_vae *net, gr_dataset *data, gr_key key)
{
	const gr_dataset_info info = gr_dataset_describe(data);
	const gr_vae_config *c = gr_vae_get_config(net);
	double *psnr = gr_alloc((size_t)info.count * sizeof *psnr);
	sums *sum = gr_alloc((size_t)c->embed_dim * sizeof *sum);
	gr_status status = psnr == NULL || sum == NULL ? gr_error_code() : GR_OK;
	for (int64_t first = 0; first < info.count && status == GR_OK; first += AT_ONCE) {
		const int64_t m = info.count - first < AT_ONCE ? info.count - first : AT_ONCE;
		gr_scope_begin();
		status = measure(net, data, key, first, m, psnr, sum);
		gr_status ended = gr_scope_end();
		status = status != GR_OK ? status : ended;
	}
	if (status == GR_OK) {
		const double shrink = ldexp(1.0, 1 - c->coder.num_levels); /* of each side */
		status = report(net, sum, psnr, info.count,
			(double)(info.height * info.width) * shrink * shrink, key);
	}
	gr_free(psnr);
	gr_free(sum);
	return status;
}

gr_status gr__evaluate_vae(const prior_folder *f, const evaluate_options *o)
{
	gr_vae *net = NULL;
	gr_dataset *data = NULL;
	gr_key key = gr_key_fold_name(gr_key_seed((uint64_t)o->seed), "evaluate");
	gr_status status = gr__folder_vae(&net, f);
	if (status == GR_OK)
		status = gr__evaluate_data(&data, o->data, f, o->limit);
	if (status == GR_OK)
		status = measure_all(net, data, key);
	gr_dataset_free(data);
	gr_vae_free(net);
	return status;
}
