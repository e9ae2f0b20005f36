/*
 * Runs the generated checks on every mutant of a list:
 *
 *     harness LIST RESULT
 *
 * Each mutant has a process of its own, which checks the ops that use its function: values against
 * the naive references and every promise of gradus/gradcheck.h.
 * A wrong result, an error, a crash and a quarter of a minute without end all count as caught. RESULT gets a
 * line per mutant: how it ended, then its line of LIST. Mutant 0 is the code as it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "autograd/reference.h"
#include "gradus/gradcheck.h"

#define SECONDS 15
#define BYTES ((uint64_t)2 << 30)

extern int gr__mutant, gr__mutant_hit;

enum outcome { SURVIVED, CAUGHT, UNREACHED };
static const char *const words[] = {"survived", "caught", "unreached"};

/* One promise at a time: most mutants break the first, of the derivative. */
static bool keeps_promises(const gr_op *op)
{
	for (int k = 0; k < GR_PROMISE_COUNT; k++) {
		int promise = (GR_PROMISE_VJP + k) % GR_PROMISE_COUNT;
		const gr_check_opts opts = {.size = sizeof opts, .promises = 1u << promise};
		if (gr_op_check(NULL, op, &opts) != GR_OK)
			return false;
	}
	return true;
}

static enum outcome check_ops(const char *names)
{
	char buffer[4096];

	snprintf(buffer, sizeof buffer, "%s", names);
	for (char *name = strtok(buffer, ","); name != NULL; name = strtok(NULL, ",")) {
		const gr_op *op = gr_op_find(name);
		if (op == NULL) {
			fprintf(stderr, "harness: no op is called %s\n", name);
			exit(3);
		}
		if (reference_check(op, reference_of(name)) != 0 || !keeps_promises(op))
			return CAUGHT;
	}
	return gr__mutant == 0 || gr__mutant_hit == gr__mutant ? SURVIVED : UNREACHED;
}

static enum outcome run(int id, const char *names)
{
	fflush(NULL);
	pid_t child = fork();

	if (child < 0) {
		perror("harness: fork");
		exit(3);
	}
	if (child == 0) {
		const struct rlimit time = {SECONDS, SECONDS}, none = {0, 0};
		setrlimit(RLIMIT_CPU, &time);
		setrlimit(RLIMIT_CORE, &none);
		gr_memory_set_limit(BYTES);
		if (id != 0 && freopen("/dev/null", "w", stderr) == NULL)
			_exit(3);
		gr__mutant = id;
		_exit((int)check_ops(names));
	}
	int status = 0;
	waitpid(child, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
		exit(3);
	return WIFEXITED(status) ? (enum outcome)WEXITSTATUS(status) : CAUGHT;
}

/* Field k of a line separated by tabs. */
static void field(const char *line, int k, char *out, size_t size)
{
	for (; k > 0; k--)
		line += strcspn(line, "\t") + 1;
	snprintf(out, size, "%.*s", (int)strcspn(line, "\t\n"), line);
}

int main(int argc, char **argv)
{
	char line[8192], id[16], names[4096];
	int counts[3] = {0};
	FILE *list = argc == 3 ? fopen(argv[1], "r") : NULL;
	FILE *result = argc == 3 ? fopen(argv[2], "w") : NULL;

	if (list == NULL || result == NULL) {
		fprintf(stderr, "usage: harness LIST RESULT\n");
		return 3;
	}
	while (fgets(line, sizeof line, list) != NULL) {
		field(line, 0, id, sizeof id);
		field(line, 4, names, sizeof names);
		enum outcome how = run(atoi(id), names);
		counts[how]++;
		fprintf(result, "%s\t%s", words[how], line);
		fflush(result);
	}
	fclose(list);
	fclose(result);
	printf("%d caught by the generated checks, %d survived, %d never reached\n", counts[CAUGHT],
		counts[SURVIVED], counts[UNREACHED]);
	return 0;
}
