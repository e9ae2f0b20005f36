/*
 * REPA at inference: the loss and its derivative in closed form, what its theory promises, proxies
 * and how often the teacher is asked, derivatives of the whole scalar, descent, misuse.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/repa.h"
#include "term_check.h"

#define P 16
#define D 3

static gr_tensor *normalised(gr_tensor *x)
{
	return gr_div(x, gr_norm(x, GR_AXES(2), true));
}

/* --- the loss --- */

Test(repa, loss_of_tokens)
{
	gr_tensor *f = nn_normal(1, GR_F64, GR_DIMS(2, P, D));
	gr_tensor *r = nn_normal(2, GR_F64, GR_DIMS(2, P, D));
	gr_tensor *same = gr_repa_loss(f, gr_mul_s(f, 3.0));
	gr_tensor *opposite = gr_repa_loss(f, gr_mul_s(f, -0.2));
	gr_tensor *loss = gr_repa_loss(f, r);
	gr_tensor *d = gr_sub(normalised(f), normalised(r));
	for (int64_t i = 0; i < 2; i++) {
		cr_expect_float_eq(gr_tensor_at(same, &i), 0.0, 1e-13);
		cr_expect_float_eq(gr_tensor_at(opposite, &i), 2.0 * P, 1e-13);
		gr_tensor *di = batch_of(d, i, i + 1);
		cr_expect_float_eq(gr_tensor_at(loss, &i), 0.5 * dot(di, di), 1e-12);
	}
	/* any positive scale of any token of either */
	gr_tensor *scale = gr_exp(nn_normal(3, GR_F64, GR_DIMS(2, P, 1)));
	cr_expect_lt(nn_distance(gr_repa_loss(gr_mul(f, scale), r), loss), 1e-14);
	cr_expect_lt(nn_distance(gr_repa_loss(f, gr_mul(r, scale)), loss), 1e-14);
	cr_expect_null(gr_repa_loss(f, gr_slice(r, 1, 0, 4, 1)));
	cr_expect_not_null(strstr(gr_error_message(), "aligned with"), "%s", gr_error_message());
	gr_error_clear();
}

/* d/dr (1 - cos) = -(phi - <phi,g> g) / |r|, orthogonal to r. */
Test(repa, derivative_is_the_closed_form)
{
	gr_tensor *f = nn_normal(4, GR_F64, GR_DIMS(2, P, D));
	gr_tensor *r = gr_watch(nn_normal(5, GR_F64, GR_DIMS(2, P, D)));
	gr_tensor *grad = NULL;
	gr_status status = gr_grad(&grad, gr_sum(gr_repa_loss(f, r), GR_ALL_AXES, false), 1, &r, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	r = gr_stop_gradient(r);
	gr_tensor *g = normalised(r);
	gr_tensor *phi = normalised(f);
	gr_tensor *along = gr_mul(gr_sum(gr_mul(phi, g), GR_AXES(2), true), g);
	gr_tensor *closed = gr_div(gr_sub(along, phi), gr_norm(r, GR_AXES(2), true));
	cr_expect_lt(nn_distance(grad, closed), 1e-13);
	gr_tensor *across = gr_sum(gr_mul(grad, r), GR_AXES(2), false);
	cr_expect_lt(dot(across, across), 1e-26);
	/* against central differences */
	gr_tensor *d = nn_normal(6, GR_F64, GR_DIMS(2, P, D));
	gr_tensor *up = gr_sum(gr_repa_loss(f, gr_axpby(r, 1.0, d, 1e-6)), GR_ALL_AXES, false);
	gr_tensor *down = gr_sum(gr_repa_loss(f, gr_axpby(r, 1.0, d, -1e-6)), GR_ALL_AXES, false);
	double slope = (gr_item(up) - gr_item(down)) / 2e-6;
	cr_expect_float_eq(dot(grad, d), slope, 1e-6 * fabs(slope));
}

/* --- theory --- */

/* The bounds of mean embeddings by alignment, of 100 random batches:
 *     MMD <= eps_prox + eps_mis + sqrt(2 (1 - R)),  R <= 1 - MMD^2 / 6 + (eps_prox^2 + eps_mis^2) / 2 */
Test(repa, alignment_bounds_the_distance_of_means)
{
	for (uint64_t k = 0; k < 100; k++) {
		double spread = 0.1 + 0.02 * (double)k;
		gr_tensor *x = nn_normal(100 + k, GR_F64, GR_DIMS(4, P, D));
		gr_tensor *near[3]; /* of the proxy, the prior's features, the result */
		for (uint64_t i = 0; i < 3; i++) {
			gr_tensor *n = nn_normal(1000 + 3 * k + i, GR_F64, GR_DIMS(4, P, D));
			near[i] = normalised(gr_axpby(x, 1.0, n, spread));
		}
		gr_tensor *phi = normalised(x);
		gr_tensor *prox = gr_sub(near[0], phi);
		gr_tensor *mis = gr_sub(near[1], near[2]);
		double R = dot(near[0], near[1]) / (4.0 * P);
		double eps_prox = sqrt(dot(prox, prox) / (4.0 * P));
		double eps_mis = sqrt(dot(mis, mis) / (4.0 * P));
		gr_tensor *apart = gr_mean(gr_sub(phi, near[2]), GR_AXES(0, 1), false);
		double mmd = sqrt(dot(apart, apart));
		double loss = gr_item(gr_sum(gr_repa_loss(near[0], near[1]), GR_ALL_AXES, false));
		cr_expect_float_eq(R, 1.0 - loss / (4.0 * P), 1e-13);
		cr_expect_leq(mmd, eps_prox + eps_mis + sqrt(2.0 * (1.0 - R)) + 1e-12);
		cr_expect_leq(R,
			1.0 - mmd * mmd / 6.0 + (eps_prox * eps_prox + eps_mis * eps_mis) / 2.0 + 1e-12);
	}
}

/* On the sphere one step of descent, normalised, takes the angle from theta to
 * theta - atan(eta sin theta). */
Test(repa, a_step_on_the_sphere)
{
	for (uint64_t k = 0; k < 20; k++) {
		const double eta = 0.3;
		gr_tensor *phi = normalised(nn_normal(200 + k, GR_F64, GR_DIMS(1, 1, D)));
		gr_tensor *u = gr_watch(normalised(nn_normal(300 + k, GR_F64, GR_DIMS(1, 1, D))));
		gr_tensor *grad = NULL;
		double before = acos(dot(phi, u));
		gr_status status = gr_grad(&grad, gr_repa_loss(phi, u), 1, &u, NULL);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		gr_tensor *next = normalised(gr_axpby(gr_stop_gradient(u), 1.0, grad, -eta));
		cr_expect_float_eq(acos(dot(phi, next)), before - atan(eta * sin(before)), 1e-12);
	}
}

/* Without the normalisation, G(z) = W z and target W z* + d:
 *     W z+ - W z* = (I - eta W W^T)(W z - W z*) + eta W W^T d */
Test(repa, the_linear_step_contracts)
{
	const double eta = 0.05;
	gr_tensor *W = nn_normal(7, GR_F64, GR_DIMS(3, 5));
	gr_tensor *z = nn_normal(8, GR_F64, GR_DIMS(5, 1));
	gr_tensor *star = nn_normal(9, GR_F64, GR_DIMS(5, 1));
	gr_tensor *d = nn_normal(10, GR_F64, GR_DIMS(3, 1));
	gr_tensor *leaf = gr_watch(z);
	gr_tensor *grad = NULL;
	gr_tensor *goal = gr_add(gr_matmul(W, star), d);
	gr_tensor *loss = gr_mul_s(gr_sumsq(gr_sub(gr_matmul(W, leaf), goal), GR_ALL_AXES, false), 0.5);
	gr_status status = gr_grad(&grad, loss, 1, &leaf, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_tensor *left = gr_matmul(W, gr_sub(gr_axpby(z, 1.0, grad, -eta), star));
	gr_tensor *WWt = gr_matmul(W, gr_transpose(W, 0, 1));
	gr_tensor *off = gr_matmul(W, gr_sub(z, star));
	gr_tensor *right =
		gr_axpby(gr_axpby(off, 1.0, gr_matmul(WWt, off), -eta), 1.0, gr_matmul(WWt, d), eta);
	cr_expect_lt(nn_distance(left, right), 1e-12);
}

/* --- the term on a graph --- */

typedef struct setting {
	gr_prior *prior;
	gr_feature *teacher;
	gr_operator *mask, *small;
	gr_tensor *y_mask, *y_small, *x;
	int calls;
} setting;

static void open_setting(setting *s)
{
	const gr_operator_opts opts = {.size = sizeof opts, .channels = 1, .height = 8, .width = 8};
	*s = (setting){.prior = toy_latent_prior()};
	s->teacher = toy_feature(&s->calls);
	s->mask = gr_operator_new("inpaint_box", &opts);
	s->small = gr_operator_new("sr_mean:factor=2", &opts);
	gr_tensor *image = gr_tanh(nn_normal(20, GR_F64, GR_DIMS(2, 1, 8, 8)));
	s->y_mask = gr_operator_apply(s->mask, image);
	s->y_small = gr_operator_apply(s->small, image);
	s->x = nn_normal(21, GR_F64, GR_DIMS(2, 2, 4, 4));
}

static void close_setting(setting *s)
{
	gr_feature_release(s->teacher);
	gr_operator_free(s->mask);
	gr_operator_free(s->small);
	gr_prior_free(s->prior);
}

static gr_repa_opts of_mask(const setting *s, gr_proxy proxy)
{
	return (gr_repa_opts){.size = sizeof(gr_repa_opts),
		.weight = 1.0,
		.teacher = s->teacher,
		.A = s->mask,
		.y = s->y_mask,
		.proxy = proxy};
}

static gr_repa_opts of_small(const setting *s, gr_proxy proxy)
{
	gr_repa_opts o = of_mask(s, proxy);
	o.A = s->small;
	o.y = s->y_small;
	return o;
}

/* The value of each proxy is the loss against the teacher's tokens of that image. */
Test(repa, proxies)
{
	setting s;
	open_setting(&s);
	gr_term_ctx ctx = toy_ctx(s.prior, GR_HOOK_PREDICT, s.x, 1);
	gr_tensor *image = gr_stop_gradient(gr_term_image(&ctx));
	gr_tensor *inside = gr_rsub_s(gr_operator_support(s.mask, GR_F64), 1.0);
	gr_tensor *oracle = nn_normal(22, GR_F64, GR_DIMS(2, 1, 8, 8));
	const struct {
		gr_repa_opts o;
		gr_tensor *proxy;
	} cases[] = {
		{of_small(&s, GR_PROXY_PAPER), s.y_small},
		{of_small(&s, GR_PROXY_MEASUREMENT), s.y_small},
		{of_small(&s, GR_PROXY_ADJOINT), gr_operator_adjoint(s.small, s.y_small)},
		{of_small(&s, GR_PROXY_TWEEDIE), image},
		{of_mask(&s, GR_PROXY_PAPER), gr_muladd(inside, image, s.y_mask)},
		{of_mask(&s, GR_PROXY_COMPOSITE), gr_muladd(inside, image, s.y_mask)},
		{of_mask(&s, GR_PROXY_MEASUREMENT), s.y_mask},
		{{.weight = 1.0, .teacher = s.teacher, .proxy = GR_PROXY_ORACLE, .oracle = oracle}, oracle},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		gr_term *term = gr_repa_term(&cases[i].o);
		cr_assert(term, "%s", gr_error_message());
		gr_tensor *got = gr_stop_gradient(gr_term_eval(term, &ctx));
		gr_tensor *expected = gr_repa_loss(gr_feature_tokens(s.teacher, cases[i].proxy),
			gr_stop_gradient(ctx.features));
		cr_expect_lt(nn_distance(got, expected), 1e-14, "case %d %s", (int)i, gr_error_message());
		gr_term_free(term);
	}
	/* the mean over places, and nothing before half of the flow's time */
	gr_repa_opts o = of_small(&s, GR_PROXY_PAPER);
	gr_term *sum = gr_repa_term(&o);
	o.mean = true;
	o.late = true;
	gr_term *mean = gr_repa_term(&o);
	double whole = toy_value(sum, s.prior, GR_HOOK_PREDICT, s.x, 1, NULL);
	ctx.alpha_bar = 0.51;
	cr_expect_float_eq(gr_item(gr_sum(gr_term_eval(mean, &ctx), GR_ALL_AXES, false)), whole / P,
		1e-13);
	ctx.alpha_bar = 0.49;
	gr_tensor *early = gr_term_eval(mean, &ctx);
	cr_expect_eq(dot(early, early), 0.0);
	cr_expect_not(gr_is_tracked(early));
	gr_term_free(sum);
	gr_term_free(mean);
	close_setting(&s);
}

/* Of a constant proxy the teacher is asked once, of particles of a measurement once for all. */
Test(repa, the_teacher_is_asked_once)
{
	setting s;
	open_setting(&s);
	gr_repa_opts o = of_small(&s, GR_PROXY_PAPER);
	gr_term *constant[] = {gr_repa_term(&o), NULL};
	gr_repa_opts m = of_mask(&s, GR_PROXY_PAPER);
	gr_term *moving[] = {gr_repa_term(&m), NULL};
	cr_expect_eq(s.calls, 1);
	gr_tensor *x = toy_solve(s.prior, "latent_dps:final=1", constant, 30, 2, 1, GR_F64);
	cr_expect(x, "%s", gr_error_message());
	cr_expect_eq(s.calls, 1);
	x = toy_solve(s.prior, "latent_dps:final=1", moving, 30, 2, 1, GR_F64);
	cr_expect(x, "%s", gr_error_message());
	cr_expect_eq(s.calls, 5);
	/* particles: the tokens of one measurement for each */
	gr_tensor *index = gr_from(GR_I64, (const int64_t[]){0, 0, 1, 1}, GR_DIMS(4));
	gr_repa_opts pairs = o;
	pairs.y = gr_gather(o.y, 0, index);
	gr_repa_opts singles = pairs;
	pairs.particles = 2;
	gr_term *term[] = {gr_repa_term(&pairs), gr_repa_term(&singles)};
	gr_tensor *four = nn_normal(23, GR_F64, GR_DIMS(4, 2, 4, 4));
	gr_term_ctx ctx = toy_ctx(s.prior, GR_HOOK_PREDICT, four, 2);
	cr_expect(nn_same_bits(gr_stop_gradient(gr_term_eval(term[0], &ctx)),
		gr_stop_gradient(gr_term_eval(term[1], &ctx))));
	gr_term_free(term[0]);
	gr_term_free(term[1]);
	gr_term_free(constant[0]);
	gr_term_free(moving[0]);
	close_setting(&s);
}

/* Derivatives of the term through network, decoder and teacher; with `stop` the gradient is that of
 * the same proxy as a constant. The two differ where the proxy moves and agree where it does not. */
Test(repa, derivatives_with_proxy_kept_and_stopped)
{
	setting s;
	open_setting(&s);
	gr_repa_opts cases[] = {of_small(&s, GR_PROXY_PAPER), of_mask(&s, GR_PROXY_PAPER),
		of_mask(&s, GR_PROXY_TWEEDIE)};
	for (int i = 0; i < 3; i++) {
		gr_tensor *kept = NULL;
		gr_tensor *stopped = NULL;
		gr_tensor *fixed = NULL;
		gr_term *keep = gr_repa_term(&cases[i]);
		double error = toy_gradient_error(keep, s.prior, GR_HOOK_PREDICT, s.x, 1);
		cr_expect_lt(error, 1e-6, "case %d: %g", i, error);
		toy_value(keep, s.prior, GR_HOOK_PREDICT, s.x, 1, &kept);
		cases[i].stop = true;
		gr_term *stop = gr_repa_term(&cases[i]);
		toy_value(stop, s.prior, GR_HOOK_PREDICT, s.x, 1, &stopped);
		if (i == 0) {
			cr_expect(nn_same_bits(kept, stopped));
		} else {
			gr_term_ctx ctx = toy_ctx(s.prior, GR_HOOK_PREDICT, s.x, 1);
			gr_tensor *image = gr_stop_gradient(gr_term_image(&ctx));
			gr_tensor *inside = gr_rsub_s(gr_operator_support(s.mask, GR_F64), 1.0);
			const gr_repa_opts oracle = {.weight = 1.0,
				.teacher = s.teacher,
				.proxy = GR_PROXY_ORACLE,
				.oracle = i == 2 ? image : gr_muladd(inside, image, s.y_mask)};
			gr_term *constant = gr_repa_term(&oracle);
			toy_value(constant, s.prior, GR_HOOK_PREDICT, s.x, 1, &fixed);
			cr_expect_lt(nn_distance(stopped, fixed), 1e-13, "case %d", i);
			cr_expect_gt(nn_distance(kept, stopped), 1e-3, "case %d", i);
			gr_term_free(constant);
		}
		gr_term_free(keep);
		gr_term_free(stop);
	}
	close_setting(&s);
}

/* Down the term alone with a step that back-tracks, each satisfies
 * F(z+) <= F(z) - eta / 2 |grad F|^2, and |G - Phi(x)| of the truth falls. */
Test(repa, descent)
{
	setting s;
	open_setting(&s);
	const gr_repa_opts o = {.weight = 1.0,
		.teacher = s.teacher,
		.proxy = GR_PROXY_ORACLE,
		.oracle = nn_normal(24, GR_F64, GR_DIMS(2, 1, 8, 8))};
	gr_term *term = gr_repa_term(&o);
	gr_tensor *z = s.x;
	double first = toy_value(term, s.prior, GR_HOOK_PREDICT, z, 1, NULL);
	double F = first;
	for (int i = 0; i < 15; i++) {
		gr_tensor *grad = NULL;
		toy_value(term, s.prior, GR_HOOK_PREDICT, z, 1, &grad);
		double eta = 1.0;
		double next = INFINITY;
		gr_tensor *moved = NULL;
		for (int k = 0; k < 40 && !(next <= F - 0.5 * eta * dot(grad, grad)); k++, eta *= 0.5) {
			moved = gr_axpby(z, 1.0, grad, -0.5 * eta);
			next = toy_value(term, s.prior, GR_HOOK_PREDICT, moved, 1, NULL);
			eta = fmin(eta, 1.0);
		}
		cr_assert_lt(next, F, "step %d: %g of %g", i, next, F);
		z = moved;
		F = next;
	}
	/* |G - Phi|^2 = 2 F */
	cr_expect_lt(sqrt(2.0 * F), 0.9 * sqrt(2.0 * first), "%g of %g", F, first);
	gr_term_free(term);
	close_setting(&s);
}

/* lambda = 0 is the run without the term, to the bit. */
Test(repa, weight_zero_changes_no_bit)
{
	setting s;
	open_setting(&s);
	for (int i = 0; i < 2; i++) {
		gr_repa_opts o = i == 0 ? of_small(&s, GR_PROXY_PAPER) : of_mask(&s, GR_PROXY_PAPER);
		const gr_operator *A = i == 0 ? s.small : s.mask;
		o.weight = 0.0;
		gr_term *dps = gr_dps_term(A, o.y, 0.3);
		gr_term *none = gr_repa_term(&o);
		o.weight = 0.05;
		gr_term *some = gr_repa_term(&o);
		gr_tensor *plain =
			toy_solve(s.prior, "latent_dps", (gr_term *[]){dps, NULL}, 40, 2, 1, GR_F64);
		gr_tensor *zero =
			toy_solve(s.prior, "latent_dps", (gr_term *[]){dps, none, NULL}, 40, 2, 1, GR_F64);
		gr_tensor *with =
			toy_solve(s.prior, "latent_dps", (gr_term *[]){dps, some, NULL}, 40, 2, 1, GR_F64);
		cr_assert(plain && zero && with, "%s", gr_error_message());
		cr_expect(nn_same_bits(zero, plain));
		cr_expect_gt(nn_distance(with, plain), 1e-5);
		gr_term_free(dps);
		gr_term_free(none);
		gr_term_free(some);
	}
	close_setting(&s);
}

/* --- the step before, misuse --- */

Test(repa, the_estimate_before)
{
	setting s;
	open_setting(&s);
	const gr_repa_opts o = {.weight = 1.0, .teacher = s.teacher, .proxy = GR_PROXY_PREVIOUS};
	gr_term *term = gr_repa_term(&o);
	gr_term_ctx ctx = toy_ctx(s.prior, GR_HOOK_PREDICT, s.x, 1);
	gr_tensor *first = gr_stop_gradient(gr_term_image(&ctx));
	gr_tensor *nothing = gr_term_eval(term, &ctx);
	cr_expect_eq(dot(nothing, nothing), 0.0);
	ctx = toy_ctx(s.prior, GR_HOOK_PREDICT, gr_mul_s(s.x, 0.5), 1);
	ctx.step = 1;
	gr_tensor *value = gr_stop_gradient(gr_term_eval(term, &ctx));
	cr_expect(nn_same_bits(value,
		gr_repa_loss(gr_feature_tokens(s.teacher, first), gr_stop_gradient(ctx.features))));
	ctx.step = 3;
	cr_expect_null(gr_term_eval(term, &ctx));
	cr_expect_not_null(strstr(gr_error_message(), "cannot continue"), "%s", gr_error_message());
	gr_error_clear();
	gr_term_free(term);
	close_setting(&s);
}

static void expect_refused(const gr_repa_opts *o, const char *word)
{
	gr_term *term = gr_repa_term(o);
	cr_expect_null(term);
	cr_expect_not_null(strstr(gr_error_message(), word), "%s", gr_error_message());
	gr_error_clear();
}

Test(repa, misuse_is_an_error)
{
	setting s;
	open_setting(&s);
	gr_repa_opts o = of_small(&s, GR_PROXY_COMPOSITE);
	expect_refused(&o, "no pixels");
	o = of_mask(&s, GR_PROXY_ORACLE);
	expect_refused(&o, "no oracle");
	o.teacher = NULL;
	expect_refused(&o, "no teacher");
	gr_operator *phase =
		gr_operator_new("phase", GR_OPTS(gr_operator_opts, .channels = 1, .height = 8, .width = 8));
	o = of_mask(&s, GR_PROXY_PAPER);
	o.A = phase;
	expect_refused(&o, "no image");
	gr_term_problem problem = {.size = sizeof problem, .prior = s.prior, .A = s.small};
	problem.y = s.y_small;
	cr_expect_null(gr_term_open("repa:0.05", &problem));
	cr_expect_not_null(strstr(gr_error_message(), "teacher=NAME"), "%s", gr_error_message());
	gr_error_clear();
	/* a prior that says nothing of its hidden tokens */
	gr_prior *plain = gaussian_prior(1, 8, 8, 0.25, false);
	gr_repa_opts small = of_small(&s, GR_PROXY_PAPER);
	gr_term *term = gr_repa_term(&small);
	gr_tensor *none = toy_solve(plain, "ddim", (gr_term *[]){term, NULL}, 50, 2, 1, GR_F64);
	cr_expect_null(none);
	cr_expect_eq(gr_error_code(), GR_EUNSUPPORTED);
	cr_expect_not_null(strstr(gr_error_message(), "trained with REPA"), "%s", gr_error_message());
	gr_error_clear();
	gr_term_free(term);
	gr_prior_free(plain);
	gr_operator_free(phase);
	close_setting(&s);
}
