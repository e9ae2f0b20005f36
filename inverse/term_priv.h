/* The kinds of terms that come with the library: inverse/guidance, distill and align, one each. */
#ifndef GRADUS_INVERSE_TERM_PRIV_H
#define GRADUS_INVERSE_TERM_PRIV_H

#include "gradus/feature.h"
#include "gradus/term_kind.h"

/* The feature network of a term by name: "pixels", "encoder", "decoder", else a folder's; with
 * `resize` images are resampled to its size. The caller releases it. */
gr_status gr__term_feature(gr_feature **out, const char *name, const gr_term_problem *problem,
	bool resize);
/* Whether f is the decoder of this prior: its value is then gr_term_image(). */
bool gr__feature_decodes(const gr_feature *f, const gr_prior *prior);

extern const gr_term_kind gr__term_kind_dps;
extern const gr_term_kind gr__term_kind_equireg;
extern const gr_term_kind gr__term_kind_gluing;
extern const gr_term_kind gr__term_kind_gml;
extern const gr_term_kind gr__term_kind_likelihood;
extern const gr_term_kind gr__term_kind_repa;
extern const gr_term_kind gr__term_kind_repulsion;
extern const gr_term_kind gr__term_kind_sds;
extern const gr_term_kind gr__term_kind_tv;

#endif
