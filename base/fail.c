#include "base/fail.h"

mpl_err_t *mpl__last_error (void)
{
    static _Thread_local mpl_err_t last;

    return &last;
}
