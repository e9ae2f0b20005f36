/* Which mutant runs: GRADUS_MUTANT, 0 for the code as it is. */
#include <stdlib.h>

int gr__mutant, gr__mutant_hit;

__attribute__((constructor)) static void read_environment(void)
{
	const char *text = getenv("GRADUS_MUTANT");

	gr__mutant = text != NULL ? atoi(text) : 0;
}
