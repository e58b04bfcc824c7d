/* How many cores this thread may use: as the affinity mask says, or less. */
#include "base/cpus.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void it_is_at_least_one_and_at_most_the_mask (void **state)
{
    cpu_set_t mask;

    (void) state;
    assert_int_equal (0, sched_getaffinity (0, sizeof mask, &mask));
    assert_in_range (mpl__cpus_usable (), 1, CPU_COUNT (&mask));
}

static void *count_on_one_core (void *count)
{
    cpu_set_t mask, one;

    CPU_ZERO (&one);
    sched_getaffinity (0, sizeof mask, &mask);
    for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT (&one); cpu++)
        if (CPU_ISSET (cpu, &mask))
            CPU_SET (cpu, &one);
    if (sched_setaffinity (0, sizeof one, &one) == 0)
        *(int *) count = mpl__cpus_usable ();
    return NULL;
}

static void a_thread_bound_to_one_core_counts_one (void **state)
{
    pthread_t thread;
    int count = 0, before = mpl__cpus_usable ();

    (void) state;
    assert_int_equal (0, pthread_create (&thread, NULL, count_on_one_core, &count));
    assert_int_equal (0, pthread_join (thread, NULL));
    assert_int_equal (1, count);
    assert_int_equal (before, mpl__cpus_usable ());     /* the calling thread's mask counts, not that one's */
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (it_is_at_least_one_and_at_most_the_mask),
        cmocka_unit_test (a_thread_bound_to_one_core_counts_one),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
