/* program.h - finding the file of a program once, before it is started many times: as the shell would, from the
 * folder it will run in. */
#ifndef WORKER_PROGRAM_H
#define WORKER_PROGRAM_H

#include "base/err.h"

/* A name with a slash is the file; any other is looked for in `folders` (separated by colons; NULL: none), then in
 * search_path (a PATH; NULL: the system's default). Relative folders count from the folder that wdir_fd is open
 * on. *path is the caller's to free. 0; -1 with *err: ENOENT, EACCES (it is there and cannot be executed), ENOMEM. */
int mpl__program_find (const char *name, const char *folders, const char *search_path, int wdir_fd, char **path,
                       mpl_err_t *err);

#endif
