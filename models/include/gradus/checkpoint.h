/*
 * Foreign checkpoints: what other programs saved, opened by content as a gr_tensorfile
 * (gradus/tensorfile.h), so that it can be listed, read tensor by tensor and loaded into a module
 * by gr_module_load_file(). Beside safetensors (sharded or not) and NumPy's files these are
 * PyTorch's zip archives and legacy streams (.pt .pth .ckpt .bin) and pickles of modules (.pkl).
 *
 * Nothing in a file is executed, imported or used as a path. Classes and functions are names; the
 * fixed few that build tensors and plain containers are understood, all others are inert objects
 * that hold what they were given. docs/checkpoints.md tells what is read and what is refused.
 *
 * Errors: those of gradus/io.h, naming file, byte and reason. Threads: as for gr_tensorfile.
 */
#ifndef GRADUS_CHECKPOINT_H
#define GRADUS_CHECKPOINT_H

#include "gradus/module.h"
#include "gradus/tensorfile.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_checkpoint_opts {
	size_t size;
	const char *root; /* where the state dict is: "/ema/model", "/" for the whole; NULL: find it */
	bool keep_prefix; /* leave "module." and "_orig_mod." in front of all names */
	bool strict;      /* refuse a pickle that calls anything but tensors and containers */
	bool check_crc;   /* of every member of a zip archive; reads the whole file */
} gr_checkpoint_opts;

/*
 * Open and list. With no root, nested dicts are searched in the order ema, model_ema,
 * ema_state_dict, params_ema, state_dict, model, module, net, params, generator_ema;
 * gr_tensorfile_root() says what was taken. A bare tensor is listed as "tensor". *out is the
 * caller's to close, NULL after an error.
 */
GR_API GR_MUST_USE gr_status gr_checkpoint_open(gr_tensorfile **out, const char *path,
	const gr_checkpoint_opts *opts);
/* The architecture that the names of the tensors look like ("ADM U-Net"), NULL when none; static
 * storage. A guess for people: nothing is decided by it. */
GR_API const char *gr_checkpoint_guess(const gr_tensorfile *f);

/*
 * Key maps: how the keys of a file become the names of a module's parameters, as rules of which
 * the first that fits a key applies. A '*' in a pattern stands for any text within one part of a
 * name (up to the next '.'), '**' for any text at all; the same stars in `name` put it there in
 * turn. A key that no rule fits keeps its name.
 */
typedef struct gr_keymap_rule {
	const char *key;  /* "encoder.layer.*.attention.attention.query.weight" */
	const char *name; /* "blocks.*.attn.qkv.weight"; NULL: the key is passed over */
	int part, parts;  /* the tensor is slice `part` of `parts` along the first dim; 0, 0: all */
} gr_keymap_rule;

typedef struct gr_keymap {
	const gr_keymap_rule *rules;
	int count;
} gr_keymap;

/* For gr_load_opts.place, with the gr_keymap as .map. */
GR_API bool gr_keymap_place(const void *map, const char *key, gr_key_place *place);

#ifdef __cplusplus
}
#endif

#endif
