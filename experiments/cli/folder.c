/* See folder.h. */
#include "folder.h"

#include "runfolder.h"

gr_status gr__folder_open(prior_folder *out, const char *name)
{
	char path[FOLDER_PATH];
	*out = (prior_folder){0};
	gr_status status = gr__prior_find(path, sizeof path, name);
	return status == GR_OK ? gr__folder_read(out, path) : status;
}
