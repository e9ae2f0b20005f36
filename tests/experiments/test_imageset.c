/* Sets of images: order, range, sizes, messages. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gradus/io.h"
#include "imageset.h"

static char folder[] = "/tmp/gradus_images_XXXXXX";

static void write_grey(const char *name, double value, int64_t size)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	cr_assert_eq(gr_png_write(path, gr_full(GR_F32, GR_DIMS(1, size, size), value), NULL), GR_OK);
}

static void make(void)
{
	cr_assert_not_null(mkdtemp(folder));
	write_grey("b.png", 1.0, 4);
	write_grey("a.png", 0.0, 4);
	write_grey("c.txt", 0.0, 4);
	write_grey(".hidden.png", 0.0, 4);
}

static void clear(void)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

static const int64_t dims[] = {1, 4, 4};

Test(imageset, reads_a_folder_in_order, .init = make, .fini = clear)
{
	gr_imageset *s;
	cr_assert_eq(gr__imageset_open(&s, folder, dims, 0), GR_OK, "%s", gr_error_message());
	cr_assert_eq(s->n, 2);
	cr_assert_str_eq(s->names[0], "a");
	cr_assert_str_eq(s->names[1], "b");
	cr_assert_eq(strlen(s->sha[0]), 64);
	cr_assert_eq(gr_tensor_at(s->x, (int64_t[]){0, 0, 3, 3}), -1.0);
	cr_assert_eq(gr_tensor_at(s->x, (int64_t[]){1, 0, 3, 3}), 1.0);
	cr_assert_eq(gr_tensor_at(gr__batch_one(s->x, 1), (int64_t[]){0, 0, 0}), 1.0);
	gr__imageset_free(s);
	cr_assert_eq(gr__imageset_open(&s, folder, dims, 1), GR_OK);
	cr_assert_eq(s->n, 1);
	gr__imageset_free(s);
}

Test(imageset, reads_one_file, .init = make, .fini = clear)
{
	char path[128];
	snprintf(path, sizeof path, "%s/b.png", folder);
	gr_imageset *s;
	cr_assert_eq(gr__imageset_open(&s, path, dims, 0), GR_OK);
	cr_assert_eq(s->n, 1);
	cr_assert_str_eq(s->names[0], "b");
	gr__imageset_free(s);
}

Test(imageset, another_size_is_named, .init = make, .fini = clear)
{
	gr_imageset *s;
	write_grey("d.png", 0.5, 5);
	cr_assert_eq(gr__imageset_open(&s, folder, dims, 0), GR_EFORMAT);
	cr_assert_null(s);
	cr_assert_not_null(strstr(gr_error_message(), "d.png"), "%s", gr_error_message());
	cr_assert_not_null(strstr(gr_error_message(), "5 x 5"), "%s", gr_error_message());
}

Test(imageset, nothing_there_is_an_error)
{
	gr_imageset *s;
	cr_assert_eq(gr__imageset_open(&s, "/nowhere/at/all", dims, 0), GR_EIO);
}
