/*
 * Declarations of the loops of this folder, for table.c. Every one exists for float and double and
 * once per instruction set: gr__k_<isa>_<name>_<f32|f64>. The contracts are in kern_table.h.
 */
#ifndef GR_KERN_MULTI_H
#define GR_KERN_MULTI_H

#include "kern/kern_table.h"

/* Elements of a block of an elementwise loop; see real.h. */
#define GR_BLOCK 64

/* External names carry the instruction set: gr__k_avx2_name. */
#define GR_K_PASTE2(isa, name) gr__k_##isa##_##name
#define GR_K_PASTE(isa, name) GR_K_PASTE2(isa, name)
#define GR_K(name) GR_K_PASTE(GR_ISA, name)
/* The same with the type of the moment: GR_KT(ew) is gr__k_avx2_ew_f32. */
#define GR_KT(name) GR_K_PASTE(GR_ISA, GR_TS(name))

#define GR_MULTI_DECLARE(S) \
	void GR_K(ew_##S)(const gr_ew_job *job, int64_t begin, int64_t end); \
	void GR_K(reduce_along_##S)(const gr_reduce_job *job, int64_t begin, int64_t end); \
	void GR_K(reduce_across_##S)(const gr_reduce_job *job, int64_t begin, int64_t end); \
	void GR_K(reduce_finish_##S)(const gr_reduce_job *job, int64_t begin, int64_t end); \
	void GR_K(argmax_##S)(const gr_argmax_job *job, int64_t begin, int64_t end); \
	void GR_K(softmax_##S)(int64_t rows, int64_t d, void *y, const void *x); \
	void GR_K(log_softmax_##S)(int64_t rows, int64_t d, void *y, const void *x); \
	void GR_K( \
		softmax_backward_##S)(int64_t rows, int64_t d, void *dx, const void *y, const void *dy); \
	void GR_K(group_norm_##S)(const gr_norm_job *job, int64_t begin, int64_t end); \
	void GR_K(group_norm_backward_##S)(const gr_norm_job *job, int64_t begin, int64_t end); \
	void GR_K(layer_norm_##S)(int64_t rows, int64_t d, void *y, void *stats, const void *x, \
		const void *w, const void *b, double eps); \
	void GR_K(layer_norm_backward_##S)(int64_t rows, int64_t d, void *dx, void *dw, void *db, \
		const void *dy, const void *x, const void *w, const void *stats); \
	void GR_K(add_##S)(int64_t n, void *dst, const void *src); \
	void GR_K(pool_mean_##S)(int64_t rows, int64_t w_out, int64_t f, double scale, void *y, \
		const void *x); \
	void GR_K( \
		repeat_##S)(int64_t rows, int64_t w_in, int64_t f, double scale, void *y, const void *x);

GR_MULTI_DECLARE(f32)
GR_MULTI_DECLARE(f64)

extern const gr_kern_table GR_K(table)[2];
extern const gr_copy_table GR_K(copy_table);

#endif
