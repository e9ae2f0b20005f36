/* Learning rates as a pure function of the step, so that a resumed run needs no state for them. */
#include "gradus/optim.h"

#include <math.h>

double gr_lr_at(const gr_lr_opts *opts, int64_t step)
{
	double base = opts && opts->base != 0.0 ? opts->base : 1e-3;
	if (!opts)
		return base;
	if (step < opts->warmup)
		return base * (double)(step + 1) / (double)opts->warmup;
	if (opts->decay == GR_LR_CONSTANT || opts->steps <= opts->warmup)
		return base;
	double done = (double)(step - opts->warmup) / (double)(opts->steps - opts->warmup);
	done = fmin(done, 1.0);
	if (opts->decay == GR_LR_COSINE)
		done = 0.5 - 0.5 * cos(3.14159265358979323846 * done);
	return base + (opts->last - base) * done;
}
