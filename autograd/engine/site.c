/* Names of call sites, and the code there when the sources are at hand. */
#include "site_priv.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LONGEST_LINE 4096

const char *gr__site_name(const char *file)
{
	if (file == NULL)
		return "";
	int slashes = 0;
	for (const char *at = file + strlen(file); at > file; at--) {
		if (at[-1] == '/' && ++slashes == 2)
			return at;
	}
	return file;
}

void gr__site_code(char *buf, size_t size, const char *file, int line)
{
	char text[LONGEST_LINE];
	FILE *in = file != NULL && file[0] != '\0' && line > 0 ? fopen(file, "r") : NULL;
	buf[0] = '\0';
	if (in == NULL)
		return;
	/* A line that does not fit counts once: only its first part follows the end of another. */
	bool begins = true, found = false;
	for (int at = 0; !found && fgets(text, sizeof text, in) != NULL;) {
		at += begins ? 1 : 0;
		found = begins && at == line;
		begins = strchr(text, '\n') != NULL;
	}
	fclose(in);
	if (!found)
		return;
	const char *code = text + strspn(text, " \t");
	snprintf(buf, size, "%.*s", (int)strcspn(code, "\r\n"), code);
	for (char *c = buf; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~')
			*c = *c == '\t' ? ' ' : '?';
	}
}
