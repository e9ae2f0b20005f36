/*
 * Optimisers against naive loops in double and numbers worked out by hand, state to archives and
 * back, clipping.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/optim.h"
#include "nn_check.h"

#define N 700 /* more than a block */

typedef struct naive {
	double p[N], m[N], v[N];
} naive;

/* A parameter and its gradient at step s. */
static double start(int i)
{
	return sin(0.37 * i);
}

static double slope(int i, int s)
{
	return cos(0.11 * i + s) * (1.0 + s);
}

static gr_tensor *gradient(gr_dtype dtype, int s)
{
	double g[N];
	for (int i = 0; i < N; i++)
		g[i] = slope(i, s);
	return gr_from_f64(dtype, g, GR_DIMS(N));
}

static gr_params one_param(gr_dtype dtype, gr_tensor **slot, const char **name)
{
	double p[N];
	for (int i = 0; i < N; i++)
		p[i] = start(i);
	*slot = gr_from_f64(dtype, p, GR_DIMS(N));
	*name = "w";
	return (gr_params){.n = 1, .names = name, .tensors = slot};
}

static void naive_adamw(naive *s, int t, double lr, double wd, double scale)
{
	for (int i = 0; i < N; i++) {
		double g = slope(i, t - 1) * scale;
		s->p[i] -= lr * wd * s->p[i];
		s->m[i] = 0.9 * s->m[i] + 0.1 * g;
		s->v[i] = 0.999 * s->v[i] + 0.001 * g * g;
		double m_hat = s->m[i] / (1.0 - pow(0.9, t)), v_hat = s->v[i] / (1.0 - pow(0.999, t));
		s->p[i] -= lr * m_hat / (sqrt(v_hat) + 1e-8);
	}
}

static void compare(const gr_tensor *p, const double *want, double tolerance)
{
	double got[N];
	cr_assert_eq(gr_tensor_to_f64(p, got), GR_OK);
	for (int i = 0; i < N; i++)
		cr_assert(fabs(got[i] - want[i]) <= tolerance, "[%d] %.17g, expected %.17g", i, got[i],
			want[i]);
}

static void check_adamw(gr_dtype dtype, double tolerance)
{
	static naive s;
	gr_tensor *w;
	const char *name;
	gr_params params = one_param(dtype, &w, &name);
	gr_optim *o;
	memset(&s, 0, sizeof(s));
	for (int i = 0; i < N; i++)
		s.p[i] = start(i);
	cr_assert_eq(gr_optim_new(&o, &params, GR_OPTS(gr_optim_opts, .weight_decay = 0.1)), GR_OK);
	for (int t = 1; t <= 10; t++) {
		gr_tensor *g = gradient(dtype, t - 1);
		double lr = 0.01 * t, scale = t == 5 ? 0.25 : 1.0;
		cr_assert_eq(gr_optim_step(o, &g, lr, scale), GR_OK);
		naive_adamw(&s, t, lr, 0.1, scale);
		compare(w, s.p, tolerance);
	}
	cr_assert_eq(gr_optim_steps(o), 10);
	gr_optim_free(o);
}

Test(optim, adamw_against_naive_loop)
{
	check_adamw(GR_F64, 1e-13);
	/* Each step rounds p, m and v to f32: half an ulp of |p| <= 2 is 6e-8, and m/sqrt(v) adds a
	 * relative 1.2e-7 of a step of at most 0.1 times a few. */
	check_adamw(GR_F32, 3e-6);
}

/* By hand: p = 1, g = 2, lr = 0.1. The first step of Adam moves by lr g/|g| whatever g is. */
Test(optim, first_steps_by_hand)
{
	double one = 1.0, two = 2.0;
	gr_tensor *w = gr_from_f64(GR_F64, &one, GR_DIMS(1)),
			  *g = gr_from_f64(GR_F64, &two, GR_DIMS(1));
	const char *name = "w";
	const gr_params params = {.n = 1, .names = &name, .tensors = &w};
	gr_optim *o;
	cr_assert_eq(gr_optim_new(&o, &params, NULL), GR_OK);
	cr_assert_eq(gr_optim_step(o, &g, 0.1, 1.0), GR_OK);
	cr_assert_float_eq(gr_item(w), 0.9, 1e-9);
	gr_optim_free(o);

	/* SGD with momentum 0.5: buffers 2, 3, 3.5; and with decay 0.1 the gradient is g + 0.1 p. */
	w = gr_from_f64(GR_F64, &one, GR_DIMS(1));
	cr_assert_eq(gr_optim_new(&o, &params, GR_OPTS(gr_optim_opts, .kind = GR_SGD, .momentum = 0.5)),
		GR_OK);
	const double want[] = {0.8, 0.5, 0.15};
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(gr_optim_step(o, &g, 0.1, 1.0), GR_OK);
		cr_assert_float_eq(gr_item(w), want[i], 1e-14);
	}
	gr_optim_free(o);
	w = gr_from_f64(GR_F64, &one, GR_DIMS(1));
	cr_assert_eq(gr_optim_new(&o, &params,
					 GR_OPTS(gr_optim_opts, .kind = GR_SGD, .weight_decay = 0.1)),
		GR_OK);
	cr_assert_eq(gr_optim_step(o, &g, 0.1, 1.0), GR_OK);
	cr_assert_float_eq(gr_item(w), 1.0 - 0.1 * 2.1, 1e-14);
	gr_optim_free(o);
}

/* Saved in the middle and loaded into a fresh optimiser, the rest of the run has the same bits. */
Test(optim, state_round_trip)
{
	gr_optim *a, *b;
	gr_tensor *wa, *wb;
	const char *name;
	gr_params pa = one_param(GR_F32, &wa, &name), pb = one_param(GR_F32, &wb, &name);
	cr_assert_eq(gr_optim_new(&a, &pa, NULL), GR_OK);
	cr_assert_eq(gr_optim_new(&b, &pb, NULL), GR_OK);
	gr_archive *archive = gr_archive_new();
	for (int t = 0; t < 8; t++) {
		if (t == 4) {
			cr_assert_eq(gr_optim_save(a, archive), GR_OK);
			cr_assert_eq(gr_optim_load(b, archive), GR_OK);
			cr_assert_eq(gr_param_update(wb, wa), GR_OK);
			cr_assert_not_null(gr_archive_find(archive, "optim.m.w"));
			cr_assert_not_null(gr_archive_find(archive, "optim.v.w"));
		}
		gr_tensor *g = gradient(GR_F32, t);
		cr_assert_eq(gr_optim_step(a, &g, 0.01, 1.0), GR_OK);
		if (t >= 4)
			cr_assert_eq(gr_optim_step(b, &g, 0.01, 1.0), GR_OK);
	}
	cr_assert(nn_same_bits(wa, wb));
	cr_assert_eq(gr_optim_steps(b), 8);

	/* An archive that does not fit changes nothing. */
	gr_archive *empty = gr_archive_new();
	cr_assert_eq(gr_optim_load(b, empty), GR_EFORMAT);
	gr_error_clear();
	cr_assert_eq(gr_archive_set_meta(empty, "optim.steps", "3"), GR_OK);
	cr_assert_eq(gr_archive_add(empty, "optim.m.w", gr_zeros(GR_F32, GR_DIMS(3))), GR_OK);
	cr_assert_eq(gr_optim_load(b, empty), GR_EFORMAT);
	cr_assert(strstr(gr_error_message(), "optim.m.w"), "%s", gr_error_message());
	gr_error_clear();
	cr_assert_eq(gr_optim_steps(b), 8);
	gr_archive_free(empty);
	gr_archive_free(archive);
	gr_optim_free(a);
	gr_optim_free(b);
}

Test(optim, gradient_norm_and_clipping)
{
	double sum = 0.0;
	for (int i = 0; i < N; i++)
		sum += slope(i, 0) * slope(i, 0) + slope(i, 1) * slope(i, 1);
	gr_tensor *g[] = {gradient(GR_F64, 0), gradient(GR_F64, 1)};
	cr_assert_float_eq(gr_grad_norm(g, 2), sqrt(sum), 1e-12 * sqrt(sum));
	g[1] = gr_flip(g[1], 0); /* any strides */
	cr_assert_float_eq(gr_grad_norm(g, 2), sqrt(sum), 1e-12 * sqrt(sum));
	cr_assert_eq(gr_clip_scale(0.5, 1.0), 1.0);
	cr_assert_float_eq(gr_clip_scale(4.0, 1.0), 0.25, 1e-6);
	cr_assert_eq(gr_clip_scale(4.0, 0.0), 1.0);
	g[1] = NULL;
	cr_assert(isnan(gr_grad_norm(g, 2)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
}

Test(optim, refuses)
{
	gr_tensor *w;
	const char *name;
	gr_params params = one_param(GR_F32, &w, &name);
	gr_optim *o;
	cr_assert_eq(gr_optim_new(&o, &params, GR_OPTS(gr_optim_opts, .beta1 = 1.0)), GR_EARG);
	gr_error_clear();
	cr_assert_eq(gr_optim_new(&o, &(gr_params){0}, NULL), GR_EARG);
	gr_error_clear();
	cr_assert_eq(gr_optim_new(&o, &params, NULL), GR_OK);
	gr_tensor *wrong = gr_zeros(GR_F32, GR_DIMS(3));
	cr_assert_eq(gr_optim_step(o, &wrong, 0.1, 1.0), GR_ESHAPE);
	cr_assert(strstr(gr_error_message(), "'w'"), "%s", gr_error_message());
	gr_error_clear();
	gr_optim_free(o);
	gr_optim_free(NULL);
}

/* After the first step nothing is asked of the system. */
Test(optim, no_system_allocation)
{
	gr_tensor *w;
	const char *name;
	gr_params params = one_param(GR_F32, &w, &name);
	gr_optim *o;
	gr_ema *e;
	cr_assert_eq(gr_optim_new(&o, &params, NULL), GR_OK);
	cr_assert_eq(gr_ema_new(&e, &params, NULL), GR_OK);
	uint64_t before = 0;
	for (int t = 0; t < 5; t++) {
		if (t == 2)
			before = gr_memory_stats().system_allocs;
		gr_scope_begin();
		gr_tensor *g = gradient(GR_F32, t);
		cr_assert(gr_grad_norm(&g, 1) > 0.0);
		cr_assert_eq(gr_optim_step(o, &g, 0.01, 1.0), GR_OK);
		cr_assert_eq(gr_ema_update(e), GR_OK);
		cr_assert_eq(gr_scope_end(), GR_OK);
	}
	cr_assert_eq(gr_memory_stats().system_allocs, before);
	gr_optim_free(o);
	gr_ema_free(e);
}
