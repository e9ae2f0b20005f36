/*
 * Networks of `gradus bench`; see bench.h. A family of networks sets d->module and d->forward; its
 * parts are the forward pass, a guided step (gradient to the input) and a training step (gradient
 * to the parameters).
 */
#include <string.h>

#include "bench.h"

static gr_status net_forward(gr_bench_data *d, const int64_t *p)
{
	(void)p;
	bool was = gr_set_recording(false);
	gr_tensor *y = d->forward(d, d->x);
	gr_set_recording(was);
	return gr__bench_done(y);
}

static gr_status net_input(gr_bench_data *d, const int64_t *p)
{
	(void)p;
	gr_status status = gr_module_set_trainable(d->module, false);
	gr_tensor *x = gr_watch(d->x), *g;
	gr_tensor *y = gr_sumsq(d->forward(d, x), GR_ALL_AXES, false);
	return status == GR_OK ? gr_grad(&g, y, 1, &x, NULL) : status;
}

static gr_status net_params(gr_bench_data *d, const int64_t *p)
{
	(void)p;
	gr_status status = gr_module_set_trainable(d->module, true);
	gr_params params = {0};
	if (status == GR_OK)
		status = gr_params_of(&params, d->module);
	gr_tensor **grads = gr_alloc((size_t)params.n * sizeof(gr_tensor *));
	if (status == GR_OK && grads == NULL)
		status = gr_error_code();
	if (status == GR_OK) {
		gr_tensor *y = gr_sumsq(d->forward(d, d->x), GR_ALL_AXES, false);
		status = gr_grad(grads, y, params.n, params.tensors,
			GR_OPTS(gr_grad_opts, .allow_unused = true));
	}
	gr_free(grads);
	gr_params_free(&params);
	return status;
}

#define NET_PARTS \
	{ \
		{".fwd", "gradus", net_forward, 1.0}, {".fwdbwd_input", "gradus", net_input, 2.0}, \
			{".fwdbwd_params", "gradus", net_params, 3.0}, \
	}

/* --- U-Nets: p = N, H, base, 1: the shipped prior's (mult 1,2,3), else mult 1,2,3,4, 6 outputs --- */

static gr_tensor *unet_forward(gr_bench_data *d, gr_tensor *x)
{
	return gr_unet_forward(d->unet, x, d->b, NULL);
}

static gr_status unet_setup(gr_bench_data *d, const int64_t *p)
{
	static const double small[] = {1, 2, 3}, large[] = {1, 2, 3, 4};
	static const int64_t at_small[] = {4}, at_large[] = {4, 8};
	bool fashion = p[3] == 1;
	gr_unet_config c = {.image_size = p[1],
		.in_channels = fashion ? 1 : 3,
		.out_channels = fashion ? 1 : 6,
		.model_channels = p[2],
		.num_res_blocks = 2,
		.num_head_channels = 32,
		.use_scale_shift_norm = true,
		.resblock_updown = true};
	c.num_levels = fashion ? 3 : 4;
	memcpy(c.channel_mult, fashion ? small : large, (size_t)c.num_levels * sizeof(double));
	c.num_attention = fashion ? 1 : 2;
	memcpy(c.attention_ds, fashion ? at_small : at_large,
		(size_t)c.num_attention * sizeof(int64_t));
	if (!fashion)
		c.num_head_channels = 64;
	d->unet = gr_unet_new(&c);
	if (d->unet == NULL)
		return gr_error_code();
	d->module = gr_unet_module(d->unet);
	d->forward = unet_forward;
	d->x = gr__bench_noise(2, GR_DIMS(p[0], c.in_channels, p[1], p[1]));
	d->b = gr_full(GR_F32, GR_DIMS(p[0]), 500.0);
	return gr_module_init(d->module, gr_key_seed(1));
}

static double unet_flops(const int64_t *p)
{
	return (double)p[0] * (p[3] == 1 ? 1.0e9 : 17.70e9);
}

static const gr_bench_family unet = {unet_setup, unet_flops, NET_PARTS};

/* --- ViT-S/14 with a head of 1000 classes on the class token: p = N --- */

static gr_tensor *vit_forward(gr_bench_data *d, gr_tensor *x)
{
	gr_tensor *cls = NULL;
	if (gr_vit_forward_with(d->vit, x, GR_OPTS(gr_vit_forward_opts, .cls = &cls)) == NULL)
		return NULL;
	return gr_linear_forward(d->layers[0], cls);
}

static gr_status vit_setup(gr_bench_data *d, const int64_t *p)
{
	d->vit = gr_vit_new(GR_OPTS(gr_vit_config, .img_size = 224, .patch_size = 14, .embed_dim = 384,
		.depth = 12, .num_heads = 6));
	if (d->vit == NULL)
		return gr_error_code();
	d->module = gr_vit_module(d->vit);
	d->forward = vit_forward;
	d->layers[0] =
		gr_linear_new(d->module, "head", GR_OPTS(gr_linear_opts, .in = 384, .out = 1000));
	d->x = gr__bench_noise(2, GR_DIMS(p[0], 3, 224, 224));
	return gr_module_init(d->module, gr_key_seed(1));
}

static double vit_flops(const int64_t *p)
{
	return (double)p[0] * 12.25e9;
}

static const gr_bench_family vit = {vit_setup, vit_flops, NET_PARTS};

/* --- the decoder of a KL autoencoder, 4 x 32 x 32 to 3 x 256 x 256: p = N --- */

static gr_tensor *vae_forward(gr_bench_data *d, gr_tensor *z)
{
	return gr_vae_decode(d->vae, z);
}

static gr_status vae_setup(gr_bench_data *d, const int64_t *p)
{
	gr_vae_config c = {.size = sizeof c,
		.coder = {.ch = 128,
			.num_levels = 4,
			.ch_mult = {1, 2, 4, 4},
			.num_res_blocks = 2,
			.resolution = 256,
			.z_channels = 4}};
	d->vae = gr_vae_new(&c);
	if (d->vae == NULL)
		return gr_error_code();
	d->module = gr_vae_module(d->vae);
	d->forward = vae_forward;
	d->x = gr__bench_noise(2, GR_DIMS(p[0], 4, 32, 32));
	return gr_module_init(d->module, gr_key_seed(1));
}

static double vae_flops(const int64_t *p)
{
	return (double)p[0] * 622.2e9;
}

static const gr_bench_family vae = {vae_setup, vae_flops,
	{{".fwd", "gradus", net_forward, 1.0}, {".fwdbwd_input", "gradus", net_input, 2.0}}};

/* --- tanh network 2-16-16-1 trained by SGD on one sample: p = N --- */

#define MLP_STEPS 100 /* few enough to lie between two turns of a busy machine, mostly */

static gr_tensor *mlp_forward(gr_bench_data *d, gr_tensor *x)
{
	gr_tensor *h = gr_tanh(gr_linear_forward(d->layers[0], x));
	h = gr_tanh(gr_linear_forward(d->layers[1], h));
	return gr_linear_forward(d->layers[2], h);
}

static gr_status mlp_setup(gr_bench_data *d, const int64_t *p)
{
	static const int64_t widths[] = {2, 16, 16, 1};
	static const char *const names[] = {"fc1", "fc2", "fc3"};
	d->tree = d->module = gr_module_new();
	for (int i = 0; i < 3; i++)
		d->layers[i] = gr_linear_new(d->module, names[i],
			GR_OPTS(gr_linear_opts, .in = widths[i], .out = widths[i + 1]));
	d->forward = mlp_forward;
	d->x = gr__bench_noise(2, GR_DIMS(p[0], 2));
	d->b = gr__bench_noise(3, GR_DIMS(p[0], 1));
	gr_status status = gr_module_init(d->module, gr_key_seed(1));
	if (status == GR_OK)
		status = gr_params_of(&d->params, d->module);
	if (status == GR_OK)
		status = gr_optim_new(&d->optim, &d->params, GR_OPTS(gr_optim_opts, .kind = GR_SGD));
	return status;
}

static double mlp_flops(const int64_t *p)
{
	return (double)p[0] * 2.0 * (2 * 16 + 16 * 16 + 16);
}

static gr_status mlp_steps(gr_bench_data *d, const int64_t *p)
{
	(void)p;
	gr_status status = GR_OK;
	for (int i = 0; i < MLP_STEPS && status == GR_OK; i++) {
		gr_tensor *grads[6];
		gr_scope_begin();
		status = gr_grad(grads, gr_mse(mlp_forward(d, d->x), d->b), d->params.n, d->params.tensors,
			NULL);
		if (status == GR_OK)
			status = gr_optim_step(d->optim, grads, 1e-3, 1.0);
		gr_scope_end();
	}
	return status;
}

static const gr_bench_family mlp = {mlp_setup, mlp_flops,
	{{".step", "gradus", mlp_steps, 3.0, MLP_STEPS}}};

const gr_bench_case gr__bench_nets[] = {
	{"mlp_2_16_16_1", &mlp, {1}},
	{"fashion_b1", &unet, {1, 32, 32, 1}},
	{"fashion_b64", &unet, {64, 32, 32, 1}},
	{"unet64_b1", &unet, {1, 64, 64, 0}},
	{"unet64_b4", &unet, {4, 64, 64, 0}},
	{"vit_s14_b1", &vit, {1}},
	{"vaedec_b1", &vae, {1}},
	{0},
};
