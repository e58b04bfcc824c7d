/* draft.h - the hosts of a list or a file while it is read: what was there before and what is new, so that a
 * reader that fails leaves nothing changed. Finds a host by name in constant time. For the readers in conf/ only;
 * lives as long as one call. */
#ifndef CONF_DRAFT_H
#define CONF_DRAFT_H

#include "conf/hosts.h"
#include "conf/place.h"

#include <stdint.h>

#define MPL__SLOTS_UNSAID (-1)
/* Names in one list or file, repeated ones too: a short text of ranges must not keep us for minutes. */
#define MPL__NAMED_MAX 1048576u

/* What is known of a host besides. */
typedef struct {
    size_t line;                /* where it was named last; 0: it was there before, or there are no lines */
    uint32_t n_plain;           /* times it was named without a number of slots; each counts one slot */
    uint32_t n_counted;         /* times with a number, or it was there before */
} mpl_named_t;

typedef struct {
    mpl_host_t *hosts;
    mpl_named_t *named;         /* of each host */
    size_t n, room;
    size_t n_named;             /* calls of add so far */
    uint32_t *table;            /* open addressing: a host's index + 1, 0 is free */
    size_t n_table;             /* a power of two, at least twice n */
    mpl_store_t store;          /* texts of what is new */
} mpl_draft_t;

/* Begins with the hosts of `from`, whose texts stay there. 0, or -1 with ENOMEM. To be ended by commit or drop in
 * any case. */
int mpl__draft_begin (mpl_draft_t *self, const mpl_hosts_t *from, mpl_err_t *err);

/* Index of a host by its name, or -1. */
int mpl__draft_find (const mpl_draft_t *self, const char *name);

/* Appends a host that is not there yet, with a copy of the name; what `host` points to besides has to last as long
 * as the list, as what is in the draft's own store does. 0, or -1 with ENOMEM or E2BIG. */
int mpl__draft_append (mpl_draft_t *self, const mpl_host_t *host, const char *name, const mpl_place_t *place,
                       mpl_err_t *err);

/* Appends a host, or adds its slots to the one that has this name. host->slots may be MPL__SLOTS_UNSAID. 0; -1 as
 * above, or with EINVAL when the two contradict each other. */
int mpl__draft_add (mpl_draft_t *self, const mpl_host_t *host, const char *name, const mpl_place_t *place,
                    mpl_err_t *err);

/* Makes it what *to is. Cannot fail. */
void mpl__draft_commit (mpl_draft_t *self, mpl_hosts_t *to);

/* Frees it all; keeps errno. */
void mpl__draft_drop (mpl_draft_t *self);

#endif
