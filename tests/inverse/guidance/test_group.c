/*
 * Groups: inverses and adjoints of every element, the turns' and the Navier-Stokes maps' indices, what
 * is drawn, and that the last commute with a solver of the equation and plain flips do not.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/group.h"
#include "term_check.h"

static gr_tensor *act(const gr_group *G, gr_tensor *x, int64_t g)
{
	int64_t all[4] = {g, g, g, g};
	return gr_group_act(G, x, all, 0);
}

Test(group, every_element_has_an_inverse_which_is_its_adjoint)
{
	gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(2, 3, 8, 8));
	gr_tensor *y = nn_normal(2, GR_F64, GR_DIMS(2, 3, 8, 8));
	for (int i = 0; gr_group_at(i); i++) {
		const gr_group *G = gr_group_at(i);
		int64_t order = gr_group_order(G, 8, 8);
		cr_assert_gt(order, 1, "%s: %s", gr_group_name(G), gr_error_message());
		cr_expect(nn_same_bits(act(G, x, 0), x), "%s", gr_group_name(G));
		for (int64_t g = 1; g < order; g++) {
			int64_t inverse = gr_group_inverse(G, g, 8, 8);
			cr_expect(nn_same_bits(act(G, act(G, x, g), inverse), x), "%s %d", gr_group_name(G),
				(int)g);
			cr_expect_not(nn_same_bits(act(G, x, g), x), "%s %d", gr_group_name(G), (int)g);
			double left = dot(act(G, x, g), y);
			double right = dot(x, act(G, y, inverse));
			cr_expect_float_eq(left, right, 1e-12, "%s %d", gr_group_name(G), (int)g);
			gr_tensor *leaf = gr_watch(x);
			gr_tensor *grad = NULL;
			gr_status status =
				gr_grad(&grad, act(G, leaf, g), 1, &leaf, GR_OPTS(gr_grad_opts, .cotangent = y));
			cr_assert_eq(status, GR_OK, "%s", gr_error_message());
			cr_expect(nn_same_bits(grad, act(G, y, inverse)), "%s %d", gr_group_name(G), (int)g);
		}
	}
}

static double at(const gr_tensor *x, int64_t i, int64_t j)
{
	return gr_tensor_at(x, (const int64_t[]){0, 0, (i % 8 + 8) % 8, (j % 8 + 8) % 8});
}

Test(group, indices_are_those_of_the_table)
{
	gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(1, 1, 8, 8));
	gr_tensor *turn = act(gr_group_find("rot90"), x, 1);
	gr_tensor *move = act(gr_group_find("ns_translate"), x, 3);
	gr_tensor *rotate = act(gr_group_find("ns_rotate"), x, 1);
	gr_tensor *swap = act(gr_group_find("ns_swap"), x, 1);
	for (int64_t i = 0; i < 8; i++)
		for (int64_t j = 0; j < 8; j++) {
			cr_expect_eq(at(turn, i, j), at(x, j, 7 - i));
			cr_expect_eq(at(move, i, j), at(x, i + 3, j - 3));
			cr_expect_eq(at(rotate, i, j), at(x, 2 - i, -j));
			cr_expect_eq(at(swap, i, j), -at(x, j + 4, i));
		}
	cr_expect(nn_same_bits(turn, gr_contiguous(gr_rot90(x, 1))));
	cr_expect(nn_same_bits(act(gr_group_find("hflip"), x, 1), gr_contiguous(gr_flip(x, 3))));
	cr_expect(nn_same_bits(act(gr_group_find("vflip"), x, 1), gr_contiguous(gr_flip(x, 2))));
	cr_expect(nn_same_bits(act(gr_group_find("rot180"), x, 1), gr_contiguous(gr_rot90(x, 2))));
}

Test(group, samples_have_elements_of_their_own)
{
	const gr_group *G = gr_group_find("rot90");
	gr_tensor *x = nn_normal(4, GR_F32, GR_DIMS(3, 2, 4, 4));
	gr_tensor *y = gr_group_act(G, x, (const int64_t[]){3, 0, 2}, 0);
	cr_expect(nn_same_bits(batch_of(y, 0, 1), act(G, batch_of(x, 0, 1), 3)));
	cr_expect(nn_same_bits(batch_of(y, 1, 2), batch_of(x, 1, 2)));
	cr_expect(nn_same_bits(batch_of(y, 2, 3), act(G, batch_of(x, 2, 3), 2)));
}

Test(group, what_is_drawn)
{
	for (int i = 0; gr_group_at(i); i++) {
		const gr_group *G = gr_group_at(i);
		int64_t order = gr_group_order(G, 8, 8);
		int count[8] = {0};
		for (uint64_t k = 0; k < 4000; k++) {
			int64_t g = gr_group_draw(G, gr_key_seed(5), k, 8, 8, 8);
			cr_assert(g > 0 && g < order);
			count[g]++;
		}
		bool turns = strcmp(gr_group_name(G), "rot90") == 0;
		double share = 4000.0 / (double)(turns ? 2 : order - 1);
		for (int64_t g = 1; g < order; g++) {
			double expected = turns && g == 2 ? 0.0 : share;
			cr_expect(fabs(count[g] - expected) <= 4.0 * sqrt(expected), "%s %d: %d",
				gr_group_name(G), (int)g, count[g]);
		}
	}
	/* on maps of 2 rows, 8 rows can move by 4 alone */
	const gr_group *G = gr_group_find("ns_translate");
	gr_tensor *map = nn_normal(6, GR_F64, GR_DIMS(1, 2, 2, 2));
	for (uint64_t k = 0; k < 20; k++)
		cr_expect_eq(gr_group_draw(G, gr_key_seed(6), k, 8, 8, 2), 4);
	cr_expect(nn_same_bits(gr_group_act(G, map, (const int64_t[]){4}, 8), act(G, map, 1)));
	cr_expect_null(gr_group_act(G, map, (const int64_t[]){3}, 8));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	/* and maps of 16 rows by all */
	cr_expect_gt(gr_group_draw(G, gr_key_seed(6), 0, 8, 8, 16), 0);
}

Test(group, wrong_use_is_an_error)
{
	const int64_t g[] = {1, 1};
	gr_tensor *oblong = gr_zeros(GR_F64, GR_DIMS(1, 1, 4, 6));
	cr_expect_null(gr_group_find("hflop"));
	cr_expect_not_null(strstr(gr_error_message(), "ns_swap"), "%s", gr_error_message());
	gr_error_clear();
	cr_expect_null(gr_group_act(gr_group_find("rot90"), oblong, g, 0));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_expect_null(
		gr_group_act(gr_group_find("ns_rotate"), gr_zeros(GR_F64, GR_DIMS(1, 1, 6, 6)), g, 0));
	gr_error_clear();
	cr_expect_null(gr_group_act(gr_group_find("hflip"), oblong, (const int64_t[]){2}, 0));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_expect(gr_group_act(gr_group_find("hflip"), oblong, g, 0));
}

/* --- Navier-Stokes: dw/dt + v grad w = nu lap w + q on the unit torus --- */

#define N 16

typedef struct flow {
	gr_tensor *k1, *k2, *k, *mask, *force; /* [N,N,1] */
} flow;

static flow flow_new(void)
{
	double k1[N * N];
	double k2[N * N];
	double k[N * N];
	double mask[N * N];
	double q[N * N];
	const double pi = acos(-1.0);
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			int a = i < N / 2 ? i : i - N;
			int b = j < N / 2 ? j : j - N;
			k1[i * N + j] = 2.0 * pi * a;
			k2[i * N + j] = 2.0 * pi * b;
			k[i * N + j] = 4.0 * pi * pi * (a * a + b * b);
			mask[i * N + j] = 3 * abs(a) <= N && 3 * abs(b) <= N;
			double phase = 2.0 * pi * (i + j) / N;
			q[i * N + j] = 5.0 * (sin(phase) + cos(phase));
		}
	return (flow){gr_from_f64(GR_F64, k1, GR_DIMS(N, N)), gr_from_f64(GR_F64, k2, GR_DIMS(N, N)),
		gr_from_f64(GR_F64, k, GR_DIMS(N, N)), gr_from_f64(GR_F64, mask, GR_DIMS(N, N, 1)),
		gr_from_f64(GR_F64, q, GR_DIMS(N, N))};
}

static gr_tensor *to_spectrum(gr_tensor *w)
{
	gr_tensor *zero = gr_affine(w, 0.0, 0.0);
	gr_tensor *both[] = {w, zero};
	return gr_fft2(gr_stack(2, both, 2));
}

static gr_tensor *from_spectrum(gr_tensor *s)
{
	return gr_squeeze(gr_slice(gr_ifft2(s), 2, 0, 1, 1), 2);
}

/* i k s */
static gr_tensor *slope(gr_tensor *s, gr_tensor *k)
{
	gr_tensor *re = gr_slice(s, 2, 0, 1, 1);
	gr_tensor *im = gr_slice(s, 2, 1, 2, 1);
	gr_tensor *parts[] = {gr_neg(gr_mul(gr_unsqueeze(k, 2), im)), gr_mul(gr_unsqueeze(k, 2), re)};
	return gr_concat(2, parts, 2);
}

/* Explicit in advection and forcing, Crank-Nicolson in viscosity, dealiased; 40 steps. */
static gr_tensor *evolve(const flow *f, gr_tensor *x)
{
	const double dt = 2e-3;
	const double nu = 1e-3;
	gr_tensor *s = gr_mul(to_spectrum(gr_reshape(x, GR_DIMS(N, N))), f->mask);
	gr_tensor *q = to_spectrum(f->force);
	gr_tensor *low = gr_unsqueeze(gr_affine(f->k, 0.5 * dt * nu, 1.0), 2);
	gr_tensor *high = gr_unsqueeze(gr_affine(f->k, -0.5 * dt * nu, 1.0), 2);
	gr_tensor *over = gr_unsqueeze(gr_where(f->k, f->k, gr_full(GR_F64, GR_DIMS(N, N), 1.0)), 2);
	for (int i = 0; i < 40; i++) {
		gr_tensor *psi = gr_div(s, over);
		gr_tensor *u = from_spectrum(slope(psi, f->k2));
		gr_tensor *v = gr_neg(from_spectrum(slope(psi, f->k1)));
		gr_tensor *advect = gr_add(gr_mul(u, from_spectrum(slope(s, f->k1))),
			gr_mul(v, from_spectrum(slope(s, f->k2))));
		gr_tensor *F = gr_mul(to_spectrum(advect), f->mask);
		gr_tensor *next = gr_add(gr_mul(high, s), gr_axpby(q, dt, F, -dt));
		s = gr_div(next, low);
	}
	return gr_reshape(from_spectrum(s), GR_DIMS(1, 1, N, N));
}

/* The distance between evolving first and acting first, of fields of the modes that are kept. */
static double commutator(const flow *f, gr_tensor *x, const char *name, int64_t g)
{
	const gr_group *G = gr_group_find(name);
	return nn_distance(evolve(f, act(G, x, g)), act(G, evolve(f, x), g));
}

Test(group, navier_stokes_symmetries_are_exact)
{
	flow f = flow_new();
	gr_tensor *rough = nn_normal(7, GR_F64, GR_DIMS(N, N));
	gr_tensor *smooth =
		gr_mul(gr_mul(to_spectrum(rough), f.mask), gr_unsqueeze(gr_exp(gr_mul_s(f.k, -2e-3)), 2));
	gr_tensor *x = gr_mul_s(gr_reshape(from_spectrum(smooth), GR_DIMS(1, 1, N, N)), 5.0);
	double rotate = commutator(&f, x, "ns_rotate", 1);
	cr_expect_lt(rotate, 1e-12, "%g", rotate);
	for (int64_t g = 1; g < 4; g++) {
		double swap = commutator(&f, x, "ns_swap", g);
		cr_expect_lt(swap, 1e-12, "%g", swap);
	}
	for (int64_t m = 1; m < N; m++) {
		double move = commutator(&f, x, "ns_translate", m);
		cr_expect_lt(move, 1e-12, "%g", move);
	}
	const char *const wrong[] = {"hflip", "rot90", "rot180"};
	for (int i = 0; i < 3; i++) {
		double off = commutator(&f, x, wrong[i], 1);
		cr_expect_gt(off, 0.03, "%s %g", wrong[i], off);
	}
}
