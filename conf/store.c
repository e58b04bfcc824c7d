#include "conf/store.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNED _Alignof (max_align_t)
#define BLOCK_BYTES 4096        /* a page; what is larger gets a block of its own */

struct mpl_block {
    mpl_block_t *next;
    size_t used, size;
    max_align_t data[];
};

static mpl_block_t *block_new (size_t size)
{
    mpl_block_t *block;

    if (size > SIZE_MAX / 2) {
        errno = ENOMEM;
        return NULL;
    }
    size = size > BLOCK_BYTES ? size : BLOCK_BYTES;
    if ((block = calloc (1, sizeof *block + size)))
        block->size = size;
    return block;
}

/* Pieces are taken from the first block; one made for a large piece alone goes behind it, so that the first one's
 * room is not lost. */
static mpl_block_t *add_block (mpl_store_t *self, size_t size)
{
    mpl_block_t *block = block_new (size);

    if (!block)
        return NULL;
    mpl_block_t **at = self->blocks && size > BLOCK_BYTES ? &self->blocks->next : &self->blocks;
    block->next = *at;
    *at = block;
    return block;
}

void *mpl__store_get (mpl_store_t *self, size_t size)
{
    mpl_block_t *block = self->blocks;
    size_t rounded = (size + ALIGNED - 1) / ALIGNED * ALIGNED;

    if (rounded < size) {
        errno = ENOMEM;
        return NULL;
    }
    if ((!block || block->size - block->used < rounded) && !(block = add_block (self, rounded)))
        return NULL;
    void *piece = (char *) block->data + block->used;
    block->used += rounded;
    return piece;
}

char *mpl__store_text (mpl_store_t *self, const char *text, size_t len)
{
    char *copy = len < SIZE_MAX ? mpl__store_get (self, len + 1) : NULL;

    if (copy && len)
        memcpy (copy, text, len);
    return copy;
}

void mpl__store_join (mpl_store_t *self, mpl_store_t *from)
{
    mpl_block_t **end = &self->blocks;

    while (*end)
        end = &(*end)->next;
    *end = from->blocks;
    from->blocks = NULL;
}

void mpl__store_free (mpl_store_t *self)
{
    int keep = errno;

    while (self->blocks) {
        mpl_block_t *block = self->blocks;
        self->blocks = block->next;
        free (block);
    }
    errno = keep;
}
