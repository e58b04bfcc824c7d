/* hosts.h - the hosts of a launch and what is known of each: from -H, from a hostfile, or from the cluster file
 * (conf/cluster.h). Reads files and asks this machine for its own names and addresses; never asks DNS and never
 * connects. Any thread; a list belongs to one at a time.
 *
 * A list (-H, -host, -hosts) is Open MPI's: entries separated by commas, each
 *     [user@]name[:slots]          slots: a number; "auto" or "*" for every usable core; nothing is one slot
 * where a name may have ranges (conf/hostlist.h) and an address is [::1]:4 or ::1.
 *
 * A hostfile has a host a line; # begins a comment:
 *     [user@]name[:slots] [slots=N|auto] [max_slots=M] [user=U] [port=P]
 * which is what Open MPI and MPICH have in common or of their own; `slots` may be called cpus or count,
 * `max_slots` max-slots or slots_max. They disagree on a line that says no number: with Open MPI it means every
 * core, with MPICH one. So: a file in which some line has :N, or a plain line comes twice, is MPICH's (a
 * machinefile), and each plain line is one slot. In any other file a plain line means auto.
 *
 * In both, a host that is named again gets those slots too; `auto` stays auto whatever is added. A user, port or
 * max_slots that is said once holds for the host; two different ones are an error. */
#ifndef CONF_HOSTS_H
#define CONF_HOSTS_H

#include "base/err.h"
#include "conf/store.h"

#include <stddef.h>

#define MPL__HOSTS_MAX 65536u           /* hosts of one launch */
#define MPL__SLOTS_MAX 65536            /* of one host; as many as a launch has processes at most */
#define MPL__HOSTFILE_MAX 16777216u     /* bytes: MPL__HOSTS_MAX lines with a full name each */

typedef struct {
    char *name;                 /* as written, an address without brackets: what is shown, and what ssh is given */
    int slots;                  /* 0: auto, its usable cores */
    int max_slots;              /* 0: no limit */
    char *user;                 /* NULL: ssh's own choice */
    int port;                   /* 0: ssh's own choice */
    char **ssh_options;         /* NULL-terminated, or NULL; cluster file only, as the next two */
    char *workdir;              /* absolute, or "~/..." for the host itself to expand; NULL: the launcher's own */
    char **env;                 /* "NAME=value", NULL-terminated; NULL: none */
} mpl_host_t;

/* {0} is an empty list. What its hosts point to is in the store and may be shared among them. */
typedef struct {
    mpl_host_t *hosts;
    size_t n;
    mpl_store_t store;
} mpl_hosts_t;

/* Adds the hosts of a list as after -H. 0; -1 with errno (EINVAL; E2BIG: too many hosts; ENOMEM) and a sentence,
 * and *self is as it was. */
int mpl__hosts_add_list (mpl_hosts_t *self, const char *text, mpl_err_t *err);

/* Adds the hosts of a hostfile, at least one. 0; -1 as above, or with an errno of the file's (conf/text.h). Blocks
 * as long as the disk. */
int mpl__hosts_read_file (mpl_hosts_t *self, const char *path, mpl_err_t *err);

/* The same for text that is in memory; `name` is shown in errors. */
int mpl__hosts_parse_file (mpl_hosts_t *self, const char *name, const char *text, size_t len, mpl_err_t *err);

/* Where a host is in the list, by its name as it is written; -1: nowhere. */
int mpl__hosts_find (const mpl_hosts_t *self, const char *name);

void mpl__hosts_free (mpl_hosts_t *self);

/* Whether a name means this machine, as far as can be said without DNS: localhost, 127.0.0.0/8, ::1, gethostname
 * (2) whole or up to its first dot, or an address of one of its network interfaces. 1 or 0; what is not sure is 0. */
int mpl__host_is_here (const char *name);

/* Why a text cannot be a user's name on another host; NULL: it can. It is handed to ssh, which refuses the same
 * characters. */
const char *mpl__host_bad_user (const char *user, size_t len);

#endif
