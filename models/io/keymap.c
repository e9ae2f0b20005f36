/*
 * Key maps: patterns with stars, from keys of a file to names of parameters (gradus/checkpoint.h).
 * A star takes the shortest text with which the rest fits; the search takes back what it tried, so
 * its cost grows with the length of the key to the power of the stars, of which there are few.
 */
#include <string.h>

#include "gradus/checkpoint.h"
#include "keymap_priv.h"

enum { STARS_MAX = 8 };

struct star {
	const char *text;
	size_t bytes;
};

/* How far a star may reach from `key`: to the next '.' or, doubled, to the end. */
static size_t reach(const char *key, bool doubled)
{
	return doubled ? strlen(key) : strcspn(key, ".");
}

/* Does `key` match `pattern`? Fills stars; recursion is as deep as the pattern has stars. */
static bool match(const char *pattern, const char *key, struct star *stars, int count, int *found)
{
	while (*pattern != '\0' && *pattern != '*') {
		if (*pattern++ != *key++)
			return false;
	}
	if (*pattern == '\0') {
		*found = count;
		return *key == '\0';
	}
	if (count == STARS_MAX)
		return false;
	bool doubled = pattern[1] == '*';
	size_t most = reach(key, doubled);
	for (size_t n = 0; n <= most; n++) {
		stars[count] = (struct star){.text = key, .bytes = n};
		if (match(pattern + (doubled ? 2 : 1), key + n, stars, count + 1, found))
			return true;
	}
	return false;
}

/* `name` with the stars' texts in turn; false when it does not fit. */
static bool substitute(const char *name, const struct star *stars, int count, char *out,
	size_t size)
{
	size_t used = 0;
	int next = 0;
	for (; *name != '\0'; name++) {
		const char *from = name;
		size_t bytes = 1;
		if (*name == '*') {
			if (next == count)
				return false;
			from = stars[next].text;
			bytes = stars[next++].bytes;
			if (name[1] == '*')
				name++;
		}
		if (used + bytes >= size)
			return false;
		memcpy(out + used, from, bytes);
		used += bytes;
	}
	out[used] = '\0';
	return true;
}

bool gr_keymap_place(const void *map, const char *key, gr_key_place *place)
{
	const gr_keymap *m = map;
	*place = (gr_key_place){.parts = 0};
	for (int i = 0; i < m->count; i++) {
		const gr_keymap_rule *rule = &m->rules[i];
		struct star stars[STARS_MAX];
		int count = 0;
		if (!match(rule->key, key, stars, 0, &count))
			continue;
		if (rule->name == NULL)
			return false;
		place->part = rule->part;
		place->parts = rule->parts;
		if (!substitute(rule->name, stars, count, place->name, sizeof place->name))
			place->name[0] = '\0'; /* too long for any parameter */
		return true;
	}
	if (strlen(key) < sizeof place->name)
		strcpy(place->name, key);
	return true;
}

bool gr__keymap_starts(const gr_tensorfile *f, const char *prefix)
{
	gr_tensor_info t;
	for (int64_t i = 0; gr_tensorfile_info(f, i, &t); i++)
		if (strncmp(t.name, prefix, strlen(prefix)) == 0)
			return true;
	return false;
}
