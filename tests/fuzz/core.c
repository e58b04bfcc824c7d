/* Fuzz target: the broker core in a world whose every chance is a byte of the input (history.h). */
#include "tests/fuzz/history.h"
#include "tests/fuzz/smoke.h"

#include <stdlib.h>

typedef struct {
    const uint8_t *data;
    size_t left;
} bytes_t;

static uint32_t pick (void *arg, uint32_t n)
{
    bytes_t *bytes = arg;
    uint32_t value = 0;

    for (uint32_t range = n; range > 1 && bytes->left; range >>= 8, bytes->left--)
        value = value << 8 | *bytes->data++;
    return value % n;
}

static int is_over (void *arg)
{
    return ((bytes_t *) arg)->left == 0;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    bytes_t bytes = { data, size };
    chance_t chance = { pick, is_over, &bytes };
    char wrong[HISTORY_WRONG];
    size_t steps = 0;

    if (history_run (&chance, NULL, &steps, wrong) == 0)
        return 0;
    bytes = (bytes_t) { data, size };
    history_run (&chance, stderr, &steps, wrong);       /* once more, telling every step */
    fprintf (stderr, "%s\n", wrong);
    abort ();
}
