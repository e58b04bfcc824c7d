/* units.h - durations and sizes as people write them. Pure and total: any text gives a value or -1. No locale is
 * asked: the point is '.'. */
#ifndef CONF_UNITS_H
#define CONF_UNITS_H

#include <stddef.h>

#define MPL__DURATION_MAX 1e9           /* seconds; 31 years */
#define MPL__DURATION_RIGHT "a duration such as 2s, 1.5min, 1h30m or 500ms (a plain number is seconds)"
#define MPL__SIZE_RIGHT "a size such as 512M or 2GiB (a plain number is bytes)"

/* Seconds, from one or more numbers with their units, the larger first: us, ms, s or sec, m or min, h or hour(s),
 * d or day(s); blanks between are fine. A number alone is seconds. Only the last one may have a fraction. 0; -1
 * with errno EINVAL (no duration) or ERANGE (above MPL__DURATION_MAX, or more than 18 digits), and *seconds is
 * untouched. */
int mpl__duration_parse (const char *text, double *seconds);

/* Bytes: K, M, G, T, P and KiB, MiB ... are powers of 1024, as in ulimit and df; kB, MB, GB ... are powers of
 * 1000. In upper or lower case; a number alone, or with B, is bytes. A fraction is rounded down to whole bytes. 0;
 * -1 with errno EINVAL (no size) or ERANGE (does not fit). */
int mpl__size_parse (const char *text, size_t *bytes);

#endif
