#include "worker/news.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct mpl_news_item {
    mpl_news_item_t *next;
    int fd;                             /* owned; -1: none */
    size_t len;
    uint8_t bytes[];
};

static void drop_first (mpl_news_t *self)
{
    mpl_news_item_t *item = self->first;

    self->first = item->next;
    if (!self->first)
        self->last = NULL;
    self->bytes -= item->len;
    mpl__fd_close (&item->fd);
    free (item);
}

int mpl__news_flush (mpl_news_t *self, int sock)
{
    while (self->first) {
        const mpl_news_item_t *item = self->first;
        if (mpl__fd_send (sock, item->bytes, item->len, &item->fd, item->fd >= 0) < 0 && errno == EAGAIN)
            return 1;
        drop_first (self);
    }
    return 0;
}

static int keep (mpl_news_t *self, const uint8_t *bytes, size_t len, int fd)
{
    if (self->bytes + len > MPL__NEWS_MAX) {
        errno = ENOBUFS;
        return -1;
    }
    mpl_news_item_t *item = malloc (sizeof *item + len);
    if (!item)
        return -1;
    *item = (mpl_news_item_t) { .fd = fd >= 0 ? fcntl (fd, F_DUPFD_CLOEXEC, 3) : -1, .len = len };
    if (fd >= 0 && item->fd < 0) {
        free (item);
        return -1;
    }
    memcpy (item->bytes, bytes, len);
    if (self->last)
        self->last->next = item;
    else
        self->first = item;
    self->last = item;
    self->bytes += len;
    return 0;
}

int mpl__news_send (mpl_news_t *self, int sock, const mpl_control_t *message, int fd)
{
    uint8_t bytes[MPL__CONTROL_MAX];
    size_t len = mpl__control_encode (bytes, message);

    if (!mpl__news_flush (self, sock) && (mpl__fd_send (sock, bytes, len, &fd, fd >= 0) == 0 || errno != EAGAIN))
        return 0;
    return keep (self, bytes, len, fd);
}

void mpl__news_clear (mpl_news_t *self)
{
    while (self->first)
        drop_first (self);
}
