/* MCG: every state is on the noised measurement, the last on the measurement itself. */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/ops.h"
#include "linear_gaussian.h"

typedef struct watched {
	const linear_gaussian *p;
	const gr_solver_opts *opts;
	const gr_schedule *schedule;
	double worst;
} watched;

/* A x = sqrt(Ap) y + sqrt(1 - Ap) A n, n the step's own draw */
static int watch(const gr_solver_report *r, void *payload)
{
	watched *w = payload;
	int64_t j = r->steps - r->step;
	double Ap = j > 0 ? gr_schedule_alpha_bar(w->schedule, j - 1) : 1.0;
	gr_tensor *n = gr_zeros(GR_F64, GR_DIMS(w->opts->n, 1, 4, 4));
	for (int64_t i = 0; i < w->opts->n * 16; i++) {
		gr_key key = gr_key_fold_name(w->opts->keys[i / 16], "measurement");
		((double *)gr_tensor_data(n))[i] =
			gr_key_normal(gr_key_fold(key, (uint64_t)r->t), (uint64_t)(i % 16));
	}
	gr_tensor *x = gr_mul_s(gr_stop_gradient((gr_tensor *)r->x), 1.0);
	gr_tensor *wanted =
		gr_axpby(w->opts->y, sqrt(Ap), gr_operator_apply(w->p->A, n), sqrt(1.0 - Ap));
	w->worst = fmax(w->worst, nn_distance(gr_operator_apply(w->p->A, x), wanted));
	return 0;
}

Test(mcg, states_are_on_the_noised_measurement)
{
	static const char *const operators[] = {"inpaint_box:box=2", "sr_mean:factor=2"};
	for (int k = 0; k < 2; k++) {
		linear_gaussian p;
		linear_gaussian_new(&p, operators[k], 4, 4, 0.25, true, 0.1);
		gr_solver_opts opts = linear_gaussian_opts(&p, 2, "mcg", "10");
		gr_schedule *schedule = gr_prior_respace(p.prior, opts.respacing);
		gr_term *term = gr_dps_term(p.A, opts.y, 0.2);
		gr_term *terms[] = {term, NULL};
		watched w = {&p, &opts, schedule, 0.0};
		opts.terms = terms;
		opts.on_step = watch;
		opts.payload = &w;
		gr_tensor *x = gr_solver_solve(&opts);
		cr_assert_not_null(x, "%s", gr_error_message());
		cr_expect(w.worst < 1e-10, "%s: %g", operators[k], w.worst);
		cr_expect(nn_distance(gr_operator_apply(p.A, x), opts.y) < 1e-10);
		cr_expect(linear_gaussian_same_alone(&p, "mcg"), "%s", gr_error_message());
		gr_schedule_free(schedule);
		gr_term_free(term);
		linear_gaussian_free(&p);
	}
}
