/* proc.h - what /proc/PID/stat says of a process. Keeps nothing; a process that is gone gives 0. */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <sys/types.h>

/* Its state as one letter (proc(5): R, S, T ...) and, where `parent` is not NULL, its parent. 0: there is no such
 * process. */
char mpl__proc_state (pid_t pid, pid_t *parent);

#endif
