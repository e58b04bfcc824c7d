/* mpl_pool_share: one copy for all workers of a host, in the arena. */
#include "pool/pool.h"
#include "base/fail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 255

static void free_share (mpl_share_t *share)
{
    if (share)
        free (share->name);
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

/* Blocks that were replaced can be given back once no chunk sent before that is held. */
static void free_replaced (mpl_pool_t *self)
{
    uint64_t oldest = mpl__core_oldest_held (self->core);

    for (mpl_share_t **at = &self->shares; *at;) {
        mpl_share_t *share = *at;
        if (share->replaced_at && share->replaced_at < oldest) {
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
    share->offset = mpl__arena_take (self->arena, len ? len : 1);
    if (share->offset == MPL__NO_BLOCK) {
        free_share (share);
        return NULL;
    }
    if (len)
        memcpy (mpl__arena_at (self->arena, share->offset), data, len);
    return share;
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
    for (int w = 0; w < self->n_workers; w++)
        if (self->members[w].state == MPL__SERVING || self->members[w].state == MPL__PREPARING)
            mpl__members_tell_share (self, w, share);
    mpl__nudge (self);
    return 0;
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
