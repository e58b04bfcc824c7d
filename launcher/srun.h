/* srun.h - how an agent is started on another host of a job of Slurm: the arguments of srun, and its environment.
 * Pure.
 *
 * One srun for each host, which is a job step of its own, so Slurm accounts for what runs there and ends it with the
 * job. Its standard input and output are all ours, byte for byte. What is told there is as with ssh (launcher/ssh.h). */
#ifndef LAUNCHER_SRUN_H
#define LAUNCHER_SRUN_H

/* NULL-terminated. The name is borrowed; free the list. NULL: ENOMEM. */
char **mpl__srun_argv (const char *host);

/* The variables for srun: all of env but what it, or the step it may run in, would take for options, and but those
 * that belong to this machine, since srun passes on what it has. Borrowed from env; free the list. NULL: ENOMEM. */
char **mpl__srun_environment (char *const *env);

#endif
