/* Products and distances of vectors with one another: compositions. */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include "gradus/ops.h"
#include "attr.h"
#include "compose_priv.h"
#include "ew_priv.h"
#include "fail.h"

#define COSINE_EPS 1e-8

/* --- outer --------------------------------------------------------------------------------- */

gr_tensor *gr_outer(gr_tensor *a, gr_tensor *b)
{
	if (!gr__compose_given("outer", 2, (gr_tensor *[]){a, b}))
		return NULL;
	gr_scope_begin();
	return gr__compose_leave(gr_mul(gr_unsqueeze(a, -1), gr_unsqueeze(b, -2)));
}

static gr_status outer_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	(void)nin, (void)attr;
	return gr__compose_out(out, gr_outer(in[0], in[1]));
}

static const gr_case outer_cases[] = {
	GR_EW_CASE("vectors", -2.0, 2.0, NULL, {3}, {4}),
	GR_EW_CASE("batch", -2.0, 2.0, NULL, {2, 3}, {2, 2}),
	GR_EW_CASE("shared", -2.0, 2.0, NULL, {3}, {2, 2}),
	GR_EW_CASE("empty", -2.0, 2.0, NULL, {0, 3}, {2}),
};

const gr_op gr_op_outer = {
	.name = "outer",
	.sig = "a[...,M] b[...,N]",
	.math = "y[i,j] = a[i] b[j]",
	.dmath = "da[i] = sum_j g[i,j] b[j], db[j] = sum_i g[i,j] a[i]",
	.doc = "Products of all elements of two vectors.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_BILINEAR,
	GR_EW_CASES(outer_cases),
	.compose = outer_compose,
};

/* --- cosine_similarity --------------------------------------------------------------------- */

gr_tensor *gr_cosine_similarity(gr_tensor *a, gr_tensor *b, int axis, double eps)
{
	if (!gr__compose_given("cosine_similarity", 2, (gr_tensor *[]){a, b}))
		return NULL;
	gr_scope_begin();
	gr_tensor *product = gr_sum(gr_mul(a, b), 1, &axis, false);
	gr_tensor *lengths = gr_mul(gr_norm(a, 1, &axis, false), gr_norm(b, 1, &axis, false));
	gr_tensor *least = gr_scalar(gr_tensor_dtype(a), eps != 0.0 ? eps : COSINE_EPS);
	gr_tensor *cosine = gr_div(product, gr_maximum(lengths, least));
	/* Of a zero vector the gradient would be b / eps. */
	return gr__compose_leave(gr__ew_masked(gr_gt_s(lengths, 0.0), cosine));
}

static gr_status cosine_similarity_compose(int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out)
{
	int axis = (int)((const gr_axis_attr *)attr)->axis;
	(void)nin;
	return gr__compose_out(out, gr_cosine_similarity(in[0], in[1], axis, 0.0));
}

static const gr_axis_attr first = {0}, last = {-1};
static const gr_case cosine_similarity_cases[] = {
	GR_EW_CASE("tokens", -2.0, 2.0, &last, {2, 3, 4}, {2, 3, 4}),
	GR_EW_CASE("shared", -2.0, 2.0, &last, {3, 5}, {5}),
	GR_EW_CASE("columns", -2.0, 2.0, &first, {4, 2}, {4, 2}),
	GR_EW_CASE("empty", -2.0, 2.0, &last, {0, 3}, {0, 3}),
};

const gr_op gr_op_cosine_similarity = {
	.name = "cosine_similarity",
	.sig = "a b",
	.math = "y = sum(a b) / max(|a| |b|, eps), 0 where |a| |b| = 0",
	.dmath = "da = g (b / (|a| |b|) - y a / |a|^2), db = g (a / (|a| |b|) - y b / |b|^2)",
	.doc = "Cosine of the angle along an axis; of a zero vector it is 0, with gradient 0.",
	.nin = 2,
	.nout = 1,
	.attr_size = sizeof(gr_axis_attr),
	GR_EW_CASES(cosine_similarity_cases),
	.compose = cosine_similarity_compose,
};

/* --- pairwise_distance --------------------------------------------------------------------- */

gr_tensor *gr_pairwise_distance(gr_tensor *a, gr_tensor *b)
{
	if (!gr__compose_given("pairwise_distance", 2, (gr_tensor *[]){a, b}))
		return NULL;
	if (gr_tensor_ndim(a) < 2 || gr_tensor_ndim(b) < 2 ||
		gr_tensor_dim(a, -1) != gr_tensor_dim(b, -1)) {
		char pa[192], pb[192];
		gr__fail(GR_ESHAPE, "pairwise_distance", "a is [...,N,D] and b [...,M,D] (a %s, b %s)",
			gr_tensor_describe(a, pa, sizeof pa), gr_tensor_describe(b, pb, sizeof pb));
		return NULL;
	}
	gr_scope_begin();
	gr_tensor *difference = gr_sub(gr_unsqueeze(a, -2), gr_unsqueeze(b, -3));
	return gr__compose_leave(gr_norm(difference, GR_AXES(-1), false));
}

static gr_status pairwise_distance_compose(int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out)
{
	(void)nin, (void)attr;
	return gr__compose_out(out, gr_pairwise_distance(in[0], in[1]));
}

static const gr_case pairwise_distance_cases[] = {
	GR_EW_CASE("points", -2.0, 2.0, NULL, {3, 2}, {4, 2}),
	GR_EW_CASE("batch", -2.0, 2.0, NULL, {2, 2, 3}, {2, 3, 3}),
	GR_EW_CASE("empty", -2.0, 2.0, NULL, {0, 3}, {2, 3}),
};

const gr_op gr_op_pairwise_distance = {
	.name = "pairwise_distance",
	.sig = "a[...,N,D] b[...,M,D]",
	.math = "y[i,j] = |a[i] - b[j]|",
	.dmath = "da[i] = sum_j g[i,j] (a[i] - b[j]) / y[i,j], db[j] = sum_i g[i,j] (b[j] - a[i]) / "
			 "y[i,j], 0 where y = 0",
	.doc = "Euclidean distances of all pairs; the gradient is 0 where two points agree.",
	.nin = 2,
	.nout = 1,
	GR_EW_CASES(pairwise_distance_cases),
	.compose = pairwise_distance_compose,
};
