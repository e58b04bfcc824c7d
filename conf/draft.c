#include "conf/draft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM 16                 /* hosts at first */

static int no_memory (mpl_err_t *err, size_t n)
{
    return mpl__err (err, ENOMEM, "no memory for %zu hosts", n);
}

/* ---- finding by name ------------------------------------------------------------------------------------------- */

/* FNV-1a. Names come from the user's own files, so nobody gains by making them collide. */
static size_t hash (const char *name)
{
    uint64_t value = UINT64_C (0xcbf29ce484222325);

    for (; *name; name++)
        value = (value ^ (unsigned char) *name) * UINT64_C (0x100000001b3);
    return (size_t) (value ^ value >> 32);
}

/* Its place in the table, or the free one where it would be. */
static uint32_t *find_slot (const mpl_draft_t *self, const char *name)
{
    size_t at = hash (name) & (self->n_table - 1);

    while (self->table[at] && strcmp (self->hosts[self->table[at] - 1].name, name))
        at = (at + 1) & (self->n_table - 1);
    return &self->table[at];
}

int mpl__draft_find (const mpl_draft_t *self, const char *name)
{
    return (int) *find_slot (self, name) - 1;
}

static void enter (mpl_draft_t *self, size_t i)
{
    uint32_t *slot = find_slot (self, self->hosts[i].name);

    if (!*slot)                         /* a caller may have put two of one name into the list that this began with */
        *slot = (uint32_t) i + 1;
}

/* ---- room ------------------------------------------------------------------------------------------------------ */

static int grow_table (mpl_draft_t *self, size_t room)
{
    size_t n = self->n_table ? self->n_table : 1;

    while (n < 2 * room)
        n *= 2;
    uint32_t *table = calloc (n, sizeof *table);
    if (!table)
        return -1;
    free (self->table);
    self->table = table;
    self->n_table = n;
    for (size_t i = 0; i < self->n; i++)
        enter (self, i);
    return 0;
}

static int grow (mpl_draft_t *self, size_t room, mpl_err_t *err)
{
    mpl_host_t *hosts = realloc (self->hosts, room * sizeof *hosts);
    self->hosts = hosts ? hosts : self->hosts;
    mpl_named_t *named = hosts ? realloc (self->named, room * sizeof *named) : NULL;
    self->named = named ? named : self->named;

    if (!named || grow_table (self, room) < 0)
        return no_memory (err, room);
    self->room = room;
    return 0;
}

int mpl__draft_begin (mpl_draft_t *self, const mpl_hosts_t *from, mpl_err_t *err)
{
    *self = (mpl_draft_t) { 0 };
    if (grow (self, from->n + ROOM, err) < 0)
        return -1;
    for (; self->n < from->n; self->n++) {
        self->hosts[self->n] = from->hosts[self->n];
        self->named[self->n] = (mpl_named_t) { .n_counted = 1 };
        enter (self, self->n);
    }
    return 0;
}

/* ---- hosts ----------------------------------------------------------------------------------------------------- */

int mpl__draft_append (mpl_draft_t *self, const mpl_host_t *host, const char *name, const mpl_place_t *place,
                       mpl_err_t *err)
{
    if (self->n >= MPL__HOSTS_MAX)
        return mpl__err_at (err, place, E2BIG, "more than %u hosts", MPL__HOSTS_MAX);
    if (self->n == self->room && grow (self, self->room * 2, err) < 0)
        return -1;
    char *copy = mpl__store_text (&self->store, name, strlen (name));
    if (!copy)
        return no_memory (err, self->n + 1);
    self->hosts[self->n] = *host;
    self->hosts[self->n].name = copy;
    self->named[self->n] = (mpl_named_t) { .line = place->line };
    enter (self, self->n++);
    return 0;
}

static int merge_number (const mpl_host_t *host, const char *what, int *mine, int other, const mpl_place_t *place,
                         mpl_err_t *err)
{
    if (*mine && other && *mine != other)
        return mpl__err_at (err, place, EINVAL, "host '%s' has %s %d here and %d before; one host has one",
                            host->name, what, other, *mine);
    *mine = other ? other : *mine;
    return 0;
}

static int merge_user (mpl_host_t *host, char *user, const mpl_place_t *place, mpl_err_t *err)
{
    if (host->user && user && strcmp (host->user, user))
        return mpl__err_at (err, place, EINVAL, "host '%s' has user '%s' here and '%s' before; one host has one",
                            host->name, user, host->user);
    host->user = user ? user : host->user;
    return 0;
}

static int add_slots (mpl_host_t *host, int slots, const mpl_place_t *place, mpl_err_t *err)
{
    if (slots == 0 || host->slots == 0)
        host->slots = 0;
    else if ((host->slots += slots) > MPL__SLOTS_MAX)
        return mpl__err_at (err, place, EINVAL, "host '%s' has %d slots by now; at most %d", host->name, host->slots,
                            MPL__SLOTS_MAX);
    return 0;
}

static int merge (mpl_host_t *host, const mpl_host_t *said, const mpl_place_t *place, mpl_err_t *err)
{
    if (merge_user (host, said->user, place, err) < 0
        || merge_number (host, "port", &host->port, said->port, place, err) < 0
        || merge_number (host, "max_slots", &host->max_slots, said->max_slots, place, err) < 0)
        return -1;
    return add_slots (host, said->slots, place, err);
}

int mpl__draft_add (mpl_draft_t *self, const mpl_host_t *host, const char *name, const mpl_place_t *place,
                    mpl_err_t *err)
{
    int i = mpl__draft_find (self, name), is_plain = host->slots == MPL__SLOTS_UNSAID;
    mpl_host_t said = *host;

    if (++self->n_named > MPL__NAMED_MAX)
        return mpl__err_at (err, place, E2BIG, "by now more than %u hosts are named, repeated ones included",
                            MPL__NAMED_MAX);
    if (is_plain)
        said.slots = 1;
    if (i < 0) {
        if (mpl__draft_append (self, &said, name, place, err) < 0)
            return -1;
        i = (int) self->n - 1;
    } else if (merge (&self->hosts[i], &said, place, err) < 0)
        return -1;
    self->named[i].line = place->line;
    self->named[i].n_plain += is_plain;
    self->named[i].n_counted += !is_plain;
    return 0;
}

/* ---- the end --------------------------------------------------------------------------------------------------- */

void mpl__draft_commit (mpl_draft_t *self, mpl_hosts_t *to)
{
    mpl__store_join (&to->store, &self->store);
    free (to->hosts);
    to->hosts = self->hosts;
    to->n = self->n;
    self->hosts = NULL;
    mpl__draft_drop (self);
}

void mpl__draft_drop (mpl_draft_t *self)
{
    int keep = errno;

    free (self->hosts);
    free (self->named);
    free (self->table);
    mpl__store_free (&self->store);
    *self = (mpl_draft_t) { 0 };
    errno = keep;
}
