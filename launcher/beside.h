/* beside.h - where the programs lie that belong to this mplaunch: beside it, so that one is never used with
 * another version's. */
#ifndef LAUNCHER_BESIDE_H
#define LAUNCHER_BESIDE_H

#include "base/err.h"

/* The folder of the running program; the caller's to free. 0, or -1 with *err. */
int mpl__beside_folder (char **folder, mpl_err_t *err);

/* The full path of a program in it; the caller's to free. 0, or -1 with *err: it is not there, or cannot be
 * executed. */
int mpl__beside (const char *name, char **path, mpl_err_t *err);

#endif
