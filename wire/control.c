#include "wire/control.h"
#include "base/assert.h"
#include "base/fd.h"
#include "wire/bytes.h"
#include "wire/record.h"

#include <errno.h>
#include <string.h>

#define HEAD 8u
#define FIELDS_MAX 9

/* One line a message: the fields in their order on the wire, whether a text ends it, how many descriptors it may
 * bring. */
#define F(field) offsetof (mpl_control_t, field)
static const struct {
    size_t fields[FIELDS_MAX];
    unsigned char n_fields, has_text, fds_max;
} layout[MPL__C_N] = {
    [MPL__C_HELLO] = { { F (protocol), F (pid) }, 2, 0, 1 },
    [MPL__C_WELCOME] = { { F (role), F (rank), F (size), F (local_rank), F (local_size), F (n), F (from), F (timeout_ns), F (memory) }, 9, 1, 0 },
    [MPL__C_POOL_OPEN] = { { F (pool), F (workers), F (first_slot), F (timeout_ns), F (memory), F (incarnation) }, 6, 0, 4 },
    [MPL__C_CLOSING] = { { F (pool), F (node) }, 2, 0, 0 },
    [MPL__C_TERMINATE] = { { F (pool), F (node) }, 2, 0, 0 },
    [MPL__C_DISMISS] = { { F (pool), F (node), F (slot), F (incarnation) }, 4, 0, 0 },
    [MPL__C_SPAWN] = { { F (pool), F (slot), F (incarnation), F (memory), F (mark) }, 5, 1, 3 },
    [MPL__C_SPAWNED] = { { F (pool), F (slot), F (incarnation), F (pid), F (status) }, 5, 0, 1 },
    [MPL__C_EXITED] = { { F (pool), F (slot), F (incarnation), F (pid), F (status), F (end), F (peak_bytes) }, 7, 0, 0 },
    [MPL__C_BROKEN] = { { F (pool), F (node) }, 2, 1, 0 },
    [MPL__C_SIGNAL] = { { F (status) }, 1, 0, 0 },
    [MPL__C_STARTED] = { { F (rank), F (pid), F (status) }, 3, 1, 0 },
    [MPL__C_ENDED] = { { F (rank), F (pid), F (status), F (end), F (peak_bytes), F (wall_ns), F (cpu_ns) }, 7, 0, 0 },
    [MPL__C_AGENT] = { { F (protocol), F (pid), F (cores), F (at) }, 4, 1, 0 },
    [MPL__C_BEAT] = { { F (at) }, 1, 0, 0 },
    [MPL__C_TRANSPORT] = { { F (port_first), F (port_last) }, 2, 1, 0 },
    [MPL__C_HOST] = { { F (node), F (first_slot), F (workers) }, 3, 1, 0 },
    [MPL__C_HOST_LOST] = { { F (node) }, 1, 1, 0 },
    [MPL__C_POOL_FAR] = { { F (pool), F (node), F (workers), F (first_slot), F (timeout_ns), F (memory), F (incarnation) }, 7, 1, 0 },
    [MPL__C_POOL_OVER] = { { F (pool), F (node) }, 2, 0, 0 },
    [MPL__C_KEY] = { { F (pool), F (node), F (nursery) }, 3, 1, 0 },
    [MPL__C_RECALL] = { { F (pool), F (node), F (slot), F (incarnation), F (chunk), F (word), F (n) }, 7, 0, 0 },
    [MPL__C_RECALLED] = { { F (pool), F (slot), F (incarnation), F (chunk), F (from), F (n) }, 6, 0, 0 },
    [MPL__C_GROW] = { { F (workers) }, 1, 0, 0 },
    [MPL__C_CHECK] = { { F (node) }, 1, 1, 0 },
    [MPL__C_CHECKED] = { { F (n), F (node), F (status) }, 3, 1, 0 },
    [MPL__C_STAGED] = { { 0 }, 0, 0, 0 },
    [MPL__C_SLOTS] = { { F (workers), F (n) }, 2, 0, 0 },
    [MPL__C_RETIRE] = { { F (pool), F (slot), F (incarnation) }, 3, 0, 0 },
    [MPL__C_LAST] = { { F (pool), F (slot), F (incarnation), F (chunk), F (item), F (sent) }, 6, 0, 0 },
};
#undef F

size_t mpl__control_encode (uint8_t *to, const mpl_control_t *message)
{
    mpl__assert (message->type > 0 && message->type < MPL__C_N);
    size_t len = HEAD;

    for (size_t i = 0; i < layout[message->type].n_fields; i++) {
        uint64_t value;
        memcpy (&value, (const char *) message + layout[message->type].fields[i], sizeof value);
        mpl__put64 (to + len, value);
        len += 8;
    }
    if (layout[message->type].has_text) {
        size_t text = strnlen (message->text, sizeof message->text - 1);
        mpl__put32 (to + len, (uint32_t) text);
        memcpy (to + len + 4, message->text, text);
        len += 4 + text;
    }
    mpl__put16 (to, (uint16_t) message->type);
    mpl__put16 (to + 2, MPL__PROTOCOL);
    mpl__put32 (to + 4, (uint32_t) (len - HEAD));
    return len;
}

static int decode_text (const uint8_t *from, size_t left, char text[MPL__CONTROL_TEXT])
{
    if (left < 4)
        return -1;
    size_t len = mpl__get32 (from);
    if (len != left - 4 || len >= MPL__CONTROL_TEXT)
        return -1;
    memcpy (text, from + 4, len);
    text[len] = '\0';
    return 0;
}

static int decode_fields (const uint8_t *from, size_t len, mpl_control_t *message)
{
    if (len < HEAD || mpl__get16 (from + 2) != MPL__PROTOCOL || mpl__get32 (from + 4) != len - HEAD)
        return -1;
    unsigned type = mpl__get16 (from);
    if (type == 0 || type >= MPL__C_N)
        return -1;
    message->type = (mpl_control_type_t) type;
    size_t at = HEAD;
    for (size_t i = 0; i < layout[type].n_fields; i++, at += 8) {
        if (len - at < 8)
            return -1;
        uint64_t value = mpl__get64 (from + at);
        memcpy ((char *) message + layout[type].fields[i], &value, sizeof value);
    }
    if (layout[type].has_text)
        return decode_text (from + at, len - at, message->text);
    return at == len ? 0 : -1;
}

int mpl__control_decode (const uint8_t *from, size_t len, mpl_control_t *message)
{
    memset (message, 0, sizeof *message);
    if (decode_fields (from, len, message) == 0)
        return 0;
    errno = EPROTO;
    return -1;
}

int mpl__control_send (int sock, const mpl_control_t *message, const int *fds, size_t n_fds)
{
    uint8_t bytes[MPL__CONTROL_MAX];

    return mpl__fd_send (sock, bytes, mpl__control_encode (bytes, message), fds, n_fds);
}

int mpl__control_recv (int sock, mpl_control_t *message, int *fds)
{
    uint8_t bytes[MPL__CONTROL_MAX];
    ssize_t len = mpl__fd_recv (sock, bytes, sizeof bytes, fds);

    if (len <= 0)
        return (int) len;
    if (mpl__control_decode (bytes, (size_t) len, message) == 0) {
        size_t n_fds = 0;
        while (n_fds < MPL__FDS_MAX && fds[n_fds] >= 0)
            n_fds++;
        if (n_fds <= layout[message->type].fds_max)
            return 1;
    }
    mpl__fd_close_all (fds, MPL__FDS_MAX);
    errno = EPROTO;
    return -1;
}
