/*
 * Sparse observation of a partial differential equation: the channels are fields on one grid (the
 * coefficient and the solution, as in FunDPS), and each is measured at points of its own, chosen
 * without replacement by the image's key, H W - floor(missing H W) of them (default 3 %). A x =
 * m * x, m [N,C,H,W]. Unlike FunDPS's code no two fields and no two samples share their points.
 */
#include "operator_priv.h"

#include <stddef.h>

static gr_status build(gr_operator *A, const gr_operator_opts *opts)
{
	double missing = opts->missing != 0.0 ? opts->missing : 0.97;
	if (!(missing > 0.0 && missing < 1.0))
		return gr_error_set(GR_EARG,
			"operator: pde_sparse: missing is %g, expected above 0 and below 1", missing);
	int64_t points = A->in[1] * A->in[2];
	int64_t removed = (int64_t)(missing * (double)points);
	gr_tensor *mask = gr_full(GR_F64, GR_DIMS(A->n, A->in[0], A->in[1], A->in[2]), 1.0);
	double *m = gr_tensor_data(mask);
	for (int64_t i = 0; m && i < A->n * A->in[0]; i++) {
		gr_key key = gr__operator_draw_key(A, i / A->in[0]);
		gr_scope_begin();
		gr_tensor *order =
			gr_random_permutation(gr_key_fold(key, (uint64_t)(i % A->in[0])), points);
		const int64_t *at = order ? gr_tensor_data_const(order) : NULL;
		for (int64_t k = 0; at && k < removed; k++)
			m[i * points + at[k]] = 0.0;
		gr_status status = gr_scope_end();
		if (status)
			return status;
	}
	return gr__operator_add_part(A, "mask", mask);
}

static const gr_operator_option options[] = {
	{"missing", offsetof(gr_operator_opts, missing), GR_OPTION_REAL, NULL},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

static const char *const examples[] = {"pde_sparse", "pde_sparse:missing=0.5", NULL};

const gr_operator_row gr__operator_pde_sparse = {
	.name = "pde_sparse",
	.help = "each field at points of its own; missing=<fraction, 0.97>",
	.examples = examples,
	.options = options,
	.keyed = true,
	.masking = true,
	.multiplies = true,
	.build = build,
	.apply = gr__inpaint_apply,
	.adjoint = gr__inpaint_apply,
	.spectrum = gr__inpaint_spectrum,
};
