/* Parameters under their own names in explanations (gradus/explain.h). */
#include "gradus/explain.h"

#include "gradus/module.h"

gr_status gr_module_explain(const gr_module *m)
{
	gr_param *p;
	for (int64_t i = 0; (p = gr_module_param_handle(m, i)) != NULL; i++) {
		gr_scope_begin();
		gr_tensor *t = gr_param_tensor(p); /* the scope's own where a narrower type is widened */
		const bool named = t != NULL && gr_explain_name(t, gr_module_param_name(m, i)) != NULL;
		gr_scope_end();
		if (!named)
			return gr_error_code();
	}
	return GR_OK;
}
