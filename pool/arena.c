#include "pool/arena.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SMALLEST_BITS 14                    /* 16 KiB */
#define STEPS 4                             /* classes in each power of two */
#define CLASSES ((48 - SMALLEST_BITS) * STEPS)
#define FIRST_BYTES ((size_t) 4 << 20)      /* the file's first size; then it doubles */
#define KEPT_BYTES ((size_t) 64 << 20)      /* of free blocks that keep their memory */

#define POPULATE_BYTES ((size_t) 1 << 20)

#define NO_MEMORY_BIT UINT64_C (1)          /* in the offset of a free block: its memory was given back */

typedef struct {
    uint64_t *blocks;                       /* a stack of free ones */
    size_t n, room;
} class_t;

struct mpl_arena {
    int fd;
    char *map;
    size_t size, used;                      /* bytes of file, bytes ever handed out */
    size_t free_bytes;                      /* of free blocks that have memory */
    class_t classes[CLASSES];
};

mpl_arena_t *mpl__arena_new (void)
{
    mpl_arena_t *self = calloc (1, sizeof *self);

    if (self && (self->fd = memfd_create ("mplaunch-arena", MFD_CLOEXEC)) < 0) {
        free (self);
        self = NULL;
    }
    return self;
}

void mpl__arena_destroy (mpl_arena_t **self_p)
{
    mpl_arena_t *self = *self_p;

    if (!self)
        return;
    for (size_t i = 0; i < CLASSES; i++)
        free (self->classes[i].blocks);
    if (self->map)
        munmap (self->map, self->size);
    mpl__fd_close (&self->fd);
    free (self);
    *self_p = NULL;
}

int mpl__arena_fd (const mpl_arena_t *self) { return self->fd; }
void *mpl__arena_at (const mpl_arena_t *self, uint64_t offset) { return self->map + offset; }

/* The class whose blocks hold len bytes, and their size. */
static size_t class_of (size_t len, size_t *block)
{
    for (size_t i = 0; i < CLASSES; i++) {
        size_t power = (size_t) 1 << (SMALLEST_BITS + i / STEPS);
        *block = power + power / STEPS * (i % STEPS);
        if (len <= *block)
            return i;
    }
    *block = 0;
    return CLASSES;
}

static int grow (mpl_arena_t *self, size_t needed)
{
    size_t size = self->size ? self->size : FIRST_BYTES;

    while (size < needed)
        size *= 2;
    if (ftruncate (self->fd, (off_t) size) < 0)
        return -1;
    char *map = self->map ? mremap (self->map, self->size, size, MREMAP_MAYMOVE)
                          : mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
    if (map == MAP_FAILED)
        return -1;
    self->map = map;
    self->size = size;
    return 0;
}

/* Where there is no memory for it the kernel must say so here, not with SIGBUS in the middle of a copy. Large blocks are
 * mapped at the same time: sixteen thousand page faults for 64 MiB cost more than the copy. */
static int back_with_memory (mpl_arena_t *self, uint64_t offset, size_t len)
{
    int rc;

    if (len >= POPULATE_BYTES && madvise (self->map + offset, len, MADV_POPULATE_WRITE) == 0)
        return 0;
    do
        rc = fallocate (self->fd, 0, (off_t) offset, (off_t) len);
    while (rc < 0 && errno == EINTR);
    return rc;
}

uint64_t mpl__arena_take (mpl_arena_t *self, size_t len)
{
    size_t block, i = class_of (len, &block);

    if (i == CLASSES) {
        errno = ENOMEM;
        return MPL__NO_BLOCK;
    }
    class_t *class = &self->classes[i];
    if (class->n && !(class->blocks[class->n - 1] & NO_MEMORY_BIT)) {
        self->free_bytes -= block;
        return class->blocks[--class->n];
    }
    if (!class->n && self->used + block > self->size && grow (self, self->used + block) < 0)
        return MPL__NO_BLOCK;
    uint64_t offset = class->n ? class->blocks[class->n - 1] & ~NO_MEMORY_BIT : self->used;
    if (back_with_memory (self, offset, len) < 0)
        return MPL__NO_BLOCK;
    if (class->n)
        class->n--;
    else
        self->used += block;
    return offset;
}

void mpl__arena_give (mpl_arena_t *self, uint64_t offset, size_t len)
{
    size_t block, i = class_of (len, &block);
    class_t *class = &self->classes[i];

    if (class->n == class->room) {
        size_t room = class->room ? class->room * 2 : 8;
        uint64_t *blocks = realloc (class->blocks, room * sizeof *blocks);
        if (!blocks)
            return;                         /* the block stays unused until the pool's end */
        class->blocks = blocks;
        class->room = room;
    }
    class->blocks[class->n++] = offset;
    self->free_bytes += block;
}

void mpl__arena_trim (mpl_arena_t *self)
{
    if (self->free_bytes <= KEPT_BYTES)
        return;
    for (size_t i = 0; i < CLASSES; i++) {
        size_t power = (size_t) 1 << (SMALLEST_BITS + i / STEPS);
        size_t block = power + power / STEPS * (i % STEPS);
        for (size_t k = 0; k < self->classes[i].n; k++) {
            uint64_t *offset = &self->classes[i].blocks[k];
            if (*offset & NO_MEMORY_BIT)
                continue;
            if (fallocate (self->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) *offset, (off_t) block) < 0)
                return;
            *offset |= NO_MEMORY_BIT;
            self->free_bytes -= block;
        }
    }
}
