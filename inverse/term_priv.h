/* The kinds of terms that come with the library: inverse/guidance, distill and align, one each. */
#ifndef GRADUS_INVERSE_TERM_PRIV_H
#define GRADUS_INVERSE_TERM_PRIV_H

#include "gradus/term_kind.h"

extern const gr_term_kind gr__term_kind_dps;

#endif
