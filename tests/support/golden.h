/*
 * Reference cases of $GRADUS_SHARED/goldens (see its README): a folder per architecture with the
 * weights under the reference's own names, inputs, outputs and gradients.
 */
#ifndef GRADUS_TESTS_GOLDEN_H
#define GRADUS_TESTS_GOLDEN_H

#include "gradus/json.h"
#include "gradus/module.h"

/* Path of goldens/<folder>/<file> in static storage; NULL, and "skipped" on stdout, when the
 * shared folder is not there. */
const char *golden_path(const char *folder, const char *file);

/* Values of a checkpoint in any format, all of them and no others. */
gr_status golden_load_pt(gr_module *m, const char *path);

/* The keys of io.npz for one comparison: input, output, cotangent, gradient of sum(y r) in x. */
typedef struct golden_keys {
	const char *x, *y, *r, *grad;
} golden_keys;

/* Compare forward and gradient with io.npz: the relative distances of output and gradient. */
typedef gr_tensor *(*golden_forward)(void *model, const gr_archive *io, gr_tensor *x);
gr_status golden_compare(const gr_archive *io, golden_forward forward, void *model,
	const golden_keys *keys, double *y_error, double *grad_error);

/* Parse goldens/<folder>/config.json; the caller frees the document. NULL as golden_path(). */
gr_json_doc *golden_config(const char *folder);

#endif
