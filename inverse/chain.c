/*
 * A Markov chain on the clean state given a measurement (see chain_priv.h). A step of it differentiates
 * the misfit and, apart, the terms at the estimate; the prior is a Gaussian around x_0'.
 */
#include "chain_priv.h"

#include <math.h>

#include "gradus/ops.h"

typedef struct running {
	const gr_chain *law;
	gr_tensor *u, *q; /* constants that outlive a step of the chain */
} running;

static gr_status slope(gr_solver *s, gr_method_step *k, running *c, int64_t i, gr_tensor **score)
{
	gr_tensor *u = gr_watch(c->u);
	gr_tensor *r = gr_solver_residual(s, u);
	gr_tensor *data = NULL;
	gr_tensor *terms = NULL;
	gr_tensor *total = NULL;
	gr_status status = gr_solver_terms(s, k, u, NULL, i, c->law->steps, &total);
	if (!status && total && gr_is_tracked(total))
		status = gr_grad(&terms, total, 1, &u, GR_OPTS(gr_grad_opts, .keep_graph = true));
	if (!status)
		status = gr_grad(&data, gr_sumsq(r, GR_ALL_AXES, false), 1, &u, NULL);
	if (status)
		return status;
	if (c->law->clamp)
		data = gr_clamp(data, -1.0, 1.0);
	*score = gr_axpby(data, -1.0 / c->law->tau2, gr_sub(c->law->x0, c->u), 1.0 / c->law->sigma2);
	if (terms)
		*score = gr_sub(*score, terms);
	return *score ? GR_OK : gr_error_code();
}

static gr_status move(gr_solver *s, gr_method_step *k, running *c, int64_t i)
{
	gr_tensor *score = NULL;
	bool recording = gr_set_recording(true);
	gr_status status = slope(s, k, c, i, &score);
	gr_set_recording(recording);
	gr_tensor *z = gr_solver_noise(s, "chain", (uint64_t)(k->i * (c->law->steps + 1) + i));
	gr_tensor *u = NULL;
	gr_tensor *q = c->q;
	if (c->law->momentum > 0.0) {
		q = gr_axpby(c->q, c->law->momentum, score, sqrt(c->law->h));
		q = gr_axpby(q, 1.0, z, sqrt(2.0 * (1.0 - c->law->momentum)));
		u = gr_axpby(c->u, 1.0, q, sqrt(c->law->h));
	} else {
		u = gr_axpby(gr_axpby(c->u, 1.0, score, c->law->h), 1.0, z, sqrt(2.0 * c->law->h));
	}
	if (status || !u)
		return status ? status : gr_error_code();
	gr__solver_hold(&c->u, u);
	gr__solver_hold(&c->q, q);
	return GR_OK;
}

gr_tensor *gr__chain_run(gr_solver *s, gr_method_step *k, const gr_chain *law)
{
	running c = {.law = law};
	gr_status status = law->x0 ? GR_OK : gr_error_code();
	gr__solver_hold(&c.u, law->x0);
	if (law->momentum > 0.0)
		gr__solver_hold(&c.q,
			gr_solver_noise(s, "chain", (uint64_t)(k->i * (law->steps + 1) + law->steps)));
	for (int64_t i = 0; i < law->steps && !status; i++) {
		status = gr_scope_begin();
		if (!status)
			status = move(s, k, &c, i);
		gr_status ended = gr_scope_end();
		status = status ? status : ended;
	}
	gr__solver_forget_values(s);
	gr_tensor *u = status ? NULL : gr_stop_gradient(c.u);
	gr__solver_hold(&c.u, NULL);
	gr__solver_hold(&c.q, NULL);
	return u;
}
