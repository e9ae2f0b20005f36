/* References of losses, distances of vectors, and random numbers by key. */
#include "reference.h"

#include <math.h>

#include "attr.h"

static int64_t size_of(const gr_ref_tensor *t)
{
	int64_t size = 1;

	for (int i = 0; i < t->ndim; i++)
		size *= t->dims[i];
	return size;
}

/* The second operand has the first's dims, or is a row, or one number. */
static double beside(const gr_ref_tensor *b, int64_t i)
{
	return b->data[i % size_of(b)];
}

/* --- losses -------------------------------------------------------------------------------- */

static void ref_mse(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	double sum = 0.0;

	(void)attr, (void)nin;
	for (int64_t i = 0; i < size_of(in); i++)
		sum += pow(in[0].data[i] - beside(&in[1], i), 2.0);
	out->data[0] = sum / (double)size_of(in);
}

static void ref_huber(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	double s = ((const gr_scalar_attr *)attr)->s0, sum = 0.0;

	(void)nin;
	for (int64_t i = 0; i < size_of(in); i++) {
		double d = fabs(in[0].data[i] - beside(&in[1], i));
		sum += d <= s ? d * d / 2.0 : s * (d - s / 2.0);
	}
	out->data[0] = sum / (double)size_of(in);
}

static void ref_cross_entropy(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	int64_t C = in[0].dims[in[0].ndim - 1], n = size_of(&in[1]);

	(void)attr, (void)nin;
	for (int64_t i = 0; i < n; i++) {
		double sum = 0.0;
		for (int64_t c = 0; c < C; c++)
			sum += exp(in[0].data[i * C + c]);
		out->data[0] += (log(sum) - in[0].data[i * C + (int64_t)in[1].data[i]]) / (double)n;
	}
}

static double cosine(const double *a, const double *b, int64_t n, int64_t step)
{
	double ab = 0.0, aa = 0.0, bb = 0.0;

	for (int64_t i = 0; i < n; i++) {
		ab += a[i * step] * b[i * step];
		aa += a[i * step] * a[i * step];
		bb += b[i * step] * b[i * step];
	}
	return ab / sqrt(aa * bb);
}

static void ref_nt_xent(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	double temperature = ((const gr_scalar_attr *)attr)->s0;
	int64_t N = in[0].dims[0], D = in[0].dims[1];

	(void)nin;
	for (int64_t i = 0; i < 2 * N; i++) {
		const double *zi = in[i / N].data + i % N * D;
		double sum = 0.0, partner = 0.0;
		for (int64_t k = 0; k < 2 * N; k++) {
			double s = cosine(zi, in[k / N].data + k % N * D, D, 1) / temperature;
			sum += k == i ? 0.0 : exp(s);
			partner = k == (i + N) % (2 * N) ? s : partner;
		}
		out->data[0] += (log(sum) - partner) / (double)(2 * N);
	}
}

static void ref_first(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)attr, (void)nin;
	for (int64_t i = 0; i < size_of(out); i++)
		out->data[i] = in[0].data[i];
}

static void ref_round_ste(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)attr, (void)nin;
	for (int64_t i = 0; i < size_of(out); i++)
		out->data[i] = rint(in[0].data[i]);
}

/* --- vectors ------------------------------------------------------------------------------- */

static void ref_outer(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t M = in[0].dims[in[0].ndim - 1], N = in[1].dims[in[1].ndim - 1];

	(void)attr, (void)nin;
	for (int64_t o = 0; o < size_of(out); o++) {
		int64_t batch = o / N / M;
		out->data[o] = in[0].data[(batch * M + o / N % M) % size_of(&in[0])] *
			in[1].data[(batch * N + o % N) % size_of(&in[1])];
	}
}

static void ref_cosine_similarity(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	bool columns = ((const gr_axis_attr *)attr)->axis == 0;
	int64_t n = columns ? in[0].dims[0] : in[0].dims[in[0].ndim - 1], m = size_of(out);

	(void)nin;
	for (int64_t o = 0; o < m; o++) {
		const double *b = in[1].data + (columns ? o : o * n % size_of(&in[1]));
		out->data[o] = cosine(in[0].data + (columns ? o : o * n), b, n, columns ? m : 1);
	}
}

static void ref_pairwise_distance(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	int64_t N = in[0].dims[in[0].ndim - 2], M = in[1].dims[in[1].ndim - 2];
	int64_t D = in[0].dims[in[0].ndim - 1];

	(void)attr, (void)nin;
	for (int64_t o = 0; o < size_of(out); o++) {
		const double *a = in[0].data + o / M * D;
		const double *b = in[1].data + (o / M / N * M + o % M) * D;
		double y = 0.0;
		for (int64_t d = 0; d < D; d++)
			y = hypot(y, a[d] - b[d]);
		out->data[o] = y;
	}
}

/* --- random -------------------------------------------------------------------------------- */

static gr_key key_of(const gr_random_attr *a)
{
	return (gr_key){.hi = a->hi, .lo = a->lo};
}

static void ref_random_normal(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	(void)nin, (void)in;
	for (int64_t i = 0; i < size_of(out); i++)
		out->data[i] = gr_key_normal(key_of(attr), (uint64_t)i);
}

static void ref_random_uniform(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	const gr_random_attr *a = attr;

	(void)nin, (void)in;
	for (int64_t i = 0; i < size_of(out); i++)
		out->data[i] = a->s0 + (a->s1 - a->s0) * gr_key_uniform(key_of(a), (uint64_t)i);
}

static void ref_random_bernoulli(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	const gr_random_attr *a = attr;

	(void)nin, (void)in;
	for (int64_t i = 0; i < size_of(out); i++)
		out->data[i] = gr_key_uniform(key_of(a), (uint64_t)i) < a->s0 ? 1.0 : 0.0;
}

static void ref_dropout(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	const gr_random_attr *a = attr;

	(void)nin;
	for (int64_t i = 0; i < size_of(out); i++) {
		bool kept = gr_key_uniform(key_of(a), (uint64_t)i) > a->s0;
		out->data[i] = kept ? in->data[i] / (1.0 - a->s0) : 0.0;
	}
}

const gr_ref gr_refs_loss[] = {
	{"mse", ref_mse},
	{"huber", ref_huber},
	{"cross_entropy", ref_cross_entropy},
	{"nt_xent", ref_nt_xent},
	{"straight_through", ref_first},
	{"round_ste", ref_round_ste},
	{"outer", ref_outer},
	{"cosine_similarity", ref_cosine_similarity},
	{"pairwise_distance", ref_pairwise_distance},
	{"random_normal", ref_random_normal},
	{"random_uniform", ref_random_uniform},
	{"random_bernoulli", ref_random_bernoulli},
	{"dropout", ref_dropout},
	{NULL, NULL},
};
