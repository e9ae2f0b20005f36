/*
 * Are the values right, and is the record complete and true? Values against the naive reference,
 * and what the flags claim: linear, bilinear, a view, nothing to differentiate.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/ops.h"
#include "generator.h"
#include "tensor_int.h"

/* --- values against the reference ---------------------------------------------------------- */

/*
 * Relative to the element for elementwise ops, to the largest element for others, which sum. In
 * f64 the library's own mathematics is good to a few units in the last place, 1e-15; in f32 that
 * is 1e-6, and a sum of some hundred terms of either sign loses a digit. Functions that cancel
 * (affine, a - b, sin near pi) are accurate relative to what they cancel, not to what is left:
 * hence 3 % of the largest element are added to the scale. Those whose bound is of their own
 * (is_exact; tests/tensor/test_vmath.c measures it) are held to it without that.
 */
static bool is_exact(const gr_op *op)
{
	static const char *const exact[] = {"mul", "div", "neg", "square", "exp", "sqrt", "rsqrt",
		"tanh", "erf", "sigmoid", "silu", "softplus", "relu", "leaky_relu", "gelu", "abs"};

	for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
		if (strcmp(exact[i], op->name) == 0)
			return true;
	return false;
}

static double tolerance_of(const gr_op *op, bool single)
{
	if ((op->flags & GR_OP_ELEMENTWISE) != 0)
		return single ? 2e-6 : 1e-13;
	return single ? 1e-5 : 1e-12;
}

static bool compare_values(gen *g, const char *what, const gr_tensor *y, const double *expected)
{
	int64_t n = gr_tensor_size(y);
	double *got = malloc((size_t)(n + 1) * sizeof *got);
	bool elementwise = (g->op->flags & GR_OP_ELEMENTWISE) != 0;
	double tolerance = tolerance_of(g->op, gr_tensor_dtype(y) == GR_F32), most = 0.0;
	double cancels = is_exact(g->op) ? 0.0 : 0.03;
	/* Of denormal numbers both sides know some units, libm's erfc() of 1e-322 a handful. */
	double denormal = gr_tensor_dtype(y) == GR_F32 ? 0x1p-145 : 0x1p-1070;
	bool ok = got != NULL && gr_tensor_to_f64(y, got) == GR_OK;

	for (int64_t i = 0; i < n; i++)
		if (isfinite(expected[i]))
			most = fmax(most, fabs(expected[i]));
	for (int64_t i = 0; ok && i < n; i++) {
		double scale = elementwise ? fabs(expected[i]) + cancels * most : most;
		bool same = isnan(expected[i]) ? isnan(got[i]) : got[i] == expected[i];
		if (!same && !(fabs(got[i] - expected[i]) <= tolerance * scale + denormal))
			ok = gen_fail(g, "%s, element %lld: %.17g, the reference says %.17g", what,
				(long long)i, got[i], expected[i]);
	}
	free(got);
	return ok || gen_fail(g, "%s: %s", what, gr_error_message());
}

static gr_ref_tensor ref_tensor(int ndim, const int64_t *dims, double *data)
{
	gr_ref_tensor t = {.ndim = ndim, .data = data};

	for (int i = 0; i < ndim; i++)
		t.dims[i] = dims[i];
	return t;
}

static bool forward_in(gen *g, gr_dtype dtype)
{
	gen_run r = {0};
	gr_ref_tensor in[GR_OP_MAX_IN], out[GR_OP_MAX_OUT];
	bool ok = gen_inputs(g, dtype, GEN_CONTIGUOUS, r.in) && gen_forward(g, &r, 0);

	if (!ok)
		return false;
	for (int i = 0; i < g->nin; i++)
		in[i] = ref_tensor(g->shape[i].ndim, g->shape[i].dims, g->value[i]);
	for (int o = 0; o < g->op->nout; o++) {
		const gr_tensor *y = r.out[o];
		double *data = calloc((size_t)gr_tensor_size(y) + 1, sizeof *data);
		ok = ok && data != NULL;
		out[o] = ref_tensor(gr_tensor_ndim(y), gr_tensor_dims(y), data);
	}
	if (ok)
		g->ref(g->c->attr, g->nin, in, out);
	for (int o = 0; o < g->op->nout; o++) {
		ok = ok && compare_values(g, dtype == GR_F32 ? "f32" : "f64", r.out[o], out[o].data);
		free(out[o].data);
	}
	return ok;
}

bool gen_check_forward(gen *g)
{
	if (g->ref == NULL)
		return gen_fail(g, "no reference");
	return forward_in(g, GR_F64) && forward_in(g, GR_F32);
}

/* --- the record ---------------------------------------------------------------------------- */

static bool is_text(const char *s)
{
	return s != NULL && s[0] != '\0';
}

bool gen_check_record(gen *g)
{
	const gr_op *op = g->op;

	if (!is_text(op->name) || !is_text(op->sig) || !is_text(op->math) || !is_text(op->doc))
		return gen_fail(g, "name, sig, math or doc is missing");
	if (!is_text(g->c->name))
		return gen_fail(g, "a case without a name");
	if (op->compose != NULL && (op->infer != NULL || op->forward != NULL || op->vjp != NULL))
		return gen_fail(g, "a composition with rules of its own");
	if (op->compose == NULL && (op->flags & GR_OP_NONDIFF) == 0 && op->vjp == NULL)
		return gen_fail(g, "no vjp");
	if ((op->attr_size == 0) != (g->c->attr == NULL))
		return gen_fail(g, "the op has %zu bytes of attributes, the case %s", op->attr_size,
			g->c->attr == NULL ? "none" : "some");
	return true;
}

/* --- flags --------------------------------------------------------------------------------- */

/* out = f(a + 2 b) and f(a) + 2 f(b) where the inputs in `mask` vary; a is the case, b random. */
static bool is_linear_in(gen *g, uint32_t mask)
{
	gen_run a = {0}, b = {0}, both = {0};

	if (!gen_inputs(g, GR_F64, GEN_CONTIGUOUS, a.in) ||
		!gen_inputs(g, GR_F64, GEN_CONTIGUOUS, b.in))
		return false;
	for (int i = 0; i < g->nin; i++) {
		both.in[i] = a.in[i];
		if ((mask >> i & 1) == 0)
			continue;
		const gr_operand *s = &g->shape[i];
		b.in[i] = gr_random_uniform(gr_key_seed((uint64_t)i), GR_F64, s->ndim, s->dims, -1.0, 1.0);
		both.in[i] = gr_axpby(a.in[i], 1.0, b.in[i], 2.0);
	}
	if (!gen_forward(g, &a, 0) || !gen_forward(g, &b, 0) || !gen_forward(g, &both, 0))
		return false;
	for (int o = 0; o < g->op->nout; o++) {
		gr_tensor *sum = gr_axpby(a.out[o], 1.0, b.out[o], 2.0);
		double rounding = gr_tensor_dtype(sum) == GR_F32 ? 1e-6 : 1e-12;
		if (!gen_close(g, "not linear", both.out[o], sum, rounding))
			return false;
	}
	return true;
}

static bool shares_storage(const gen *g, const gen_run *r)
{
	for (int o = 0; o < g->op->nout; o++)
		for (int i = 0; i < g->nin; i++)
			if (r->out[o]->storage == r->in[i]->storage)
				return true;
	return false;
}

bool gen_check_flags(gen *g)
{
	unsigned flags = g->op->flags;
	gen_run r = {0};

	if (!gen_inputs(g, GR_F64, GEN_CONTIGUOUS, r.in) || !gen_forward(g, &r, g->diff))
		return false;
	/* A composition may end in a view or a copy, as the strides allow. */
	if (g->op->compose == NULL && ((flags & GR_OP_VIEW) != 0) != shares_storage(g, &r))
		return gen_fail(g, "a view, or not, against its flag");
	for (int o = 0; o < g->op->nout; o++) {
		bool want = (flags & GR_OP_NONDIFF) == 0 && gen_is_float(r.out[o]) && g->diff != 0;
		if (gr_is_tracked(r.out[o]) != want)
			return gen_fail(g, "output %d is %stracked", o, want ? "not " : "");
	}
	if ((flags & GR_OP_LINEAR) != 0 && gen_is_float(r.out[0]) && !is_linear_in(g, g->diff))
		return false;
	if ((flags & GR_OP_BILINEAR) != 0 && (!is_linear_in(g, 1) || !is_linear_in(g, 2)))
		return false;
	return true;
}
