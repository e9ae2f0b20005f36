/* The smallest program outside the tree: a tensor and an error, from the public headers alone. */
#include <gradus/tensor.h>
#include <stdio.h>

int main(void)
{
	if (gr_failed() || gr_threads() < 1)
		return 1;
	printf("%s\n", gr_version());
	return 0;
}
