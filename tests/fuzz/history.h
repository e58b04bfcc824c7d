/* history.h - a whole world around the broker core, in which anything happens that may: workers join, work, answer
 * late or twice, die, are recalled from; owners submit and cancel; time passes. What happens next is asked of a
 * chance_t, so a random test and a fuzzer drive the same world. A second book is kept of every item and every chunk,
 * and after each step the core must agree with it. Uses no clock and no process; one history is one call. */
#ifndef FUZZ_HISTORY_H
#define FUZZ_HISTORY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
    uint32_t (*pick) (void *arg, uint32_t n);   /* a number below n */
    int (*is_over) (void *arg);                 /* 1: no step more; what is there runs to its end */
    void *arg;
} chance_t;

#define HISTORY_WRONG 320

/* Runs one history. 0: every promise held. -1: `wrong` says which did not, and when. `trace`: every step is told
 * there, or NULL. *steps grows by the steps taken. */
int history_run (const chance_t *chance, FILE *trace, size_t *steps, char wrong[HISTORY_WRONG]);

#endif
