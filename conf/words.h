/* words.h - the word that somebody meant who typed another. Pure; allocates nothing. */
#ifndef CONF_WORDS_H
#define CONF_WORDS_H

#include <stddef.h>

/* The nearest of a NULL-terminated list of words, for "unknown key 'slot'; did you mean 'slots'?". NULL when
 * nothing is near. Upper and lower case are the same here, and so are '-' and '_'. Of words equally near it is the
 * first. */
const char *mpl__nearest (const char *word, const char *const *words);

/* "a, b or c", as the list of what would be right. Writes into text, returns it. */
const char *mpl__words_text (const char *const *words, char *text, size_t size);

#endif
