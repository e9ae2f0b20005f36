/*
 * Random numbers as ops: what a key gives, seen by the registry, masks of zeros and ones, and
 * dropout. All are compositions over the generators of tensor/rng/dist.c.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include "gradus/ops.h"
#include "attr.h"
#include "compose_priv.h"
#include "ew_priv.h"
#include "fail.h"

static gr_key key_of(const gr_random_attr *a)
{
	return (gr_key){.hi = a->hi, .lo = a->lo};
}

/* hi, lo, dtype, ndim, dims, s0, s1 */
#define RANDOM(...) (&(const gr_random_attr){__VA_ARGS__})

/* --- random_normal, random_uniform --------------------------------------------------------- */

static gr_status random_normal_compose(int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out)
{
	const gr_random_attr *a = attr;
	(void)nin, (void)in;
	return gr__compose_out(out,
		gr_random_normal(key_of(a), (gr_dtype)a->dtype, (int)a->ndim, a->dims));
}

static const gr_case random_normal_cases[] = {
	{"double", .attr = RANDOM(1, 2, GR_F64, 2, {3, 5})},
	{"float", .attr = RANDOM(3, 4, GR_F32, 1, {37})},
	{"scalar", .attr = RANDOM(5, 6, GR_F64)},
	{"empty", .attr = RANDOM(5, 6, GR_F64, 2, {0, 3})},
};

const gr_op gr_op_random_normal = {
	.name = "random_normal",
	.sig = "key",
	.math = "y[i] ~ N(0, 1)",
	.dmath = "none: y is a constant of its key",
	.doc = "Standard normal numbers; element i depends on key and i alone.",
	.nin = 0,
	.nout = 1,
	.flags = GR_OP_RANDOM | GR_OP_NONDIFF,
	.attr_size = sizeof(gr_random_attr),
	GR_EW_CASES(random_normal_cases),
	.compose = random_normal_compose,
};

static gr_status random_uniform_compose(int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out)
{
	const gr_random_attr *a = attr;
	(void)nin, (void)in;
	return gr__compose_out(out,
		gr_random_uniform(key_of(a), (gr_dtype)a->dtype, (int)a->ndim, a->dims, a->s0, a->s1));
}

static const gr_case random_uniform_cases[] = {
	{"double", .attr = RANDOM(1, 2, GR_F64, 2, {3, 5}, -1.0, 2.0)},
	{"float", .attr = RANDOM(3, 4, GR_F32, 1, {37}, 0.0, 1.0)},
	{"scalar", .attr = RANDOM(5, 6, GR_F64, 0, {0}, 0.0, 1.0)},
};

const gr_op gr_op_random_uniform = {
	.name = "random_uniform",
	.sig = "key",
	.math = "y[i] ~ U[low, high)",
	.dmath = "none: y is a constant of its key",
	.doc = "Uniform numbers; element i depends on key and i alone.",
	.nin = 0,
	.nout = 1,
	.flags = GR_OP_RANDOM | GR_OP_NONDIFF,
	.attr_size = sizeof(gr_random_attr),
	GR_EW_CASES(random_uniform_cases),
	.compose = random_uniform_compose,
};

/* --- random_bernoulli ---------------------------------------------------------------------- */

gr_tensor *gr_random_bernoulli(gr_key key, gr_dtype dtype, int ndim, const int64_t *dims, double p)
{
	if (!(p >= 0.0 && p <= 1.0)) {
		gr__fail(GR_EARG, "random_bernoulli", "the probability is %g, not in 0..1", p);
		return NULL;
	}
	gr_scope_begin();
	gr_tensor *u = gr_random_uniform(key, dtype, ndim, dims, 0.0, 1.0);
	return gr__compose_leave(u != NULL ? gr_lt(u, gr_scalar(dtype, p)) : NULL);
}

static gr_status random_bernoulli_compose(int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out)
{
	const gr_random_attr *a = attr;
	(void)nin, (void)in;
	return gr__compose_out(out,
		gr_random_bernoulli(key_of(a), (gr_dtype)a->dtype, (int)a->ndim, a->dims, a->s0));
}

static const gr_case random_bernoulli_cases[] = {
	{"third", .attr = RANDOM(1, 2, GR_F64, 2, {3, 5}, 0.3)},
	{"never", .attr = RANDOM(1, 2, GR_F32, 1, {37}, 0.0)},
	{"always", .attr = RANDOM(1, 2, GR_F64, 1, {37}, 1.0)},
};

const gr_op gr_op_random_bernoulli = {
	.name = "random_bernoulli",
	.sig = "key",
	.math = "y[i] = [u[i] < p], u[i] ~ U[0, 1)",
	.dmath = "none: y is a constant of its key",
	.doc = "Masks of ones with probability p.",
	.nin = 0,
	.nout = 1,
	.flags = GR_OP_RANDOM | GR_OP_NONDIFF,
	.attr_size = sizeof(gr_random_attr),
	GR_EW_CASES(random_bernoulli_cases),
	.compose = random_bernoulli_compose,
};

/* --- dropout ------------------------------------------------------------------------------- */

gr_tensor *gr_dropout(gr_tensor *x, double rate, gr_key key)
{
	if (!gr__compose_given("dropout", 1, &x))
		return NULL;
	if (!(rate >= 0.0 && rate < 1.0)) {
		gr__fail(GR_EARG, "dropout", "the rate is %g, not in 0 <= rate < 1", rate);
		return NULL;
	}
	if (rate == 0.0)
		return x;
	gr_scope_begin();
	gr_tensor *u =
		gr_random_uniform(key, gr_tensor_dtype(x), gr_tensor_ndim(x), gr_tensor_dims(x), 0.0, 1.0);
	/* u in [0,1): kept with probability 1 - rate. */
	gr_tensor *mask = gr_mul_s(gr_gt_s(u, rate), 1.0 / (1.0 - rate));
	return gr__compose_leave(gr_mul(x, mask));
}

static gr_status dropout_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	const gr_random_attr *a = attr;
	(void)nin;
	return gr__compose_out(out, gr_dropout(in[0], a->s0, key_of(a)));
}

static const gr_case dropout_cases[] = {
	{"half", {{3, 5}}, .attr = RANDOM(1, 2, 0, 0, {0}, 0.5)},
	{"little", {{2, 3, 7}}, .attr = RANDOM(3, 4, 0, 0, {0}, 0.125)},
	{"empty", {{0, 3}}, .attr = RANDOM(1, 2, 0, 0, {0}, 0.5)},
};

const gr_op gr_op_dropout = {
	.name = "dropout",
	.sig = "x",
	.math = "y[i] = x[i] [u[i] > rate] / (1 - rate), u[i] ~ U[0, 1)",
	.dmath = "dx[i] = g[i] [u[i] > rate] / (1 - rate)",
	.doc = "Elements set to zero at random; element i of the mask depends on key and i alone.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_RANDOM | GR_OP_LINEAR,
	.attr_size = sizeof(gr_random_attr),
	GR_EW_CASES(dropout_cases),
	.compose = dropout_compose,
};
