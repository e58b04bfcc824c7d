/* The sink of map and apply: results go straight into the caller's array. */
#include "pool/batch.h"
#include "wire/bytes.h"

#include <stdlib.h>
#include <string.h>

static int put_variable (mpl_bytes_t *slot, const uint8_t *data, size_t len)
{
    char *copy = malloc (len + 1);

    if (!copy)
        return -1;
    if (len)
        memcpy (copy, data, len);
    copy[len] = '\0';
    *slot = (mpl_bytes_t) { copy, len };
    return 0;
}

static int array_results (mpl_batch_t *self, size_t first, size_t n, const uint8_t *lens, const uint8_t *data,
                          const mpl_ran_t *ran)
{
    size_t out_size = self->task->out_size;

    if (!lens) {
        if (out_size)
            memcpy ((uint8_t *) self->out + first * out_size, data, n * out_size);
        mpl__batch_ended (self, n);
        return 0;
    }
    for (size_t i = 0; i < n; i++, lens += 8) {
        size_t len = mpl__get64 (lens);
        if (put_variable ((mpl_bytes_t *) self->out + first + i, data, len) < 0)
            mpl__batch_item_failed (self, first + i, "there is no memory for its result", ran);
        else
            mpl__batch_ended (self, 1);
        data += len;
    }
    return 0;
}

static int array_take (mpl_batch_t *self, size_t index, void *data, size_t len, const mpl_ran_t *ran)
{
    (void) ran;
    ((mpl_bytes_t *) self->out)[index] = (mpl_bytes_t) { data, len };
    mpl__batch_ended (self, 1);
    return 0;
}

const mpl_sink_t mpl__array_sink = { array_results, array_take, NULL };
