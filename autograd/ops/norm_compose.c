/*
 * Normalisations that are compositions: RMS norm, and batch norm with statistics given or taken
 * from the batch.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include "gradus/ops.h"
#include "attr.h"
#include "compose_priv.h"
#include "ew_priv.h"
#include "fail.h"

#define DEFAULT_EPS 1e-5

static double eps_of(double eps)
{
	return eps != 0.0 ? eps : DEFAULT_EPS;
}

/* t must be [n]; `name` and `op` are for the message. */
static bool is_vector(const char *op, const char *name, const gr_tensor *t, int64_t n)
{
	char what[192];

	if (gr_tensor_ndim(t) == 1 && gr_tensor_dim(t, 0) == n)
		return true;
	gr__fail(GR_ESHAPE, op, "%s must be [%lld] (%s %s)", name, (long long)n, name,
		gr_tensor_describe(t, what, sizeof what));
	return false;
}

/* --- rms_norm ------------------------------------------------------------------------------ */

gr_tensor *gr_rms_norm(gr_tensor *x, gr_tensor *w, double eps)
{
	gr_tensor *in[] = {x, w};

	if (!gr__compose_given("rms_norm", 2, in) ||
		!is_vector("rms_norm", "w", w, gr_tensor_dim(x, -1)))
		return NULL;
	gr_scope_begin();
	gr_tensor *power = gr_mean(gr_square(x), GR_AXES(-1), true);
	gr_tensor *scaled = gr_mul(x, gr_rsqrt(gr_add_s(power, eps_of(eps))));
	return gr__compose_leave(gr_mul(scaled, w));
}

static gr_status rms_norm_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	(void)nin;
	return gr__compose_out(out, gr_rms_norm(in[0], in[1], ((const gr_norm_attr *)attr)->eps));
}

static const gr_norm_attr small_eps = {0, 1e-5, 0}, large_eps = {0, 0.1, 0};
static const gr_case rms_norm_cases[] = {
	GR_EW_CASE("matrix", -2.0, 2.0, &small_eps, {3, 5}, {5}),
	GR_EW_CASE("vector", -2.0, 2.0, &large_eps, {7}, {7}),
	GR_EW_CASE("tokens", -2.0, 2.0, &small_eps, {2, 3, 4}, {4}),
	GR_EW_CASE("empty", -2.0, 2.0, &small_eps, {0, 3}, {3}),
};

const gr_op gr_op_rms_norm = {
	.name = "rms_norm",
	.sig = "x[...,D] w[D]",
	.math = "y = w x / sqrt(mean(x^2) + eps)",
	.dmath = "dx = (q - h mean(q h)) / r, q = g w, h = x / r, r = sqrt(mean(x^2) + eps); dw = "
			 "sum(g h)",
	.doc = "Over the last axis.",
	.nin = 2,
	.nout = 1,
	.attr_size = sizeof(gr_norm_attr),
	GR_EW_CASES(rms_norm_cases),
	.compose = rms_norm_compose,
};

/* --- batch_norm ---------------------------------------------------------------------------- */

/* t [C] as it stands beside x [N,C,...]: [C,1,...] */
static gr_tensor *beside(gr_tensor *t, const gr_tensor *x)
{
	int64_t dims[GR_MAX_DIMS] = {gr_tensor_dim(x, 1)};

	for (int i = 1; i < gr_tensor_ndim(x) - 1; i++)
		dims[i] = 1;
	return gr_reshape(t, gr_tensor_ndim(x) - 1, dims);
}

/* w (x - mean) / sqrt(var + eps) + b; mean and var stand beside x already. */
static gr_tensor *normalise(gr_tensor *x, gr_tensor *mean, gr_tensor *var, gr_tensor *const wb[2],
	double eps)
{
	gr_tensor *scale = gr_mul(beside(wb[0], x), gr_rsqrt(gr_add_s(var, eps_of(eps))));
	return gr_muladd(gr_sub(x, mean), scale, beside(wb[1], x));
}

/* x [N,C,...] and vectors [C]. */
static bool has_channels(const char *op, const gr_tensor *x, int n, gr_tensor *const *vectors)
{
	static const char *const names[] = {"w", "b", "mean", "var"};
	char what[192];

	if (gr_tensor_ndim(x) < 2) {
		gr__fail(GR_ESHAPE, op, "x needs the dims [N,C,...] (x %s)",
			gr_tensor_describe(x, what, sizeof what));
		return false;
	}
	for (int i = 0; i < n; i++)
		if (!is_vector(op, names[i], vectors[i], gr_tensor_dim(x, 1)))
			return false;
	return true;
}

gr_tensor *gr_batch_norm(gr_tensor *x, gr_tensor *mean, gr_tensor *var, gr_tensor *w, gr_tensor *b,
	double eps)
{
	gr_tensor *in[] = {x, w, b, mean, var};

	if (!gr__compose_given("batch_norm", 5, in) || !has_channels("batch_norm", x, 4, in + 1))
		return NULL;
	gr_scope_begin();
	gr_tensor *y = normalise(x, beside(mean, x), beside(var, x), in + 1, eps);
	return gr__compose_leave(y);
}

static gr_status batch_norm_compose(int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out)
{
	double eps = ((const gr_norm_attr *)attr)->eps;
	(void)nin;
	return gr__compose_out(out, gr_batch_norm(in[0], in[1], in[2], in[3], in[4], eps));
}

static const gr_case batch_norm_cases[] = {
	GR_EW_CASE("images", 0.5, 2.0, &small_eps, {2, 3, 2, 3}, {3}, {3}, {3}, {3}),
	GR_EW_CASE("matrix", 0.5, 2.0, &large_eps, {3, 4}, {4}, {4}, {4}, {4}),
	GR_EW_CASE("empty", 0.5, 2.0, &small_eps, {0, 3, 2}, {3}, {3}, {3}, {3}),
};

const gr_op gr_op_batch_norm = {
	.name = "batch_norm",
	.sig = "x[N,C,...] mean[C] var[C] w[C] b[C]",
	.math = "y = w (x - mean) / sqrt(var + eps) + b",
	.dmath = "dx = g w / sd, dmean = -sum(g w) / sd, dvar = -sum(g w h) / (2 sd^2), dw = sum(g "
			 "h), db = sum(g), h = (x - mean) / sd",
	.doc = "Batch norm in evaluation: the statistics are given.",
	.nin = 5,
	.nout = 1,
	.attr_size = sizeof(gr_norm_attr),
	GR_EW_CASES(batch_norm_cases),
	.compose = batch_norm_compose,
};

/* --- batch_norm_train ---------------------------------------------------------------------- */

/* A statistic beside x as [C], of the caller's scope. */
static void give(gr_tensor **out, gr_tensor *stat, int64_t channels)
{
	if (out != NULL)
		*out = gr_escape(gr_reshape(stat, GR_DIMS(channels)));
}

gr_tensor *gr_batch_norm_train(gr_tensor *x, gr_tensor *w, gr_tensor *b, double eps,
	gr_tensor **mean, gr_tensor **var)
{
	gr_tensor *in[] = {x, w, b};
	int axes[GR_MAX_DIMS] = {0}, naxes = 1;

	if (mean != NULL)
		*mean = NULL;
	if (var != NULL)
		*var = NULL;
	if (!gr__compose_given("batch_norm_train", 3, in) ||
		!has_channels("batch_norm_train", x, 2, in + 1))
		return NULL;
	for (int i = 2; i < gr_tensor_ndim(x); i++)
		axes[naxes++] = i;
	gr_scope_begin();
	gr_tensor *m = gr_mean(x, naxes, axes, true);
	gr_tensor *v = gr_mean(gr_square(gr_sub(x, m)), naxes, axes, true);
	gr_tensor *y = normalise(x, m, v, in + 1, eps);
	give(mean, m, gr_tensor_dim(x, 1));
	give(var, v, gr_tensor_dim(x, 1));
	return gr__compose_leave(y);
}

static gr_status batch_norm_train_compose(int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out)
{
	double eps = ((const gr_norm_attr *)attr)->eps;
	(void)nin;
	gr_tensor *y = gr_batch_norm_train(in[0], in[1], in[2], eps, &out[1], &out[2]);
	return gr__compose_out(out, out[1] != NULL && out[2] != NULL ? y : NULL);
}

static const gr_case batch_norm_train_cases[] = {
	GR_EW_CASE("images", -2.0, 2.0, &small_eps, {2, 3, 2, 3}, {3}, {3}),
	GR_EW_CASE("matrix", -2.0, 2.0, &large_eps, {5, 2}, {2}, {2}),
};

const gr_op gr_op_batch_norm_train = {
	.name = "batch_norm_train",
	.sig = "x[N,C,...] w[C] b[C]",
	.math = "y = w (x - mean) / sqrt(var + eps) + b",
	.dmath = "dx = (q - mean(q) - h mean(q h)) / sd, q = g w, h = (x - mean) / sd; dw = sum(g h), "
			 "db = sum(g)",
	.doc = "Batch norm in training: mean and biased variance over batch and pixels, which are the "
		   "other outputs.",
	.nin = 3,
	.nout = 3,
	.attr_size = sizeof(gr_norm_attr),
	GR_EW_CASES(batch_norm_train_cases),
	.compose = batch_norm_train_compose,
};
