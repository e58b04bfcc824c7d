/* raw_pipe - what a round trip between two processes costs at least: raw_pipe [-r REPETITIONS] [COUNT]
 *
 * One process writes 8 bytes into a pipe, the other reads them and writes them into another. Prints "pipe-median" and
 * "pipe-p99" in microseconds for each repetition. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now (void)
{
    struct timespec t;

    clock_gettime (CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static int by_value (const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}

static void die (const char *what)
{
    perror (what);
    exit (1);
}

static void answer (int from, int to)
{
    uint64_t number;

    while (read (from, &number, sizeof number) == sizeof number) {
        if (write (to, &number, sizeof number) != sizeof number)
            break;
    }
    _exit (0);                          /* the other end is closed, also when its process was killed */
}

static double round_trip (int to, int from, uint64_t number)
{
    double began_at = now ();
    uint64_t back;

    if (write (to, &number, sizeof number) != sizeof number || read (from, &back, sizeof back) != sizeof back)
        die ("raw_pipe: the other process is gone");
    return 1e6 * (now () - began_at);
}

static void repeat (int to, int from, double *took, size_t n)
{
    for (size_t i = 0; i < n; i++)
        took[i] = round_trip (to, from, i);
    qsort (took, n, sizeof *took, by_value);
    printf ("pipe-median %.9g us\npipe-p99 %.9g us\n", took[n / 2], took[n * 99 / 100]);
}

int main (int argc, char **argv)
{
    long n_repetitions = 3, n = 20000;
    int there[2], back[2];
    double *took;

    for (int option; (option = getopt (argc, argv, "r:")) != -1;) {
        if (option != 'r' || (n_repetitions = atol (optarg)) < 1)
            goto usage;
    }
    if (optind < argc && (n = atol (argv[optind])) < 1)
        goto usage;
    if (!(took = calloc ((size_t) n, sizeof *took)) || pipe (there) < 0 || pipe (back) < 0)
        die ("raw_pipe");
    switch (fork ()) {
    case -1: die ("raw_pipe: fork"); break;
    case 0:
        close (there[1]);
        close (back[0]);
        answer (there[0], back[1]);
    }
    close (there[0]);
    close (back[1]);
    for (uint64_t i = 0; i < 1000; i++)
        (void) round_trip (there[1], back[0], i);
    while (n_repetitions-- > 0)
        repeat (there[1], back[0], took, (size_t) n);
    free (took);
    return 0;
usage:
    fprintf (stderr, "usage: raw_pipe [-r REPETITIONS] [COUNT]\n");
    return 2;
}
