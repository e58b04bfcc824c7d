#include "base/tail.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int mpl__tail_read (mpl_tail_t *self, int fd)
{
    char bytes[MPL__TAIL];
    ssize_t len = read (fd, bytes, sizeof bytes);

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (len <= 0)
        return -1;
    size_t kept = self->len + (size_t) len <= sizeof self->text ? self->len : sizeof self->text - (size_t) len;
    memmove (self->text, self->text + self->len - kept, kept);
    memcpy (self->text + kept, bytes, (size_t) len);
    self->len = kept + (size_t) len;
    return 0;
}
