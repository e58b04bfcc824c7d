/* plan.h - what the launch will be: its hosts, which rank of which program runs on which of them, and the order
 * each host's agent is given. Made from the options before anything is started; it starts nothing. */
#ifndef LAUNCHER_PLAN_H
#define LAUNCHER_PLAN_H

#include "base/err.h"
#include "conf/hosts.h"
#include "launcher/options.h"
#include "launcher/placement.h"
#include "wire/order.h"

typedef struct {
    const mpl_options_t *options;
    mpl_hosts_t hosts;                  /* this machine is one host, whatever names it was given */
    int *slots;                         /* of each; a host that says nothing has as many as it has usable cores */
    mpl_place_t *places;                /* of each rank */
    size_t n;
    size_t *n_on;                       /* ranks on each host */
    int is_crowded;                     /* more processes than slots */
    char *folder;                       /* in which mpeach is, beside mplaunch; NULL: it is not needed */
    char job[32];
} mpl_plan_t;

/* Reads host lists and files and places the processes. 0, and it is to be cleared; -1 with *err: EINVAL (what was
 * asked for cannot be), ENOMEM. */
int mpl__plan_make (mpl_plan_t *self, const mpl_options_t *options, mpl_err_t *err);
void mpl__plan_clear (mpl_plan_t *self);

/* How the options are said to an agent: what ranks are dealt over, and bound to. */
mpl_deal_t mpl__plan_deal (const mpl_options_t *options);
mpl_hold_t mpl__plan_hold (const mpl_options_t *options);

/* Writes the order for one host's agent to a descriptor. standard_input: as in the options. 0, or -1 with *err. */
int mpl__plan_write_order (const mpl_plan_t *self, size_t host, int standard_input, int fd, mpl_err_t *err);

#endif
