/* See mpe_network.h. */
#include "mpe_network.h"

#include <inttypes.h>

#include "data_path.h"
#include "gradus/ops.h"

#define SETTLING 128 /* batches: at a momentum of 0.1, 1e-6 of the old statistics is left */

void gr__mpe_describe(const gr_mpe_cnn_config *c, FILE *f)
{
	fprintf(f, "\t\"mpe_cnn\": {\n\t\t\"in_channels\": %" PRId64 ",\n\t\t\"width\": %" PRId64,
		c->in_channels, c->width);
	fprintf(f, ",\n\t\t\"num_blocks\": %" PRId64, c->num_blocks);
	if (c->num_classes > 0)
		fprintf(f, ",\n\t\t\"num_classes\": %" PRId64, c->num_classes);
	fprintf(f, "\n\t},\n");
}

gr_status gr__mpe_settle(const gr_mpe_cnn *net, const train_run *run)
{
	for (int64_t i = 0; i < SETTLING; i++) {
		gr_scope_begin();
		gr_tensor *x = gr_affine(gr_loader_batch(run->loader, i, NULL), 2.0, -1.0);
		gr_mpe_cnn_forward(net, x, GR_OPTS(gr_mpe_cnn_forward_opts, .train = true));
		gr_status ended = gr_scope_end();
		if (ended)
			return ended;
	}
	return GR_OK;
}
