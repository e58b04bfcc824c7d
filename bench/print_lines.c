/* print_lines - prints many short lines, as fast as standard output takes them: print_lines COUNT [RANK]
 *
 * Each line is "RANK NUMBER", so that whoever reads them can tell whether they are whole and in order. The rank is
 * that of the launcher, mplaunch or MPICH's, where none is given. Standard output is buffered by the block. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS 8

static void count_up (char *digits)
{
    int i = DIGITS - 1;

    while (i > 0 && digits[i] == '9')
        digits[i--] = '0';
    digits[i]++;
}

int main (int argc, char **argv)
{
    const char *rank = argc > 2 ? argv[2] : getenv ("MPL_RANK") ? getenv ("MPL_RANK") : getenv ("PMI_RANK");
    long n = argc > 1 ? atol (argv[1]) : 0;
    char line[100];

    if (n < 1 || n > 99999999 || !rank || strlen (rank) > 20) {
        fprintf (stderr, "usage: print_lines COUNT [RANK]\n");
        return 2;
    }
    size_t len = (size_t) snprintf (line, sizeof line, "%s %0*d\n", rank, DIGITS, 0);
    char *digits = line + len - 1 - DIGITS;
    while (n-- > 0) {
        fwrite (line, 1, len, stdout);
        count_up (digits);
    }
    return fflush (stdout) == 0 && !ferror (stdout) ? 0 : 1;
}
