#include "conf/hostlist.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS_MAX 8            /* brackets in one name: row, rack, chassis, blade ... and hardly deeper */
#define DIGITS_MAX 18           /* of a number in a range: what fits into 64 bits in any case */

/* One list while it is read. */
typedef struct {
    mpl_hostlist_t *list;
    const mpl_place_t *place;           /* of `text` */
    const char *text, *end;
    mpl_err_t *err;
    char name[MPL__HOST_NAME_MAX + 1];  /* the name that is being put together */
} reader_t;

/* A range of numbers; a single one has first == last. */
typedef struct {
    uint64_t first, last;
    int width;                          /* digits, with zeros before the number; 0: as many as it needs */
} range_t;

static int expand (reader_t *self, size_t len, const char *at, const char *end, int n_groups);

static int bad (reader_t *self, const char *at, const char *what)
{
    mpl_place_t place = mpl__place_after (self->place, (size_t) (at - self->text));

    return mpl__err_at (self->err, &place, EINVAL, "%s", what);
}

static int no_memory (reader_t *self)
{
    return mpl__err (self->err, ENOMEM, "no memory for a list of %zu hosts", self->list->n);
}

static int is_digit (char c)
{
    return c >= '0' && c <= '9';
}

static int is_alphanumeric (char c)
{
    return is_digit (c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* ---- what comes out -------------------------------------------------------------------------------------------- */

static int push (reader_t *self, const char *at, const char *name, size_t len)
{
    mpl_hostlist_t *list = self->list;

    if (list->n == MPL__HOSTLIST_MAX) {
        mpl_place_t place = mpl__place_after (self->place, (size_t) (at - self->text));
        return mpl__err_at (self->err, &place, E2BIG, "more than %u hosts come of this list", MPL__HOSTLIST_MAX);
    }
    if (list->n == list->room) {
        size_t room = list->room ? list->room * 2 : 16;
        char **names = realloc (list->names, room * sizeof *names);
        if (!names)
            return no_memory (self);
        list->names = names;
        list->room = room;
    }
    if (!(list->names[list->n] = mpl__store_text (&list->store, name, len)))
        return no_memory (self);
    list->n++;
    return 0;
}

/* ---- groups ---------------------------------------------------------------------------------------------------- */

static int read_number (reader_t *self, const char **at, const char *end, uint64_t *value)
{
    const char *from = *at;

    for (*value = 0; *at < end && is_digit (**at); ++*at) {
        if (*at - from == DIGITS_MAX)
            return bad (self, from, "this number has more than 18 digits");
        *value = *value * 10 + (uint64_t) (**at - '0');
    }
    if (*at == from)
        return bad (self, from, "a number is needed here, as in [01-08,12]");
    return 0;
}

/* Reads "N" or "N-M"; *at moves behind it. */
static int read_range (reader_t *self, const char **at, const char *end, range_t *range)
{
    const char *from = *at;

    if (read_number (self, at, end, &range->first) < 0)
        return -1;
    range->last = range->first;
    range->width = *from == '0' ? (int) (*at - from) : 0;
    if (*at == end || **at != '-')
        return 0;
    const char *second = ++*at;
    if (read_number (self, at, end, &range->last) < 0)
        return -1;
    if (range->last < range->first)
        return bad (self, from, "this range ends before it begins; the smaller number comes first");
    if (*second == '0' && !range->width && range->last)
        return bad (self, from, "the zeros of a range belong to its first number, as in [01-08]");
    return 0;
}

/* `group` is the bracket, `at` what comes behind it. */
static int expand_range (reader_t *self, const range_t *range, size_t len, const char *group, const char *at,
                         const char *end, int n_groups)
{
    for (uint64_t number = range->first; number <= range->last; number++) {
        int n = snprintf (self->name + len, sizeof self->name - len, "%0*" PRIu64, range->width, number);
        if ((size_t) n >= sizeof self->name - len)
            return bad (self, group, "a host name has at most 255 bytes");
        if (expand (self, len + (size_t) n, at, end, n_groups) < 0)
            return -1;
    }
    return 0;
}

/* Goes through a group, which begins at *at, for one beginning of the name. */
static int expand_group (reader_t *self, size_t len, const char *at, const char *end, int n_groups)
{
    const char *group = at, *close = memchr (at, ']', (size_t) (end - at));
    range_t range;

    if (!close)
        return bad (self, at, "this '[' has no ']'");
    if (n_groups == GROUPS_MAX)
        return bad (self, at, "a name has at most 8 brackets");
    do {
        at++;                                   /* over the '[' or the ',' */
        if (read_range (self, &at, close, &range) < 0
            || expand_range (self, &range, len, group, close + 1, end, n_groups + 1) < 0)
            return -1;
    } while (*at == ',');
    return at == close ? 0 : bad (self, at, "only numbers, '-' and ',' stand in brackets, as in [01-08,12]");
}

/* ---- entries --------------------------------------------------------------------------------------------------- */

static int check_first (reader_t *self, const char *at, char first)
{
    return is_alphanumeric (first) ? 0 : bad (self, at, "a host name begins with a letter or a digit");
}

static int bad_character (reader_t *self, const char *at)
{
    char shown[MPL__SHOWN], what[160];
    size_t len = 1;

    if (*at == ']')
        return bad (self, at, "this ']' has no '['");
    while (at + len < self->end && ((unsigned char) at[len] & 0xc0) == 0x80)
        len++;                                  /* a character of UTF-8 */
    snprintf (what, sizeof what, "'%s' is not part of a host name, which has letters, digits, '-', '.' and '_'",
              mpl__shown (shown, at, len));
    return bad (self, at, what);
}

/* Puts what is left of an entry behind the `len` bytes that the name has. Brackets nest no deeper than GROUPS_MAX
 * calls. */
static int expand (reader_t *self, size_t len, const char *at, const char *end, int n_groups)
{
    for (; at < end && *at != '['; at++) {
        if (!is_alphanumeric (*at) && *at != '-' && *at != '.')
            return bad_character (self, at);
        if (len == MPL__HOST_NAME_MAX)
            return bad (self, at, "a host name has at most 255 bytes");
        if (len == 0 && check_first (self, at, *at) < 0)
            return -1;
        self->name[len++] = *at;
    }
    if (at < end)
        return expand_group (self, len, at, end, n_groups);
    return push (self, at, self->name, len);
}

/* An IPv6 address, without its brackets. The zone is a network interface's name. */
static int add_address (reader_t *self, const char *at, size_t len)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr ignored;
    const char *zone = memchr (at, '%', len);
    size_t n = zone ? (size_t) (zone - at) : len, zone_len = zone ? len - n - 1 : 0;

    if (n >= sizeof address || (zone && (zone_len == 0 || zone_len >= IF_NAMESIZE)))
        return bad (self, at, "this is no IPv6 address");
    memcpy (address, at, n);
    address[n] = '\0';
    if (inet_pton (AF_INET6, address, &ignored) != 1)
        return bad (self, at, "this is no IPv6 address, and no host name has a ':'");
    for (size_t i = 0; i < zone_len; i++)
        if (!is_alphanumeric (zone[1 + i]) && zone[1 + i] != '-' && zone[1 + i] != '.')
            return bad (self, zone + 1 + i, "this is not part of a network interface's name");
    return push (self, at, at, len);
}

static int add_entry (reader_t *self, const char *at, const char *end)
{
    size_t len = (size_t) (end - at);

    if (len == 0)
        return bad (self, at, "a host's name is missing here");
    if (!memchr (at, ':', len))
        return expand (self, 0, at, end, 0);
    if (*at != '[')
        return add_address (self, at, len);
    return end[-1] == ']' ? add_address (self, at + 1, len - 2)
                          : bad (self, end, "behind an address in brackets nothing follows");
}

static int is_blank (char c)
{
    return c == ' ' || c == '\t';
}

const char *mpl__hostlist_entry (const char *from, const char *end, const char **entry, size_t *len)
{
    const char *comma = from;

    for (int is_inside = 0; comma < end && (is_inside || *comma != ','); comma++)
        is_inside = *comma == '[' ? 1 : *comma == ']' ? 0 : is_inside;
    end = comma;
    while (from < end && is_blank (*from))
        from++;
    while (from < end && is_blank (end[-1]))
        end--;
    *entry = from;
    *len = (size_t) (end - from);
    return comma;
}

static int add_entries (reader_t *self)
{
    const char *entry;
    size_t len;

    for (const char *at = self->text; at <= self->end; at++) {
        at = mpl__hostlist_entry (at, self->end, &entry, &len);
        if (add_entry (self, entry, entry + len) < 0)
            return -1;
    }
    return 0;
}

int mpl__hostlist_add (mpl_hostlist_t *self, const mpl_place_t *place, const char *text, size_t len, mpl_err_t *err)
{
    mpl_hostlist_t more = { 0 };
    reader_t reader = { .list = &more, .place = place, .text = text, .end = text + len, .err = err };

    if (add_entries (&reader) < 0)
        goto fail;
    if (self->n + more.n > MPL__HOSTLIST_MAX) {
        mpl__err_at (err, place, E2BIG, "with these there are more than %u hosts", MPL__HOSTLIST_MAX);
        goto fail;
    }
    char **names = realloc (self->names, (self->n + more.n) * sizeof *names);
    if (!names) {
        no_memory (&reader);
        goto fail;
    }
    memcpy (names + self->n, more.names, more.n * sizeof *names);
    self->names = names;
    self->room = self->n += more.n;
    mpl__store_join (&self->store, &more.store);
    mpl__hostlist_free (&more);
    return 0;
fail:
    mpl__hostlist_free (&more);
    return -1;
}

int mpl__hostlist_parse (mpl_hostlist_t *self, const char *text, mpl_err_t *err)
{
    mpl_place_t place = { text, 0, 1 };

    return mpl__hostlist_add (self, &place, text, strlen (text), err);
}

void mpl__hostlist_free (mpl_hostlist_t *self)
{
    int keep = errno;

    free (self->names);
    mpl__store_free (&self->store);
    *self = (mpl_hostlist_t) { 0 };
    errno = keep;
}
