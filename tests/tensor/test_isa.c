/* Run-time dispatch: the name is one of four, and GRADUS_ISA never raises it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "isa.h"

Test(isa, environment_lowers_it)
{
	setenv("GRADUS_ISA", "baseline", 1);
	cr_assert_eq(gr__isa(), GR_ISA_BASELINE);
	cr_assert_str_eq(gr_isa_name(), "baseline");
}

Test(isa, unknown_names_are_ignored)
{
	setenv("GRADUS_ISA", "mmx", 1);
	const char *name = gr_isa_name();
	cr_assert(strcmp(name, "baseline") == 0 || strcmp(name, "avx2") == 0 ||
		strcmp(name, "avx512") == 0 || strcmp(name, "amx") == 0);
}
