/* A fuzz target without a fuzzer: one test, as many random inputs as fit into a second. MPL_SEED=N feeds that one
 * alone. */
#include "tests/fuzz/smoke.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define INPUTS 20000u
#define BYTES_MAX 4096u

static void feed (uint64_t seed)
{
    uint64_t dice = (seed + 1) * UINT64_C (0x9e3779b97f4a7c15);     /* xorshift64 from here */
    size_t size = 0;
    uint8_t *data = NULL;

    for (size_t i = 0; i < size || !data; i++) {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        if (!data) {
            size = (size_t) (dice >> 32) % (dice & 1 ? 64 : BYTES_MAX);
            data = malloc (size + !size);           /* by itself, so that a byte too far is seen */
            if (!data)
                abort ();
            i = SIZE_MAX;
            continue;
        }
        data[i] = dice >> 60 ? (uint8_t) (dice >> 32) : 0;
    }
    LLVMFuzzerTestOneInput (data, size);
    free (data);
}

int main (void)
{
    const char *one = getenv ("MPL_SEED");
    uint64_t seed = one ? strtoull (one, NULL, 10) : 0, last = one ? seed + 1 : INPUTS;
    uint64_t until = mpl__clock_in_ms (1000);

    setvbuf (stdout, NULL, _IOLBF, 0);
    puts ("1..1");
    for (; seed < last && mpl__clock_ns () < until; seed++)
        feed (seed);
    printf ("# inputs up to MPL_SEED=%llu\nok 1 - random_bytes_break_no_promise\n", (unsigned long long) seed - 1);
    return 0;
}
