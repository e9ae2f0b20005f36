/*
 * The drawings of a colour emoji font as a dataset: Debian's fonts-noto-color-emoji. Needs a program
 * built with FreeType (docs/design/018-emoji.md).
 */
#ifndef GRADUS_CLI_DATA_EMOJI_H
#define GRADUS_CLI_DATA_EMOJI_H

#include "gradus/dataset.h"

/*
 * Glyphs on white, [3,side,side], as opts->image_size says, default 64; in the order of the font,
 * none twice. About a tenth, all that have a base code point in common on one side, are held out:
 * `held_out` chooses between those and the rest. No labels. GR_EUNSUPPORTED without FreeType.
 */
gr_status gr__data_emoji(gr_dataset **out, bool held_out, const gr_dataset_opts *opts);

#endif
