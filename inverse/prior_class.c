/*
 * Classes and classifier-free guidance: Ho and Salimans 2022, arXiv 2207.12598, in the convention
 *     e = e_u + s (e_c - e_u)
 * of latent diffusion and SiT (s = 1 is the class alone; the other convention's s is one less). What
 * is predicted may be any of gr_prediction, since x_0 and eps are affine in it with one offset. The
 * interval is REPA's: outside it the class alone.
 */
#include <math.h>

#include "gradus/ops.h"
#include "prior_priv.h"
#include "schedule_priv.h"

gr_status gr_prior_set_class(gr_prior *p, const gr_class_opts *opts)
{
	if (!p)
		return gr_failed() ? gr_error_code() : gr_error_set(GR_EARG, "prior: it is NULL");
	p->conditional = false;
	if (!opts)
		return GR_OK;
	gr_class_opts g = *opts;
	g.scale = g.scale != 0.0 ? g.scale : 1.0;
	g.high = g.high != 0.0 ? g.high : 1.0;
	if (p->classes == 0)
		return gr_error_set(GR_EUNSUPPORTED, "prior %s: it knows no classes", p->table.name);
	if (g.label < 0 || g.label >= p->classes)
		return gr_error_set(GR_EARG, "prior %s: class %lld, expected 0 to %lld", p->table.name,
			(long long)g.label, (long long)p->classes - 1);
	if (!isfinite(g.scale) || !(g.low >= 0.0 && g.low <= g.high && g.high <= 1.0))
		return gr_error_set(GR_EARG,
			"prior %s: guidance %g on times %g to %g, expected a number, 0 <= low <= high <= 1",
			p->table.name, g.scale, g.low, g.high);
	p->guidance = g;
	p->conditional = true;
	return GR_OK;
}

/* s of each sample: 1 where its time is outside the interval. Whether any is not 1. */
static bool scales_of(const gr_prior *p, const gr_prior_call *call, gr_dtype dtype, gr_tensor **out)
{
	int64_t n = gr_tensor_dim(call->x_t, 0);
	gr_tensor *scale = gr_empty(GR_F64, GR_DIMS(n, 1, 1, 1));
	double *s = scale ? gr_tensor_data(scale) : NULL;
	bool guided = false;
	for (int64_t i = 0; s && i < n; i++) {
		double t = gr__flow_of_alpha_bar(gr_prior_alpha_bar(p, call->t[i]));
		s[i] = t >= p->guidance.low && t <= p->guidance.high ? p->guidance.scale : 1.0;
		guided = guided || s[i] != 1.0;
	}
	*out = gr_cast(scale, dtype);
	return guided;
}

gr_status gr__prior_predict_class(const gr_prior *p, gr_prior_call *call)
{
	gr_tensor *scale = NULL;
	gr_dtype dtype = gr_tensor_dtype(call->x_t);
	bool guided = scales_of(p, call, dtype, &scale);
	gr_prior_call none = {.x_t = call->x_t, .t = call->t};
	gr_prior_call class = *call;
	class.labels = gr_full(GR_I64, GR_DIMS(gr_tensor_dim(call->x_t, 0)), (double)p->guidance.label);
	gr_status status = scale && class.labels ? GR_OK : gr_error_code();
	if (!status && guided)
		status = p->table.predict(p->self, p, &none);
	if (!status)
		status = p->table.predict(p->self, p, &class);
	if (status)
		return status;
	call->variance = class.variance;
	call->features = class.features;
	call->prediction = class.prediction;
	call->evaluations = guided ? 2 : 1;
	if (guided) /* s e_c + (1 - s) e_u: the class to the bit where s is 1 */
		call->prediction =
			gr_add(gr_mul(class.prediction, scale), gr_mul(none.prediction, gr_rsub_s(scale, 1.0)));
	return call->prediction ? GR_OK : gr_error_code();
}

/* --- levels, for networks --- */

gr_status gr__prior_levels(const gr_prior *p, const gr_prior_call *call, bool ve, gr_dtype dtype,
	gr_tensor **scale, gr_tensor **level)
{
	int64_t n = gr_tensor_dim(call->x_t, 0);
	gr_tensor *scales = gr_empty(GR_F64, GR_DIMS(n, 1, 1, 1));
	gr_tensor *levels = gr_empty(GR_F64, GR_DIMS(n));
	if (!scales || !levels)
		return gr_error_code();
	for (int64_t i = 0; i < n; i++) {
		double A = gr_prior_alpha_bar(p, call->t[i]);
		double a = sqrt(A);
		double b = sqrt(1.0 - A);
		double divisor = ve ? a : a + b;
		((double *)gr_tensor_data(scales))[i] = 1.0 / divisor;
		((double *)gr_tensor_data(levels))[i] = b / divisor;
	}
	*scale = gr_cast(scales, dtype);
	*level = gr_cast(levels, dtype);
	return *scale && *level ? GR_OK : gr_error_code();
}
