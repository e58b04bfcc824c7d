/* text.h - a whole file in memory, bounded: files that a user names may be anything. Blocks no longer than a disk
 * does. */
#ifndef CONF_TEXT_H
#define CONF_TEXT_H

#include "base/err.h"

#include <stddef.h>

/* Reads a regular file of at most max bytes. `kind` names it in errors ("a hostfile"). The text has a NUL behind
 * it, which *len does not count, and is the caller's to free. NULL with errno and a sentence: EISDIR or EINVAL for
 * what is no regular file (a fifo or a device would block or never end), EFBIG when it is longer, or open's and
 * read's own. */
char *mpl__text_read (const char *path, size_t max, const char *kind, size_t *len, mpl_err_t *err);

#endif
