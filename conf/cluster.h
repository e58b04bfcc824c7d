/* cluster.h - the cluster file: which hosts there are and how they are reached, in YAML.
 *
 *     cluster: lab                   # a name, for what is shown
 *     defaults: {slots: auto, workdir: ~/run, env: {OMP_NUM_THREADS: 1}, ssh: {...}}     # for all hosts
 *     hosts:
 *       - name: node[01-08]          # ranges as in conf/hostlist.h; every host once
 *         slots: 16                  # a number, or auto: its usable cores
 *         workdir: /scratch          # absolute, ~ or ~/..., which the host itself expands
 *         env: {LANG: C}             # variable by variable over those of defaults
 *         ssh: {user: alice, port: 22, options: [-o, StrictHostKeyChecking=yes]}  # over those of defaults
 *       - localhost                  # a name alone
 *     launch: auto                   # auto, local, ssh, slurm, pbs, lsf or sge
 *     transport: {interface: eth0, ports: 40000-40100, heartbeat: 2s, self_end_after: 10s, lost_after: 15s, tunnel: ssh}
 *     pool: {retries: 2, task_timeout: 10min, memory_limit: 2GiB}
 *
 * Every key may be left out but a host's name, and `hosts` where launch is ssh. Keys at the top that begin with
 * "x-" are left alone: a place for anchors. Unknown keys, wrong types, duplicates and values that cannot be are
 * refused with file:line:column, what is wrong, and what would be right; bounds are those of conf/tree.h. Reads
 * one file and nothing else; blocks as long as the disk. */
#ifndef CONF_CLUSTER_H
#define CONF_CLUSTER_H

#include "base/err.h"
#include "conf/hosts.h"

#include <stddef.h>

typedef enum {
    MPL__LAUNCH_AUTO,           /* by the allocation it runs in, else ssh */
    MPL__LAUNCH_LOCAL,
    MPL__LAUNCH_SSH,
    MPL__LAUNCH_SLURM,
    MPL__LAUNCH_PBS,
    MPL__LAUNCH_LSF,
    MPL__LAUNCH_SGE,
} mpl_launch_t;

/* What each is called, in the file and after --launch; ends with NULL. */
extern const char *const mpl__launch_words[];

typedef enum { MPL__TUNNEL_NONE, MPL__TUNNEL_SSH } mpl_tunnel_by_t;

typedef struct {
    char *interface;            /* of the network that connections use; NULL: any */
    int port_first, port_last;  /* ports that may be opened; 0, 0: any */
    double heartbeat, self_end_after, lost_after;       /* seconds, each longer than the one before */
    int tunnel;                 /* mpl_tunnel_by_t */
} mpl_transport_t;

/* What holds where a cluster file does not say otherwise. */
#define MPL__TRANSPORT_DEFAULTS (mpl_transport_t) { .heartbeat = 2, .self_end_after = 10, .lost_after = 15 }

/* What pools of this cluster do unless a program says otherwise. */
typedef struct {
    int retries;                /* -1: not said */
    double task_timeout;        /* seconds; 0: none, or not said */
    size_t memory_limit;        /* bytes for each worker; 0: none, or not said */
} mpl_pool_limits_t;

typedef struct {
    char *name;                 /* NULL: not said */
    mpl_hosts_t hosts;          /* in the file's order, ranges expanded and defaults filled in; all texts are in its store */
    int launch;                 /* mpl_launch_t */
    mpl_transport_t transport;
    mpl_pool_limits_t pool;
} mpl_cluster_t;

/* Reads the file into *self, whatever was there. 0; -1 with errno (EINVAL, EFBIG, E2BIG, ENOMEM, or one of the
 * file's, conf/text.h) and a sentence, and *self is as it was. */
int mpl__cluster_read (mpl_cluster_t *self, const char *path, mpl_err_t *err);

/* The same for text that is in memory; `name` is shown in errors. */
int mpl__cluster_parse (mpl_cluster_t *self, const char *name, const char *text, size_t len, mpl_err_t *err);

void mpl__cluster_free (mpl_cluster_t *self);

#endif
