/* A program that never calls mpl_init: mplaunch -n 4 ./ranks runs it four
 * times, and each copy knows its rank. Together they add 1 to 1000. */
#include <stdio.h>
#include <stdlib.h>

static long number (const char *name, long otherwise)
{
    const char *text = getenv (name);

    return text ? atol (text) : otherwise;
}

int main (void)
{
    long rank = number ("MPL_RANK", 0), size = number ("MPL_SIZE", 1);
    long sum = 0;

    for (long i = rank + 1; i <= 1000; i += size)
        sum += i;
    printf ("rank %ld of %ld: %ld\n", rank, size, sum);
    return 0;
}
