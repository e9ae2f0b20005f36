/* EquiReg's small network: its rule of widths, gradients, training that learns, errors. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "gradus/mpe_cnn.h"
#include "gradus/train.h"
#include "nn_check.h"

Test(mpe_cnn, sizes)
{
	gr_mpe_cnn *n = gr_mpe_cnn_new(GR_OPTS(gr_mpe_cnn_config, .num_classes = 4,
		.projector_hidden = 512, .projector_out = 256));
	const int64_t convs = 9 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 256);
	const int64_t rest = 3 * (64 + 128 + 256 + 256) + 4 * 257 + 512 * 257 + 256 * 513;
	cr_assert_eq(gr_module_size(gr_mpe_cnn_module(n)), convs + rest);
	gr_mpe_cnn_free(n);
	n = gr_mpe_cnn_new(NULL);
	cr_assert_eq(gr_module_init(gr_mpe_cnn_module(n), gr_key_seed(1)), GR_OK);
	gr_tensor *y = gr_mpe_cnn_forward(n, gr_zeros(GR_F32, GR_DIMS(1, 3, 32, 48)), NULL);
	cr_assert(gr_tensor_dim(y, 1) == 256 && gr_tensor_dim(y, 2) == 2 && gr_tensor_dim(y, 3) == 3);
	gr_mpe_cnn_free(n);
}

static gr_mpe_cnn *build(gr_dtype dtype, int64_t projector)
{
	gr_mpe_cnn *n = gr_mpe_cnn_new(
		GR_OPTS(gr_mpe_cnn_config, .in_channels = 2, .width = 4, .num_blocks = 2, .num_classes = 4,
			.projector_hidden = projector, .projector_out = projector, .dtype = dtype));
	cr_assert_not_null(n, "%s", gr_error_message());
	cr_assert_eq(gr_module_init(gr_mpe_cnn_module(n), gr_key_seed(2)), GR_OK);
	return n;
}

static gr_tensor *project(const void *n, gr_tensor *x)
{
	gr_tensor *logits = NULL, *projected = NULL;
	gr_mpe_cnn_forward(n, x,
		GR_OPTS(gr_mpe_cnn_forward_opts, .logits = &logits, .projected = &projected));
	return gr_concat(2, (gr_tensor *const[]){logits, projected}, 1);
}

Test(mpe_cnn, gradients)
{
	gr_mpe_cnn *n = build(GR_F64, 5);
	gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(2, 2, 9, 8));
	cr_assert_lt(nn_gradient_error(NULL, project, n, x), 1e-6);
	gr_mpe_cnn_free(n);
}

/* Which of four turns an image had whose brightness grows downwards. */
static gr_tensor *turn_loss(int64_t step, gr_key key, void *ctx)
{
	gr_tensor *turned[4], *logits = NULL;
	gr_tensor *ramp = gr_reshape(gr_arange(GR_F32, 8, -1.0, 0.25), GR_DIMS(1, 1, 8, 1));
	gr_tensor *x = gr_random_normal(key, GR_F32, GR_DIMS(4, 2, 8, 8));
	x = gr_axpby(x, 0.3, gr_expand(ramp, GR_DIMS(4, 2, 8, 8)), 1.0);
	for (int k = 0; k < 4; k++)
		turned[k] = gr_rot90(x, k);
	gr_tensor *labels = gr_empty(GR_I64, GR_DIMS(16));
	for (int i = 0; i < 16; i++)
		((int64_t *)gr_tensor_data(labels))[i] = i / 4;
	(void)step;
	gr_mpe_cnn_forward(ctx, gr_concat(4, turned, 0),
		GR_OPTS(gr_mpe_cnn_forward_opts, .train = true, .logits = &logits));
	return gr_cross_entropy(logits, labels);
}

Test(mpe_cnn, learns_rotations)
{
	gr_mpe_cnn *n = build(GR_F32, 0);
	const gr_lr_opts rate = {.size = sizeof rate, .base = 1e-2};
	const gr_train_opts opts = {.size = sizeof opts, .steps = 60, .lr = &rate};
	gr_trainer *trainer = NULL;
	const double first = gr_item(turn_loss(0, gr_key_seed(5), n));
	cr_assert_eq(gr_trainer_new(&trainer, gr_mpe_cnn_module(n), turn_loss, &opts, n), GR_OK, "%s",
		gr_error_message());
	cr_assert_eq(gr_trainer_run(trainer), GR_OK, "%s", gr_error_message());
	const double last = gr_item(turn_loss(0, gr_key_seed(5), n));
	printf("mpe_cnn: loss %.3f -> %.3f\n", first, last);
	cr_assert_lt(last, 0.2 * first);
	gr_trainer_free(trainer);
	gr_mpe_cnn_free(n);
}

Test(mpe_cnn, refuses_what_does_not_fit)
{
	cr_assert_null(gr_mpe_cnn_new(GR_OPTS(gr_mpe_cnn_config, .num_blocks = 9)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_mpe_cnn *n = gr_mpe_cnn_new(NULL);
	gr_tensor *logits = NULL, *x = gr_zeros(GR_F32, GR_DIMS(1, 3, 16, 16));
	cr_assert_null(gr_mpe_cnn_forward(n, x, GR_OPTS(gr_mpe_cnn_forward_opts, .logits = &logits)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_assert_null(gr_mpe_cnn_forward(n, gr_zeros(GR_F32, GR_DIMS(3, 16, 16)), NULL));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_mpe_cnn_free(n);
}
