/*
 * The registry holds every name of ops.required, and the list is no shorter than it was promised
 * to be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/op.h"

#define LEAST_NAMES 110

int main(void)
{
	static char seen[512][64];
	char line[256];
	int count = 0, failures = 0;
	FILE *list = fopen(GRADUS_SOURCE_DIR "/tests/contract/ops.required", "r");

	if (list == NULL) {
		perror("ops: tests/contract/ops.required");
		return 1;
	}
	while (fgets(line, sizeof line, list) != NULL && count < 512) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		for (int i = 0; i < count; i++) {
			if (strcmp(seen[i], line) == 0) {
				fprintf(stderr, "ops: %s is required twice\n", line);
				failures++;
			}
		}
		snprintf(seen[count++], sizeof seen[0], "%.63s", line);
		if (gr_op_find(line) == NULL) {
			fprintf(stderr, "ops: the registry has no %s\n", line);
			failures++;
		}
	}
	fclose(list);
	if (count < LEAST_NAMES) {
		fprintf(stderr, "ops: %d names are required, %d at least\n", count, LEAST_NAMES);
		failures++;
	}
	printf("ops: %d required, %d in the registry\n", count, gr_op_count());
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
