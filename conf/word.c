#include "conf/word.h"
#include "conf/hostlist.h"

#include <errno.h>
#include <string.h>

static mpl_piece_t piece_of (const mpl_piece_t *whole, const char *from, const char *to)
{
    return (mpl_piece_t) { from, (size_t) (to - from),
                          mpl__place_after (&whole->place, (size_t) (from - whole->text)) };
}

static int is_blank (char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

int mpl__word_next (mpl_piece_t *line, mpl_piece_t *word)
{
    const char *at = line->text, *end = line->text + line->len;

    while (at < end && is_blank (*at))
        at++;
    word->text = at;
    word->place = mpl__place_after (&line->place, (size_t) (at - line->text));
    while (at < end && !is_blank (*at))
        at++;
    word->len = (size_t) (at - word->text);
    *line = (mpl_piece_t) { at, (size_t) (end - at), mpl__place_after (&line->place, (size_t) (at - line->text)) };
    return word->len > 0;
}

static int is_word (const mpl_piece_t *piece, const char *word)
{
    return piece->len == strlen (word) && !memcmp (piece->text, word, piece->len);
}

int mpl__word_number (const mpl_piece_t *piece, const char *what, int most, int *number, mpl_err_t *err)
{
    char shown[MPL__SHOWN];
    long value = 0;
    size_t n = 0;

    for (; n < piece->len && piece->text[n] >= '0' && piece->text[n] <= '9' && value <= most; n++)
        value = value * 10 + (piece->text[n] - '0');
    if (n < piece->len || n == 0 || value < 1 || value > most)
        return mpl__err_at (err, &piece->place, EINVAL, "%s is '%s'; a whole number from 1 to %d%s", what,
                            mpl__shown (shown, piece->text, piece->len), most,
                            strcmp (what, "slots") ? "" : ", or auto");
    *number = (int) value;
    return 0;
}

int mpl__word_slots (const mpl_piece_t *piece, int *slots, mpl_err_t *err)
{
    if (!is_word (piece, "auto") && !is_word (piece, "*"))
        return mpl__word_number (piece, "slots", MPL__SLOTS_MAX, slots, err);
    *slots = 0;
    return 0;
}

int mpl__word_user (const mpl_piece_t *piece, mpl_store_t *store, char **user, mpl_err_t *err)
{
    char shown[MPL__SHOWN];
    const char *bad = mpl__host_bad_user (piece->text, piece->len);

    if (bad)
        return mpl__err_at (err, &piece->place, EINVAL, "user is '%s'; %s",
                            mpl__shown (shown, piece->text, piece->len), bad);
    if (!(*user = mpl__store_text (store, piece->text, piece->len)))
        return mpl__err (err, ENOMEM, "no memory for a user's name");
    return 0;
}

/* The ':' before the slots; the word's end when there is none. More than one ':' outside of brackets are an
 * address's own, and so are those in brackets. */
static const char *find_colon (const char *at, const char *end)
{
    const char *close = at < end && *at == '[' ? memchr (at, ']', (size_t) (end - at)) : NULL;
    const char *first = memchr (close ? close : at, ':', (size_t) (end - (close ? close : at)));

    if (!first)
        return end;
    return memchr (first + 1, ':', (size_t) (end - first - 1)) ? end : first;
}

int mpl__word_read (const mpl_piece_t *word, mpl_piece_t *name, mpl_host_t *host, mpl_store_t *store, mpl_err_t *err)
{
    const char *end = word->text + word->len;
    const char *at = memrchr (word->text, '@', word->len), *begin = at ? at + 1 : word->text;
    const char *colon = find_colon (begin, end);

    *host = (mpl_host_t) { .slots = MPL__SLOTS_UNSAID };
    *name = piece_of (word, begin, colon);
    if (at) {
        mpl_piece_t user = piece_of (word, word->text, at);
        if (mpl__word_user (&user, store, &host->user, err) < 0)
            return -1;
    }
    if (colon == end)
        return 0;
    mpl_piece_t slots = piece_of (word, colon + 1, end);
    return mpl__word_slots (&slots, &host->slots, err);
}

int mpl__word_add (mpl_draft_t *draft, const mpl_piece_t *name, const mpl_host_t *host, mpl_err_t *err)
{
    mpl_hostlist_t list = { 0 };
    int rc = mpl__hostlist_add (&list, &name->place, name->text, name->len, err);

    for (size_t i = 0; rc == 0 && i < list.n; i++)
        rc = mpl__draft_add (draft, host, list.names[i], &name->place, err);
    mpl__hostlist_free (&list);
    return rc;
}
