/* Panels: squares of pixels, clipping, letters, grids. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "canvas.h"
#include "gradus/io.h"

static double pixel(const gr_canvas *c, int64_t k, int64_t y, int64_t x)
{
	return gr_tensor_at(c->pixels, (int64_t[]){k, y, x});
}

Test(canvas, images_are_scaled_and_clipped)
{
	const double v[] = {-1.0, 1.0, 0.0, 5.0};
	gr_canvas *c = gr__canvas_new(6, 5);
	cr_assert_eq(gr__canvas_image(c, gr_from_f64(GR_F32, v, GR_DIMS(1, 2, 2)), 1, 1, 3), GR_OK);
	cr_assert_eq(pixel(c, 0, 0, 0), 1.0, "white around");
	cr_assert_eq(pixel(c, 0, 1, 1), 0.0);
	cr_assert_eq(pixel(c, 2, 3, 3), 0.0);
	cr_assert_eq(pixel(c, 1, 1, 4), 1.0);
	cr_assert_float_eq(pixel(c, 1, 4, 2), 0.5, 1e-6);
	cr_assert_eq(pixel(c, 1, 4, 5), 1.0, "values beyond 1 show as white");
	gr__canvas_free(c);
	gr__canvas_free(NULL);
}

Test(canvas, colour_has_three_planes)
{
	const double v[] = {1.0, -1.0, 0.0};
	gr_canvas *c = gr__canvas_new(1, 1);
	gr__canvas_image(c, gr_from_f64(GR_F32, v, GR_DIMS(3, 1, 1)), 0, 0, 1);
	cr_assert_eq(pixel(c, 0, 0, 0), 1.0);
	cr_assert_eq(pixel(c, 1, 0, 0), 0.0);
	cr_assert_float_eq(pixel(c, 2, 0, 0), 0.5, 1e-6);
	gr__canvas_free(c);
}

Test(canvas, letters_have_their_dots)
{
	/* A letter l: a stem of seven dots in the middle column, feet beside it. */
	static const char *const rows[] = {".##..", "..#..", "..#..", "..#..", "..#..", "..#..",
		".###."};
	gr_canvas *c = gr__canvas_new(12, 8);
	gr__canvas_text(c, "l", 0, 0, 1);
	for (int y = 0; y < 7; y++) {
		for (int x = 0; x < 5; x++)
			cr_assert_eq(pixel(c, 0, y, x), rows[y][x] == '#' ? 0.0 : 1.0, "%d %d", y, x);
	}
	gr__canvas_text(c, "\xff", 100, 100, 3);
	gr__canvas_free(c);
}

Test(canvas, grid_puts_images_in_reading_order)
{
	char path[] = "/tmp/gradus_grid_XXXXXX";
	close(mkstemp(path));
	const double v[] = {-1.0, 1.0, 0.0};
	gr_tensor *images = gr_from_f64(GR_F32, v, GR_DIMS(3, 1, 1, 1));
	cr_assert_eq(gr__canvas_grid(path, images, 2, 1, 1), GR_OK);
	gr_tensor *back = gr_png_read(path, NULL);
	unlink(path);
	cr_assert_eq(gr_tensor_dim(back, 1), 5);
	cr_assert_eq(gr_tensor_dim(back, 2), 5);
	cr_assert_eq(gr_tensor_at(back, (int64_t[]){0, 1, 1}), 0.0);
	cr_assert_eq(gr_tensor_at(back, (int64_t[]){0, 1, 3}), 1.0);
	cr_assert_float_eq(gr_tensor_at(back, (int64_t[]){0, 3, 1}), 0.5, 0.003);
}
