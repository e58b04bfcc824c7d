/* lines.h - the lines that another program of ours writes, as they come. Bounded: a longer one is none of ours and is
 * dropped. */
#ifndef BASE_LINES_H
#define BASE_LINES_H

#include <stddef.h>

#define MPL__LINE 1024

typedef struct {
    char text[MPL__LINE];               /* the beginning of one */
    size_t n;
    int is_dropping;                    /* up to the next newline */
} mpl_lines_t;

/* Takes what can be read now: `take` has each whole line, without its newline, to write in. 0, or -1: that was all. */
int mpl__lines_read (mpl_lines_t *self, int fd, void (*take) (void *arg, char *line), void *arg);

#endif
