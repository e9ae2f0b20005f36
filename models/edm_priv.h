/*
 * Blocks and preconditioners of EDM's networks, for edm.c and edm_precond.c.
 */
#ifndef GRADUS_MODELS_EDM_PRIV_H
#define GRADUS_MODELS_EDM_PRIV_H

#include "gradus/edm.h"
#include "gradus/layers.h"

#define EDM_HEAD_CHANNELS 64 /* of Dhariwal's heads; Song has one head */

typedef enum edm_resample {
	EDM_SAME = 0,
	EDM_UP = 1,
	EDM_DOWN = 2,
} edm_resample;

/* How a convolution starts. */
typedef enum edm_init {
	EDM_INIT = 0,
	EDM_INIT_ZERO = 1, /* the last of a residual branch */
	EDM_INIT_ATTENTION = 2,
} edm_init;

/* What every block of one forward pass shares. */
typedef struct edm_pass {
	gr_tensor *emb;            /* [N,E], its SiLU applied */
	const gr_key *dropout_key; /* NULL: no dropout */
	double dropout;
	uint64_t site; /* dropout places passed so far */
} edm_pass;

typedef struct edm_conv edm_conv;
typedef struct edm_block edm_block;

/* A convolution with resampling; kernel 0: resampling alone. */
edm_conv *gr__edm_conv_new(gr_module *parent, const char *name, const gr_edm_config *config,
	int64_t in, int64_t out, int64_t kernel, edm_resample resample, bool fused, edm_init init);
/* x [N,in,H,W] -> [N,out,H',W'] */
gr_tensor *gr__edm_conv_forward(const edm_conv *c, gr_tensor *x);

/* A group norm as these networks have them: min(32, channels / 4) groups, SiLU after it if asked. */
gr_groupnorm *gr__edm_norm_new(gr_module *parent, const char *name, const gr_edm_config *config,
	int64_t channels, bool silu);
/* A fully connected layer. */
gr_linear *gr__edm_linear_new(gr_module *parent, const char *name, const gr_edm_config *config,
	int64_t in, int64_t out, bool bias);

/* A residual block in -> out on a level of this resolution, with attention at its end or not. */
edm_block *gr__edm_block_new(gr_module *parent, const char *name, const gr_edm_config *config,
	int64_t in, int64_t out, int64_t resolution, edm_resample resample, bool attention);
gr_tensor *gr__edm_block_forward(const edm_block *b, gr_tensor *x, edm_pass *pass);

/* edm_config.c: fill in defaults, then refuse what makes no sense. */
gr_status gr__edm_check(gr_edm_config *config);

/* edm_precond.c: the grid of iDDPM, M + 1 levels, falling. */
void gr__edm_grid(const gr_edm_config *config, double *u);

/* edm.c: that grid, NULL for the others. */
const double *gr__edm_levels(const gr_edm *e);
/* F(x; label): x [N,C,H,W], label [N] */
gr_tensor *gr__edm_apply(const gr_edm *e, gr_tensor *x, gr_tensor *label,
	const gr_edm_forward_opts *opts);

#endif
