/*
 * One OpenMP runtime per process, LLVM's, and a BLAS that stays on one thread: two runtimes would
 * fight for the cores, and a threaded BLAS inside our tiles would oversubscribe them. Runs a
 * parallel region first, so that whatever is loaded lazily is there.
 */
#include <cblas.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "par.h"

#define LINE 4096

/* OpenBLAS; weak, since other BLAS libraries do not have it. */
__attribute__((weak)) int openblas_get_num_threads(void);

static void square(int64_t i, void *ctx)
{
	double *x = ctx;
	x[i] = cblas_ddot(1, &x[i], 1, &x[i], 1);
}

/* How many different files whose name begins with `name` are mapped. */
static int count_mapped(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[LINE], seen[LINE] = "";
	int count = 0;

	if (maps == NULL)
		return -1;
	while (fgets(line, sizeof line, maps) != NULL) {
		const char *path = strrchr(line, '/');
		if (path != NULL && strncmp(path + 1, name, strlen(name)) == 0 && strcmp(path, seen) != 0) {
			snprintf(seen, sizeof seen, "%s", path);
			printf("openmp: mapped %s", path + 1);
			count++;
		}
	}
	fclose(maps);
	return count;
}

int main(void)
{
	double x[64];

	for (int i = 0; i < 64; i++)
		x[i] = i;
	gr__par_for(64, square, x);
	for (int i = 0; i < 64; i++) {
		if (x[i] != (double)i * i) {
			fprintf(stderr, "openmp: task %d did not run\n", i);
			return 1;
		}
	}

	int llvm = count_mapped("libomp");
	if (llvm < 0)
		return 77; /* no /proc: nothing to count */
	int others = count_mapped("libgomp") + count_mapped("libiomp");
	if (llvm != 1 || others != 0) {
		fprintf(stderr, "openmp: %d runtimes of LLVM and %d others, expected 1 and 0\n", llvm,
			others);
		return 1;
	}
	if (openblas_get_num_threads != NULL && openblas_get_num_threads() != 1) {
		fprintf(stderr, "openmp: the BLAS has %d threads\n", openblas_get_num_threads());
		return 1;
	}
	return 0;
}
