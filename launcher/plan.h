/* plan.h - what the launch will be: its hosts, which rank of which program runs on which of them, and the order
 * each host's agent is given. Made from the options before anything is started; it starts nothing. */
#ifndef LAUNCHER_PLAN_H
#define LAUNCHER_PLAN_H

#include "base/err.h"
#include "conf/cluster.h"
#include "conf/hosts.h"
#include "launcher/attach.h"
#include "launcher/options.h"
#include "launcher/placement.h"
#include "launcher/stage.h"
#include "launcher/where.h"
#include "wire/order.h"

typedef struct {
    const mpl_options_t *options;
    mpl_attach_t *attach;               /* holds the hosts that a broker has lent; NULL: none has */
    mpl_hosts_t hosts;                  /* this machine is one host, whatever names it was given */
    int *slots;                         /* of each; a host that says nothing has as many as it has usable cores; 0: it must be asked */
    mpl_start_t *starts;                /* of each: how its agent is started */
    int *has_post;                      /* of each: its agent is spoken to through a post, as on any other machine */
    const char *own_name;               /* as in launcher/where.h */
    size_t n_far;                       /* how many have a post */
    int must_ask;                       /* one of those says no number, and nothing is placed yet */
    mpl_transport_t transport;          /* of the cluster file, or the defaults */
    mpl_pool_limits_t pool;             /* likewise */
    mpl_place_t *places;                /* of each rank */
    size_t n;
    size_t *n_on;                       /* ranks on each host */
    int is_crowded;                     /* more processes than slots */
    mpl_staging_t staging;              /* files that other hosts get */
    char *cwd;                          /* where we were started, for programs on other hosts; NULL: there are none */
    char *folder;                       /* in which mpeach is, beside mplaunch; NULL: it is not needed */
    char job[32];
} mpl_plan_t;

/* Reads host lists and files, or asks a broker and waits until it lends some, and places the processes unless another
 * host must first be asked how many cores it has. 0, and it is to be cleared, -1 too; -1 with *err: EINVAL (what was
 * asked for cannot be), ENOMEM. */
int mpl__plan_make (mpl_plan_t *self, const mpl_options_t *options, mpl_err_t *err);

/* Places them, now that `slots` says of each host what it has. 0, or -1 with *err as above. */
int mpl__plan_place (mpl_plan_t *self, mpl_err_t *err);

void mpl__plan_clear (mpl_plan_t *self);

/* Whether a host is this machine, whose agent is started directly. */
int mpl__plan_is_here (const mpl_plan_t *self, size_t host);

/* How the options are said to an agent: what ranks are dealt over, and bound to. */
mpl_deal_t mpl__plan_deal (const mpl_options_t *options);
mpl_hold_t mpl__plan_hold (const mpl_options_t *options);

/* The order for one host's agent; the caller frees *bytes. standard_input: as in the options. is_late: it comes when
 * the ranks run already, has none of them, and stays to give workers to pools. 0, or -1 with *err. */
int mpl__plan_order (const mpl_plan_t *self, size_t host, int standard_input, int is_late, uint8_t **bytes, size_t *len,
                     mpl_err_t *err);

/* The order of an agent whose host is only tried (--check). */
int mpl__plan_check_order (const mpl_plan_t *self, size_t host, uint8_t **bytes, size_t *len, mpl_err_t *err);

/* One more host, with so many slots, that a broker has lent since; its number, or -1 with *err. */
int mpl__plan_add_host (mpl_plan_t *self, const char *name, int slots, mpl_err_t *err);

#endif
