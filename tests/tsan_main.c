/*
 * What threads share, under the thread sanitizer: kernels on many threads, two threads that run ops
 * and gradients of their own, training and solver steps, and the same bits from one thread and from
 * four. A plain program, since Criterion cannot start there. Exits 1 where a result differs.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "gradus/estimate.h"
#include "gradus/ops.h"
#include "steps.h"

static int failures;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "tsan_main: %s: %s\n", what, gr_failed() ? gr_error_message() : "differs");
	gr_error_clear();
	failures++;
}

/* Products, convolutions by each algorithm, norms, attention, sorting, sums, transforms; and back. */
static gr_tensor *work(uint64_t seed)
{
	gr_tensor *x = gr_watch(gr_random_normal(gr_key_seed(seed), GR_F32, GR_DIMS(4, 32, 32, 32)));
	gr_tensor *w = gr_random_normal(gr_key_seed(seed + 1), GR_F32, GR_DIMS(32, 32, 3, 3));
	gr_tensor *one = gr_full(GR_F32, GR_DIMS(32), 1.0), *zero = gr_zeros(GR_F32, GR_DIMS(32));
	gr_tensor *y = gr_conv2d(x, w, GR_OPTS(gr_conv_opts, .pad = 1));
	y = gr_group_norm(y, one, zero, GR_OPTS(gr_group_norm_opts, .groups = 8, .silu = true));
	y = gr_conv2d(y, w, GR_OPTS(gr_conv_opts, .pad = 1, .stride = 2));
	gr_tensor *tokens = gr_transpose(gr_reshape(y, GR_DIMS(4, 32, 256)), 1, 2);
	tokens = gr_attention(tokens, tokens, tokens, 0.0);
	tokens = gr_add(gr_sort(tokens, 1, false, NULL), gr_cumsum(tokens, 1));
	gr_tensor *g, *loss = gr_mean(gr_square(gr_softmax(tokens)), GR_ALL_AXES, false);
	return gr_grad(&g, loss, 1, &x, NULL) == GR_OK ? g : NULL;
}

static bool same_bits(const gr_tensor *a, const gr_tensor *b)
{
	return a != NULL && b != NULL &&
		memcmp(gr_tensor_data_const(a), gr_tensor_data_const(b),
			(size_t)gr_tensor_size(a) * sizeof(float)) == 0;
}

static void ops_on_many_threads(void)
{
	gr_set_threads(1);
	gr_tensor *one = work(1);
	gr_set_threads(4);
	check(same_bits(one, work(1)), "ops on one thread and on four");
}

/* --- two threads of the program ---------------------------------------------------------------- */

static gr_status estimated(void *ctx)
{
	(void)ctx;
	return work(7) != NULL ? GR_OK : gr_error_code();
}

static void *user_thread(void *ctx)
{
	gr_tensor **out = ctx;
	gr_cost cost;
	*out = gr_tensor_retain(work(5));
	if (gr_estimate(&cost, estimated, NULL) != GR_OK || cost.bytes_peak == 0)
		return ctx;
	gr_scope_end();
	return NULL;
}

static void ops_of_two_threads(void)
{
	pthread_t threads[2];
	gr_tensor *out[2] = {NULL, NULL};
	void *bad[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, user_thread, &out[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], &bad[i]);
	check(bad[0] == NULL && bad[1] == NULL, "estimates beside real work");
	check(same_bits(out[0], out[1]), "two threads with graphs of their own");
	gr_tensor_release(out[0]);
	gr_tensor_release(out[1]);
}

/* --- steps ------------------------------------------------------------------------------------- */

static gr_tensor *trained(int threads)
{
	train_steps w;
	gr_set_threads(threads);
	gr_status status = train_steps_new(&w, 16, 4);
	for (int i = 0; i < 2 && status == GR_OK; i++)
		status = train_steps_next(&w);
	gr_tensor *p = NULL;
	if (status == GR_OK)
		p = gr_concat(2,
			(gr_tensor *[]){gr_reshape(gr_module_param(gr_unet_module(w.net), 0), GR_DIMS(-1)),
				gr_reshape(gr_ema_tensor(gr_trainer_ema(w.trainer), 0), GR_DIMS(-1))},
			0);
	p = gr_stop_gradient(p);
	train_steps_free(&w);
	return p;
}

static gr_tensor *solved(int threads)
{
	solve_steps w;
	gr_set_threads(threads);
	gr_status status = solve_steps_new(&w, 16, 4);
	for (int i = 0; i < 2 && status == GR_OK; i++)
		status = solve_steps_next(&w);
	gr_tensor *x = status == GR_OK ? gr_stop_gradient(gr_solver_state(w.solver, 0)) : NULL;
	solve_steps_free(&w);
	return x;
}

int main(void)
{
	ops_on_many_threads();
	ops_of_two_threads();
	check(same_bits(trained(1), trained(4)), "training steps on one thread and on four");
	check(same_bits(solved(1), solved(4)), "steps of DPS on one thread and on four");
	gr_scope_end();
	printf("tsan_main: %s\n", failures == 0 ? "ok" : "failed");
	return failures != 0;
}
