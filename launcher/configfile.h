/* configfile.h - the file after -configfile: a command line on several lines, read into words that know where they
 * stand.
 *
 * Each line is one program with its options, as between two colons on the command line. Blank lines and comments
 * (# at the beginning of a word, up to the end of the line) are skipped, and a backslash at the end of a line
 * continues it. Quotes and backslashes are as in a shell; nothing else is: no $NAME, no *, no ~. Reads the file
 * and nothing else. */
#ifndef LAUNCHER_CONFIGFILE_H
#define LAUNCHER_CONFIGFILE_H

#include "base/err.h"
#include "conf/store.h"

#include <stddef.h>

#define MPL__CONFIGFILE_MAX 16777216u   /* bytes; as MPL__HOSTFILE_MAX, and more than any command line may have */

typedef struct {
    char *text;
    int line;                           /* counted from 1; 0: not from a file */
} mpl_word_t;

/* The words of a command line, after the name of mplaunch. {0} has none. */
typedef struct {
    mpl_word_t *words;
    size_t n;
    const char *file;                   /* NULL: not from a file */
} mpl_words_t;

/* Reads a file into words, with a ":" between the lines. They are in the store; `path` is borrowed. 0; -1 with
 * errno and a sentence: EINVAL (what is in it, with file and line), ENOMEM, or as conf/text.h says. Blocks as long
 * as the disk. */
int mpl__configfile_read (mpl_words_t *words, mpl_store_t *store, const char *path, mpl_err_t *err);

/* The same for text that is in memory. */
int mpl__configfile_parse (mpl_words_t *words, mpl_store_t *store, const char *path, const char *text, size_t len,
                           mpl_err_t *err);

#endif
