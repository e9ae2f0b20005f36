/* gr_gradcheck: sound functions pass, and every defect of a derivative is found. */
#include <criterion/criterion.h>
#include <string.h>

#include "gradus/gradcheck.h"
#include "gradus/ops.h"

static gr_tensor *input(uint64_t seed, int64_t rows, int64_t cols)
{
	return gr_random_normal(gr_key_seed(seed), GR_F64, GR_DIMS(rows, cols));
}

static gr_status sound(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	(void)payload;
	gr_tensor *h = gr_tanh(gr_matmul(x[0], x[1]));
	y[0] = gr_softmax(h);
	y[1] = gr_exp(gr_sum(gr_mul(h, h), GR_AXES(0), false));
	return y[1] != NULL ? GR_OK : gr_error_code();
}

Test(gradcheck_function, a_sound_function_passes)
{
	gr_memory before;
	gr_tensor *x[] = {input(1, 4, 3), input(2, 3, 5)};
	for (int i = 0; i < 2; i++) {
		if (i == 1)
			before = gr_memory_stats();
		gr_status status = gr_gradcheck(sound, 2, x, GR_OPTS(gr_gradcheck_opts, .outputs = 2));
		cr_expect_eq(status, GR_OK, "%s", gr_error_message());
	}
	cr_expect_eq(gr_memory_stats().bytes_in_use, before.bytes_in_use);
}

static gr_status constant(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	(void)x, (void)payload;
	y[0] = gr_full(GR_F64, GR_DIMS(3), 2.0);
	return GR_OK;
}

Test(gradcheck_function, a_constant_passes)
{
	gr_tensor *x = input(1, 2, 2);
	gr_status status = gr_gradcheck(constant, 1, &x, NULL);
	cr_expect_eq(status, GR_OK, "%s", gr_error_message());
}

/* y = a^2 b by an op of the user's own, its rule with a defect. */
typedef enum defect { NONE, SIGN, MILLIONTHS, CUT, NOT_LINEAR } defect;

static defect with;

static gr_status infer(gr_op_call *c)
{
	c->contiguous = 3;
	return gr_infer_same(c);
}

static gr_status forward(gr_op_call *c)
{
	const double *a = gr_tensor_data_const(c->in[0]), *b = gr_tensor_data_const(c->in[1]);
	double *y = gr_tensor_data(c->out[0]);
	for (int64_t i = 0; i < gr_tensor_size(c->out[0]); i++)
		y[i] = a[i] * a[i] * b[i];
	return GR_OK;
}

/* da = 2 a b g, db = a^2 g */
static gr_status vjp(gr_vjp *v)
{
	gr_tensor *a = v->in[0], *b = with == CUT ? gr_stop_gradient(v->in[1]) : v->in[1];
	gr_tensor *g = v->gout[0];
	if (with == NOT_LINEAR) /* right where the cotangent is as it is, wrong as a function of it */
		g = gr_add(gr_stop_gradient(gr_mul_s(g, 0.5)), gr_mul_s(g, 0.5));
	v->gin[0] = gr_mul(gr_mul_s(gr_mul(a, b), with == SIGN ? -2.0 : 2.0), g);
	v->gin[1] = gr_mul_s(gr_mul(gr_square(a), g), with == MILLIONTHS ? 1.0 + 3e-5 : 1.0);
	return GR_OK;
}

static const gr_op square_mul = {.name = "square_mul",
	.sig = "a b",
	.math = "y = a^2 b",
	.nin = 2,
	.nout = 1,
	.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1),
	.infer = infer,
	.forward = forward,
	.vjp = vjp};

static gr_status with_op(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	(void)payload;
	y[0] = gr_apply1(&square_mul, 2, x, NULL);
	return y[0] != NULL ? GR_OK : gr_error_code();
}

Test(gradcheck_function, defects_are_found_and_named)
{
	static const struct {
		defect with;
		bool first_order;
		const char *text; /* NULL: passes */
	} cases[] = {
		{NONE, false, NULL},
		{SIGN, false, "gradient in x[0]"},
		{MILLIONTHS, false, "gradient in x[1]"},
		{CUT, false, "second order in x["},
		{CUT, true, NULL},
		{NOT_LINEAR, false, "tangent in x[0]"},
	};
	gr_tensor *x[] = {input(1, 2, 3), input(2, 2, 3)};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		with = cases[i].with;
		gr_status status = gr_gradcheck(with_op, 2, x,
			GR_OPTS(gr_gradcheck_opts, .first_order = cases[i].first_order));
		const char *message = gr_error_message();
		cr_expect_eq(status, cases[i].text == NULL ? GR_OK : GR_ENUMERIC, "case %zu: %s", i,
			message);
		cr_expect(cases[i].text == NULL || strstr(message, cases[i].text) != NULL, "case %zu: %s",
			i, message);
		gr_error_clear();
	}
}

static gr_status failing(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	(void)y, (void)x, (void)payload;
	return gr_error_set(GR_EIO, "no");
}

static gr_status single(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	(void)payload;
	y[0] = gr_cast(x[0], GR_F32);
	return GR_OK;
}

Test(gradcheck_function, errors)
{
	gr_tensor *x = input(1, 2, 2), *f = gr_zeros(GR_F32, GR_DIMS(2));
	gr_status status = gr_gradcheck(NULL, 1, &x, NULL);
	cr_expect_eq(status, GR_EARG);
	gr_error_clear();
	status = gr_gradcheck(sound, 1, &f, NULL);
	cr_expect_eq(status, GR_EDTYPE);
	gr_error_clear();
	status = gr_gradcheck(failing, 1, &x, NULL);
	cr_expect_eq(status, GR_EIO);
	gr_error_clear();
	status = gr_gradcheck(single, 1, &x, NULL);
	cr_expect_eq(status, GR_EDTYPE);
}
