/* Where and by what a run was made. */
#include "manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commit.h"

/* The value of the first line of a /proc file that starts with `key`, after its colon. */
static bool proc_value(char *buf, size_t size, const char *path, const char *key)
{
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return false;
	char line[512];
	bool found = false;
	while (!found && fgets(line, sizeof line, f) != NULL) {
		char *colon = strchr(line, ':');
		found = strncmp(line, key, strlen(key)) == 0 && colon != NULL;
		if (found) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(buf, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
		}
	}
	fclose(f);
	return found;
}

void gr__cpu_name(char *buf, size_t size)
{
	if (!proc_value(buf, size, "/proc/cpuinfo", "model name"))
		snprintf(buf, size, "unknown");
}

uint64_t gr__peak_resident(void)
{
	char text[64];
	if (!proc_value(text, sizeof text, "/proc/self/status", "VmHWM"))
		return 0;
	return strtoull(text, NULL, 10) * 1024;
}

void gr__manifest_environment(gr_text *t)
{
	char cpu[256];
	gr__cpu_name(cpu, sizeof cpu);
	gr__text_add(t, "  \"version\": \"%s\",\n  \"commit\": \"%s\",\n", gr_version(), GRADUS_COMMIT);
#if defined(__clang__)
	gr__text_add(t, "  \"compiler\": \"clang %s\",\n", __clang_version__);
#elif defined(__GNUC__)
	gr__text_add(t, "  \"compiler\": \"gcc %s\",\n", __VERSION__);
#else
	gr__text_add(t, "  \"compiler\": \"unknown\",\n");
#endif
	gr__text_add(t, "  \"cpu\": ");
	gr__text_json(t, cpu);
	gr__text_add(t, ",\n  \"isa\": \"%s\",\n  \"threads\": %d,\n", gr_isa_name(), gr_threads());
}
