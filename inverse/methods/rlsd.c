/*
 * Repulsive latent score distillation: Zilberstein, Mardani and Segarra, ICLR 2025, arXiv 2406.16683,
 * in the form of the released code, and its ablations without augmentation or repulsion.
 *
 * Parametrisation: particles z in the prior's state space and images x, D the decoder; with
 * sigma_t = sqrt(1 - A), alpha_t = sqrt(A), z_t = alpha_t z + sigma_t eps, and w = sigma_t / alpha_t,
 *     delta = eps_hat(z_t) - eps + d(terms)/dz          (held constant)
 *     L_z = mean((x - D(z))^2) / 2 + lambda w mean(delta z)
 *     L_x = mean((y - A(x))^2) / 2 + rho mean((x - D(z))^2) / 2        (D(z) at the new z, constant)
 * one step of Adam on each. Repulsion is the term of that name: its weight is gamma and its annealing
 * sigma_t, so that delta = eps_hat - eps - gamma sigma_t R; it may look at z or at z_t. augment=0 has
 * x = D(z): L_z = mean((y - A(D(z)))^2) / 2 + lambda w mean(delta z); without repulsion that is latent
 * RED-diff. Means go over the particles of a measurement (inverse/variational.c). The defaults are
 * those of the released half-face script.
 *
 * The image is x (gr_solver_image()); the result, a state of the prior, is z where the prior has a
 * decoder, and x where it has none.
 */
#include "gradus/ops.h"
#include "noise_priv.h"
#include "variational_priv.h"

#define IMAGE 3 /* the first of the image's states */

static bool is_augmented(gr_solver *s)
{
	return gr_solver_param(s, "augment") != 0.0;
}

static gr_status rlsd_open(gr_solver *s)
{
	static const char *const z[] = {"x", "x_m", "x_v"};
	static const char *const x[] = {"image", "image_m", "image_v"};
	gr_status status = gr__variational_add(s, z, gr_solver_noise(s, "start", 0));
	if (status || !is_augmented(s))
		return status;
	for (int64_t i = 0; i < s->opts.n; i++)
		s->draw_keys[i] = gr_key_fold_name(s->keys[i], "start image");
	return gr__variational_add(s, x,
		gr__noise_normal(s->opts.n, s->draw_keys, s->opts.dtype, 3,
			gr_operator_in_dims(s->opts.A)));
}

/* d/dz mean((x - D(z))^2) / 2 */
static gr_status pull_to_image(gr_solver *s, gr_tensor *z, gr_tensor **gradient)
{
	bool recording = gr_set_recording(true);
	gr_tensor *leaf = gr_watch(z);
	gr_tensor *apart = gr_sub(gr_solver_state(s, IMAGE), gr_prior_decode(s->opts.prior, leaf));
	gr_status status = gr_grad(gradient, gr__variational_mean_square(s, apart), 1, &leaf, NULL);
	gr_set_recording(recording);
	return status;
}

/* d/dx of L_x, D(z) given */
static gr_status pull_to_data(gr_solver *s, gr_tensor *decoded, gr_tensor **gradient)
{
	bool recording = gr_set_recording(true);
	gr_tensor *leaf = gr_watch(gr_solver_state(s, IMAGE));
	gr_tensor *apart = gr__variational_mean_square(s, gr_sub(leaf, decoded));
	gr_tensor *loss =
		gr_axpby(gr__variational_misfit(s, leaf), 1.0, apart, gr_solver_param(s, "rho"));
	gr_status status = gr_grad(gradient, loss, 1, &leaf, NULL);
	gr_set_recording(recording);
	return status;
}

static gr_status rlsd_step(gr_solver *s, gr_method_step *k)
{
	double weight = gr_solver_param(s, "lambda") * gr__variational_sigma(k);
	double lr_z = gr_solver_param(s, "lr_z");
	if (!is_augmented(s))
		return gr__variational_step(s, k, 1.0, weight, lr_z);
	gr_tensor *z = gr_solver_state(s, 0);
	gr_tensor *delta = gr__variational_delta(s, k, z);
	gr_tensor *g = NULL;
	gr_status status = delta ? pull_to_image(s, z, &g) : gr_error_code();
	if (status)
		return status;
	double entries = (double)(gr_tensor_size(z) / s->opts.n * s->opts.particles);
	z = gr__variational_move(s, k, 0, gr_axpby(g, 1.0, delta, weight / entries), lr_z);
	status = z ? pull_to_data(s, gr_prior_decode(s->opts.prior, z), &g) : gr_error_code();
	if (status)
		return status;
	gr_tensor *x = gr__variational_move(s, k, IMAGE, g, gr_solver_param(s, "lr_x"));
	return x ? GR_OK : gr_error_code();
}

static gr_tensor *rlsd_image(gr_solver *s)
{
	return is_augmented(s) ? gr_solver_state(s, IMAGE)
						   : gr_prior_decode(s->opts.prior, gr_solver_state(s, 0));
}

static gr_tensor *rlsd_result(gr_solver *s)
{
	gr_tensor *z = gr_solver_state(s, 0);
	return gr_prior_decode(s->opts.prior, z) == z ? rlsd_image(s) : z;
}

static const gr_method_param params[] = {
	{"lambda", 0.15, 0.0, 1e6, "weight of the prior"},
	{"rho", 0.07, 0.0, 1e6, "weight of the coupling of image and particle"},
	{"lr_z", 0.8, 0.0, 1e3, "rate of the particle"},
	{"lr_x", 0.4, 0.0, 1e3, "rate of the image"},
	{"augment", 1.0, 0.0, 1.0, "0: the image is the decoded particle"},
	{0},
};

const gr_method gr__method_rlsd = {
	.name = "rlsd",
	.doc = "score distillation with an image of its own, repulsion by its term; lambda=0.15, "
		   "rho=0.07, lr_z=0.8, lr_x=0.4, augment=1",
	.source = "Zilberstein et al. 2025, released code",
	.params = params,
	.needs = GR_METHOD_MEASURED,
	.hooks = GR_AT_ESTIMATE,
	.open = rlsd_open,
	.step = rlsd_step,
	.result = rlsd_result,
	.image = rlsd_image,
	.respacing = "rlsd:999",
};
