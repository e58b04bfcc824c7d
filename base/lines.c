#include "base/lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int mpl__lines_read (mpl_lines_t *self, int fd, void (*take) (void *arg, char *line), void *arg)
{
    char *end;
    ssize_t len = read (fd, self->text + self->n, sizeof self->text - self->n);

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (len <= 0)
        return -1;
    self->n += (size_t) len;
    while ((end = memchr (self->text, '\n', self->n))) {
        *end = '\0';
        if (!self->is_dropping)
            take (arg, self->text);
        self->is_dropping = 0;
        self->n -= (size_t) (end + 1 - self->text);
        memmove (self->text, end + 1, self->n);
    }
    if (self->n == sizeof self->text) {
        self->n = 0;
        self->is_dropping = 1;
    }
    return 0;
}
