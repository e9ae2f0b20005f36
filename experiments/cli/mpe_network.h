/* What the objectives share that train the network of gradus/mpe_cnn.h. */
#ifndef GRADUS_CLI_MPE_NETWORK_H
#define GRADUS_CLI_MPE_NETWORK_H

#include "gradus/mpe_cnn.h"
#include "objective.h"

/* The member "mpe_cnn" of config.json; without the projector, which serves training alone. */
void gr__mpe_describe(const gr_mpe_cnn_config *c, FILE *f);
/* Running statistics anew, by the weights in place: training batches, so many that what was there
 * before counts nothing. For objective.finish. */
gr_status gr__mpe_settle(const gr_mpe_cnn *net, const train_run *run);

#endif
