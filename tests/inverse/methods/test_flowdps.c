/* FlowDPS and FlowChef: trajectories in the flow's own coordinates, written out per sample. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/ops.h"
#include "linear_gaussian.h"

#define D 16

/* A gradient step on |y - x| over the measured pixels, by `step`. */
static void descend(const linear_gaussian *p, double step, const double *at, double *x)
{
	double norm = 0.0;
	for (int64_t i = 0; i < D; i++)
		norm += p->matrix[i * D + i] != 0.0 ? (p->y[i] - at[i]) * (p->y[i] - at[i]) : 0.0;
	for (int64_t i = 0; i < D; i++)
		if (p->matrix[i * D + i] != 0.0)
			x[i] += step * (p->y[i] - at[i]) / sqrt(norm);
}

/* The flow's state z; x_t = z / |(1 - t, t)|. */
static void run(const linear_gaussian *p, const gr_schedule *schedule, gr_key key, bool chef,
	double step, double *x)
{
	double l = p->covariance[0];
	double z[D];
	int64_t count = gr_schedule_count(schedule);
	double A = gr_schedule_alpha_bar(schedule, count - 1);
	double t = sqrt(1.0 - A) / (sqrt(A) + sqrt(1.0 - A));
	for (int64_t i = 0; i < D; i++)
		z[i] = gr_key_normal(gr_key_fold_name(key, "start"), (uint64_t)i) * hypot(1.0 - t, t);
	for (int64_t j = count - 1; j >= 0; j--) {
		double z0[D], z1[D], c[D];
		A = gr_schedule_alpha_bar(schedule, j);
		t = sqrt(1.0 - A) / (sqrt(A) + sqrt(1.0 - A));
		double Ap = j > 0 ? gr_schedule_alpha_bar(schedule, j - 1) : 1.0;
		double next = sqrt(1.0 - Ap) / (sqrt(Ap) + sqrt(1.0 - Ap));
		for (int64_t i = 0; i < D; i++) {
			/* conditioning of N(m, l) on z = (1 - t) z0 + t z1 */
			double a = 1.0 - t;
			z0[i] = p->mean[i] + a * l / (a * a * l + t * t) * (z[i] - a * p->mean[i]);
			z1[i] = (z[i] - a * z0[i]) / t;
		}
		memcpy(c, z0, sizeof(c));
		for (int k = 0; k < 3 && !chef; k++) {
			double at[D];
			memcpy(at, c, sizeof(at));
			descend(p, step, at, c);
		}
		for (int64_t i = 0; i < D; i++) {
			uint64_t draw = (uint64_t)gr_schedule_timestep(schedule, j);
			double n = gr_key_normal(gr_key_fold(gr_key_fold_name(key, "step"), draw), (uint64_t)i);
			double zy = (1.0 - t) * z0[i] + t * c[i];
			z[i] = (1.0 - next) * zy + next * (sqrt(next) * z1[i] + sqrt(1.0 - next) * n);
			if (chef)
				z[i] = (1.0 - next) * z0[i] + next * z1[i];
		}
		if (chef)
			descend(p, step, z0, z);
	}
	memcpy(x, z, sizeof(z));
}

static void check(const char *method, bool chef, double step)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "inpaint_box:box=2", 4, 4, 0.25, false, 0.1);
	gr_solver_opts opts = linear_gaussian_opts(&p, 2, method, "14");
	gr_schedule *schedule = gr_prior_respace(p.prior, opts.respacing);
	gr_solver *s;
	cr_assert_eq(gr_solver_new(&s, &opts), GR_OK, "%s: %s", method, gr_error_message());
	cr_assert_eq(gr_solver_run(s), GR_OK, "%s: %s", method, gr_error_message());
	for (int64_t n = 0; n < 2; n++) {
		double x[D];
		run(&p, schedule, opts.keys[n], chef, step, x);
		double off = nn_distance(batch_of(gr_solver_result(s), n, n + 1),
			gr_from_f64(GR_F64, x, GR_DIMS(1, 1, 4, 4)));
		cr_expect(off < 1e-8, "%s: sample %d: %g", method, (int)n, off);
	}
	cr_expect_eq(gr_solver_gradients(s), 0);
	gr_solver_free(s);
	gr_schedule_free(schedule);
	cr_expect(linear_gaussian_same_alone(&p, method), "%s: %s", method, gr_error_message());
	linear_gaussian_free(&p);
}

/* Of a mask A^T r and A^+ r are r. */
Test(flowdps, follows_the_formulas)
{
	check("flowdps:step=0.1", false, 0.1);
	check("flowdps:step=0.3,back=2", false, 0.3);
	check("flowchef:step=0.2", true, 0.2);
	check("flowchef:step=0.2,back=0", true, 0.2);
}

/* Of a reduction by f A^+ is f^2 A^T: the slope is f^2 as steep as that of A^T. */
Test(flowdps, residuals_are_brought_back)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "sr_mean:factor=2", 4, 4, 0.25, true, 0.1);
	gr_solver_opts opts = linear_gaussian_opts(&p, 2, "flowchef:step=0.4,back=1", "6");
	gr_tensor *transposed = gr_solver_solve(&opts);
	opts.method = "flowchef:step=0.1,back=2";
	cr_expect(nn_distance(gr_solver_solve(&opts), transposed) < 1e-10, "%s", gr_error_message());
	linear_gaussian_free(&p);
}
