/* files.h - how many descriptors a process may have open: an agent needs some for each process it starts, and so
 * raises its own limit as far as it may; what it starts gets the limit that the user set, since programs read it
 * and close or allocate by it. One thread. */
#ifndef BASE_FILES_H
#define BASE_FILES_H

#include <sys/resource.h>

typedef struct {
    struct rlimit given, raised;        /* the same: there is nothing to change */
} mpl_files_t;

/* Remembers the limit and raises it. */
void mpl__files_begin (mpl_files_t *self);

/* Sets the given limit, for the moment in which a process is started, and the raised one again. What is open above
 * it stays open. Both keep errno. */
void mpl__files_lower (const mpl_files_t *self);
void mpl__files_raise (const mpl_files_t *self);

#endif
