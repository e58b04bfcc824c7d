#include "worker/shares.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define POPULATE_BYTES ((uint64_t) 1 << 20)

typedef struct {
    char *name;
    uint64_t serial, offset, len;
} share_t;

struct mpl_shares {
    int arena_fd;
    char *map;
    size_t mapped;
    share_t *shares;
    size_t n;
};

mpl_shares_t *mpl__shares_new (int arena_fd)
{
    mpl_shares_t *self = calloc (1, sizeof *self);

    if (self)
        self->arena_fd = arena_fd;
    return self;
}

/* Main lets the arena grow; the mapping follows when a message speaks of what lies beyond it. */
static int map_all (mpl_shares_t *self, uint64_t needed)
{
    struct stat file;

    if (fstat (self->arena_fd, &file) < 0)
        return -1;
    if ((uint64_t) file.st_size < needed) {
        errno = EPROTO;
        return -1;
    }
    size_t size = (size_t) file.st_size;
    char *map = self->map ? mremap (self->map, self->mapped, size, MREMAP_MAYMOVE)
                          : mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, self->arena_fd, 0);
    if (map == MAP_FAILED)
        return -1;
    self->map = map;
    self->mapped = size;
    return 0;
}

void *mpl__shares_arena (mpl_shares_t *self, uint64_t offset, uint64_t len)
{
    if (len > UINT64_MAX - offset) {
        errno = EPROTO;
        return NULL;
    }
    if (offset + len > self->mapped && map_all (self, offset + len) < 0)
        return NULL;
    return self->map + offset;
}

void mpl__shares_populate (void *block, uint64_t len)
{
    if (len >= POPULATE_BYTES)
        madvise (block, len, MADV_POPULATE_WRITE);
}

static share_t *find (mpl_shares_t *self, const char *name, size_t len)
{
    for (size_t i = 0; i < self->n; i++)
        if (strlen (self->shares[i].name) == len && !memcmp (self->shares[i].name, name, len))
            return &self->shares[i];
    return NULL;
}

int mpl__shares_set (mpl_shares_t *self, const char *name, size_t name_len, uint64_t serial, uint64_t offset, uint64_t len)
{
    share_t *share = find (self, name, name_len);

    if (share && share->serial > serial)
        return 0;
    if (!share) {
        share_t *shares = realloc (self->shares, (self->n + 1) * sizeof *shares);
        if (!shares)
            return -1;
        self->shares = shares;
        if (!(shares[self->n].name = strndup (name, name_len)))
            return -1;
        share = &shares[self->n++];
    }
    share->serial = serial;
    share->offset = offset;
    share->len = len;
    return mpl__shares_arena (self, offset, len ? len : 1) ? 0 : -1;
}

const void *mpl__shares_get (mpl_shares_t *self, const char *name, size_t *len)
{
    share_t *share = find (self, name, strlen (name));

    if (!share)
        return NULL;
    if (len)
        *len = share->len;
    return self->map + share->offset;
}

/* Writing lets the file grow, and never lets it shrink, as others might who write elsewhere in it. */
int mpl__shares_write (mpl_shares_t *self, const void *data, uint64_t offset, uint64_t len)
{
    const char *from = len ? data : "";

    for (uint64_t left = len ? len : 1; left;) {
        ssize_t rc = pwrite (self->arena_fd, from, left < (1u << 30) ? (size_t) left : 1u << 30, (off_t) offset);
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc < 0)
            return -1;
        from += rc;
        offset += (uint64_t) rc;
        left -= (uint64_t) rc;
    }
    return 0;
}
