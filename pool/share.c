/* mpl_pool_share: one copy for all workers of a host, in the arena. */
#include "pool/pool.h"
#include "base/clock.h"
#include "base/fail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 255

static void free_share (mpl_share_t *share)
{
    if (share) {
        free (share->name);
        free (share->on);
    }
    free (share);
}

void mpl__shares_free (mpl_pool_t *self)
{
    while (self->shares) {
        mpl_share_t *share = self->shares;
        self->shares = share->next;
        free_share (share);
    }
}

/* Whether a host still waits for it, which would be written over what comes to lie in its place. */
static int is_on_its_way (const mpl_share_t *share)
{
    for (size_t i = 0; i < share->n_on; i++)
        if (share->on[i].state == MPL__ON_ITS_WAY)
            return 1;
    return 0;
}

/* Blocks that were replaced can be given back once no chunk sent before that is held. */
static void free_replaced (mpl_pool_t *self)
{
    uint64_t oldest = mpl__core_oldest_held (self->core);

    for (mpl_share_t **at = &self->shares; *at;) {
        mpl_share_t *share = *at;
        if (share->replaced_at && share->replaced_at < oldest && !is_on_its_way (share)) {
            *at = share->next;
            mpl__arena_give (self->arena, share->offset, share->len ? share->len : 1);
            free_share (share);
        } else {
            at = &share->next;
        }
    }
}

static mpl_share_t *new_share (mpl_pool_t *self, const char *name, const void *data, size_t len)
{
    mpl_share_t *share = calloc (1, sizeof *share);

    if (!share || !(share->name = strdup (name))) {
        free_share (share);
        return NULL;
    }
    share->len = len;
    share->serial = ++self->n_shared;
    share->offset = mpl__arena_take (self->arena, len ? len : 1);
    if (share->offset == MPL__NO_BLOCK) {
        free_share (share);
        return NULL;
    }
    if (len)
        memcpy (mpl__arena_at (self->arena, share->offset), data, len);
    return share;
}

/* ---- on other hosts -------------------------------------------------------------------------------------------- */

/* Where it is with a host that is not main's; known from the first call about it on. -1: ENOMEM. */
static int know_host (mpl_pool_t *self, mpl_share_t *share, size_t host)
{
    if (host < share->n_on)
        return 0;
    void *on = realloc (share->on, self->n_hosts * sizeof *share->on);
    if (!on)
        return -1;
    share->on = on;
    memset (share->on + share->n_on, 0, (self->n_hosts - share->n_on) * sizeof *share->on);
    share->n_on = self->n_hosts;
    return 0;
}

/* One worker of the host gets the data, however many there are. */
static void send_data (mpl_pool_t *self, mpl_share_t *share, size_t host, int worker)
{
    size_t name = strlen (share->name);
    mpl_record_t record = { .type = MPL__SHARE_DATA, .n = (uint32_t) name, .chunk = share->serial };
    uint8_t *body = mpl__router_add (self->router, worker, &record, MPL__SHM_BYTES + name + share->len);

    if (!body)
        return;
    mpl__shm_put (body, &(mpl_shm_t) { .in = share->offset, .in_len = share->len });
    memcpy (body + MPL__SHM_BYTES, share->name, name);
    if (share->len)
        memcpy (body + MPL__SHM_BYTES + name, mpl__arena_at (self->arena, share->offset), share->len);
    share->on[host].state = MPL__ON_ITS_WAY;
    share->on[host].worker = worker;
    mpl__router_flush (self->router);
}

static int is_reachable (const mpl_member_t *member)
{
    return member->state == MPL__GREETED || member->state == MPL__PREPARING || member->state == MPL__SERVING;
}

/* Has it sent to a host that has a worker to take it, and has it not yet. */
static void offer (mpl_pool_t *self, mpl_share_t *share, size_t host)
{
    const mpl_pool_host_t *there = &self->hosts[host];

    if (share->replaced_at || there->is_gone || know_host (self, share, host) < 0 || share->on[host].state != MPL__NOT_THERE)
        return;
    int chosen = -1;                    /* one that is idle reads it at once */
    for (int w = there->first; w < there->first + there->n; w++)
        if (is_reachable (&self->members[w]) && (chosen < 0 || mpl__core_held (self->core, w) <= 0))
            chosen = w;
    if (chosen >= 0)
        send_data (self, share, host, chosen);
}

static int is_there (const mpl_pool_t *self, const mpl_share_t *share, size_t host)
{
    const mpl_pool_host_t *there = &self->hosts[host];
    int n = 0;

    if (share->replaced_at || there->is_gone || (host < share->n_on && share->on[host].state == MPL__IS_THERE))
        return 1;
    for (int w = there->first; w < there->first + there->n; w++)
        n += self->members[w].state == MPL__SERVING;
    return n == 0;                      /* those to come are told before they serve */
}

int mpl__shares_tell (mpl_pool_t *self, int worker)
{
    const mpl_pool_host_t *host = mpl__far_host (self, worker);
    size_t i = host ? (size_t) (host - self->hosts) : 0;
    int knows_all = 1;

    for (mpl_share_t *share = self->shares; share; share = share->next) {
        if (share->replaced_at)
            continue;
        if (host)
            offer (self, share, i);
        if (!host || (i < share->n_on && share->on[i].state == MPL__IS_THERE))
            mpl__members_tell_share (self, worker, share);
        else
            knows_all = 0;
    }
    return knows_all;
}

void mpl__shares_arrived (mpl_pool_t *self, int worker, uint64_t serial)
{
    const mpl_pool_host_t *host = mpl__far_host (self, worker);
    size_t i = host ? (size_t) (host - self->hosts) : 0;

    for (mpl_share_t *share = self->shares; host && share; share = share->next) {
        if (share->serial != serial || i >= share->n_on || share->on[i].state != MPL__ON_ITS_WAY
            || share->on[i].worker != worker)
            continue;
        share->on[i].state = MPL__IS_THERE;
        for (int w = host->first; !share->replaced_at && w < host->first + host->n; w++)
            if (self->members[w].state == MPL__PREPARING || self->members[w].state == MPL__SERVING)
                mpl__members_tell_share (self, w, share);
    }
    for (int w = host ? host->first : 0; host && w < host->first + host->n; w++)
        if (self->members[w].state == MPL__GREETED)
            mpl__members_prepare (self, w);
}

void mpl__shares_lost (mpl_pool_t *self, int worker)
{
    const mpl_pool_host_t *host = mpl__far_host (self, worker);
    size_t i = host ? (size_t) (host - self->hosts) : 0;

    for (mpl_share_t *share = self->shares; host && share; share = share->next)
        if (i < share->n_on && share->on[i].state == MPL__ON_ITS_WAY && share->on[i].worker == worker) {
            share->on[i].state = MPL__NOT_THERE;
            offer (self, share, i);
        }
}

void mpl__shares_forget_host (mpl_pool_t *self, size_t host)
{
    for (mpl_share_t *share = self->shares; share; share = share->next)
        if (host < share->n_on)
            share->on[host].state = MPL__NOT_THERE;
}

/* ---- sharing --------------------------------------------------------------------------------------------------- */

static int is_everywhere (void *arg)
{
    mpl_pool_t *self = arg;

    for (mpl_share_t *share = self->shares; share; share = share->next)
        for (size_t i = 0; i < self->n_hosts; i++)
            if (!is_there (self, share, i))
                return 0;
    return 1;
}

static int share (mpl_pool_t *self, const char *name, const void *data, size_t len)
{
    free_replaced (self);
    mpl_share_t *share = new_share (self, name, data, len);
    if (!share)
        return mpl__fail (ENOMEM, "mpl_pool_share: no shared memory for %zu bytes: %s", len, strerror (errno));
    for (mpl_share_t *old = self->shares; old; old = old->next)
        if (!old->replaced_at && !strcmp (old->name, name))
            old->replaced_at = mpl__core_newest (self->core) + 1;
    share->next = self->shares;
    self->shares = share;
    for (int w = 0; w < self->n_here; w++)
        if (self->members[w].state == MPL__SERVING || self->members[w].state == MPL__PREPARING)
            mpl__members_tell_share (self, w, share);
    for (size_t i = 0; i < self->n_hosts; i++)
        offer (self, share, i);
    mpl__nudge (self);
    return self->n_hosts ? mpl__wait (self, is_everywhere, self, MPL__NEVER) : 0;
}

MPL_EXPORT int mpl_pool_share (mpl_pool_t *self, const char *name, const void *data, size_t len)
{
    if (mpl__pool_check (self, "mpl_pool_share") < 0)
        return -1;
    if (!name || !*name || strlen (name) > NAME_MAX_BYTES)
        return mpl__fail (EINVAL, "mpl_pool_share: a name has 1 to %d bytes", NAME_MAX_BYTES);
    if (!data && len)
        return mpl__fail (EINVAL, "mpl_pool_share of %s: data is NULL but len is %zu", name, len);
    pthread_mutex_lock (&self->lock);
    int rc = self->state == MPL__OPEN ? share (self, name, data, len)
                                      : mpl__fail (ESHUTDOWN, "mpl_pool_share: the pool takes no more work");
    pthread_mutex_unlock (&self->lock);
    return rc;
}
