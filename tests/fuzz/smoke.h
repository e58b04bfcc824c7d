/* smoke.h - what a fuzz target is: libFuzzer calls it with what it finds out; smoke.c, in `make check`, with random
 * bytes. */
#ifndef FUZZ_SMOKE_H
#define FUZZ_SMOKE_H

#include <stddef.h>
#include <stdint.h>

/* Takes any bytes; a broken promise ends the process with a sentence on stderr. Returns 0. */
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#endif
