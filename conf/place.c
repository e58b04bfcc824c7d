#include "conf/place.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SOURCE_MAX 300          /* bytes of a file's name that are shown; three times as much is left to say */

mpl_place_t mpl__place_after (const mpl_place_t *self, size_t bytes)
{
    mpl_place_t place = *self;

    place.column += bytes;
    return place;
}

static int write_place (char *text, size_t size, const mpl_place_t *place)
{
    char shown[MPL__SHOWN];
    size_t len = strlen (place->source);
    int is_long = len > SOURCE_MAX;

    if (!place->line)
        return snprintf (text, size, "host list '%s', column %zu: ", mpl__shown (shown, place->source, len),
                         place->column);
    return snprintf (text, size, "%s%s:%zu:%zu: ", is_long ? "..." : "",
                     place->source + (is_long ? len - SOURCE_MAX : 0), place->line, place->column);
}

int mpl__err_at (mpl_err_t *err, const mpl_place_t *place, int code, const char *fmt, ...)
{
    char where[SOURCE_MAX + 64], what[MPL__ERR_TEXT];
    va_list args;

    write_place (where, sizeof where, place);
    va_start (args, fmt);
    vsnprintf (what, sizeof what, fmt, args);
    va_end (args);
    return mpl__err (err, code, "%s%s", where, what);
}

const char *mpl__shown (char shown[MPL__SHOWN], const char *text, size_t len)
{
    size_t room = MPL__SHOWN - 1, n = len <= room ? len : room - 3;

    while (n < len && n && ((unsigned char) text[n] & 0xc0) == 0x80)
        n--;                                            /* not in the middle of a character */
    for (size_t i = 0; i < n; i++)
        shown[i] = (unsigned char) text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
    snprintf (shown + n, MPL__SHOWN - n, "%s", n < len ? "..." : "");
    return shown;
}
