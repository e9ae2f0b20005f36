/*
 * Examples for `gradus explain`, small enough for every value to be read; and one U-Net, for the
 * summary that a large graph gets. The calls stand one on a line, since the page shows the line.
 */
#include "explain_examples.h"

#include "gradus/explain.h"
#include "gradus/ops.h"
#include "gradus/term.h"
#include "gradus/unet.h"

/* In parentheses the name is no macro: what reads the noise keeps its own call site. */
static gr_tensor *noise(uint64_t seed, double scale, int ndim, const int64_t *dims)
{
	return (gr_mul_s)(gr_random_normal(gr_key_seed(seed), GR_F64, ndim, dims), scale);
}

/* A two-layer network on four points, and its mean squared error. */
static gr_tensor *mlp(void)
{
	gr_tensor *x = gr_explain_name(noise(1, 1.0, GR_DIMS(4, 2)), "x");
	gr_tensor *t = gr_explain_name(noise(2, 1.0, GR_DIMS(4, 1)), "t");
	gr_tensor *w1 = gr_explain_name(gr_watch(noise(3, 0.7, GR_DIMS(2, 3))), "w1");
	gr_tensor *b1 = gr_explain_name(gr_watch(gr_zeros(GR_F64, GR_DIMS(3))), "b1");
	gr_tensor *w2 = gr_explain_name(gr_watch(noise(4, 0.6, GR_DIMS(3, 1))), "w2");
	gr_tensor *b2 = gr_explain_name(gr_watch(gr_zeros(GR_F64, GR_DIMS(1))), "b2");
	gr_tensor *product = gr_matmul(x, w1);
	gr_tensor *h = gr_tanh(gr_add(product, b1));
	gr_tensor *y = gr_add(gr_matmul(h, w2), b2);
	gr_tensor *error = gr_sub(y, t);
	return gr_explain_name(gr_mean(gr_square(error), GR_ALL_AXES, false), "loss");
}

/* Softmax regression: three classes, four points. */
static gr_tensor *classify(void)
{
	const double labels[] = {0, 2, 1, 2};
	gr_tensor *x = gr_explain_name(noise(5, 1.0, GR_DIMS(4, 2)), "x");
	gr_tensor *label = gr_explain_name(gr_from_f64(GR_I64, labels, GR_DIMS(4)), "label");
	gr_tensor *w = gr_explain_name(gr_watch(noise(6, 0.5, GR_DIMS(2, 3))), "w");
	gr_tensor *b = gr_explain_name(gr_watch(gr_zeros(GR_F64, GR_DIMS(3))), "b");
	gr_tensor *logits = gr_add(gr_matmul(x, w), b);
	return gr_explain_name(gr_cross_entropy(logits, label), "loss");
}

/* A value that is used twice: adjoints meet in x. */
static gr_tensor *reuse(void)
{
	gr_tensor *x = gr_explain_name(gr_watch(gr_scalar(GR_F64, 0.5)), "x");
	gr_tensor *s = gr_sin(x);
	gr_tensor *square = gr_square(x);
	gr_tensor *product = gr_mul(s, square);
	return gr_explain_name(gr_add(product, s), "y");
}

/*
 * One step of diffusion posterior sampling (Chung et al. 2023, eq. 16): the gradient of the
 * residual's norm by x_t, through the posterior mean of a Gaussian prior, where pixels are missing.
 */
static gr_tensor *dps_loss(const gr_prior *prior, const gr_operator *A)
{
	const double t = 400.0;
	gr_tensor *truth = noise(8, 0.4, GR_DIMS(1, 1, 4, 4));
	gr_tensor *y = gr_explain_name(gr_operator_apply(A, truth), "y");
	gr_tensor *x_t = gr_explain_name(gr_watch(noise(9, 1.0, GR_DIMS(1, 1, 4, 4))), "x_t");
	gr_prior_call call = {.x_t = x_t, .t = &t};
	gr_term *term = gr_dps_term(A, y, 1.0);
	gr_tensor *loss = NULL;
	if (term != NULL && gr_prior_predict(prior, &call) == GR_OK) {
		gr_explain_name(call.prediction, "eps");
		gr_term_ctx ctx = {.prior = prior, .x_t = x_t, .eps = call.prediction, .particles = 1};
		double alpha_bar = gr_prior_alpha_bar(prior, t);
		ctx.x0_hat = gr_predicted_x0(GR_PREDICT_EPS, x_t, call.prediction, alpha_bar);
		gr_explain_name(ctx.x0_hat, "x0_hat");
		loss = gr_sum(gr_term_eval(term, &ctx), GR_ALL_AXES, false);
	}
	gr_term_free(term);
	return gr_explain_name(loss, "residual");
}

static gr_tensor *dps(void)
{
	const gr_prior_opts size = {.size = sizeof size, .channels = 1, .height = 4, .width = 4};
	gr_prior *prior = gr_prior_gaussian_new(GR_OPTS(gr_gaussian_opts, .variance = 0.25), &size);
	gr_operator *A = gr_operator_new("inpaint_box:box=2",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 4, .width = 4));
	gr_tensor *loss = prior != NULL && A != NULL ? dps_loss(prior, A) : NULL;
	gr_operator_free(A);
	gr_prior_free(prior);
	return loss;
}

/* The denoising loss of an ADM U-Net, 32 x 32. The scope's tensors outlive the network. */
static gr_tensor *unet(void)
{
	const gr_unet_config config = {.image_size = 32,
		.in_channels = 1,
		.out_channels = 1,
		.model_channels = 32,
		.num_res_blocks = 1,
		.num_levels = 3,
		.channel_mult = {1, 2, 2},
		.num_attention = 1,
		.attention_ds = {4},
		.num_head_channels = 32,
		.use_scale_shift_norm = true};
	gr_unet *net = gr_unet_new(&config);
	gr_tensor *loss = NULL;
	if (net != NULL && gr_module_init(gr_unet_module(net), gr_key_seed(1)) == GR_OK &&
		gr_module_explain(gr_unet_module(net)) == GR_OK) {
		gr_tensor *x = gr_random_normal(gr_key_seed(2), GR_F32, GR_DIMS(2, 1, 32, 32));
		gr_tensor *eps = gr_random_normal(gr_key_seed(3), GR_F32, GR_DIMS(2, 1, 32, 32));
		gr_tensor *t = gr_full(GR_F32, GR_DIMS(2), 500.0);
		gr_tensor *predicted = gr_unet_forward(net, x, t, NULL);
		loss = gr_explain_name(gr_mse(predicted, eps), "loss");
	}
	gr_unet_free(net);
	return loss;
}

const gr_explain_example *gr__explain_example(int i)
{
	static const gr_explain_example all[] = {
		{"reuse", "A value that is used twice", "y = sin(x) x^2 + sin(x): adjoints meet", reuse,
			false},
		{"mlp", "The loss of a two-layer network", "two layers, four points, squared error", mlp,
			false},
		{"classify", "Softmax regression", "three classes, cross-entropy", classify, false},
		{"dps", "A step of diffusion posterior sampling",
			"the residual of a measurement, by x_t, through a Gaussian prior", dps, false},
		{"unet", "The denoising loss of a U-Net", "a large graph, summarised by layer", unet, true},
	};
	return i >= 0 && i < (int)(sizeof all / sizeof *all) ? &all[i] : NULL;
}
