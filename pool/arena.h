/* arena.h - memory that main and its workers on this host share: large inputs, room for large results, shared data.
 * One memfd without a name, so that a killed process leaves nothing. Main alone allocates; blocks are kept for reuse,
 * in classes a quarter of a power of two apart. Guarded by the pool's lock. */
#ifndef POOL_ARENA_H
#define POOL_ARENA_H

#include <stddef.h>
#include <stdint.h>

typedef struct mpl_arena mpl_arena_t;

#define MPL__NO_BLOCK UINT64_MAX

/* NULL with errno. */
mpl_arena_t *mpl__arena_new (void);
void mpl__arena_destroy (mpl_arena_t **self);

/* Its descriptor, for the workers; the arena's. */
int mpl__arena_fd (const mpl_arena_t *self);

/* A block of at least len bytes: its offset, a multiple of 4096. MPL__NO_BLOCK with ENOMEM or ENOSPC. */
uint64_t mpl__arena_take (mpl_arena_t *self, size_t len);
void mpl__arena_give (mpl_arena_t *self, uint64_t offset, size_t len);

/* Where the block is in this process; moves when another block is taken. */
void *mpl__arena_at (const mpl_arena_t *self, uint64_t offset);

/* Gives the memory of free blocks back to the system where much is free. */
void mpl__arena_trim (mpl_arena_t *self);

#endif
