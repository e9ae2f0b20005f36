/*
 * A denoiser of EDM as a prior (see gradus/prior_networks.h): of x_t and A it is told
 *     x = x_t / a,  sigma = b / a,    a = sqrt(A), b = sqrt(1 - A)
 * and answers D(x; sigma), x_0. A folder has "model": "edm" and its options, "precond" among them,
 * under "edm".
 */
#include <math.h>

#include "gradus/ops.h"
#include "gradus/prior_networks.h"
#include "prior_folder_priv.h"
#include "prior_priv.h"

static void edm_free(void *self)
{
	gr_edm_free(self);
}

static gr_status edm_predict(void *self, const gr_prior *p, gr_prior_call *call)
{
	const gr_edm *net = self;
	gr_tensor *scale = NULL, *sigma = NULL;
	gr_dtype dtype = gr_tensor_dtype(call->x_t);
	gr_dtype own = gr_edm_get_config(net)->dtype;
	gr_status status = gr__prior_levels(p, call, true, own, &scale, &sigma);
	if (status)
		return status;
	gr_tensor *x = gr_mul(gr_cast(call->x_t, own), scale);
	gr_tensor *x0 =
		gr_edm_forward(net, x, sigma, GR_OPTS(gr_edm_forward_opts, .labels = call->labels));
	call->prediction = gr_cast(x0, dtype);
	return call->prediction ? GR_OK : gr_error_code();
}

static gr_status fill(gr_prior_opts *o, gr_schedule_opts *schedule, const gr_edm *net)
{
	const gr_edm_config *c = gr_edm_get_config(net);
	double low = 0.0;
	double high = INFINITY;
	if (c->precond == GR_EDM_BARE)
		return gr_error_set(GR_EUNSUPPORTED,
			"prior edm: the network has no preconditioner, so it is no denoiser; hint: precond");
	if (o->prediction != GR_PREDICT_EPS && o->prediction != GR_PREDICT_X0)
		return gr_error_set(GR_EARG, "prior edm: it predicts x_0");
	if (o->channels && o->channels != c->in_channels)
		return gr_error_set(GR_EARG, "prior edm: %lld channels, the network has %lld",
			(long long)o->channels, (long long)c->in_channels);
	gr_edm_sigma_range(net, &low, &high);
	schedule->sigma_min = fmax(low, 0.002);
	schedule->sigma_max = fmin(high, 80.0);
	o->channels = c->in_channels;
	o->height = o->height ? o->height : c->img_resolution;
	o->width = o->width ? o->width : c->img_resolution;
	o->prediction = GR_PREDICT_X0;
	o->schedule = o->schedule ? o->schedule : schedule;
	o->classes = c->label_dim;
	return GR_OK;
}

gr_prior *gr_prior_edm_new(gr_edm *net, const gr_prior_opts *opts)
{
	static const gr_prior_table table = {.name = "edm", .predict = edm_predict, .free = edm_free};
	gr_schedule_opts schedule = {.size = sizeof(schedule), .kind = GR_SCHEDULE_EDM};
	gr_prior_opts filled = {.size = sizeof(filled)};
	if (opts)
		filled = *opts;
	gr_status status = GR_OK;
	if (!net)
		status =
			gr_failed() ? gr_error_code() : gr_error_set(GR_EARG, "prior edm: the network is NULL");
	if (!status)
		status = fill(&filled, &schedule, net);
	if (!status)
		status = gr_module_set_trainable(gr_edm_module(net), false);
	if (status) {
		gr_edm_free(net);
		return NULL;
	}
	return gr_prior_new(&table, net, &filled);
}

gr_status gr__prior_folder_edm(gr_prior **out, const prior_folder *f, gr_prior_find_fn find)
{
	(void)find; /* it names no other folder */
	gr_edm_config config;
	const gr_json *object = gr__prior_folder_object(f, "edm");
	gr_status status = object ? gr_edm_config_from_json(&config, object) : gr_error_code();
	gr_edm *net = status ? NULL : gr_edm_new(&config);
	if (!net)
		return gr_error_code();
	status = gr__prior_folder_load(f, gr_edm_module(net));
	if (status) {
		gr_edm_free(net);
		return status;
	}
	*out = gr_prior_edm_new(net,
		GR_OPTS(gr_prior_opts, .channels = f->dims[0], .height = f->dims[1], .width = f->dims[2]));
	return *out ? GR_OK : gr_error_code();
}
