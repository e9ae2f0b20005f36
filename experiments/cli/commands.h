/* The commands of the program `gradus`, one file each: argv[0] is the command's name. */
#ifndef GRADUS_CLI_COMMANDS_H
#define GRADUS_CLI_COMMANDS_H

int gr_cmd_train(int argc, char **argv);

#endif
