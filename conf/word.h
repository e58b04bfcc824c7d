/* word.h - one word that names hosts in a list or a hostfile: "[user@]name[:slots]". For the readers in conf/
 * only. Pure. */
#ifndef CONF_WORD_H
#define CONF_WORD_H

#include "conf/draft.h"
#include "conf/place.h"

#include <stddef.h>

/* A piece of text and where it stands. */
typedef struct {
    const char *text;
    size_t len;
    mpl_place_t place;
} mpl_piece_t;

/* Cuts the next word off the line; 0: there is none, and then *word is the place where it would be. */
int mpl__word_next (mpl_piece_t *line, mpl_piece_t *word);

/* Reads the word. The name, ranges included, is left in *name; host->user is copied into the store, and
 * host->slots is MPL__SLOTS_UNSAID without ":slots". 0, or -1 with a sentence. */
int mpl__word_read (const mpl_piece_t *word, mpl_piece_t *name, mpl_host_t *host, mpl_store_t *store, mpl_err_t *err);

/* Adds every host that the name stands for. */
int mpl__word_add (mpl_draft_t *draft, const mpl_piece_t *name, const mpl_host_t *host, mpl_err_t *err);

/* The parts of it that a hostfile's name=value has too. `what` names the value in errors. */
int mpl__word_number (const mpl_piece_t *piece, const char *what, int most, int *number, mpl_err_t *err);
int mpl__word_slots (const mpl_piece_t *piece, int *slots, mpl_err_t *err);
int mpl__word_user (const mpl_piece_t *piece, mpl_store_t *store, char **user, mpl_err_t *err);

#endif
