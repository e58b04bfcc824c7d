/* cpuset.h - a set of processing units by the kernel's numbers, on machines of any size: cpu_set_t alone ends at
 * 1,024. Any thread; what is bound is the calling thread, and what it starts from then on. */
#ifndef WORKER_CPUSET_H
#define WORKER_CPUSET_H

#include <sched.h>
#include <stddef.h>

typedef struct {
    cpu_set_t *bits;            /* owned; NULL: the set is empty and has no room */
    size_t size;                /* in bytes */
} mpl_cpuset_t;

/* Makes it empty, with room for the numbers below n. 0, or -1: ENOMEM, and then it need not be freed. */
int mpl__cpuset_init (mpl_cpuset_t *self, int n);
void mpl__cpuset_free (mpl_cpuset_t *self);

/* A number without room is left out. */
void mpl__cpuset_add (mpl_cpuset_t *self, int pu);
int mpl__cpuset_has (const mpl_cpuset_t *self, int pu);

/* Makes it what the calling thread may use; to be freed. 0, or -1: ENOMEM. */
int mpl__cpuset_of_self (mpl_cpuset_t *self);

/* Binds the calling thread to it. 0, or -1 with errno (EINVAL: none of them is there, or is allowed). */
int mpl__cpuset_bind_self (const mpl_cpuset_t *self);

/* Writes it as "0-3,8" into text and returns that; one that does not fit ends in "...". An empty set gives "". */
const char *mpl__cpuset_text (const mpl_cpuset_t *self, char *text, size_t size);

#endif
