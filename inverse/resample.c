/* Systematic resampling: see resample_priv.h (Douc, Cappe and Moulines 2005, section 2.4). */
#include "resample_priv.h"

#include <math.h>

#include "gradus/ops.h"

/* Effective sample size of log weights w [n], and in p [n] the weights with sum 1. */
static double effective(double *p, const double *w, int64_t n)
{
	double largest = -INFINITY;
	double sum = 0.0;
	double squares = 0.0;
	for (int64_t i = 0; i < n; i++)
		largest = fmax(largest, w[i]);
	for (int64_t i = 0; i < n; i++)
		sum += p[i] = exp(w[i] - largest);
	for (int64_t i = 0; i < n; i++) {
		p[i] /= sum;
		squares += p[i] * p[i];
	}
	return 1.0 / squares;
}

/* Particle i becomes the one in whose share of the sum (i + u) / n falls. */
static void systematic(int64_t *index, const double *p, int64_t n, double u, int64_t first)
{
	int64_t j = 0;
	double sum = p[0];
	for (int64_t i = 0; i < n; i++) {
		while (((double)i + u) / (double)n >= sum && j + 1 < n)
			sum += p[++j];
		index[i] = first + j;
	}
}

gr_tensor *gr__resample(gr_tensor **log_weight, int64_t n, const gr_key *keys, const char *name,
	uint64_t draw, bool all)
{
	if (!*log_weight)
		return NULL;
	int64_t N = gr_tensor_dim(*log_weight, 0);
	if (gr_estimating())
		return gr_arange(GR_I64, N, 0.0, 1.0);
	gr_tensor *old = gr_contiguous(*log_weight);
	gr_tensor *index = gr_empty(GR_I64, GR_DIMS(N));
	*log_weight = old ? gr_from(GR_F64, gr_tensor_data_const(old), GR_DIMS(N)) : NULL;
	double *p = index && *log_weight ? gr_alloc((size_t)n * sizeof(*p)) : NULL;
	if (!p)
		return NULL;
	double *w = gr_tensor_data(*log_weight);
	int64_t *at = gr_tensor_data(index);
	for (int64_t first = 0; first < N; first += n) {
		bool keep = effective(p, w + first, n) >= 0.5 * (double)n && !all;
		double u = gr_key_uniform(gr_key_fold_name(keys[first], name), draw);
		systematic(at + first, p, n, u, first);
		for (int64_t i = first; i < first + n; i++) {
			at[i] = keep ? i : at[i];
			w[i] = keep ? w[i] : 0.0;
		}
	}
	gr_free(p);
	return index;
}
