/* texts.h - a growing list of texts, in the memory of a store. One thread at a time. */
#ifndef LAUNCHER_TEXTS_H
#define LAUNCHER_TEXTS_H

#include "conf/store.h"

#include <stddef.h>

/* {0} is an empty list. */
typedef struct {
    char **texts;               /* NULL behind the last; NULL itself as long as there are none */
    size_t n;
} mpl_texts_t;

/* Appends text, which is borrowed. 0, or -1 with ENOMEM and the list as it was. */
int mpl__texts_add (mpl_texts_t *self, mpl_store_t *store, const char *text);

#endif
