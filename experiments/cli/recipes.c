/* See recipes.h. */
#include "recipes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"

#define MAX_WORDS 64

static const recipe recipes[] = {
	{"fashion", "garments, 1x32x32 pixels: U-Net that predicts v",
		"unet --data fashion --flip --prediction v --epochs 30 --batch 64 --lr 4e-4 --warmup 300 "
		"--lr-decay cosine --ema 0.9995 --precision bf16 --seed 1"},
	{"fashion-vae", "garments, 1x32x32 to latents 4x8x8 and back: KL autoencoder",
		"vae --data fashion --flip --epochs 8 --batch 32 --lr 1e-3 --warmup 300 --lr-decay cosine "
		"--ema 0.999 --precision bf16 --seed 1"},
	{"fashion-vit", "garments, 64 tokens of 96 features and a class token: DINO",
		"dino --data fashion --epochs 10 --batch 64 --lr 1e-3 --warmup 500 --lr-decay cosine "
		"--ema 0.996 --weight-decay 0.05 --clip 3 --seed 1"},
	{"fashion-sit", "garments, a flow on the latents of fashion-vae, aligned with fashion-vit",
		"sit --data fashion --autoencoder fashion-vae --encoder fashion-vit --flip --epochs 12 "
		"--batch 64 --lr 1e-3 --warmup 500 --lr-decay cosine --ema 0.9995 --seed 1"},
	{"fashion-sit-plain", "the same without the alignment: its control",
		"sit --data fashion --autoencoder fashion-vae --flip --epochs 12 --batch 64 --lr 1e-3 "
		"--warmup 500 --lr-decay cosine --ema 0.9995 --seed 1"},
	{"emoji", "drawings in colour, 3x64x64 pixels: U-Net that predicts v",
		"unet --data emoji --prediction v --base 32 --mult 1,2,3,4 --blocks 1 --attention 8 "
		"--epochs 120 --batch 32 --lr 4e-4 --warmup 300 --lr-decay cosine --ema 0.9995 "
		"--precision bf16 --seed 1"},
	{"darcy", "coefficients and pressures of Darcy flow, fields of 64 x 64: neural operator",
		"uno --data darcy.npz --epochs 40 --batch 16 --lr 5e-4 --warmup 300 --lr-decay cosine "
		"--ema 0.999 --seed 1"},
	{"fashion-classifier", "garments told apart, to judge samples by; guides nothing",
		"classifier --data fashion --flip --epochs 4 --batch 64 --lr 2e-3 --warmup 100 "
		"--lr-decay cosine --weight-decay 0.01 --ema 0.995 --precision bf16 --seed 2"},
	{"fashion-mpe", "garments, features that are equivariant on them: contrastive",
		"mpe --data fashion --by contrastive --blocks 3 --epochs 6 --batch 128 --lr 1e-3 "
		"--warmup 100 --lr-decay cosine --weight-decay 1e-4 --ema 0.999 --seed 1"},
	{"fashion-mpe-equi", "the same by the equivariance objective, left and right",
		"mpe --data fashion --by equivariance --group hflip --blocks 3 --epochs 3 --batch 128 "
		"--lr 5e-4 --warmup 100 --lr-decay cosine --weight-decay 1e-4 --ema 0.999 --seed 1"},
};

#define NRECIPES ((int)(sizeof(recipes) / sizeof(recipes[0])))

const recipe *gr__recipe_at(int i)
{
	return i >= 0 && i < NRECIPES ? &recipes[i] : NULL;
}

static gr_status find(const recipe **out, const char *name)
{
	const char *names[NRECIPES];
	for (int i = 0; i < NRECIPES; i++) {
		names[i] = recipes[i].name;
		*out = &recipes[i];
		if (strcmp(name, names[i]) == 0)
			return GR_OK;
	}
	*out = NULL;
	const char *near = gr__args_nearest(name, names, NRECIPES);
	return gr_error_set(GR_EARG, "--recipe '%s' is none%s%s; gradus train --help lists them", name,
		near ? "; did you mean " : "", near ? near : "");
}

/* The name given, or NULL; *at is the option's place in argv and *taken its number of words. */
static const char *name_in(int argc, char **argv, int *at, int *taken)
{
	for (int i = 1; i < argc; i++) {
		*at = i;
		if (strncmp(argv[i], "--recipe=", 9) == 0) {
			*taken = 1;
			return argv[i] + 9;
		}
		if (strcmp(argv[i], "--recipe") == 0 && i + 1 < argc) {
			*taken = 2;
			return argv[i + 1];
		}
	}
	*taken = 0;
	return NULL;
}

/* argv[0], the words of `text` (which is cut into them), then the rest of argv. */
static void lay_out(recipe_line *line, int argc, char **argv, int at, int taken)
{
	line->argv[line->argc++] = argv[0];
	for (char *word = line->text ? strtok(line->text, " ") : NULL; word; word = strtok(NULL, " "))
		line->argv[line->argc++] = word;
	for (int i = 1; i < argc; i++) {
		if (taken == 0 || i < at || i >= at + taken)
			line->argv[line->argc++] = argv[i];
	}
}

gr_status gr__recipe_expand(recipe_line *out, int argc, char **argv)
{
	const recipe *found = NULL;
	int at, taken;
	*out = (recipe_line){0};
	const char *name = name_in(argc, argv, &at, &taken);
	gr_status status = name ? find(&found, name) : GR_OK;
	if (status)
		return status;
	out->argv = calloc((size_t)argc + MAX_WORDS, sizeof(char *));
	if (found) {
		size_t room = strlen(found->words) + strlen(name) + 32;
		out->text = malloc(room);
		if (out->text)
			snprintf(out->text, room, "%s --output runs/%s", found->words, name);
	}
	if (!out->argv || (found && !out->text))
		return gr_error_set(GR_EMEM, "out of memory");
	lay_out(out, argc, argv, at, taken);
	return GR_OK;
}

void gr__recipe_free(recipe_line *line)
{
	free(line->text);
	free(line->argv);
	*line = (recipe_line){0};
}
