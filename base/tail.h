/* tail.h - the end of what a program says on its standard error: the last line has the reason. */
#ifndef BASE_TAIL_H
#define BASE_TAIL_H

#include <stddef.h>

#define MPL__TAIL 1024

typedef struct {
    char text[MPL__TAIL];               /* no NUL behind it */
    size_t len;
} mpl_tail_t;

/* Takes what can be read now. 0, or -1: that was all. */
int mpl__tail_read (mpl_tail_t *self, int fd);

#endif
