/* Looking inside a gradient: its derivation, where the time goes, where the first NaN comes from.
 * Part of docs/seeing-inside.md. */
#include <gradus/explain.h>
#include <gradus/ops.h>
#include <gradus/trace.h>
#include <stdio.h>

static gr_tensor *loss(gr_tensor *w)
{
	gr_tensor *x = gr_random_normal(gr_key_seed(1), GR_F32, GR_DIMS(16, 4));
	gr_tensor *y = gr_tanh(gr_matmul(x, w));
	return gr_mean(gr_square(y), GR_ALL_AXES, false);
}

int main(void)
{
	gr_tensor *values = gr_random_normal(gr_key_seed(2), GR_F32, GR_DIMS(4, 2)), *g;

	/* The derivation, with names and values. */
	if (gr_explain_begin(true))
		return 1;
	gr_tensor *w = gr_explain_name(gr_watch(values), "w");
	gr_tensor *y = gr_explain_name(loss(w), "loss");
	if (gr_explain(y, NULL, stdout))
		return 1;
	gr_explain_end();

	/* Time, work and bytes of each op and of each rule. */
	gr_profile *profile = gr_profile_begin(NULL);
	if (gr_grad(&g, loss(w), 1, &w, NULL))
		return 1;
	gr_profile_end(profile);
	gr_profile_print(profile, stdout);
	int rows = gr_profile_count(profile);
	gr_profile_free(profile);

	/* The op that makes the first NaN or infinity. */
	gr_set_check_finite(true);
	gr_tensor *bad = gr_log(gr_mul_s(gr_square(w), 0.0));
	printf("%s\n", gr_error_message());
	return bad == NULL && gr_error_code() == GR_ENUMERIC && rows > 0 ? 0 : 1;
}
