/* Records of the library and of a user's program; errors of a call. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "gradus/op.h"
#include "gradus/ops.h"

Test(registry, names_are_unique_and_found)
{
	for (int i = 0; i < gr_op_count(); i++) {
		const gr_op *op = gr_op_get(i);
		cr_assert_eq(gr_op_find(op->name), op, "%s is there twice", op->name);
	}
	cr_assert_null(gr_op_get(-1));
	cr_assert_null(gr_op_find("no such op"));
}

static bool is_constant(const char *name)
{
	static const char *const constants[] = {"index", "labels", "mask", "key", "..."};
	for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
		if (strcmp(name, constants[i]) == 0)
			return true;
	}
	return false;
}

/* Every record says what it computes and, for each input of its signature, the gradient. */
Test(registry, records_carry_their_mathematics)
{
	for (int i = 0; i < gr_op_count(); i++) {
		const gr_op *op = gr_op_get(i);
		cr_assert(op->math != NULL && op->math[0] != '\0', "%s has no math", op->name);
		cr_assert(op->dmath != NULL && op->dmath[0] != '\0', "%s has no dmath", op->name);
		if (strncmp(op->dmath, "none: ", 6) == 0) {
			cr_assert((op->flags & GR_OP_NONDIFF) != 0, "%s has a rule", op->name);
			continue;
		}
		char sig[128], *rest = sig;
		snprintf(sig, sizeof sig, "%s", op->sig);
		for (char *name; (name = strtok_r(rest, " ", &rest)) != NULL;) {
			char wanted[40];
			name[strcspn(name, "[")] = '\0';
			snprintf(wanted, sizeof wanted, "d%s", name);
			cr_assert(is_constant(name) || strstr(op->dmath, wanted) != NULL, "%s lacks %s: %s",
				op->name, wanted, op->dmath);
		}
	}
}

/* y = x^3 as a user would write it. */
static gr_status cube_forward(gr_op_call *c)
{
	const double *x = gr_tensor_data_const(c->in[0]);
	double *y = gr_tensor_data(c->out[0]);
	for (int64_t i = 0; i < gr_tensor_size(c->in[0]); i++)
		y[i] = x[i] * x[i] * x[i];
	return GR_OK;
}

static gr_status cube_infer(gr_op_call *c)
{
	c->contiguous = 1;
	return gr_infer_same(c);
}

static gr_status cube_vjp(gr_vjp *v)
{
	v->gin[0] = gr_mul(v->gout[0], gr_mul_s(gr_square(v->in[0]), 3.0));
	return GR_OK;
}

static const gr_op cube = {
	.name = "cube",
	.sig = "x",
	.math = "y = x^3",
	.dmath = "dx = 3 g x^2",
	.doc = "Third power.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.infer = cube_infer,
	.forward = cube_forward,
	.vjp = cube_vjp,
};

Test(registry, a_users_op_is_differentiated_twice)
{
	cr_assert_eq(gr_op_register(&cube), GR_OK);
	cr_assert_eq(gr_op_register(&cube), GR_EARG, "a name is taken once");
	gr_error_clear();
	gr_tensor *x = gr_watch(gr_scalar(GR_F64, 2.0));
	gr_tensor *y = gr_apply1(&cube, 1, &x, NULL), *g, *h;
	cr_assert_eq(gr_item(y), 8.0);
	cr_assert_eq(gr_grad(&g, y, 1, &x, GR_OPTS(gr_grad_opts, .create_graph = true)), GR_OK);
	cr_assert_eq(gr_item(g), 12.0);
	cr_assert_eq(gr_grad(&h, g, 1, &x, NULL), GR_OK);
	cr_assert_eq(gr_item(h), 12.0);
}

static gr_status no_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	(void)nin, (void)in, (void)attr;
	out[0] = NULL;
	return GR_EARG;
}

/* Every record is the sound one with one thing wrong, and the message says which. */
Test(registry, bad_records_are_refused)
{
	gr_op bad[12];
	static const char *const texts[12] = {"needs a name", "needs a name", "infer and forward",
		"infer and forward", "no vjp", "0..16 inputs", "1..4 outputs", "of its own",
		"vjp is needed", "two inputs", "one output", "not there"};
	for (int i = 0; i < 12; i++) {
		bad[i] = cube;
		bad[i].name = "bad";
	}
	bad[0].name = NULL;
	bad[1].name = "";
	bad[2].infer = NULL;
	bad[3].forward = NULL;
	bad[4].vjp = NULL;
	bad[5].nin = GR_OP_MAX_IN + 1;
	bad[6].nout = 0;
	bad[7].compose = no_compose;
	bad[8].vjp = NULL;
	bad[8].vjp_fused = cube.vjp;
	bad[8].flags = GR_OP_NONDIFF;
	bad[9].flags = GR_OP_BILINEAR;
	bad[10].nout = 2;
	bad[11].saves = GR_SAVE_IN(1);
	int count = gr_op_count();
	for (int i = 0; i < 12; i++) {
		gr_status status = gr_op_register(&bad[i]);
		cr_expect_eq(status, GR_EARG, "record %d", i);
		cr_expect(strstr(gr_error_message(), texts[i]) != NULL, "record %d: %s", i,
			gr_error_message());
		gr_error_clear();
	}
	gr_status status = gr_op_register(NULL);
	cr_expect_eq(status, GR_EARG);
	gr_error_clear();
	gr_op taken = cube;
	taken.name = "matmul";
	status = gr_op_register(&taken);
	cr_expect_eq(status, GR_EARG);
	cr_expect(strstr(gr_error_message(), "an op named matmul exists") != NULL);
	cr_expect_eq(gr_op_count(), count);
}

Test(registry, errors_name_op_operands_and_site)
{
	gr_tensor *a = gr_zeros(GR_F32, GR_DIMS(2, 3)), *b = gr_zeros(GR_F32, GR_DIMS(4));
	int line = __LINE__ + 1;
	cr_assert_null(gr_add(gr_add(a, b), a));
	const char *m = gr_error_message();
	char site[64];
	snprintf(site, sizeof site, "test_registry.c:%d", line);
	cr_assert_not_null(strstr(m, "add"), "%s", m);
	cr_assert_not_null(strstr(m, "[2,3]"), "%s", m);
	cr_assert_not_null(strstr(m, "[4]"), "%s", m);
	cr_assert_not_null(strstr(m, site), "%s", m);
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
}

/* What, with which operands, where, and last what to try. */
Test(registry, messages_end_with_the_hint)
{
	gr_tensor *a = gr_zeros(GR_F32, GR_DIMS(2, 3));
	gr_at("dps.c", 41);
	cr_assert_null((gr_add)(a, gr_zeros(GR_F64, GR_DIMS(2))));
	cr_assert_str_eq(gr_error_message(),
		"add: operands differ in type (a f32 [2,3], b f64 [2]) at dps.c:41; hint: gr_cast one");
}

static gr_status twice_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	(void)nin, (void)attr;
	out[0] = gr_add(in[0], in[0]);
	return out[0] != NULL ? GR_OK : gr_error_code();
}

Test(registry, a_composition_is_called_and_only_its_parts_are_recorded)
{
	static const gr_op twice = {.name = "twice",
		.sig = "x",
		.math = "y = 2 x",
		.doc = "A composition.",
		.nin = 1,
		.nout = 1,
		.compose = twice_compose};
	cr_assert_eq(gr_op_register(&twice), GR_OK, "%s", gr_error_message());
	gr_tensor *x = gr_watch(gr_scalar(GR_F64, 2.0)), *g;
	gr_tensor *y = gr_apply1(&twice, 1, &x, NULL);
	cr_assert_eq(gr_item(y), 4.0);
	gr_status status = gr_grad(&g, y, 1, &x, NULL);
	cr_assert_eq(status, GR_OK);
	cr_assert_eq(gr_item(g), 2.0);
	cr_assert_null(gr_apply1(&twice, 2, (gr_tensor *[]){x, x}, NULL));
	cr_assert_eq(gr_error_code(), GR_EARG);
}

Test(registry, types_are_not_mixed)
{
	cr_assert_null(gr_add(gr_zeros(GR_F32, GR_DIMS(2)), gr_zeros(GR_F64, GR_DIMS(2))));
	cr_assert_eq(gr_error_code(), GR_EDTYPE);
}
