#include "launcher/srun.h"
#include "launcher/ssh.h"
#include "worker/variables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --overlap: the job's CPUs may all belong to the step that runs us. --mem=0 is the job's memory, where one task's
 * share would be the default. --unbuffered, since slurmstepd keeps what has no newline; it makes standard output a
 * terminal that changes nothing. --export=ALL, whatever sbatch was told: the agent's PATH is where mpworker is looked
 * for. The folder we are in may not be there. */
static const char *const before[] = { "srun", "--quiet", "--job-name=mplaunch", "--nodes=1", "--ntasks=1", "--overlap", "--mem=0",
                                      "--cpu-bind=none", "--mpi=none", "--export=ALL", "--chdir=/", "--unbuffered" };
static const char *const after[] = { "/bin/sh", "-c", MPL__REMOTE_SCRIPT };

#define N_BEFORE (sizeof before / sizeof *before)
#define N_AFTER (sizeof after / sizeof *after)

char **mpl__srun_argv (const char *host)
{
    size_t n = 0, size = strlen (host) + sizeof "--nodelist=";
    char **argv = malloc ((N_BEFORE + N_AFTER + 2) * sizeof *argv + size);

    if (!argv)
        return NULL;
    char *list = (char *) (argv + N_BEFORE + N_AFTER + 2);
    snprintf (list, size, "--nodelist=%s", host);
    for (size_t i = 0; i < N_BEFORE; i++)
        argv[n++] = (char *) before[i];
    argv[n++] = list;
    for (size_t i = 0; i < N_AFTER; i++)
        argv[n++] = (char *) after[i];
    argv[n] = NULL;
    return argv;
}

static int begins (const char *entry, const char *beginning)
{
    return !strncmp (entry, beginning, strlen (beginning));
}

/* Nearly every option of srun has a variable, and a step has variables of the same names: SLURM_NTASKS,
 * SLURM_CPUS_PER_TASK, SLURM_EXACT and some hundred more. So what is kept is listed: which job of which Slurm it is,
 * and how it is spoken to. */
static int is_kept (const char *entry)
{
    static const char *const kept[] = { "SLURM_CONF", "SLURM_JOB_ID=", "SLURM_CLUSTERS=", "SLURM_NODE_ALIASES=", "SLURM_JWT=",
                                        "SLURM_SACK_" };

    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (begins (entry, kept[i]))
            return 1;
    return !begins (entry, "SLURM_") && !begins (entry, "SLURMD_") && !begins (entry, "SRUN_")
           && !mpl__variables_is_of_host (entry);
}

char **mpl__srun_environment (char *const *env)
{
    size_t n = 0;

    while (env && env[n])
        n++;
    char **kept = malloc ((n + 1) * sizeof *kept);
    if (!kept)
        return NULL;
    n = 0;
    for (; env && *env; env++)
        if (is_kept (*env))
            kept[n++] = *env;
    kept[n] = NULL;
    return kept;
}
