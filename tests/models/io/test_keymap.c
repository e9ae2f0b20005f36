/* Key maps: stars, parts, and keys that are passed over. */
#include <criterion/criterion.h>
#include <string.h>

#include "gradus/checkpoint.h"

Test(keymap, places)
{
	static const gr_keymap_rule rules[] = {
		{.key = "optimizer.**"},
		{.key = "layer.*.query.weight", .name = "blocks.*.qkv.weight", .part = 0, .parts = 3},
		{.key = "layer.*.key.weight", .name = "blocks.*.qkv.weight", .part = 1, .parts = 3},
		{.key = "layer.*.**", .name = "blocks.*.**"},
		{.key = "*.gamma", .name = "norms.*"},
		{.key = "a.*.b.*", .name = "*.of.*"},
		{.key = "exact", .name = "other"},
	};
	static const gr_keymap map = {.rules = rules, .count = sizeof rules / sizeof *rules};
	static const struct {
		const char *key;
		const char *name;
		int part, parts;
	} cases[] = {
		{"optimizer.state.0", NULL, 0, 0},
		{"layer.11.query.weight", "blocks.11.qkv.weight", 0, 3},
		{"layer.0.key.weight", "blocks.0.qkv.weight", 1, 3},
		{"layer.3.mlp.fc1.bias", "blocks.3.mlp.fc1.bias", 0, 0},
		{"bn.gamma", "norms.bn", 0, 0},
		{"x.bn.gamma", "x.bn.gamma", 0, 0}, /* a star does not cross a dot */
		{"a.1.b.2", "1.of.2", 0, 0},
		{"exact", "other", 0, 0},
		{"exactly", "exactly", 0, 0},
		{"exac", "exac", 0, 0},
		{"", "", 0, 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		gr_key_place place;
		bool taken = gr_keymap_place(&map, cases[i].key, &place);
		cr_assert_eq(taken, cases[i].name != NULL, "%s", cases[i].key);
		if (!taken)
			continue;
		cr_assert_str_eq(place.name, cases[i].name);
		cr_assert_eq(place.part, cases[i].part);
		cr_assert_eq(place.parts, cases[i].parts);
	}
}

/* Names that would not fit are nobody's. */
Test(keymap, endless_keys)
{
	static const gr_keymap_rule rules[] = {{.key = "**", .name = "prefix.**"}};
	static const gr_keymap map = {.rules = rules, .count = 1};
	char key[1000];
	memset(key, 'k', sizeof key - 1);
	key[sizeof key - 1] = '\0';
	gr_key_place place;
	gr_keymap_place(&map, key, &place);
	cr_assert_str_eq(place.name, "");
	key[240] = '\0';
	gr_keymap_place(&map, key, &place);
	cr_assert_eq(strncmp(place.name, "prefix.kkk", 10), 0);
}
