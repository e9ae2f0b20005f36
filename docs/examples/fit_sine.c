/* Train a small network on y = sin 3x; part of the README. */
#include <gradus/layers.h>
#include <gradus/ops.h>
#include <gradus/train.h>
#include <stdio.h>

static gr_linear *first, *second;

static gr_tensor *network(gr_tensor *x)
{
	return gr_linear_forward(second, gr_tanh(gr_linear_forward(first, x)));
}

static gr_tensor *loss(int64_t step, gr_key key, void *ctx)
{
	gr_tensor *x = gr_random_uniform(key, GR_F32, GR_DIMS(64, 1), -1.0, 1.0);
	gr_tensor *error = gr_sub(network(x), gr_sin(gr_mul_s(x, 3.0)));
	(void)step, (void)ctx;
	return gr_mean(gr_square(error), GR_ALL_AXES, false);
}

int main(void)
{
	gr_on_error(GR_ABORT); /* report the first error where it happens, and stop */
	gr_module *net = gr_module_new();
	first = gr_linear_new(net, "first", GR_OPTS(gr_linear_opts, .in = 1, .out = 32));
	second = gr_linear_new(net, "second", GR_OPTS(gr_linear_opts, .in = 32, .out = 1));
	gr_trainer *trainer = NULL;
	const gr_lr_opts rate = {.size = sizeof rate, .base = 1e-2};
	const gr_train_opts opts = {.size = sizeof opts, .steps = 1000, .lr = &rate};
	if (gr_module_init(net, gr_key_seed(1)) || gr_trainer_new(&trainer, net, loss, &opts, NULL) ||
		gr_trainer_run(trainer))
		return 1;
	double error = gr_item(loss(0, gr_key_seed(2), NULL));
	printf("mean squared error %.6f\n", error);
	gr_trainer_free(trainer);
	gr_module_free(net);
	return error < 1e-2 ? 0 : 1;
}
