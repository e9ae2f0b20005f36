/* Folders of trained networks by the names that --prior takes (netfolder.h). */
#ifndef GRADUS_CLI_FOLDER_H
#define GRADUS_CLI_FOLDER_H

#include "netfolder.h"

/* Find `name` as --prior does, and read config.json; *out is closed also after an error. */
gr_status gr__folder_open(prior_folder *out, const char *name);

#endif
