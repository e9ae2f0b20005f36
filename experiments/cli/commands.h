/* The commands of the program `gradus`, one file each: argv[0] is the command's name. */
#ifndef GRADUS_CLI_COMMANDS_H
#define GRADUS_CLI_COMMANDS_H

int gr_cmd_bench(int argc, char **argv);
int gr_cmd_case(int argc, char **argv);
int gr_cmd_certify(int argc, char **argv);
int gr_cmd_convert(int argc, char **argv);
int gr_cmd_data(int argc, char **argv);
int gr_cmd_demo(int argc, char **argv);
int gr_cmd_evaluate(int argc, char **argv);
int gr_cmd_explain(int argc, char **argv);
int gr_cmd_images(int argc, char **argv);
int gr_cmd_merge(int argc, char **argv);
int gr_cmd_model(int argc, char **argv);
int gr_cmd_model_describe(int argc, char **argv);
int gr_cmd_model_info(int argc, char **argv);
int gr_cmd_model_run(int argc, char **argv);
int gr_cmd_model_reconstruct(int argc, char **argv);
int gr_cmd_ops(int argc, char **argv);
int gr_cmd_plan(int argc, char **argv);
int gr_cmd_prior(int argc, char **argv);
int gr_cmd_repro(int argc, char **argv);
int gr_cmd_sample(int argc, char **argv);
int gr_cmd_solve(int argc, char **argv);
int gr_cmd_sweep(int argc, char **argv);
int gr_cmd_table(int argc, char **argv);
int gr_cmd_train(int argc, char **argv);

#endif
