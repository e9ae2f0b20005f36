/*
 * Terms together: likelihood, REPA, EquiReg and repulsion on the one graph of a step of a latent flow
 * prior, a SiT with a projector and an autoencoder of random weights: one evaluation of the network and
 * one gradient, results that do not depend on batch or threads, and gradients that add up.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/equireg.h"
#include "gradus/estimate.h"
#include "gradus/repa.h"
#include "gradus/repulsion.h"
#include "gradus/sit.h"
#include "gradus/vae.h"
#include "term_check.h"

/* --- a latent flow prior on images 1 x 16 x 16, states 2 x 8 x 8 --- */

typedef struct flow {
	gr_sit *net;
	gr_vae *coder;
	int predictions, encodings, decodings;
} flow;

/* z = x_t / (a + b) at time b / (a + b) */
static gr_status predict(void *self, const gr_prior *p, gr_prior_call *call)
{
	flow *f = self;
	int64_t n = gr_tensor_dim(call->x_t, 0);
	double A = gr_prior_alpha_bar(p, call->t[0]);
	double norm = sqrt(A) + sqrt(1.0 - A);
	gr_dtype dtype = gr_tensor_dtype(call->x_t);
	gr_tensor *projected = NULL;
	f->predictions++;
	gr_tensor *t = gr_full(dtype, GR_DIMS(n), sqrt(1.0 - A) / norm);
	call->prediction = gr_sit_forward_with(f->net, gr_mul_s(call->x_t, 1.0 / norm), t,
		gr_zeros(GR_I64, GR_DIMS(n)), GR_OPTS(gr_sit_forward_opts, .projected = &projected));
	call->features = projected;
	return gr_error_code();
}

static gr_tensor *encode(void *self, gr_tensor *image)
{
	flow *f = self;
	f->encodings++;
	return gr_vae_encode(f->coder, image, NULL);
}

static gr_tensor *decode(void *self, gr_tensor *state)
{
	flow *f = self;
	f->decodings++;
	return gr_vae_decode(f->coder, state);
}

/* Every parameter drawn: a fresh network would predict 0. */
static void draw(gr_module *m, uint64_t first)
{
	gr_status status = gr_module_init(m, gr_key_seed(first));
	for (int64_t i = 0; i < gr_module_param_count(m) && !status; i++) {
		gr_tensor *p = gr_module_param(m, i);
		gr_tensor *n = nn_normal(first + (uint64_t)i, gr_tensor_dtype(p), gr_tensor_ndim(p),
			gr_tensor_dims(p));
		status = gr_param_update(p, gr_axpby(gr_stop_gradient(p), 1.0, n, 0.1));
	}
	if (!status)
		status = gr_module_set_trainable(m, false);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
}

static gr_prior *flow_prior(flow *f, gr_dtype dtype)
{
	static const gr_prior_table table = {.name = "flow",
		.predict = predict,
		.encode = encode,
		.decode = decode};
	*f = (flow){.net = gr_sit_new(GR_OPTS(gr_sit_config, .input_size = 8, .in_channels = 2,
					.hidden_size = 16, .depth = 2, .num_heads = 2, .num_classes = 1,
					.class_dropout_prob = -1.0, .encoder_depth = 1, .num_projectors = 1,
					.z_dims = {3}, .projector_dim = 8, .dtype = dtype)),
		.coder = gr_vae_new(GR_OPTS(gr_vae_config, .dtype = dtype,
			.coder = {.ch = 4,
				.num_levels = 2,
				.ch_mult = {1, 2},
				.num_res_blocks = 1,
				.resolution = 16,
				.in_channels = 1,
				.z_channels = 2,
				.norm_groups = 2}))};
	cr_assert(f->net && f->coder, "%s", gr_error_message());
	draw(gr_sit_module(f->net), 100);
	draw(gr_vae_module(f->coder), 500);
	return gr_prior_new(&table, f,
		GR_OPTS(gr_prior_opts, .channels = 2, .height = 8, .width = 8,
			.prediction = GR_PREDICT_FLOW));
}

static void flow_close(flow *f, gr_prior *p)
{
	gr_prior_free(p);
	gr_sit_free(f->net);
	gr_vae_free(f->coder);
}

/* --- four terms --- */

typedef struct four {
	gr_operator *A;
	gr_feature *teacher, *decoder;
	gr_term *term[5]; /* ends with NULL */
} four;

/* For units first..first+units-1 of three particles, of measurements of their own. */
static void open_four(four *q, const gr_prior *p, int64_t first, int64_t units, gr_dtype dtype)
{
	gr_tensor *y[4];
	q->A = gr_operator_new("inpaint_box",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 16, .width = 16));
	for (int64_t u = 0; u < units; u++) {
		gr_tensor *one = nn_normal((uint64_t)(30 + first + u), GR_F64, GR_DIMS(1, 1, 16, 16));
		y[u] =
			gr_expand(gr_operator_apply(q->A, gr_cast(gr_tanh(one), dtype)), GR_DIMS(3, 1, 16, 16));
	}
	gr_tensor *all = gr_contiguous(units > 1 ? gr_concat((int)units, y, 0) : y[0]);
	q->teacher = toy_feature(NULL);
	q->decoder = gr_feature_decoder_new(p);
	q->term[0] = gr_dps_term(q->A, all, 0.3);
	q->term[1] = gr_repa_term(GR_OPTS(gr_repa_opts, .weight = 0.05, .teacher = q->teacher,
		.A = q->A, .y = all, .particles = 3));
	q->term[2] = gr_equireg_term(GR_OPTS(gr_equireg_opts, .weight = 0.01, .f = q->decoder,
		.group = gr_group_find("hflip"), .freq = -1.0));
	q->term[3] = gr_repulsion_term(GR_OPTS(gr_repulsion_opts, .weight = 0.1));
	q->term[4] = NULL;
	for (int i = 0; i < 4; i++)
		cr_assert(q->term[i], "%s", gr_error_message());
}

static void close_four(four *q)
{
	for (int i = 0; i < 4; i++)
		gr_term_free(q->term[i]);
	gr_feature_release(q->teacher);
	gr_feature_release(q->decoder);
	gr_operator_free(q->A);
}

static gr_tensor *run_four(const gr_prior *p, int64_t first, int64_t units, gr_dtype dtype)
{
	four q;
	open_four(&q, p, first, units, dtype);
	gr_tensor *x =
		toy_solve(p, "latent_dps:final=1", q.term, 200 + 3 * (uint64_t)first, 3 * units, 3, dtype);
	cr_assert(x, "%s", gr_error_message());
	close_four(&q);
	return x;
}

static int on_step(const gr_solver_report *r, void *payload)
{
	int *steps = payload;
	++*steps;
	cr_expect_eq(r->terms, 4);
	for (int i = 0; i < 4; i++) {
		cr_assert(r->value[i]);
		cr_expect_eq(gr_tensor_dim(r->value[i], 0), i == 3 ? 2 : 6);
		cr_expect(gr_tensor_at(r->value[i], (const int64_t[]){1}) != 0.0, "term %d", i);
	}
	return 0;
}

Test(solver_terms, one_evaluation_and_one_gradient_a_step)
{
	flow f;
	gr_prior *p = flow_prior(&f, GR_F32);
	four q;
	gr_solver *s = NULL;
	int steps = 0;
	open_four(&q, p, 0, 2, GR_F32);
	gr_status status = gr_solver_new(&s,
		GR_OPTS(gr_solver_opts, .prior = p, .n = 6, .keys = some_keys(200, 6),
			.method = "latent_dps:final=1", .respacing = "5", .terms = q.term, .particles = 3,
			.on_step = on_step, .payload = &steps));
	if (!status)
		status = gr_solver_run(s);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_expect_eq(steps, 5);
	cr_expect_eq(gr_solver_evaluations(s), 5);
	cr_expect_eq(gr_solver_gradients(s), 5);
	cr_expect_eq(f.predictions, 5);
	/* the image of all terms, and EquiReg's f(T x) */
	cr_expect_eq(f.decodings, 10);
	cr_expect_eq(f.encodings, 0);
	gr_solver_free(s);
	close_four(&q);
	flow_close(&f, p);
}

Test(solver_terms, bits_do_not_depend_on_batch_or_threads)
{
	flow f;
	gr_prior *p = flow_prior(&f, GR_F32);
	int threads = gr_threads();
	gr_tensor *both = run_four(p, 0, 2, GR_F32);
	for (int64_t u = 0; u < 2; u++)
		cr_expect(nn_same_bits(run_four(p, u, 1, GR_F32), batch_of(both, 3 * u, 3 * u + 3)),
			"unit %d", (int)u);
	gr_status status = gr_set_threads(threads > 1 ? 1 : 2);
	cr_assert_eq(status, GR_OK);
	cr_expect(nn_same_bits(run_four(p, 0, 2, GR_F32), both));
	gr_set_threads(threads);
	flow_close(&f, p);
}

/* The gradient of all is the weighted sum of each one's, and each is the derivative. */
Test(solver_terms, gradients_add_up)
{
	flow f;
	gr_prior *p = flow_prior(&f, GR_F64);
	four q;
	open_four(&q, p, 0, 1, GR_F64);
	gr_tensor *x = nn_normal(40, GR_F64, GR_DIMS(3, 2, 8, 8));
	double t[3] = {400.0, 400.0, 400.0};
	gr_tensor *sum = gr_affine(x, 0.0, 0.0);
	gr_tensor *whole = NULL;
	for (int i = -1; i < 4; i++) {
		gr_tensor *leaf = gr_watch(x);
		gr_tensor *image = NULL;
		gr_term_ctx ctx = {.prior = p,
			.x_t = leaf,
			.image = &image,
			.steps = 10,
			.t = 400,
			.alpha_bar = gr_prior_alpha_bar(p, 400.0),
			.particles = 3,
			.keys = some_keys(60, 3)};
		gr_prior_call call = {.x_t = leaf, .t = t, .want_features = true};
		gr_status status = gr_prior_predict(p, &call);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		ctx.x0_hat = gr_predicted_x0(GR_PREDICT_FLOW, leaf, call.prediction, ctx.alpha_bar);
		ctx.features = call.features;
		gr_tensor *total = NULL;
		for (int k = i < 0 ? 0 : i; k < (i < 0 ? 4 : i + 1); k++) {
			gr_tensor *part = gr_mul_s(gr_sum(gr_term_eval(q.term[k], &ctx), GR_ALL_AXES, false),
				gr_term_weight(q.term[k]));
			total = total ? gr_add(total, part) : part;
		}
		gr_tensor *grad = NULL;
		status = gr_grad(&grad, total, 1, &leaf, NULL);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		if (i < 0)
			whole = grad;
		else
			sum = gr_add(sum, grad);
		cr_expect_gt(dot(grad, grad), 1e-12, "term %d", i);
	}
	cr_expect_lt(nn_distance(sum, whole), 1e-12);
	close_four(&q);
	flow_close(&f, p);
}

/* What a run takes is found without computing, for all kinds that have something to say. */
static gr_status dry_run(void *payload)
{
	const gr_prior *p = payload;
	const gr_term_problem problem = {.size = sizeof problem,
		.prior = p,
		.A = gr_operator_new("sr_mean:factor=2",
			GR_OPTS(gr_operator_opts, .channels = 1, .height = 16, .width = 16)),
		.y = gr_zeros(GR_F32, GR_DIMS(3, 1, 8, 8)),
		.sigma = 0.1,
		.particles = 3};
	static const char *const texts[] = {"dps", "likelihood:gauss", "likelihood:poisson",
		"equireg:rot90,freq=1", "equireg:ns_swap,freq=1,form=plus", "repulsion:1",
		"repulsion:pixel:1,source=clean", "sds", "gluing", "gml", "tv"};
	gr_term *terms[13] = {NULL};
	gr_feature *teacher = toy_feature(NULL);
	for (int i = 0; i < 11; i++)
		terms[i] = gr_term_open(texts[i], &problem);
	terms[11] = gr_repa_term(GR_OPTS(gr_repa_opts, .weight = 1.0, .teacher = teacher,
		.A = problem.A, .y = problem.y, .particles = 3));
	gr_tensor *x = gr_failed() ? NULL : toy_solve(p, "ddim", terms, 200, 3, 3, GR_F32);
	for (int i = 0; i < 12; i++)
		gr_term_free(terms[i]);
	gr_feature_release(teacher);
	gr_operator_free((gr_operator *)(uintptr_t)problem.A);
	return x ? GR_OK : gr_error_code();
}

Test(solver_terms, a_dry_run_goes_through)
{
	flow f;
	gr_prior *p = flow_prior(&f, GR_F32);
	gr_cost cost = {0};
	gr_status status = gr_estimate(&cost, dry_run, p);
	cr_expect_eq(status, GR_OK, "%s", gr_error_message());
	cr_expect_gt(cost.flops, 0.0);
	gr_error_clear();
	status = dry_run(p);
	cr_expect_eq(status, GR_OK, "%s", gr_error_message());
	flow_close(&f, p);
}

/* --- memory fails at the n-th block, for every n --- */

static const char *const swept[] = {"dps", "likelihood:poisson,level=20", "equireg:rot90,freq=1",
	"equireg:hflip,freq=1,form=plus", "repulsion:1", "sds", "gluing", "gml", "tv", "repa"};

/* Term i is opened, evaluated and differentiated. */
static gr_status attempt(const gr_prior *p, const gr_operator *A, gr_tensor *y, gr_tensor *x, int i)
{
	const gr_term_problem problem =
		{.size = sizeof problem, .prior = p, .A = A, .y = y, .sigma = 0.1, .particles = 3};
	gr_scope_begin();
	gr_feature *teacher = strcmp(swept[i], "repa") == 0 ? toy_feature(NULL) : NULL;
	gr_term *term = !teacher && strcmp(swept[i], "repa") != 0
		? gr_term_open(swept[i], &problem)
		: gr_repa_term(GR_OPTS(gr_repa_opts, .weight = 1.0, .teacher = teacher, .A = A, .y = y,
			  .particles = 3));
	gr_tensor *grad = NULL;
	if (term)
		toy_value(term, p, GR_HOOK_PREDICT, x, 3, &grad);
	gr_term_free(term);
	gr_feature_release(teacher);
	return gr_scope_end();
}

Test(solver_terms, refused_memory_is_an_error_and_leaks_nothing)
{
	gr_prior *p = toy_latent_prior();
	gr_operator *A = gr_operator_new("sr_mean:factor=2",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 8, .width = 8));
	gr_tensor *y = gr_mul_s(nn_normal(50, GR_F64, GR_DIMS(3, 1, 4, 4)), 0.1);
	gr_tensor *x = nn_normal(51, GR_F64, GR_DIMS(3, 2, 4, 4));
	gr_set_threads(1);
	for (int i = 0; i < (int)(sizeof swept / sizeof *swept); i++) {
		uint64_t refused = 0;
		gr_status status = attempt(p, A, y, x, i);
		cr_assert_eq(status, GR_OK, "%s: %s", swept[i], gr_error_message());
		const gr_memory before = gr_memory_stats();
		for (int through = 0; through < 3; refused++) {
			gr_memory_fail_at(refused + 1);
			status = attempt(p, A, y, x, i);
			gr_memory_fail_at(0);
			const gr_memory after = gr_memory_stats();
			cr_assert(status == GR_OK || status == GR_EMEM, "%s: block %d: %s", swept[i],
				(int)refused, gr_error_message());
			gr_error_clear();
			cr_assert_eq(after.tensors_live, before.tensors_live, "%s: block %d", swept[i],
				(int)refused);
			cr_assert_eq(after.bytes_in_use, before.bytes_in_use, "%s: block %d", swept[i],
				(int)refused);
			through = status == GR_OK ? through + 1 : 0;
		}
		cr_expect_gt(refused, 10, "%s", swept[i]);
	}
	gr_operator_free(A);
	gr_prior_free(p);
}
