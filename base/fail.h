/* fail.h - the last error of each thread: what mpl_error () shows. */
#ifndef BASE_FAIL_H
#define BASE_FAIL_H

#include "base/err.h"

/* This thread's last error, for functions that take an mpl_err_t. Never NULL. */
mpl_err_t *mpl__last_error (void);

/* Records a failure of a public call: a sentence and its errno. Returns -1. */
#define mpl__fail(...) mpl__err (mpl__last_error (), __VA_ARGS__)

/* The same for calls that return a pointer. */
#define mpl__fail_null(...) (mpl__fail (__VA_ARGS__), NULL)

#endif
