#include "wire/board.h"
#include "base/assert.h"
#include "wire/bytes.h"
#include "wire/record.h"

#include <errno.h>

#define HEAD 8u
#define FIELDS_MAX 4

/* One line a message: the fields in their order on the wire, and how long its body may be. */
#define F(field) offsetof (mpl_board_t, field)
static const struct {
    size_t fields[FIELDS_MAX];
    unsigned n_fields, body_max;
} layout[MPL__B_N] = {
    [MPL__B_JOIN] = { { F (slots) }, 1, MPL__BOARD_TEXT },
    [MPL__B_ATTACH] = { { F (slots) }, 1, MPL__BOARD_TEXT },
    [MPL__B_OPEN] = { { F (lease), F (stream), F (slots) }, 3, 0 },
    [MPL__B_WELCOME] = { { F (stream) }, 1, MPL__BOARD_TEXT },
    [MPL__B_REFUSED] = { { 0 }, 0, MPL__BOARD_TEXT },
    [MPL__B_LENT] = { { F (lease), F (slots) }, 2, MPL__BOARD_TEXT },
    [MPL__B_READY] = { { F (slots) }, 1, 0 },
    [MPL__B_WAIT] = { { F (slots), F (launches) }, 2, 0 },
    [MPL__B_LOST] = { { F (lease) }, 1, MPL__BOARD_TEXT },
    [MPL__B_WANT] = { { F (slots) }, 1, 0 },
    [MPL__B_RETURN] = { { F (lease), F (slots) }, 2, 0 },
    [MPL__B_DATA] = { { F (stream) }, 1, MPL__BOARD_DATA },
    [MPL__B_TAKEN] = { { F (stream), F (n) }, 2, 0 },
    [MPL__B_END] = { { F (stream) }, 1, 0 },
    [MPL__B_CLOSE] = { { F (stream), F (status) }, 2, MPL__BOARD_TEXT },
    [MPL__B_BEAT] = { { 0 }, 0, 0 },
    [MPL__B_RECLAIM] = { { F (lease), F (slots) }, 2, 0 },
    [MPL__B_LEAVE] = { { 0 }, 0, MPL__BOARD_TEXT },
};
#undef F

static size_t body_of (const mpl_board_t *message)
{
    mpl__assert (message->type > 0 && message->type < MPL__B_N);
    size_t max = layout[message->type].body_max;

    return message->len < max ? message->len : max;
}

size_t mpl__board_size (const mpl_board_t *message)
{
    size_t body = body_of (message);

    return HEAD + 8 * (size_t) layout[message->type].n_fields + body;
}

size_t mpl__board_encode (uint8_t *to, const mpl_board_t *message)
{
    size_t len = HEAD, body = body_of (message);

    mpl__put16 (to, (uint16_t) message->type);
    mpl__put16 (to + 2, MPL__PROTOCOL);
    mpl__put32 (to + 4, 0);
    for (size_t i = 0; i < layout[message->type].n_fields; i++, len += 8) {
        uint64_t value;
        memcpy (&value, (const char *) message + layout[message->type].fields[i], sizeof value);
        mpl__put64 (to + len, value);
    }
    if (body)
        memcpy (to + len, message->body, body);
    return len + body;
}

static int refuse (int code)
{
    errno = code;
    return -1;
}

int mpl__board_decode (const uint8_t *from, size_t len, mpl_board_t *message)
{
    size_t at = HEAD;

    memset (message, 0, sizeof *message);
    if (len < HEAD || mpl__get32 (from + 4) != 0)
        return refuse (EPROTO);
    if (mpl__get16 (from + 2) != MPL__PROTOCOL)
        return refuse (EPROTONOSUPPORT);
    unsigned type = mpl__get16 (from);
    if (type == 0 || type >= MPL__B_N || len - at < 8 * (size_t) layout[type].n_fields)
        return refuse (EPROTO);
    for (size_t i = 0; i < layout[type].n_fields; i++, at += 8) {
        uint64_t value = mpl__get64 (from + at);
        memcpy ((char *) message + layout[type].fields[i], &value, sizeof value);
    }
    if (len - at > layout[type].body_max)
        return refuse (EPROTO);
    message->type = (mpl_board_type_t) type;
    message->body = from + at;
    message->len = len - at;
    return 0;
}

const char *mpl__board_text (const mpl_board_t *message, char text[MPL__BOARD_TEXT + 1])
{
    const uint8_t *from = message->body;
    size_t n = 0;

    for (; n < message->len && n < MPL__BOARD_TEXT; n++)
        text[n] = (char) (from[n] < ' ' || from[n] == 0x7f ? ' ' : from[n]);
    text[n] = '\0';
    return text;
}

int mpl__board_is_name (const char *text)
{
    static const char may_be[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
    size_t len = strlen (text);

    return len > 0 && len < 200 && strspn (text, may_be) == len && *text != '-' && *text != '.';
}
