/*
 * What a table will take. Of each row a chunk is run dry (gradus/estimate.h): evaluations, operations
 * and memory are those of the run itself. Then a few of its steps are run and timed.
 */
#include "exp.h"

gr_status gr_exp_plan_rows(const gr_experiment *x, const gr_exp_opts *opts, bool timed,
	void (*fn)(const gr_exp_plan *plan, void *payload), void *payload)
{
	if (x == NULL || opts == NULL || fn == NULL)
		return gr_error_set(GR_EARG, "plan: %s is NULL",
			x == NULL ? "the experiment" : "a pointer");
	gr_exp_set *e = gr__exp_open(x, opts);
	if (e == NULL)
		return gr_error_code();
	gr_status status = GR_OK;
	for (int i = 0; i < e->entries && status == GR_OK; i++) {
		const gr_exp_entry *row = &e->entry[i];
		gr_exp_plan p = {.task = row->row.task, .method = row->row.method, .needs = row->needs};
		char input[4096], missing[1024];
		gr_restore_config config = row->config;
		gr_restore_plan plan = {0};
		if (p.needs == NULL)
			status = gr__exp_input(input, sizeof input, &config);
		config.input = input;
		if (p.needs == NULL && status == GR_OK)
			status = gr__restore_plan(&plan, &config, timed);
		if (status == GR_EIO ||
			status == GR_EFORMAT) { /* a file that is missing is what it needs */
			snprintf(missing, sizeof missing, "%s", gr_error_message());
			gr_error_clear();
			p.needs = missing;
			status = GR_OK;
		}
		p.images = plan.images;
		p.samples = plan.images * config.particles;
		p.evaluations = plan.evaluations;
		p.gradients = plan.gradients;
		p.flops = plan.flops;
		p.bytes = plan.bytes;
		p.seconds = plan.seconds;
		if (status == GR_OK)
			fn(&p, payload);
	}
	gr__exp_free(e);
	return status;
}
