/* where.h - where a launch runs: which hosts, and how each one's agent is started. By the options, the cluster file and the job
 * of a batch system that this runs in. Reads files and variables; starts nothing.
 *
 *   hosts    those that are named, by -H, -hosts, a hostfile or a cluster file; else those of the job; else this machine
 *   agents   on this machine by ourselves; elsewhere in a job of Slurm by srun, else by ssh
 *
 * --launch, or else `launch` of the cluster file, changes that: local is this machine alone, ssh is ssh in a job of Slurm too,
 * and slurm, pbs, lsf and sge insist on such a job. srun leads to the hosts of its job alone, so no other may be named then. */
#ifndef LAUNCHER_WHERE_H
#define LAUNCHER_WHERE_H

#include "base/err.h"
#include "conf/allocation.h"
#include "conf/cluster.h"
#include "conf/hosts.h"
#include "launcher/options.h"

/* LENT: by mpattach, on a host that a broker lends (launcher/attach.h). */
typedef enum { MPL__START_HERE, MPL__START_SSH, MPL__START_SRUN, MPL__START_LENT } mpl_start_t;

typedef struct {
    mpl_hosts_t hosts;                  /* at least one; this machine is one host, whatever names it was given */
    mpl_start_t *starts;                /* of each */
    mpl_transport_t transport;          /* of the cluster file, or the defaults */
    mpl_pool_limits_t pool;             /* likewise */
    const char *own_name;               /* what the batch system calls this machine; borrowed from the variables; NULL: nothing */
} mpl_where_t;

/* 0, or -1 with *err: EINVAL, ENOMEM, or one of a file's. To be freed in either case. */
int mpl__where_choose (mpl_where_t *self, const mpl_options_t *options, mpl_getenv_fn *get, mpl_err_t *err);
void mpl__where_free (mpl_where_t *self);

/* Whether a name means this machine, which a batch system may call as it likes. */
int mpl__where_is_here (const char *own_name, const char *name);

#endif
