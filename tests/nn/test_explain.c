/* Parameters under their names in an explanation. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/explain.h"
#include "gradus/layers.h"
#include "gradus/ops.h"

Test(module_explain, parameters_bear_their_names)
{
	gr_module *net = gr_module_new();
	gr_linear *l = gr_linear_new(net, "first", GR_OPTS(gr_linear_opts, .in = 2, .out = 3));
	gr_status status = gr_module_init(net, gr_key_seed(1));
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	status = gr_explain_begin(false);
	cr_assert_eq(status, GR_OK);
	status = gr_module_explain(net);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_tensor *x = gr_zeros(GR_F32, GR_DIMS(4, 2));
	gr_tensor *y = gr_sumsq(gr_linear_forward(l, x), GR_ALL_AXES, false);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	status = gr_explain(y, NULL, out);
	fclose(out);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_assert_not_null(strstr(text, "permute(x=first.weight)"), "%s", text);
	cr_assert_not_null(strstr(text, "c=first.bias)"), "%s", text);
	cr_assert_not_null(strstr(text, "-> dfirst.bias f32 [3]"), "%s", text);
	free(text);
	gr_explain_end();
	gr_module_free(net);
}

Test(module_explain, values_must_be_there)
{
	gr_module *net = gr_module_new();
	gr_linear_new(net, "first", GR_OPTS(gr_linear_opts, .in = 2, .out = 3));
	gr_status status = gr_module_explain(net);
	cr_assert_eq(status, GR_ESTATE);
	gr_module_free(net);
}
