/* The objectives by name. */
#include "objective.h"

#include <string.h>

static const objective *const objectives[] = {
	&gr__objective_unet,
	&gr__objective_vae,
	&gr__objective_dino,
	&gr__objective_classifier,
	&gr__objective_mpe,
	&gr__objective_sit,
	&gr__objective_uno,
};

#define NOBJECTIVES ((int)(sizeof(objectives) / sizeof(objectives[0])))

const objective *gr__objective_at(int i)
{
	return i >= 0 && i < NOBJECTIVES ? objectives[i] : NULL;
}

const objective *gr__objective_find(const char *name)
{
	for (int i = 0; i < NOBJECTIVES; i++) {
		if (strcmp(objectives[i]->name, name) == 0)
			return objectives[i];
	}
	return NULL;
}
