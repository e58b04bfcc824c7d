/* shares.h - what main shared with this pool's workers: names and where their data lie in the arena, and the arena's
 * mapping itself. One per worker process; only its serving thread touches it. */
#ifndef WORKER_SHARES_H
#define WORKER_SHARES_H

#include <stddef.h>
#include <stdint.h>

typedef struct mpl_shares mpl_shares_t;

/* Over the arena in arena_fd, which stays the caller's. NULL: ENOMEM. */
mpl_shares_t *mpl__shares_new (int arena_fd);

/* len bytes of the arena from `offset`, readable and writable. Earlier pointers may be invalid afterwards, so it is
 * called between tasks only. NULL: EPROTO (the arena is not that long), ENOMEM. */
void *mpl__shares_arena (mpl_shares_t *self, uint64_t offset, uint64_t len);

/* Maps all pages of a large block at once, where the kernel can. Merely faster. */
void mpl__shares_populate (void *block, uint64_t len);

/* `name` (name_len bytes) stands for those bytes from now on, unless what it stands for has a higher serial: between
 * hosts the longer of two may come later. 0; -1: ENOMEM. */
int mpl__shares_set (mpl_shares_t *self, const char *name, size_t name_len, uint64_t serial, uint64_t offset, uint64_t len);

/* Puts data into the arena, which grows to hold them: on another host than main's, whose arena has the shared data
 * and nothing else, at the offsets that main chose. 0; -1: ENOMEM, ENOSPC. */
int mpl__shares_write (mpl_shares_t *self, const void *data, uint64_t offset, uint64_t len);

/* The data under that name, NULL if there is none. */
const void *mpl__shares_get (mpl_shares_t *self, const char *name, size_t *len);

#endif
