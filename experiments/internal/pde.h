/*
 * Fields that solve partial differential equations, as data: FunDPS's and DiffusionPDE's problems on
 * the unit square (arXiv 2505.17004, 2406.17763), solved here. Grids are s x s, row-major, in double;
 * x runs along rows' numbers, the first axis, y along the second.
 *
 *	Poisson      div grad u = a           u = 0 on the boundary, nodes (i, j) / (s - 1)
 *	Helmholtz    div grad u + k^2 u = a   the same; a is 0 on the boundary
 *	Darcy        -div(a grad u) = f       the same
 *	Navier-Stokes, vorticity on the torus, nodes (i, j) / s:
 *	             w_t + v . grad w = nu div grad w + q,   v = (psi_y, -psi_x),  -div grad psi = w
 */
#ifndef GRADUS_INTERNAL_PDE_H
#define GRADUS_INTERNAL_PDE_H

#include "gradus/tensor.h"

/*
 * Random fields. gr__field_square: for the square, covariance with Neumann boundary,
 *	L_kl = s tau^(alpha - 1) (pi^2 (k^2 + l^2) + tau^2)^(-alpha / 2) N(0, 1), L_00 = 0,
 * the orthonormal inverse cosine transform of it. gr__field_torus: of mean 0, the real part of
 *	sum_k sqrt(2) sigma (4 pi^2 |k|^2 + tau^2)^(-alpha / 2) (N(0, 1) + i N(0, 1)) e^(2 pi i k x).
 */
gr_status gr__field_square(double *out, int64_t s, double alpha, double tau, gr_key key);
gr_status gr__field_torus(double *out, int64_t s, double alpha, double tau, double sigma,
	gr_key key);

/* Five-point differences, exact up to rounding by sine transforms; k2 = k^2, 0 for Poisson. What a is
 * on the boundary is not read. Second order. s >= 3. */
gr_status gr__pde_helmholtz(double *u, const double *a, int64_t s, double k2);
/* Conservative differences with the mean of two nodes' a between them; by a Cholesky factor of the
 * band. f NULL: 1 everywhere. Second order where a is smooth. GR_ENUMERIC unless a is positive. */
gr_status gr__pde_darcy(double *u, const double *a, const double *f, int64_t s);

typedef struct gr_flow {
	int64_t n, s;     /* fields, their side: even */
	double viscosity; /* nu */
	double forcing;   /* q = forcing (sin 2 pi (x + y) + cos 2 pi (x + y)) */
	double time;      /* how long */
	int64_t steps;
} gr_flow;

/* w [n,s,s] from time 0 to `time`, in place: spectral in space, products without the upper third of
 * the frequencies; in time Runge-Kutta of order 4 with the viscous part exact. GR_ENUMERIC when the
 * steps are too long for it. */
gr_status gr__pde_flow(double *w, const gr_flow *f);

/* The datasets. Sample i of an equation is a function of the key and i. */
typedef enum gr_pde {
	GR_PDE_DARCY = 0,         /* a = 12 where a square field (2, 3) is >= 0, else 3; f = 1 */
	GR_PDE_POISSON = 1,       /* a square field (2, 3) */
	GR_PDE_HELMHOLTZ = 2,     /* the same, k = 1 */
	GR_PDE_NAVIER_STOKES = 3, /* a torus field (2.5, 7, 7^1.5); nu 1e-3, forcing 0.1, time 1 */
} gr_pde;

/* "darcy", ...: GR_EARG for a name that is none. */
gr_status gr__pde_named(gr_pde *out, const char *name);
/* Samples first..first+n-1: coefficient or first field a, solution u, each [n,s,s]. */
gr_status gr__pde_samples(double *a, double *u, gr_pde equation, int64_t s, int64_t first,
	int64_t n, gr_key key);

#endif
