/* topology.h - the processing units of this host and which core and socket each belongs to, as hwloc sees them.
 * libhwloc is loaded when this is asked for and at no other time: a launch that binds nothing pays nothing for it.
 * On 2 cores loading takes 0.2 ms and looking 0.9 ms (0.2 ms more if caches were not left out).
 *
 * HWLOC_SYNTHETIC="pack:2 core:4 pu:2" in the environment pretends another machine, and so does HWLOC_XMLFILE;
 * what this process may use is then not asked, unless HWLOC_THISSYSTEM=1 says that it is this machine. Any thread. */
#ifndef WORKER_TOPOLOGY_H
#define WORKER_TOPOLOGY_H

#include "base/err.h"

typedef struct {
    int pu;                     /* the kernel's number */
    int core, socket;           /* counted from 0 among those that this process may use */
} mpl_pu_t;

typedef struct {
    mpl_pu_t *pus;              /* by socket, and in a socket by core; owned */
    int n, n_cores, n_sockets;
} mpl_topology_t;

/* Only what the calling thread may use counts. Where hwloc knows no cores, each unit is one; where it knows no
 * sockets, the machine is one. 0, and it is to be freed; -1 with *err: ENOTSUP (there is no libhwloc, or this
 * build is without), ENOMEM, EIO (hwloc cannot tell). */
int mpl__topology_read (mpl_topology_t *self, mpl_err_t *err);
void mpl__topology_free (mpl_topology_t *self);

#endif
