/* store.h - memory for what is read from a file: many small pieces with one owner and one end. What is in it stays
 * where it is until the store is freed. One thread at a time. */
#ifndef CONF_STORE_H
#define CONF_STORE_H

#include <stddef.h>

typedef struct mpl_block mpl_block_t;

typedef struct {
    mpl_block_t *blocks;        /* NULL: nothing yet; {0} is an empty store */
} mpl_store_t;

/* Zeroed memory for any type; NULL with ENOMEM. */
void *mpl__store_get (mpl_store_t *self, size_t size);

/* A copy of len bytes with a NUL behind them; NULL with ENOMEM. */
char *mpl__store_text (mpl_store_t *self, const char *text, size_t len);

/* Takes over what is in *from, which is empty then. */
void mpl__store_join (mpl_store_t *self, mpl_store_t *from);

void mpl__store_free (mpl_store_t *self);

#endif
