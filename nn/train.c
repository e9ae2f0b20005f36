/*
 * The training loop (see gradus/train.h). One step:
 *
 *     loss -> gradients -> norm, clip -> optimiser -> average -> log -> callbacks -> checkpoint
 *
 * Everything a step reads is in the checkpoint or a function of the step's number, which is why
 * resuming is exact. Loss and norm are checked before anything is updated.
 */
#include "gradus/train.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "optim_priv.h"
#include "train_priv.h"

static double seconds_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static gr_status take_params(gr_trainer *t)
{
	gr_params params;
	gr_status status = gr_params_of(&params, t->module);
	if (status)
		return status;
	status = gr__params_copy(&t->params, &params, "train");
	gr_params_free(&params);
	if (status)
		return status;
	t->handles = gr_alloc((size_t)t->params.n * sizeof(gr_param *));
	t->leaves = gr_alloc((size_t)t->params.n * sizeof(gr_tensor *));
	t->grads = gr_alloc((size_t)t->params.n * sizeof(gr_tensor *));
	if (!t->handles || !t->leaves || !t->grads)
		return gr_error_set(GR_EMEM, "train: out of memory");
	for (int i = 0; i < t->params.n; i++)
		t->handles[i] = gr_module_find_handle(t->module, t->params.names[i]);
	return GR_OK;
}

static gr_status take_buffers(gr_trainer *t)
{
	gr_params found;
	gr_status status = gr__params_buffers(&found, t->module);
	if (!status && found.n > 0)
		status = gr__params_copy(&t->buffers, &found, "train");
	gr_params_free(&found);
	return status;
}

gr_status gr_trainer_new(gr_trainer **out, gr_module *m, gr_loss_fn loss, const gr_train_opts *opts,
	void *ctx)
{
	*out = NULL;
	if (!m || !loss || !opts || opts->steps < 1)
		return gr_error_set(GR_EARG, "train: needs a module, a loss and at least one step");
	gr_trainer *t = gr_alloc(sizeof(*t));
	if (!t)
		return gr_error_set(GR_EMEM, "train: out of memory");
	t->module = m;
	t->loss = loss;
	t->ctx = ctx;
	t->opts = *opts;
	t->opts.optim = NULL;
	t->opts.lr = NULL;
	t->opts.ema = NULL;
	t->opts.output = t->opts.config = NULL;
	if (t->opts.checkpoint_minutes == 0.0)
		t->opts.checkpoint_minutes = 10.0;
	t->lr = opts->lr ? *opts->lr : (gr_lr_opts){.size = sizeof(gr_lr_opts)};
	const char *config = opts->config ? opts->config : "";
	gr_sha256_bytes(config, strlen(config), t->config_hash);
	gr_status status = take_params(t);
	if (!status)
		status = take_buffers(t);
	if (!status && opts->output) {
		t->output = gr_strdup(opts->output);
		if (!t->output)
			status = gr_error_set(GR_EMEM, "train: out of memory");
	}
	if (!status)
		status = gr_optim_new(&t->optim, &t->params, opts->optim);
	if (!status)
		status = gr_ema_new(&t->ema, &t->params, opts->ema);
	if (!status)
		status = gr__train_open(t);
	if (status) {
		gr_trainer_free(t);
		return status;
	}
	*out = t;
	return GR_OK;
}

void gr_trainer_free(gr_trainer *t)
{
	if (!t)
		return;
	if (t->log)
		fclose(t->log);
	gr_ema_free(t->ema);
	gr_optim_free(t->optim);
	gr__params_release(&t->params);
	gr__params_release(&t->buffers);
	gr_free(t->handles);
	gr_free(t->leaves);
	gr_free(t->grads);
	gr_free(t->output);
	gr_free(t);
}

int64_t gr_trainer_done(const gr_trainer *t)
{
	return t ? t->done : 0;
}

gr_ema *gr_trainer_ema(const gr_trainer *t)
{
	return t ? t->ema : NULL;
}

static gr_status not_finite(const gr_trainer *t, const char *what, double value)
{
	return gr_error_set(GR_ENUMERIC,
		"train: %s is %g at step %" PRId64
		"; hint: lower the learning rate, warm up longer or clip",
		what, value, t->done);
}

/* Loss and gradients of the next step, inside the caller's scope. */
static gr_status differentiate(gr_trainer *t, gr_train_report *r)
{
	gr_key run = gr_key_fold_name(gr_key_seed(t->opts.seed), "train");
	gr_tensor *loss = t->loss(t->done, gr_key_fold(run, (uint64_t)t->done), t->ctx);
	if (!loss)
		return gr_failed() ? gr_error_code()
						   : gr_error_set(GR_EARG, "train: the loss function returned NULL");
	r->loss = gr_estimating() ? 0.0 : gr_item(loss);
	if (gr_failed())
		return gr_error_code();
	if (!isfinite(r->loss))
		return not_finite(t, "the loss", r->loss);
	/* Leaves are asked for anew: they change with gr_module_set_trainable(). */
	for (int i = 0; i < t->params.n; i++)
		t->leaves[i] = gr_param_tensor(t->handles[i]);
	gr_status status = gr_grad(t->grads, loss, t->params.n, t->leaves, NULL);
	if (status)
		return status;
	r->grad_norm = gr_grad_norm(t->grads, t->params.n);
	if (gr_failed())
		return gr_error_code();
	return isfinite(r->grad_norm) ? GR_OK : not_finite(t, "the gradient's norm", r->grad_norm);
}

static gr_status one_step(gr_trainer *t, gr_train_report *r)
{
	gr_status status = gr_scope_begin();
	if (status) {
		(void)gr_scope_end(); /* balances the one that could not open */
		return status;
	}
	status = differentiate(t, r);
	if (!status) {
		r->lr = gr_lr_at(&t->lr, t->done);
		double scale = gr_clip_scale(r->grad_norm, t->opts.clip);
		status = gr_optim_step(t->optim, t->grads, r->lr, scale);
	}
	gr_status ended = gr_scope_end();
	if (!status)
		status = ended;
	if (!status)
		status = gr_ema_update(t->ema);
	if (!status)
		r->done = ++t->done;
	return status;
}

/* The callback comes even when the checkpoint was there: a run killed between the two makes up. */
static gr_status save(gr_trainer *t, const gr_train_report *r)
{
	gr_status status = gr__train_save(t);
	if (!status && t->opts.on_checkpoint)
		status = t->opts.on_checkpoint(t, r, t->ctx);
	t->saved_at = seconds_now();
	return status;
}

static bool is_due(const gr_trainer *t)
{
	if (t->opts.checkpoint_steps > 0 && t->done % t->opts.checkpoint_steps == 0)
		return true;
	return seconds_now() - t->saved_at >= 60.0 * t->opts.checkpoint_minutes;
}

gr_status gr_trainer_run(gr_trainer *t)
{
	gr_train_report r = {.done = t->done, .steps = t->opts.steps};
	gr_status status = GR_OK;
	t->saved_at = seconds_now();
	while (!status && t->done < t->opts.steps && !gr_interrupted()) {
		status = one_step(t, &r);
		if (!status)
			status = gr__train_log(t, &r);
		if (!status && t->opts.on_step)
			status = t->opts.on_step(t, &r, t->ctx);
		if (!status && t->output && is_due(t))
			status = save(t, &r);
	}
	if (t->output && !status)
		status = save(t, &r);
	return status;
}
