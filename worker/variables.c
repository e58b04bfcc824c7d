#include "worker/variables.h"

#include <stdio.h>
#include <stdlib.h>

void mpl__threads_environment (int cores, int n_workers, const char *set[MPL__THREAD_VARIABLES + 1])
{
    static const char *const names[MPL__THREAD_VARIABLES] = {
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS"
    };
    static char texts[MPL__THREAD_VARIABLES][64];
    int each = n_workers > 0 && cores / n_workers > 1 ? cores / n_workers : 1, n = 0;

    for (int i = 0; i < MPL__THREAD_VARIABLES; i++)
        if (!getenv (names[i])) {
            snprintf (texts[i], sizeof texts[i], "%s=%d", names[i], each);
            set[n++] = texts[i];
        }
    set[n] = NULL;
}
