/* hostlist.h - lists of host names with ranges: "node[01-08,12],gpu1", also as Slurm writes them
 * (SLURM_JOB_NODELIST). Pure.
 *   list  = entry *("," entry)              blanks around an entry are skipped
 *   entry = name | address | "[" address "]"
 *   name  = *(letter | digit | "-" | "." | "_" | group), beginning with a letter, a digit or "_"
 *   group = "[" item *("," item) "]"        item = number | number "-" number
 * A range has as many digits as its first number: [01-12] is 01 ... 12, and [8-12] is 8 ... 12. Of several groups
 * the last one turns fastest. An IPv6 address (with %zone, if need be) stands by itself or in brackets, and has no
 * ranges. Names come out in the order of the text, repeated ones too. */
#ifndef CONF_HOSTLIST_H
#define CONF_HOSTLIST_H

#include "conf/place.h"
#include "conf/store.h"

#include <stddef.h>

#define MPL__HOSTLIST_MAX 65536u        /* names of one list: as many as a launch has processes at most */
#define MPL__HOST_NAME_MAX 255          /* bytes of a name, as in DNS */

typedef struct {
    char **names;
    size_t n, room;
    mpl_store_t store;                  /* where the names are */
} mpl_hostlist_t;

/* Appends what the list names. 0; -1 with errno EINVAL, E2BIG (too many names) or ENOMEM and a sentence that says
 * the column, and *self is as it was. {0} is an empty list. */
int mpl__hostlist_parse (mpl_hostlist_t *self, const char *text, mpl_err_t *err);

/* The same for len bytes of text that stand at `place`. */
int mpl__hostlist_add (mpl_hostlist_t *self, const mpl_place_t *place, const char *text, size_t len, mpl_err_t *err);

/* The entry that begins at `from`, without the blanks around it. Returns where it ends: at a comma outside of
 * brackets, or at `end`. */
const char *mpl__hostlist_entry (const char *from, const char *end, const char **entry, size_t *len);

void mpl__hostlist_free (mpl_hostlist_t *self);

#endif
