/*
 * A picture to be assembled from tensors and labels, and written as PNG: panels and grids.
 * Pixels are RGB floats in 0..1; the origin is the upper left corner.
 */
#ifndef GRADUS_INTERNAL_CANVAS_H
#define GRADUS_INTERNAL_CANVAS_H

#include "gradus/tensor.h"

typedef struct gr_canvas {
	int64_t width, height;
	gr_tensor *pixels; /* f32 [3,height,width], retained */
} gr_canvas;

/* White; NULL with an error recorded when memory runs out. */
gr_canvas *gr__canvas_new(int64_t width, int64_t height);
void gr__canvas_free(gr_canvas *c);
/* Paint x [C,H,W], C 1 or 3, values in [-1,1], each pixel as a square of `scale`. Parts outside
 * are left out. */
gr_status gr__canvas_image(gr_canvas *c, const gr_tensor *x, int64_t left, int64_t top,
	int64_t scale);
/* Black text in a 5x7 font, each dot a square of `scale`; a letter is 6 dots wide. Bytes outside
 * ASCII show as '?'. */
void gr__canvas_text(gr_canvas *c, const char *text, int64_t left, int64_t top, int64_t scale);
gr_status gr__canvas_write(const gr_canvas *c, const char *path);

/* n images [N,C,H,W] in [-1,1] as a grid of `columns` with `gap` white pixels around each. */
gr_status gr__canvas_grid(const char *path, const gr_tensor *images, int64_t columns, int64_t scale,
	int64_t gap);

#endif
