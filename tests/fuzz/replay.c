/* Runs the files of a folder through a fuzzing program that is built without libFuzzer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static int replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return 0;
	static uint8_t data[1 << 20];
	size_t bytes = fread(data, 1, sizeof data, f);
	fclose(f);
	/* A copy of its own size, so that a sanitizer sees reads past the end. */
	uint8_t *copy = malloc(bytes + 1);
	for (size_t i = 0; i < bytes && copy != NULL; i++)
		copy[i] = data[i];
	if (copy != NULL)
		LLVMFuzzerTestOneInput(copy, bytes);
	free(copy);
	return 1;
}

int main(int argc, char **argv)
{
	int count = 0;
	DIR *d = argc == 2 ? opendir(argv[1]) : NULL;
	if (d == NULL) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		char path[4096];
		snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
		if (e->d_name[0] != '.')
			count += replay(path);
	}
	closedir(d);
	printf("%d files\n", count);
	return count > 0 ? 0 : 1;
}
