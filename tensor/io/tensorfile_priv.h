/*
 * The inside of gr_tensorfile: the files it reads from (one, or the shards of a set) and the places
 * of its tensors. Listing is done by the reader of each format (gr__safetensors_list() and so on),
 * reading here.
 */
#ifndef GR_IO_TENSORFILE_PRIV_H
#define GR_IO_TENSORFILE_PRIV_H

#include "element_priv.h"
#include "gradus/tensorfile.h"
#include "namelist_priv.h"
#include "zip_priv.h"

/* Most files of a set. */
#define GR_TENSORFILE_PARTS_MAX 256

/* One of the files. */
typedef struct gr_tensorfile_part {
	char *path;
	gr_infile file;
	gr_zip zip;          /* of one that was unzipped */
	gr_namelist members; /* its members by name; value: the gr_zip_entry */
} gr_tensorfile_part;

/* What the list holds for a name. */
typedef struct gr_tensorfile_entry {
	const gr_tensorfile_part *part;
	gr_spec spec;
	gr_element element; /* GR_ELEMENT_COUNT: not readable */
	bool swap;
	bool strided;   /* else row-major from `begin` */
	int64_t member; /* of a zip archive, holding a .npy; -1: bytes of the file */
	uint64_t begin; /* of element [0,...,0] in the file */
	int64_t strides[GR_MAX_DIMS];
	const char *refused;
	char type[16];
} gr_tensorfile_entry;

struct gr_tensorfile {
	const char *format;
	char *root;
	gr_archive *meta;
	gr_namelist entries;
	gr_tensorfile_part *parts[GR_TENSORFILE_PARTS_MAX];
	int nparts;
	uint64_t budget; /* bytes that further tensors may have */
};

/* An empty gr_tensorfile; *out is NULL after an error. */
gr_status gr__tensorfile_new(gr_tensorfile **out, const char *format);
/* Open another file of it. */
gr_status gr__tensorfile_part_open(gr_tensorfile *f, const char *op, const char *path,
	gr_tensorfile_part **out);
/* Read the directory of a part that is a zip archive. */
gr_status gr__tensorfile_part_unzip(gr_tensorfile_part *part);
/* List e under the name; GR_EFORMAT when the name is taken. `at` is for the message. */
gr_status gr__tensorfile_list(gr_tensorfile *f, const char *name, uint64_t at,
	const gr_tensorfile_entry *e);

/* List the tensors of a part: of a safetensors file, an .npz, an .npy. */
gr_status gr__safetensors_list(gr_tensorfile *f, const gr_tensorfile_part *part);
gr_status gr__npz_list(gr_tensorfile *f, gr_tensorfile_part *part);
gr_status gr__npy_list(gr_tensorfile *f, const gr_tensorfile_part *part);
gr_status gr__npy_list_member(gr_tensorfile *f, gr_tensorfile_part *part, int64_t member);
/* The set that the index in part 0 names: opens the shards and lists their tensors. */
gr_status gr__shards_list(gr_tensorfile *f, const gr_tensorfile_part *index);

/* tensorfile_read.c: a tensor that the caller holds one reference to. */
gr_tensor *gr__tensorfile_read(const gr_tensorfile_entry *e, const char *name);

#endif
