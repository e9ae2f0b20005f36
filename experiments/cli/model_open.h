/* Networks as the commands name them: an architecture, a configuration, files of weights. */
#ifndef GRADUS_CLI_MODEL_OPEN_H
#define GRADUS_CLI_MODEL_OPEN_H

#include "gradus/model.h"

/* Build `arch` (NULL: the configuration's own) from the JSON file `config` (NULL: every option has
 * its default). The caller frees *out, NULL after an error. */
gr_status gr__model_open(gr_model **out, const char *arch, const char *config);
/* The same for images or latents of this size, as gr_model_new_sized(); 0, 0: the configuration's. */
gr_status gr__model_open_sized(gr_model **out, const char *arch, const char *config, int64_t height,
	int64_t width);
/* Keep the weights as "f32", "f16" or "bf16" says; to be called before they are loaded or drawn. */
gr_status gr__model_store(gr_model *m, const char *storage);
/* Load `weights`: a file, or "CHILD=FILE,CHILD=FILE" for networks whose parts are files. */
gr_status gr__model_load(gr_model *m, const char *weights);
/* The names of all architectures on one line each, for help. */
void gr__model_list(void);

#endif
