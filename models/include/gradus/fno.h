/*
 * The Fourier neural operator (Li et al., "Fourier neural operator for parametric partial
 * differential equations", 2021): functions on a grid to functions, at any resolution that has the
 * modes. Parameter names are our own: those of the public code bases change with their versions.
 *
 * Ownership: a gr_fno owns its module tree; results belong to the caller's scope. Threads: a network
 * may be evaluated by many while nobody changes it.
 */
#ifndef GRADUS_FNO_H
#define GRADUS_FNO_H

#include "gradus/json.h"
#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means the default given here. */
typedef struct gr_fno_config {
	size_t size;
	int64_t in_channels;         /* default 1 */
	int64_t out_channels;        /* default in_channels */
	int64_t hidden_channels;     /* default 32 */
	int64_t projection_channels; /* default 128 */
	int64_t n_layers;            /* default 4 */
	int64_t n_modes;             /* kept along the rows, of both signs; default 16 */
	int64_t n_modes_w;           /* along the columns; default n_modes */
	bool no_coordinates;         /* do not append the grid's two coordinates, 0 to 1 */
	gr_dtype dtype;              /* f32 (default) or f64 */
} gr_fno_config;

typedef struct gr_fno gr_fno;

/* Build the network; its parameters have no values until gr_module_init() or gr_module_load().
 * Initial laws: as PyTorch draws convolutions. config NULL: the defaults. */
GR_API gr_fno *gr_fno_new(const gr_fno_config *config);
GR_API void gr_fno_free(gr_fno *f);
/* The parameters: "lifting.weight", "layers.0.spectral.weight", "layers.0.skip.weight",
 * "projection.0.weight"; borrowed. */
GR_API gr_module *gr_fno_module(gr_fno *f);
/* The configuration, defaults filled in; borrowed. */
GR_API const gr_fno_config *gr_fno_get_config(const gr_fno *f);
/* Read a configuration from a JSON object with the names above, "coordinates" for the last. */
GR_API GR_MUST_USE gr_status gr_fno_config_from_json(gr_fno_config *out, const gr_json *object);

/* x [N,C,H,W], H and W at least the modes -> [N,out_channels,H,W] */
GR_API gr_tensor *gr_fno_forward(const gr_fno *f, gr_tensor *x);

#ifdef __cplusplus
}
#endif

#endif
