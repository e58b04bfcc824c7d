#include "wire/record.h"
#include "wire/bytes.h"

#include <errno.h>

void mpl__record_put (uint8_t *to, const mpl_record_t *record)
{
    to[0] = record->type;
    to[1] = record->flags;
    mpl__put16 (to + 2, record->fn);
    mpl__put32 (to + 4, record->n);
    mpl__put64 (to + 8, record->chunk);
    mpl__put64 (to + 16, record->first);
    mpl__put32 (to + 24, (uint32_t) record->bytes);
    mpl__put32 (to + 28, record->at);
}

int mpl__record_get (const uint8_t *message, size_t len, size_t *at, mpl_record_t *record, const uint8_t **body)
{
    const uint8_t *from = message + *at;
    size_t left = len - *at;

    if (!left)
        return 0;
    if (left < MPL__RECORD_HEAD)
        goto refuse;
    record->type = from[0];
    record->flags = from[1];
    record->fn = mpl__get16 (from + 2);
    record->n = mpl__get32 (from + 4);
    record->chunk = mpl__get64 (from + 8);
    record->first = mpl__get64 (from + 16);
    record->bytes = mpl__get32 (from + 24);
    record->at = mpl__get32 (from + 28);
    if (mpl__record_size (record->bytes) > left)
        goto refuse;
    *body = from + MPL__RECORD_HEAD;
    *at += mpl__record_size (record->bytes);
    return 1;
refuse:
    errno = EPROTO;
    return -1;
}

void mpl__shm_put (uint8_t *to, const mpl_shm_t *shm)
{
    mpl__put64 (to, shm->in);
    mpl__put64 (to + 8, shm->in_len);
    mpl__put64 (to + 16, shm->out);
    mpl__put64 (to + 24, shm->out_len);
}

void mpl__shm_get (const uint8_t *from, mpl_shm_t *shm)
{
    shm->in = mpl__get64 (from);
    shm->in_len = mpl__get64 (from + 8);
    shm->out = mpl__get64 (from + 16);
    shm->out_len = mpl__get64 (from + 24);
}
