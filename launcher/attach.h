/* attach.h - slots that an mpbroker lends to this launch: asked for before anything is planned, and held by a child,
 * mpattach, until this is destroyed. It owns that child. It says which hosts were lent, and how the agent of each is
 * come to. One thread. */
#ifndef LAUNCHER_ATTACH_H
#define LAUNCHER_ATTACH_H

#include "base/err.h"
#include "base/loop.h"
#include "conf/hosts.h"

#define MPL__ATTACH_LIMIT_S 300         /* for slots to become free, if nothing else is said */

typedef struct mpl_attach mpl_attach_t;

/* What happens while the launch runs. */
typedef struct {
    void (*lent) (void *arg, const char *host, int slots, uint64_t lease);      /* more, after mpl__attach_want */
    void (*resized) (void *arg, size_t host, uint64_t slots);   /* so many are to be used: fewer, or as many as may be again */
    void (*gone) (void *arg, const char *why);          /* the broker: hosts are lost one by one besides */
    void *arg;
} mpl_attach_fns_t;

/* Asks the broker of that certificate for n slots (0: all that can be had) and waits until it has lent some, at most
 * limit_s seconds (0: MPL__ATTACH_LIMIT_S); after a second it says on standard error for what, unless it is_quiet.
 * Adds the hosts. NULL with *err: ETIMEDOUT, ECONNREFUSED (it cannot be reached, or refuses), ENOENT (no mpattach),
 * ENOMEM. */
mpl_attach_t *mpl__attach_new (const char *file, uint64_t n, double limit_s, int is_quiet, mpl_hosts_t *hosts, mpl_err_t *err);

/* Gives all back. */
void mpl__attach_destroy (mpl_attach_t **self);

/* Listens from now on, until it is destroyed, which has to be before the loop. 0, or -1 with errno. */
int mpl__attach_listen (mpl_attach_t *self, mpl_loop_t *loop, const mpl_attach_fns_t *fns);

/* The host of that number in the list, or one more at its end, is lent with that lease and so many slots from now on. 0;
 * -1: ENOMEM. */
int mpl__attach_take (mpl_attach_t *self, size_t host, uint64_t lease, uint64_t slots);

/* Of the host of that number it needs no more than so many; with 0 its lease ends. */
void mpl__attach_keep (mpl_attach_t *self, size_t host, uint64_t slots);

/* A lease that `lent` has told of is of no use. */
void mpl__attach_return (mpl_attach_t *self, uint64_t lease);

/* This launch wants so many slots in all. What is lent more is told by `lent`. */
void mpl__attach_want (mpl_attach_t *self, uint64_t n);

/* The arguments of what carries an agent on the host of that number in the list, as mpl__ssh_argv: to be freed, and
 * pointing into *self. NULL: ENOMEM, ENOENT. */
char **mpl__attach_argv (const mpl_attach_t *self, size_t host);

#endif
