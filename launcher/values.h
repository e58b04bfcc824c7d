/* values.h - the values of options: whether they are right, and where they go. Reads the file after -configfile
 * and no other. */
#ifndef LAUNCHER_VALUES_H
#define LAUNCHER_VALUES_H

#include "launcher/option.h"
#include "launcher/reader.h"

/* A whole number from min to max, with nothing before or behind it but a plus. 0, or -1: it is none, and *number
 * is untouched. */
int mpl__value_number (const char *text, int min, int max, int *number);

/* Puts written->value, which is not NULL, where it belongs, or refuses it: MPL__GO_ON, or an exit code. An option
 * that takes two words takes the second one from the reader. */
int mpl__value_take (mpl_reader_t *self, const mpl_option_t *option, const mpl_written_t *written);

#endif
