/* allocation.h - what a batch system granted to the job that this runs in: its hosts, and how many processes each is
 * for. It is told by variables and by the files that they name:
 *
 *   Slurm  SLURM_JOB_ID, SLURM_JOB_NODELIST (node[01-08,12]), SLURM_TASKS_PER_NODE (4(x2),2); where that is a step's
 *          that does not cover the job's hosts or is one task, SLURM_JOB_CPUS_PER_NODE (the same form) by
 *          SLURM_CPUS_PER_TASK, which a step may have of its own
 *   PBS    PBS_NODEFILE: a file with a line for each process, which is a host's name; Torque has the same
 *   LSF    LSB_MCPU_HOSTS (a 4 b 2), else LSB_DJOB_HOSTFILE (a file with a name for each process), else LSB_HOSTS (a a b)
 *   SGE    PE_HOSTFILE: a file of lines "host slots queue processors"; Grid Engine in all its kinds
 *
 * SLURM_NTASKS is the sum of SLURM_TASKS_PER_NODE, so it is not asked. Reads variables through the function it is given
 * and the files that they name, at most MPL__HOSTFILE_MAX of each; asks no batch system. What is wrong is said with the
 * variable, or the file, and line and column. */
#ifndef CONF_ALLOCATION_H
#define CONF_ALLOCATION_H

#include "base/err.h"
#include "conf/cluster.h"
#include "conf/hosts.h"

/* As getenv (3): NULL when it is not set. What is empty counts as not set. */
typedef char *mpl_getenv_fn (const char *name);

typedef struct {
    mpl_hosts_t hosts;          /* in the batch system's order, each once */
    const char *job;            /* its number; borrowed from the variables, as the next one; "" when it is not told */
    const char *own_name;       /* what the batch system calls this machine; NULL: it does not say */
} mpl_allocation_t;

/* Which batch system's job this runs in; MPL__LAUNCH_LOCAL: none's. Only looks which variables there are. */
mpl_launch_t mpl__allocation_kind (mpl_getenv_fn *get);

/* Whether it runs in a job of that one. 0; -1 with EINVAL and a sentence that says which variables are missing. */
int mpl__allocation_check (mpl_launch_t kind, mpl_getenv_fn *get, mpl_err_t *err);

/* What that one granted, which is checked first. 0, and it is to be freed; -1 with errno (EINVAL, E2BIG, ENOMEM, or
 * one of a file's, conf/text.h) and a sentence, and there is nothing to free. Blocks as long as the disk. */
int mpl__allocation_read (mpl_allocation_t *self, mpl_launch_t kind, mpl_getenv_fn *get, mpl_err_t *err);

void mpl__allocation_free (mpl_allocation_t *self);

#endif
