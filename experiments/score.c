/* Scores of restored images: see score.h. */
#include "score.h"

#include <math.h>
#include <string.h>

#include "gradus/baseline.h"
#include "gradus/metric.h"
#include "gradus/ops.h"
#include "gradus/statistics.h"

const gr_score_column gr__score_columns[GR_SCORES] = {
	[GR_SCORE_PSNR] = {"psnr", "PSNR", 1, 2},
	[GR_SCORE_PSNR_MISSING] = {"psnr_missing", "PSNR, missing pixels", 1, 2},
	[GR_SCORE_SSIM] = {"ssim", "SSIM", 1, 3},
	[GR_SCORE_RESIDUAL] = {"residual_over_sigma", "residual / sigma", 0, 2},
	[GR_SCORE_SPREAD] = {"spread", "spread", 0, 3},
};

int gr__score_find(const char *name, size_t length)
{
	for (int i = 0; i < GR_SCORES; i++) {
		if (strlen(gr__score_columns[i].name) == length &&
			memcmp(gr__score_columns[i].name, name, length) == 0)
			return i;
	}
	return -1;
}

gr_status gr__score_images(gr_score *out, const gr_operator *A, gr_tensor *x, gr_tensor *truth,
	gr_tensor *y, double sigma)
{
	if (x == NULL || truth == NULL || y == NULL)
		return gr_error_code();
	int64_t m = gr_tensor_dim(x, 0);
	bool inpaints = strcmp(gr_baseline_name(A), "harmonic") == 0; /* a mask of pixels */
	double *column = gr_alloc((size_t)m * sizeof *column);
	if (column == NULL)
		return gr_error_code();
	gr_status status = GR_OK;
	for (int c = 0; c < GR_SCORES && status == GR_OK; c++) {
		for (int64_t i = 0; i < m; i++)
			column[i] = NAN;
		if (c == GR_SCORE_PSNR)
			status = gr_psnr(column, x, truth, NULL);
		else if (c == GR_SCORE_PSNR_MISSING && inpaints)
			status = gr_psnr(column, x, truth,
				GR_OPTS(gr_psnr_opts, .leave_out = gr_operator_support(A, GR_F32)));
		else if (c == GR_SCORE_SSIM)
			status = gr_ssim(column, x, truth, GR_SSIM_WANG2004);
		else if (c == GR_SCORE_RESIDUAL)
			status = gr_residual_rms(column, A, x, y);
		double unit = c == GR_SCORE_RESIDUAL && sigma > 0.0 ? sigma : 1.0;
		for (int64_t i = 0; i < m; i++)
			out[i].v[c] = column[i] / unit;
	}
	gr_free(column);
	return status;
}

gr_status gr__score_spread(gr_score *out, gr_tensor *samples, int64_t n, int64_t k)
{
	gr_status status = GR_OK;
	for (int64_t i = 0; i < n && status == GR_OK; i++) {
		double variance = NAN;
		gr_scope_begin();
		if (k > 1)
			status = gr_sample_variance(&variance, gr_slice(samples, 0, i * k, (i + 1) * k, 1));
		gr_status ended = gr_scope_end();
		status = status == GR_OK ? ended : status;
		out[i].v[GR_SCORE_SPREAD] = sqrt(variance);
	}
	return status;
}
