/*
 * The containers of torch: the zip archive, the legacy stream, plain pickles of modules. Each runs
 * the machine, finds out where storages lie, and lists the tensors of the state dict.
 */
#ifndef GR_MODELS_TORCH_PRIV_H
#define GR_MODELS_TORCH_PRIV_H

#include "gradus/checkpoint.h"
#include "pickle_priv.h"

/* List the tensors of a file whose directory was read; of a legacy stream; of a plain pickle. */
gr_status gr__torch_zip(gr_tensorfile *f, const gr_checkpoint_opts *opts);
gr_status gr__torch_legacy(gr_tensorfile *f, const gr_checkpoint_opts *opts);
gr_status gr__torch_plain(gr_tensorfile *f, const gr_checkpoint_opts *opts);
/* The storage that is all of the legacy stream in bytes at..at+bytes-1 of the outer pickle. */
gr_status gr__torch_nested(gr_pickle *outer, uint32_t at, uint32_t bytes, gr_pickle_storage *out);

/* The magic number that starts a legacy stream. */
#define GR_TORCH_LEGACY_MAGIC "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"

/* statedict.c: find the state dict in the graph and list its tensors in f. */
gr_status gr__statedict_list(gr_tensorfile *f, const gr_pickle *p, bool big_endian,
	const gr_checkpoint_opts *opts);

#endif
