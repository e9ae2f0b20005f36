/* Solvers that are a method with terms, by the names of their papers (see gradus/solver.h). */
#include <string.h>

#include "gradus/solver.h"

static const gr_named_solver table[] = {
	{"dps", "ddpm", "", "diffusion posterior sampling: ddpm with the DPS term",
		"Chung et al. 2023, Algorithm 1"},
	{"psld", "ddim", "gluing:0.1",
		"posterior sampling of latents: ddim with the DPS and gluing terms",
		"Rout et al. 2023, released code"},
	{"gml_dps", "ddim", "gml:0.1", "latent DPS whose latents are their images' codes",
		"Rout et al. 2023, GML-DPS"},
	{"latent_reddiff", "rlsd:augment=0", "", "RED-diff from noise on the prior's states",
		"Zilberstein et al. 2025"},
};
#define COUNT ((int)(sizeof table / sizeof *table))

const gr_named_solver *gr_named_solver_at(int i)
{
	return i >= 0 && i < COUNT ? &table[i] : NULL;
}

const gr_named_solver *gr_named_solver_find(const char *spec)
{
	size_t length = spec ? strcspn(spec, ":") : 0;
	for (int i = 0; i < COUNT && spec; i++) {
		if (strlen(table[i].name) == length && memcmp(table[i].name, spec, length) == 0)
			return &table[i];
	}
	return NULL;
}
