/* mark.h - a mark that a process hands down to all its descendants, through fork, exec, setsid and double fork alike,
 * so that an agent can tell whose an escaped grandchild is. It is the soft RLIMIT_MSGQUEUE, which programs leave
 * alone: the hard limit less the mark. Losing a few bytes of POSIX message queue is all that a task notices. */
#ifndef BASE_MARK_H
#define BASE_MARK_H

#include <stdint.h>
#include <sys/types.h>

#define MPL__MARKS 65536u           /* marks 1..MPL__MARKS-1; then they begin again */

/* Marks this process. Without effect where the limit is too low to carry it. */
void mpl__mark_set (uint64_t mark);

/* The mark of a process of ours; 0: none, or not to be seen. */
uint64_t mpl__mark_get (pid_t pid);

#endif
