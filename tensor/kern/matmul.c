/* Matrix products of 3-d views of any strides, on the packed product of gemm.h. */
#include "gemm.h"
#include "kern.h"

gr_status gr__matmul(gr_tensor *c, const gr_tensor *a, const gr_tensor *b, bool add)
{
	int64_t batch = c->dims[0];
	int64_t m = c->dims[1];
	int64_t n = c->dims[2];
	int64_t k = a->dims[2];
	const int64_t *as = a->strides;
	const int64_t *bs = b->strides;
	const int64_t *cs = c->strides;
	int64_t a_bs = a->dims[0] == 1 ? 0 : as[0];
	int64_t b_bs = b->dims[0] == 1 ? 0 : bs[0];
	if (c->dtype == GR_F64)
		return gr__gemm_batch_f64(batch, m, n, k, (const double *)(const void *)a->data, a_bs,
			as[1], as[2], (const double *)(const void *)b->data, b_bs, bs[1], bs[2],
			(double *)(void *)c->data, cs[0], cs[1], cs[2], add);
	return gr__gemm_batch_f32(batch, m, n, k, (const float *)(const void *)a->data, a_bs, as[1],
		as[2], (const float *)(const void *)b->data, b_bs, bs[1], bs[2], (float *)(void *)c->data,
		cs[0], cs[1], cs[2], add);
}
