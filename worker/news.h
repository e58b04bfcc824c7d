/* news.h - control messages that wait because whoever is to hear them reads nothing now: stopped, or busy computing.
 * They are told in their order when there is room again. It owns the messages and the descriptors that travel with
 * them, not the socket. */
#ifndef WORKER_NEWS_H
#define WORKER_NEWS_H

#include "wire/control.h"

#define MPL__NEWS_MAX ((size_t) 64 << 20)       /* bytes; some hundred thousand messages */

typedef struct mpl_news_item mpl_news_item_t;

/* {0} is an empty one. */
typedef struct {
    mpl_news_item_t *first, *last;
    size_t bytes;
} mpl_news_t;

/* Sends it over a non-blocking SOCK_SEQPACKET socket, with a copy of fd when that is not -1, now or after what waits.
 * 0; -1 with errno: ENOMEM, ENOBUFS (too much waits), EMFILE. An error of the socket's is none: its end is seen by
 * whoever reads it. */
int mpl__news_send (mpl_news_t *self, int sock, const mpl_control_t *message, int fd);

/* Sends what waits, as far as there is room. 1: something is left. */
int mpl__news_flush (mpl_news_t *self, int sock);
void mpl__news_clear (mpl_news_t *self);

#endif
