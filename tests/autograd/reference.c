/* Are the values right? An op in f64 and f32 against its naive reference. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gradcheck_priv.h"
#include "reference.h"

gr_ref_fn reference_of(const char *name)
{
	const gr_ref *const tables[] = {gr_refs_math, gr_refs_move, gr_refs_image, gr_refs_order,
		gr_refs_loss, gr_refs_linalg};

	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
		for (const gr_ref *r = tables[t]; r->op != NULL; r++)
			if (strcmp(r->op, name) == 0)
				return r->fn;
	return NULL;
}

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

static bool compare_values(gr_subject *s, const char *what, const gr_tensor *y,
	const double *expected)
{
	int64_t n = gr_tensor_size(y);
	double *got = malloc((size_t)(n + 1) * sizeof *got);
	bool elementwise = (s->op->flags & GR_OP_ELEMENTWISE) != 0;
	double tolerance = tolerance_of(s->op, gr_tensor_dtype(y) == GR_F32), most = 0.0;
	double cancels = is_exact(s->op) ? 0.0 : 0.03;
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
			ok = gr__subject_fail(s, "%s, element %lld: %.17g, the reference says %.17g", what,
				(long long)i, got[i], expected[i]);
	}
	free(got);
	return ok || gr__subject_fail(s, "%s: %s", what, gr_error_message());
}

static gr_ref_tensor ref_tensor(int ndim, const int64_t *dims, double *data)
{
	gr_ref_tensor t = {.ndim = ndim, .data = data};

	for (int i = 0; i < ndim; i++)
		t.dims[i] = dims[i];
	return t;
}

static bool forward_in(gr_subject *s, gr_ref_fn ref, gr_dtype dtype)
{
	gr_subject_run r = {0};
	gr_ref_tensor in[GR_OP_MAX_IN], out[GR_OP_MAX_OUT];
	bool ok =
		gr__subject_inputs(s, dtype, GR_LAYOUT_CONTIGUOUS, r.in) && gr__subject_forward(s, &r, 0);

	if (!ok)
		return false;
	for (int i = 0; i < s->nin; i++)
		in[i] = ref_tensor(s->shape[i].ndim, s->shape[i].dims, s->value[i]);
	for (int o = 0; o < s->op->nout; o++) {
		const gr_tensor *y = r.out[o];
		double *data = calloc((size_t)gr_tensor_size(y) + 1, sizeof *data);
		ok = ok && data != NULL;
		out[o] = ref_tensor(gr_tensor_ndim(y), gr_tensor_dims(y), data);
	}
	if (ok)
		ref(s->c->attr, s->nin, in, out);
	for (int o = 0; o < s->op->nout; o++) {
		ok = ok && compare_values(s, dtype == GR_F32 ? "f32" : "f64", r.out[o], out[o].data);
		free(out[o].data);
	}
	return ok;
}

/* A scope and an error record of its own for every case. */
static int check_case(const gr_op *op, const gr_case *c, gr_ref_fn ref)
{
	gr_subject s;

	(void)gr_scope_begin();
	bool ok = gr__subject_begin(&s, op, c);
	if (ref == NULL)
		ok = gr__subject_fail(&s, "no reference");
	ok = ok && forward_in(&s, ref, GR_F64) && forward_in(&s, ref, GR_F32);
	(void)gr_scope_end();
	if (ok && gr_failed())
		ok = gr__subject_fail(&s, "an error is left over: %s", gr_error_message());
	if (!ok)
		fprintf(stderr, "%s, case \"%s\": %s\n", op->name, c->name,
			s.why[0] != '\0' ? s.why : gr_error_message());
	gr_error_clear();
	gr__subject_end(&s);
	return ok ? 0 : 1;
}

int reference_check(const gr_op *op, gr_ref_fn ref)
{
	int failures = 0;

	for (int k = 0; k < op->ncases; k++)
		failures += check_case(op, &op->cases[k], ref);
	return failures;
}
