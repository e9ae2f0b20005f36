/*
 * The numerical contract, one test per clause of docs/design/012-numerical-contract.md: on ops
 * large enough to be cut into many tiles, on a training step and on a solver step.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "gradus/io.h"
#include "gradus/noise.h"
#include "gradus/optim.h"
#include "gradus/recompute.h"
#include "gradus/unet.h"
#include "inverse_check.h"

#define MAX_IN 3
#define MAX_PARAMS 256

/* --- ops ----------------------------------------------------------------------------------- */

typedef gr_tensor *(*op_fn)(gr_tensor *const *in);

static gr_tensor *f_exp(gr_tensor *const *in)
{
	return gr_exp(in[0]);
}
static gr_tensor *f_gelu(gr_tensor *const *in)
{
	return gr_gelu(gr_silu(gr_tanh(in[0])));
}
static gr_tensor *f_mul(gr_tensor *const *in)
{
	return gr_mul(in[0], in[1]);
}
static gr_tensor *f_sum(gr_tensor *const *in)
{
	return gr_sum(gr_square(in[0]), GR_ALL_AXES, true);
}
static gr_tensor *f_rows(gr_tensor *const *in)
{
	gr_tensor *sum = gr_sum(in[0], GR_AXES(1), true), *max = gr_max(in[0], GR_AXES(1), true);
	return gr_add(gr_mul(sum, max), gr_norm(in[0], GR_AXES(1), true));
}
static gr_tensor *f_columns(gr_tensor *const *in)
{
	return gr_add(gr_mean(in[0], GR_AXES(0), true), gr_min(in[0], GR_AXES(0), true));
}
static gr_tensor *f_softmax(gr_tensor *const *in)
{
	return gr_add(gr_softmax(in[0]), gr_log_softmax(in[0]));
}
static gr_tensor *f_logsumexp(gr_tensor *const *in)
{
	return gr_logsumexp(in[0], GR_AXES(1), true);
}
static gr_tensor *f_scan(gr_tensor *const *in)
{
	return gr_add(gr_cumsum(in[0], 1), gr_cumprod(in[0], 1));
}
static gr_tensor *f_sort(gr_tensor *const *in)
{
	return gr_mul(gr_sort(in[0], 1, false, NULL), gr_median(in[0], 1, true));
}
static gr_tensor *f_group_norm(gr_tensor *const *in)
{
	return gr_group_norm(in[0], in[1], in[2], GR_OPTS(gr_group_norm_opts, .silu = true));
}
static gr_tensor *f_layer_norm(gr_tensor *const *in)
{
	return gr_layer_norm(in[0], in[1], in[2], 0.0);
}
static gr_tensor *f_batch_norm(gr_tensor *const *in)
{
	return gr_batch_norm_train(in[0], in[1], in[2], 0.0, NULL, NULL);
}
static gr_tensor *f_matmul(gr_tensor *const *in)
{
	return gr_matmul(in[0], in[1]);
}
static gr_tensor *f_attention(gr_tensor *const *in)
{
	return gr_attention(in[0], in[1], in[2], 0.0);
}
static gr_tensor *f_conv(gr_tensor *const *in)
{
	return gr_conv2d_bias(in[0], in[1], in[2], GR_OPTS(gr_conv_opts, .pad = 1));
}
static gr_tensor *f_conv_stride(gr_tensor *const *in)
{
	return gr_conv2d(in[0], in[1], GR_OPTS(gr_conv_opts, .stride = 2, .pad = 1, .groups = 4));
}
static gr_tensor *f_conv_transpose(gr_tensor *const *in)
{
	return gr_conv_transpose2d(in[0], in[1], NULL, GR_OPTS(gr_conv_opts, .stride = 2, .pad = 1));
}
static gr_tensor *f_pool(gr_tensor *const *in)
{
	gr_tensor *y = gr_max_pool2d(in[0], GR_OPTS(gr_pool_opts, .kernel = 3, .stride = 2));
	return gr_upsample_nearest2d(y, 2);
}
static gr_tensor *f_resize(gr_tensor *const *in)
{
	return gr_resize2d(in[0], 23, 57,
		GR_OPTS(gr_resize_opts, .mode = GR_RESIZE_CUBIC, .antialias = true));
}
static gr_tensor *f_fft(gr_tensor *const *in)
{
	return gr_irfft2(gr_complex_mul(gr_rfft2(in[0]), gr_rfft2(in[1])), gr_tensor_dim(in[0], -1));
}
/* Integers below n, [m], as positions. */
static gr_tensor *positions(int64_t m, int64_t n)
{
	gr_tensor *u = gr_random_uniform(gr_key_seed(77), GR_F64, GR_DIMS(m), 0.0, (double)n);
	return gr_cast(gr_floor(u), GR_I64);
}
static gr_tensor *f_index(gr_tensor *const *in)
{
	int64_t n = gr_tensor_dim(in[0], 1);
	return gr_scatter_add(gr_gather(in[0], 1, positions(3000, n)), 1, positions(3000, 50), 50);
}
/* a a^T + 1 -> its factor, its inverse applied, its eigenvalues and the singular values of a */
static gr_tensor *f_linalg(gr_tensor *const *in)
{
	int64_t n = gr_tensor_dim(in[0], -1);
	gr_tensor *row = gr_unsqueeze(gr_arange(gr_tensor_dtype(in[0]), n, 0.0, 1.0), 0);
	gr_tensor *one = gr_eq(row, gr_transpose(row, 0, 1));
	gr_tensor *A = gr_add(gr_matmul(in[0], gr_transpose(in[0], 1, 2)), one);
	gr_tensor *x = gr_cholesky_solve(gr_cholesky(A), in[0]);
	gr_tensor *w = gr_add(gr_eigh(A, NULL), gr_svd(in[0], NULL, NULL));
	return gr_mul(gr_add(x, gr_solve(A, in[0])), gr_unsqueeze(w, 1));
}
static gr_tensor *f_losses(gr_tensor *const *in)
{
	gr_tensor *loss = gr_nt_xent(in[0], in[1], 0.5);
	gr_tensor *labels = positions(gr_tensor_dim(in[0], 0), gr_tensor_dim(in[0], 1));
	loss = gr_add(loss, gr_cross_entropy(in[0], labels));
	loss = gr_add(loss, gr_sum(gr_pairwise_distance(in[0], in[1]), GR_ALL_AXES, false));
	return gr_add(loss, gr_mse(in[0], in[1]));
}
static gr_tensor *f_random(gr_tensor *const *in)
{
	gr_tensor *z = gr_random_normal(gr_key_seed(5), gr_tensor_dtype(in[0]), gr_tensor_ndim(in[0]),
		gr_tensor_dims(in[0]));
	return gr_dropout(gr_add(in[0], z), 0.25, gr_key_seed(6));
}

/* Bit i of `samples`: input i, like the output, has samples along its first dim. */
static const struct op_case {
	const char *name;
	op_fn f;
	uint32_t samples;
	int nin;
	int64_t dims[MAX_IN][4];
} cases[] = {
	{"exp", f_exp, 1, 1, {{7, 30000}}},
	{"activations", f_gelu, 1, 1, {{7, 30000}}},
	{"broadcast product", f_mul, 1, 2, {{5, 200, 300}, {300}}},
	{"sum of all", f_sum, 0, 1, {{300000}}},
	{"reduced rows", f_rows, 1, 1, {{5, 40000}}},
	{"reduced columns", f_columns, 0, 1, {{4000, 50}}},
	{"softmax", f_softmax, 1, 1, {{300, 700}}},
	{"logsumexp", f_logsumexp, 1, 1, {{300, 700}}},
	{"scans", f_scan, 1, 1, {{50, 600}}},
	{"sort", f_sort, 1, 1, {{60, 900}}},
	{"group norm", f_group_norm, 1, 3, {{5, 64, 24, 20}, {64}, {64}}},
	{"layer norm", f_layer_norm, 1, 3, {{300, 384}, {384}, {384}}},
	{"batch norm", f_batch_norm, 0, 3, {{6, 32, 20, 20}, {32}, {32}}},
	{"matmul", f_matmul, 1, 2, {{300, 500}, {500, 200}}},
	{"matmuls", f_matmul, 3, 2, {{9, 130, 70}, {9, 70, 90}}},
	{"attention", f_attention, 7, 3, {{6, 300, 32}, {6, 280, 32}, {6, 280, 24}}},
	{"conv 3x3", f_conv, 1, 3, {{5, 16, 40, 36}, {24, 16, 3, 3}, {24}}},
	{"conv of stride 2", f_conv_stride, 1, 2, {{5, 16, 40, 36}, {24, 4, 3, 3}}},
	{"transposed conv", f_conv_transpose, 1, 2, {{5, 16, 20, 18}, {16, 8, 4, 4}}},
	{"pooling", f_pool, 1, 1, {{5, 8, 41, 41}}},
	{"resize", f_resize, 1, 1, {{5, 8, 40, 40}}},
	{"fft", f_fft, 3, 2, {{5, 6, 40, 36}, {5, 6, 40, 36}}},
	{"index", f_index, 1, 1, {{70, 500}}},
	{"linear algebra", f_linalg, 1, 1, {{12, 20, 20}}},
	{"losses", f_losses, 0, 2, {{90, 120}, {90, 120}}},
	{"random", f_random, 0, 1, {{200000}}},
};

#define NCASES (sizeof cases / sizeof *cases)

/* y = f(in) and the gradients of <y, c>, c of some key unless given. */
typedef struct result {
	gr_tensor *y, *c, *grad[MAX_IN];
} result;

static void draw(const struct op_case *k, gr_dtype dtype, gr_tensor **in)
{
	for (int i = 0; i < k->nin; i++) {
		int ndim = 4;
		while (k->dims[i][ndim - 1] == 0)
			ndim--;
		in[i] = nn_normal((uint64_t)i + 1, dtype, ndim, k->dims[i]);
	}
}

static result differentiate(const struct op_case *k, gr_tensor *y, gr_tensor **x, gr_tensor *c)
{
	result r = {.y = y, .c = c};

	cr_assert_not_null(y, "%s: %s", k->name, gr_error_message());
	if (c == NULL)
		r.c = nn_normal(9, gr_tensor_dtype(y), gr_tensor_ndim(y), gr_tensor_dims(y));
	gr_grad_opts opts = {.size = sizeof opts, .cotangent = r.c};
	gr_status status = gr_grad(r.grad, y, k->nin, x, &opts);
	cr_assert_eq(status, GR_OK, "%s: %s", k->name, gr_error_message());
	return r;
}

static result run(const struct op_case *k, gr_tensor *const *in, gr_tensor *c)
{
	gr_tensor *x[MAX_IN];

	for (int i = 0; i < k->nin; i++)
		x[i] = gr_watch(in[i]);
	return differentiate(k, k->f(x), x, c);
}

static void expect_same(const struct op_case *k, const result *a, const result *b, const char *how)
{
	cr_expect(nn_same_bits(a->y, b->y), "%s, %s: the value", k->name, how);
	for (int i = 0; i < k->nin; i++)
		cr_expect(nn_same_bits(a->grad[i], b->grad[i]), "%s, %s: gradient %d", k->name, how, i);
}

/* In f64 and f32, a scope for each case. */
static void each_case(void (*check)(const struct op_case *k, gr_tensor *const *in))
{
	for (size_t n = 0; n < NCASES; n++) {
		for (int d = 0; d < 2; d++) {
			gr_tensor *in[MAX_IN];
			(void)gr_scope_begin();
			draw(&cases[n], d == 0 ? GR_F64 : GR_F32, in);
			check(&cases[n], in);
			gr_status status = gr_scope_end();
			cr_assert_eq(status, GR_OK, "%s: %s", cases[n].name, gr_error_message());
		}
	}
}

/* --- a training step ----------------------------------------------------------------------- */

typedef struct learner {
	gr_unet *unet;
	gr_params params;
	gr_optim *optim;
} learner;

static learner learner_new(void)
{
	learner l = {.unet = tiny_unet(3)};

	gr_status status = gr_params_of(&l.params, gr_unet_module(l.unet));
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	status = gr_optim_new(&l.optim, &l.params, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	return l;
}

static void learner_free(learner *l)
{
	gr_optim_free(l->optim);
	gr_params_free(&l->params);
	gr_unet_free(l->unet);
}

typedef struct denoise {
	gr_unet *unet;
	gr_tensor *t;
} denoise;

static gr_status denoise_fn(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	const denoise *d = payload;

	y[0] = gr_unet_forward(d->unet, x[0], d->t, NULL);
	return y[0] != NULL ? GR_OK : gr_error_code();
}

/* The loss of step `number`, all data from its key. */
static gr_tensor *learner_loss(learner *l, uint64_t number, bool checkpointed)
{
	gr_tensor *x = nn_normal(200 + number, GR_F32, GR_DIMS(3, 3, 16, 16)), *y = NULL;
	denoise d = {l->unet, gr_from_f64(GR_F32, (double[]){1.0, 40.0, 700.0}, GR_DIMS(3))};
	gr_status status = checkpointed
		? gr_checkpoint(&y, denoise_fn, 1, &x, GR_OPTS(gr_recompute_opts, .payload = &d))
		: denoise_fn(&y, &x, &d);

	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	/* The graph of a checkpointed call reads `d` again, so the gradient is taken here. */
	gr_tensor *grads[MAX_PARAMS], *target = nn_normal(300 + number, GR_F32, GR_DIMS(3, 3, 16, 16));
	gr_tensor *loss = gr_mse(y, target);
	cr_assert_leq(l->params.n, MAX_PARAMS);
	status = gr_grad(grads, loss, l->params.n, l->params.tensors, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	status = gr_optim_step(l->optim, grads, 1e-3, 1.0);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	return loss;
}

static void learner_steps(learner *l, uint64_t from, uint64_t to, bool checkpointed)
{
	for (uint64_t number = from; number < to; number++) {
		(void)gr_scope_begin();
		(void)learner_loss(l, number, checkpointed);
		gr_status status = gr_scope_end();
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	}
}

static void expect_same_learners(const learner *a, const learner *b, const char *how)
{
	for (int i = 0; i < a->params.n; i++)
		cr_expect(nn_same_bits(a->params.tensors[i], b->params.tensors[i]), "%s: %s", how,
			a->params.names[i]);
}

/* --- a solver step ------------------------------------------------------------------------- */

typedef struct solver {
	gr_prior *prior;
	gr_operator *A;
	gr_term *term, *terms[2];
	gr_key keys[3];
	gr_solver *solver;
} solver;

/* DPS for measurements begin..end-1 of three. */
static void solver_new(solver *s, int64_t begin, int64_t end)
{
	gr_tensor *truth = gr_clamp(nn_normal(9, GR_F32, GR_DIMS(3, 3, 16, 16)), -1.0, 1.0);
	int64_t n = end - begin;

	*s = (solver){.prior = tiny_prior()};
	for (int64_t i = 0; i < 3; i++)
		s->keys[i] = gr_measurement_key(4, gr_squeeze(batch_of(truth, i, i + 1), 0));
	const gr_operator_opts masks = {.size = sizeof masks,
		.height = 16,
		.width = 16,
		.n = n,
		.keys = s->keys + begin};
	s->A = gr_operator_new("inpaint_random", &masks);
	s->term = gr_dps_term(s->A, gr_measure(s->A, batch_of(truth, begin, end), 0.05), 0.5);
	s->terms[0] = s->term;
	for (int64_t i = 0; i < 3; i++)
		s->keys[i] = gr_sample_key(s->keys[i], 0);
	const gr_solver_opts opts = {.size = sizeof opts,
		.prior = s->prior,
		.n = n,
		.keys = s->keys + begin,
		.terms = s->terms,
		.respacing = "4"};
	gr_status status = gr_solver_new(&s->solver, &opts);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
}

static void solver_steps(solver *s, int steps)
{
	for (int i = 0; i < steps; i++) {
		gr_status status = gr_solver_step(s->solver);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	}
}

static void solver_free(solver *s)
{
	gr_solver_free(s->solver);
	gr_term_free(s->term);
	gr_operator_free(s->A);
	gr_prior_free(s->prior);
}

/* What four steps leave, of measurements begin..end-1. */
static gr_tensor *solve(int64_t begin, int64_t end)
{
	solver s;

	solver_new(&s, begin, end);
	solver_steps(&s, 4);
	gr_tensor *x = gr_contiguous(
		gr_axpby(gr_solver_state(s.solver, 0), 1.0, gr_zeros(GR_F32, GR_SCALAR), 0.0));
	solver_free(&s);
	return x;
}

/* --- 1. threads ---------------------------------------------------------------------------- */

static void ops_on_threads(const struct op_case *k, gr_tensor *const *in)
{
	static const int counts[] = {2, 3, 5, 8};

	gr_set_threads(1);
	result one = run(k, in, NULL);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		char how[32];
		snprintf(how, sizeof how, "%d threads", counts[i]);
		gr_set_threads(counts[i]);
		result many = run(k, in, one.c);
		expect_same(k, &many, &one, how);
	}
}

Test(numerics, any_number_of_threads)
{
	each_case(ops_on_threads);
}

Test(numerics, any_number_of_threads_training)
{
	gr_set_threads(1);
	learner one = learner_new();
	learner_steps(&one, 0, 2, false);
	for (int threads = 2; threads <= 4; threads++) {
		char how[32];
		snprintf(how, sizeof how, "%d threads", threads);
		gr_set_threads(threads);
		learner many = learner_new();
		learner_steps(&many, 0, 2, false);
		expect_same_learners(&many, &one, how);
		learner_free(&many);
	}
	learner_free(&one);
}

Test(numerics, any_number_of_threads_solving)
{
	gr_set_threads(1);
	gr_tensor *one = solve(0, 3);
	for (int threads = 2; threads <= 4; threads++) {
		gr_set_threads(threads);
		cr_expect(nn_same_bits(solve(0, 3), one), "%d threads", threads);
	}
}

/* --- 2. batches ---------------------------------------------------------------------------- */

static void sample_alone(const struct op_case *k, gr_tensor *const *in)
{
	if (k->samples == 0)
		return;
	result all = run(k, in, NULL);
	int64_t n = gr_tensor_dim(in[0], 0);
	for (int64_t i = 0; i < n; i += n - 1) {
		gr_tensor *own_in[MAX_IN];
		for (int j = 0; j < k->nin; j++)
			own_in[j] = (k->samples >> j & 1) != 0 ? batch_of(in[j], i, i + 1) : in[j];
		result own = run(k, own_in, batch_of(all.c, i, i + 1));
		cr_expect(nn_same_bits(own.y, batch_of(all.y, i, i + 1)), "%s, sample %d: the value",
			k->name, (int)i);
		for (int j = 0; j < k->nin; j++)
			if ((k->samples >> j & 1) != 0)
				cr_expect(nn_same_bits(own.grad[j], batch_of(all.grad[j], i, i + 1)),
					"%s, sample %d: gradient %d", k->name, (int)i, j);
	}
}

Test(numerics, a_sample_does_not_depend_on_its_batch)
{
	each_case(sample_alone);
	gr_tensor *all = solve(0, 3);
	for (int64_t i = 0; i < 3; i++)
		cr_expect(nn_same_bits(solve(i, i + 1), batch_of(all, i, i + 1)), "solver, sample %d",
			(int)i);
}

/* --- 3. recomputation ---------------------------------------------------------------------- */

static gr_status case_fn(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	const struct op_case *k = payload;

	y[0] = k->f(x);
	return y[0] != NULL ? GR_OK : gr_error_code();
}

static void checkpointed(const struct op_case *k, gr_tensor *const *in)
{
	gr_tensor *x[MAX_IN], *y = NULL;
	struct op_case copy = *k;
	result plain = run(k, in, NULL);

	for (int i = 0; i < k->nin; i++)
		x[i] = gr_watch(in[i]);
	gr_status status = gr_checkpoint(&y, case_fn, k->nin, x,
		GR_OPTS(gr_recompute_opts, .payload = &copy, .payload_bytes = sizeof copy));
	cr_assert_eq(status, GR_OK, "%s: %s", k->name, gr_error_message());
	result again = differentiate(k, y, x, plain.c);
	expect_same(k, &again, &plain, "checkpointed");
}

Test(numerics, checkpointed_equals_plain)
{
	each_case(checkpointed);
	learner plain = learner_new(), recomputed = learner_new();
	learner_steps(&plain, 0, 2, false);
	learner_steps(&recomputed, 0, 2, true);
	expect_same_learners(&recomputed, &plain, "a checkpointed network");
	learner_free(&plain);
	learner_free(&recomputed);
}

/* --- 4. resuming --------------------------------------------------------------------------- */

/* Parameters and optimiser through archives into a new learner. */
static learner learner_resumed(const learner *from)
{
	learner to = learner_new();
	gr_archive *weights = gr_archive_new(), *state = gr_archive_new();
	gr_status status = gr_module_save(gr_unet_module(from->unet), weights, GR_F32);

	status = status == GR_OK ? gr_optim_save(from->optim, state) : status;
	status = status == GR_OK ? gr_module_load(gr_unet_module(to.unet), weights, NULL) : status;
	status = status == GR_OK ? gr_optim_load(to.optim, state) : status;
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_archive_free(weights);
	gr_archive_free(state);
	return to;
}

Test(numerics, resumed_equals_uninterrupted)
{
	learner whole = learner_new(), cut = learner_new();
	learner_steps(&whole, 0, 4, false);
	learner_steps(&cut, 0, 2, false);
	learner rest = learner_resumed(&cut);
	learner_steps(&rest, 2, 4, false);
	expect_same_learners(&rest, &whole, "resumed");
	learner_free(&whole);
	learner_free(&cut);
	learner_free(&rest);

	gr_tensor *x = solve(0, 3);
	solver before, after;
	solver_new(&before, 0, 3);
	solver_steps(&before, 2);
	solver_new(&after, 0, 3);
	gr_tensor *state = gr_solver_state(before.solver, 0);
	gr_status status = gr_solver_restore(after.solver, &state, 2);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	solver_steps(&after, 2);
	cr_expect(nn_same_bits(gr_solver_state(after.solver, 0), x), "a solver resumed");
	solver_free(&before);
	solver_free(&after);
}

/* --- 5. views ------------------------------------------------------------------------------ */

/* The same values with strides in reverse order. */
static gr_tensor *turned_inside_out(gr_tensor *t)
{
	int perm[GR_MAX_DIMS], n = gr_tensor_ndim(t);

	for (int i = 0; i < n; i++)
		perm[i] = n - 1 - i;
	return gr_permute(gr_contiguous(gr_permute(t, perm)), perm);
}

/* Every second element of a tensor of NaNs along the last axis, backwards. */
static gr_tensor *with_gaps(gr_tensor *t)
{
	int64_t dims[GR_MAX_DIMS];
	int n = gr_tensor_ndim(t), last = n - 1;

	for (int i = 0; i < n; i++)
		dims[i] = gr_tensor_dim(t, i);
	gr_tensor *gap = gr_full(gr_tensor_dtype(t), n, dims, (double)NAN);
	gr_tensor *pair[] = {gr_flip(t, last), gap};
	dims[last] *= 2;
	gr_tensor *both = gr_reshape(gr_stack(2, pair, -1), n, dims);
	return gr_flip(gr_slice(both, last, 0, dims[last], 2), last);
}

static void views(const struct op_case *k, gr_tensor *const *in)
{
	gr_tensor *turned[MAX_IN], *gaps[MAX_IN];
	result plain = run(k, in, NULL);

	for (int i = 0; i < k->nin; i++) {
		turned[i] = turned_inside_out(in[i]);
		gaps[i] = with_gaps(in[i]);
		cr_assert(nn_same_bits(turned[i], in[i]) && nn_same_bits(gaps[i], in[i]));
	}
	result of_turned = run(k, turned, plain.c), of_gaps = run(k, gaps, plain.c);
	expect_same(k, &of_turned, &plain, "transposed");
	expect_same(k, &of_gaps, &plain, "with gaps");
}

Test(numerics, a_view_gives_what_its_copy_gives)
{
	each_case(views);
}
