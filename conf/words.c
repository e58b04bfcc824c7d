#include "conf/words.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 48             /* bytes; longer words are no mistake in typing, and rows stay on the stack */
#define PART_MIN 3              /* letters that a part of a word has at least, to stand for the whole one */

static int folded (char c)
{
    return c == '-' ? '_' : tolower ((unsigned char) c);
}

static size_t least (size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, changed letters and swapped neighbours that make b of a (optimal string alignment), by
 * rows. */
static size_t distance (const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][WORD_MAX + 1];

    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            int differs = folded (a[i - 1]) != folded (b[j - 1]);
            row[j] = least (above[j - 1] + differs, least (above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && folded (a[i - 1]) == folded (b[j - 2]) && folded (a[i - 2]) == folded (b[j - 1]))
                row[j] = least (row[j], second[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

/* Whether one word is the beginning, the end or the middle of the other: "timeout" for "task_timeout". */
static int is_part (const char *a, size_t a_len, const char *b, size_t b_len)
{
    const char *whole = a_len < b_len ? b : a, *part = a_len < b_len ? a : b;
    size_t whole_len = a_len < b_len ? b_len : a_len, part_len = least (a_len, b_len);

    for (size_t at = 0; part_len >= PART_MIN && at + part_len <= whole_len; at++) {
        size_t n = 0;
        while (n < part_len && folded (whole[at + n]) == folded (part[n]))
            n++;
        if (n == part_len)
            return 1;
    }
    return 0;
}

const char *mpl__nearest (const char *word, const char *const *words)
{
    const char *nearest = NULL;
    size_t len = strlen (word), best = (size_t) -1;

    for (; len && len <= WORD_MAX && *words; words++) {
        size_t other = strlen (*words), longer = len > other ? len : other;
        if (!other || other > WORD_MAX)
            continue;
        size_t allowed = (longer + 1) / 3;      /* a third, rounded: one of 2 to 4 letters, two of 5 to 7 */
        size_t off = distance (word, len, *words, other);
        if (off > allowed && is_part (word, len, *words, other))
            off = allowed + 1;                          /* after everything that is really near */
        else if (off > allowed || off >= longer)
            continue;
        if (off < best) {
            best = off;
            nearest = *words;
        }
    }
    return nearest;
}

const char *mpl__words_text (const char *const *words, char *text, size_t size)
{
    size_t at = 0;

    if (size)
        text[0] = '\0';
    for (size_t i = 0; words[i] && at < size; i++) {
        const char *before = i == 0 ? "" : words[i + 1] ? ", " : " or ";
        at += (size_t) snprintf (text + at, size - at, "%s%s", before, words[i]);
    }
    return text;
}
