#include "conf/units.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define DIGITS_MAX 18           /* what fits into 64 bits in any case */

/* A decimal number: value / 10^decimals. */
typedef struct {
    uint64_t value;
    unsigned n_digits, decimals;
} number_t;

static int fail (int code)
{
    errno = code;
    return -1;
}

static int is_digit (char c)
{
    return c >= '0' && c <= '9';
}

static int is_letter (char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static const char *skip_blanks (const char *text)
{
    return text + strspn (text, " \t");
}

static const char *read_digits (const char *text, number_t *number)
{
    for (; is_digit (*text); text++)
        if (++number->n_digits <= DIGITS_MAX)
            number->value = number->value * 10 + (uint64_t) (*text - '0');
    return text;
}

/* Reads "12" or "12.5"; 0, or -1 with errno. *text moves behind it. */
static int read_number (const char **text, number_t *number)
{
    const char *at = *text;

    *number = (number_t) { 0 };
    if (!is_digit (*at))
        return fail (EINVAL);
    at = read_digits (at, number);
    if (*at == '.') {
        unsigned whole = number->n_digits;
        if (!is_digit (at[1]))
            return fail (EINVAL);
        at = read_digits (at + 1, number);
        number->decimals = number->n_digits - whole;
    }
    *text = at;
    return number->n_digits > DIGITS_MAX ? fail (ERANGE) : 0;
}

static size_t unit_length (const char *text)
{
    size_t len = 0;

    while (is_letter (text[len]))
        len++;
    return len;
}

static uint64_t power (uint64_t base, unsigned exponent)
{
    uint64_t result = 1;

    while (exponent--)
        result *= base;
    return result;
}

/* ---- durations ------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    double seconds;
} spans[] = {
    { "d", 86400 }, { "day", 86400 }, { "days", 86400 }, { "h", 3600 }, { "hour", 3600 }, { "hours", 3600 },
    { "m", 60 }, { "min", 60 }, { "s", 1 }, { "sec", 1 }, { "ms", 1e-3 }, { "us", 1e-6 } };

static double find_span (const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++)
        if (strlen (spans[i].name) == len && !memcmp (spans[i].name, text, len))
            return spans[i].seconds;
    return 0;
}

/* One number with its unit, which has to be smaller than the one before. A number without one is read only when it
 * is alone. */
static int read_span (const char **text, double *sum, double *smallest)
{
    number_t number;

    if (read_number (text, &number) < 0)
        return -1;
    *text = skip_blanks (*text);
    size_t len = unit_length (*text);
    double seconds = len ? find_span (*text, len) : *smallest == 0 ? 1 : 0;
    if (seconds == 0 || (*smallest != 0 && seconds >= *smallest))
        return fail (EINVAL);
    *text = skip_blanks (*text + len);
    if (**text && (number.decimals || !len))
        return fail (EINVAL);
    *smallest = seconds;
    *sum += (double) number.value * seconds / (double) power (10, number.decimals);
    return 0;
}

int mpl__duration_parse (const char *text, double *seconds)
{
    double sum = 0, smallest = 0;

    text = skip_blanks (text);
    do {
        if (read_span (&text, &sum, &smallest) < 0)
            return -1;
    } while (*text);
    if (sum > MPL__DURATION_MAX)
        return fail (ERANGE);
    *seconds = sum;
    return 0;
}

/* ---- sizes ----------------------------------------------------------------------------------------------------- */

static int find_unit (const char *text, size_t len, uint64_t *unit)
{
    static const char *const prefixes[] = { "k", "m", "g", "t", "p" };

    if (len == 0 || (len == 1 && !strncasecmp (text, "b", 1))) {
        *unit = 1;
        return 0;
    }
    for (unsigned i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (strncasecmp (text, prefixes[i], 1))
            continue;
        int is_binary = len == 1 || (len == 3 && !strncasecmp (text + 1, "ib", 2));
        if (!is_binary && !(len == 2 && !strncasecmp (text + 1, "b", 1)))
            break;
        *unit = power (is_binary ? 1024 : 1000, i + 1);
        return 0;
    }
    return fail (EINVAL);
}

int mpl__size_parse (const char *text, size_t *bytes)
{
    number_t number;
    uint64_t unit;

    text = skip_blanks (text);
    if (read_number (&text, &number) < 0)
        return -1;
    text = skip_blanks (text);
    size_t len = unit_length (text);
    if (*skip_blanks (text + len) || find_unit (text, len, &unit) < 0)
        return fail (EINVAL);
    unsigned __int128 product = (unsigned __int128) number.value * unit / power (10, number.decimals);
    if (product > SIZE_MAX)
        return fail (ERANGE);
    *bytes = (size_t) product;
    return 0;
}
