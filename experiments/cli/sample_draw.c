/* See sample_draw.h. */
#include "sample_draw.h"

#include <inttypes.h>
#include <stdio.h>

#include "gradus/solver.h"

#define AT_ONCE 32

/* Samples first..first+m-1, decoded. */
static gr_tensor *draw(const gr_prior *prior, sample_draw *d, int64_t first, int64_t m)
{
	gr_key keys[AT_ONCE];
	gr_key base = gr_key_fold_name(gr_key_seed((uint64_t)d->seed), "sample");
	for (int64_t i = 0; i < m; i++)
		keys[i] = gr_key_fold(base, (uint64_t)(first + i));
	gr_solver *s = NULL;
	gr_tensor *x = NULL;
	gr_status status = gr_solver_new(&s,
		GR_OPTS(gr_solver_opts, .prior = prior, .n = m, .keys = keys, .method = d->method,
			.respacing = d->steps));
	if (status == GR_OK)
		status = gr_solver_run(s);
	if (status == GR_OK && gr_solver_done(s) == gr_solver_steps(s))
		x = gr_prior_decode(prior, gr_solver_result(s));
	else if (status == GR_OK)
		gr_error_set(GR_ESTATE, "sample: interrupted");
	d->evaluations = gr_solver_evaluations(s);
	gr_solver_free(s);
	return x;
}

gr_tensor *gr__sample_draw(const gr_prior *prior, sample_draw *d)
{
	gr_tensor *all = NULL;
	for (int64_t first = 0; first < d->n; first += AT_ONCE) {
		const int64_t m = d->n - first < AT_ONCE ? d->n - first : AT_ONCE;
		gr_scope_begin();
		gr_tensor *x = draw(prior, d, first, m);
		if (x != NULL && all == NULL)
			all = gr_escape(gr_zeros(GR_F32,
				GR_DIMS(d->n, gr_tensor_dim(x, 1), gr_tensor_dim(x, 2), gr_tensor_dim(x, 3))));
		if (all != NULL && x != NULL)
			gr_tensor_to_f32(x, (float *)gr_tensor_data(all) + first * (gr_tensor_size(x) / m));
		if (gr_scope_end() != GR_OK)
			return NULL;
		if (d->command != NULL)
			fprintf(stderr, "%s: %" PRId64 " of %" PRId64 "\n", d->command, first + m, d->n);
	}
	return all;
}
