/* The scheduling core: stories, in which what goes in and what comes out is compared as text, and long random histories
 * (tests/fuzz/history.h). MPL_SEED=N replays one history and tells every step of it. */
#include "broker/core.h"
#include "base/clock.h"
#include "tests/fuzz/history.h"
#include "wire/page.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SERIAL_MASK 0xffffffffff
#define NUMBERS 1024
#define LONG_NS (10 * (uint64_t) MPL__NS_PER_MS)

/* ---- telling a story ----------------------------------------------------------------------------------------------------- */

typedef struct {
    mpl_core_t *core;
    uint64_t now;
    char text[4096];                    /* what came out since it was last compared */
    uint64_t numbers[NUMBERS];          /* of chunks, by their serial: stories say #3 */
} story_t;

static int a, b;                        /* two owners */

static story_t *begin (size_t n_workers, unsigned retries, uint64_t max_tasks)
{
    story_t *self = calloc (1, sizeof *self);

    assert_non_null (self);
    self->now = MPL__NS_PER_S;
    self->core = mpl__core_new (n_workers, retries, max_tasks);
    assert_non_null (self->core);
    for (int w = 0; w < (int) n_workers; w++)
        assert_int_equal (0, mpl__core_join (self->core, w));
    return self;
}

static void end (story_t *self)
{
    assert_null (mpl__core_check (self->core));
    mpl__core_destroy (&self->core);
    assert_null (self->core);
    free (self);
}

static void __attribute__ ((format (printf, 2, 3))) tell (story_t *self, const char *fmt, ...)
{
    size_t at = strlen (self->text);
    va_list args;

    va_start (args, fmt);
    vsnprintf (self->text + at, sizeof self->text - at, fmt, args);
    va_end (args);
}

/* Takes all that is to be done, and tells it: send w0 #1 a 0+4; */
static void act (story_t *self)
{
    static const char *const names[] = { "send", "recall", "fail", "retire" };
    mpl_action_t action;

    while (mpl__core_next (self->core, self->now, &action)) {
        unsigned serial = (unsigned) (action.chunk & SERIAL_MASK);
        assert_null (mpl__core_check (self->core));
        assert_true (serial < NUMBERS);
        self->numbers[serial] = action.chunk;
        const char *owner = action.owner == &a ? "a" : action.owner == &b ? "b" : "nobody";
        tell (self, "%s", names[action.type]);
        if (action.worker >= 0)
            tell (self, " w%d", action.worker);
        if (serial)
            tell (self, " #%u", serial);
        if (action.type != MPL__DO_RETIRE)
            tell (self, " %s %llu+%u", owner, (unsigned long long) action.first, action.n);
        if (action.attempt)
            tell (self, " attempt %d", action.attempt);
        tell (self, "; ");
    }
}

/* Everything that happened since the last time, exactly. */
#define expect(story, wanted) \
    do { \
        act (story); \
        assert_string_equal (wanted, (story)->text); \
        (story)->text[0] = '\0'; \
    } while (0)

static void submit (story_t *self, void *owner, uint64_t first, uint32_t n, uint64_t cost_ns)
{
    assert_true (mpl__core_room (self->core, cost_ns, n) >= n);
    assert_int_equal (0, mpl__core_submit (self->core, owner, first, n, cost_ns, self->now));
}

/* Tells what the answer was taken for: a 2+1, last; */
static void answer (story_t *self, int worker, unsigned serial, uint32_t from, uint32_t n)
{
    mpl_answer_t answer = { 0 };

    if (mpl__core_answer (self->core, worker, self->numbers[serial], from, n, &answer) < 0) {
        assert_int_equal (ESTALE, errno);
        tell (self, "stale; ");
        return;
    }
    assert_null (mpl__core_check (self->core));
    tell (self, "%s %llu of %llu%s; ", answer.owner == &a ? "a" : answer.owner == &b ? "b" : "dropped",
          (unsigned long long) answer.first, (unsigned long long) answer.chunk_first, answer.is_last ? ", last" : "");
}

static void leave (story_t *self, int worker, mpl_left_t why, unsigned serial, uint32_t item)
{
    assert_int_equal (0, mpl__core_leave (self->core, worker, why, serial ? self->numbers[serial] : 0, item));
}

static void recalled (story_t *self, int worker, unsigned serial, uint32_t from, uint32_t n)
{
    int is_last = -1;

    if (mpl__core_recalled (self->core, worker, self->numbers[serial], from, n, self->now, &is_last) < 0) {
        assert_int_equal (ESTALE, errno);
        tell (self, "stale; ");
    } else if (is_last)
        tell (self, "last; ");
}

static uint64_t tick (story_t *self, uint64_t for_ns, int is_dry)
{
    self->now += for_ns;
    return mpl__core_tick (self->core, self->now, is_dry);
}

/* ---- joining, submitting, answering ------------------------------------------------------------------------------------- */

static void a_worker_joins_once_and_leaves_once (void **state)
{
    mpl_core_t *core = mpl__core_new (2, 2, 0);

    (void) state;
    assert_int_equal (-1, mpl__core_held (core, 0));
    assert_int_equal (0, mpl__core_join (core, 0));
    assert_int_equal (-1, mpl__core_join (core, 0));
    assert_int_equal (EEXIST, errno);
    assert_int_equal (-1, mpl__core_join (core, 2));
    assert_int_equal (ERANGE, errno);
    assert_int_equal (-1, mpl__core_join (core, -1));
    assert_int_equal (ERANGE, errno);
    assert_int_equal (0, mpl__core_held (core, 0));
    assert_int_equal (1, mpl__core_idle (core));
    assert_int_equal (0, mpl__core_leave (core, 0, MPL__LEFT_CRASHED, 0, 0));
    assert_int_equal (-1, mpl__core_leave (core, 0, MPL__LEFT_CRASHED, 0, 0));
    assert_int_equal (ENOENT, errno);
    assert_int_equal (-1, mpl__core_leave (core, 7, MPL__LEFT_CRASHED, 0, 0));
    assert_int_equal (0, mpl__core_idle (core));
    assert_int_equal (-1, mpl__core_held (core, 7));
    mpl__core_destroy (&core);
    mpl__core_destroy (&core);
}

static void without_a_worker_there_is_no_room (void **state)
{
    mpl_core_t *core = mpl__core_new (1, 2, 0);

    (void) state;
    assert_int_equal (0, mpl__core_room (core, 0, 5));
    assert_int_equal (-1, mpl__core_submit (core, &a, 0, 5, 0, 1));
    assert_int_equal (EAGAIN, errno);
    mpl__core_destroy (&core);
}

static void a_chunk_is_sent_and_its_answers_are_delivered_in_parts (void **state)
{
    story_t *story = begin (1, 2, 0);

    (void) state;
    submit (story, &a, 100, 5, 0);
    assert_int_equal (1, mpl__core_in_flight (story->core, &a));
    expect (story, "send w0 #1 a 100+5; ");
    assert_int_equal (1, mpl__core_oldest_held (story->core));
    answer (story, 0, 1, 0, 2);
    answer (story, 0, 1, 2, 3);
    expect (story, "a 100 of 100; a 102 of 100, last; ");
    assert_int_equal (0, mpl__core_in_flight (story->core, &a));
    assert_true (UINT64_MAX == mpl__core_oldest_held (story->core));
    assert_int_equal (1, mpl__core_newest (story->core));
    end (story);
}

static void late_double_and_unordered_answers_are_refused (void **state)
{
    story_t *story = begin (2, 2, 0);

    (void) state;
    submit (story, &a, 0, 5, 0);
    expect (story, "send w0 #1 a 0+5; ");
    answer (story, 0, 1, 1, 1);             /* not the next one */
    answer (story, 0, 1, 0, 6);             /* more than there are */
    answer (story, 0, 1, 0, 0);             /* none */
    answer (story, 0, 1, 2, UINT32_MAX);    /* a sum that wraps */
    answer (story, 1, 1, 0, 5);             /* somebody else's */
    answer (story, -1, 1, 0, 5);
    expect (story, "stale; stale; stale; stale; stale; stale; ");
    answer (story, 0, 1, 0, 3);
    answer (story, 0, 1, 0, 3);             /* twice */
    answer (story, 0, 1, 3, 2);
    answer (story, 0, 1, 3, 2);             /* after the last */
    expect (story, "a 0 of 0; stale; a 3 of 0, last; stale; ");
    end (story);
}

static void a_chunk_that_was_not_sent_yet_cannot_be_answered (void **state)
{
    story_t *story = begin (1, 2, 0);

    (void) state;
    submit (story, &a, 0, 1, 0);
    story->numbers[1] = 1;                  /* index 0, serial 1: easy to guess */
    answer (story, 0, 1, 0, 1);
    recalled (story, 0, 1, 0, 1);
    expect (story, "stale; stale; send w0 #1 a 0+1; ");
    end (story);
}

static void an_answer_under_an_old_number_is_refused (void **state)
{
    story_t *story = begin (1, 2, 0);

    (void) state;
    submit (story, &a, 0, 2, 0);
    expect (story, "send w0 #1 a 0+2; ");
    leave (story, 0, MPL__LEFT_CRASHED, 0, 0);
    assert_int_equal (0, mpl__core_join (story->core, 0));
    expect (story, "send w0 #2 a 0+2; ");
    answer (story, 0, 1, 0, 2);
    answer (story, 0, 2, 0, 2);
    expect (story, "stale; a 0 of 0, last; ");
    end (story);
}

/* ---- death --------------------------------------------------------------------------------------------------------------- */

static void the_item_a_worker_died_on_is_retried_alone_and_charged (void **state)
{
    story_t *story = begin (1, 2, 0);

    (void) state;
    submit (story, &a, 0, 10, 1000);
    expect (story, "send w0 #1 a 0+10; ");
    answer (story, 0, 1, 0, 2);
    leave (story, 0, MPL__LEFT_CRASHED, 1, 5);
    expect (story, "a 0 of 0; ");
    assert_int_equal (3, mpl__core_queued (story->core));
    assert_int_equal (0, mpl__core_join (story->core, 0));
    expect (story, "send w0 #2 a 2+3; ");       /* what came before it; the item itself waits for an idle worker */
    answer (story, 0, 2, 0, 3);
    expect (story, "a 2 of 2, last; send w0 #3 a 5+1 attempt 1; ");
    answer (story, 0, 3, 0, 1);
    expect (story, "a 5 of 5, last; send w0 #4 a 6+4; ");
    end (story);
}

static void an_item_that_always_crashes_fails_alone_after_its_retries (void **state)
{
    story_t *story = begin (1, 2, 0);

    (void) state;
    submit (story, &a, 5, 2, 0);
    expect (story, "send w0 #1 a 5+2; ");
    leave (story, 0, MPL__LEFT_CRASHED, 1, 0);
    assert_int_equal (0, mpl__core_join (story->core, 0));
    expect (story, "send w0 #2 a 5+1 attempt 1; ");
    leave (story, 0, MPL__LEFT_CRASHED, 2, 0);
    assert_int_equal (0, mpl__core_join (story->core, 0));
    expect (story, "send w0 #3 a 6+1; ");
    answer (story, 0, 3, 0, 1);
    expect (story, "a 6 of 6, last; send w0 #4 a 5+1 attempt 2; ");
    leave (story, 0, MPL__LEFT_CRASHED, 4, 0);
    expect (story, "fail a 5+1 attempt 3; ");
    assert_int_equal (0, mpl__core_in_flight (story->core, &a));
    end (story);
}

static void with_no_retries_the_first_death_fails_the_item (void **state)
{
    story_t *story = begin (1, 0, 0);

    (void) state;
    submit (story, &a, 7, 1, 0);
    expect (story, "send w0 #1 a 7+1; ");
    leave (story, 0, MPL__LEFT_CRASHED, 1, 0);
    expect (story, "fail a 7+1 attempt 1; ");
    end (story);
}

static void an_item_that_ran_out_of_time_or_memory_is_not_run_again (void **state)
{
    story_t *story = begin (2, 9, 0);

    (void) state;
    submit (story, &a, 0, 3, 0);
    expect (story, "send w0 #1 a 0+3; ");
    leave (story, 0, MPL__LEFT_BLAMED, 1, 1);
    expect (story, "fail a 1+1 attempt 1; send w1 #2 a 0+1; ");
    answer (story, 1, 2, 0, 1);
    expect (story, "a 0 of 0, last; send w1 #3 a 2+1; ");
    end (story);
}

static void what_only_waited_is_never_charged (void **state)
{
    story_t *story = begin (1, 0, 0);

    (void) state;
    submit (story, &a, 0, 2, LONG_NS);
    submit (story, &a, 2, 2, LONG_NS);
    expect (story, "send w0 #1 a 0+2; send w0 #2 a 2+2; ");
    for (int death = 0; death < 50; death++) {      /* retries 0: one charge would be the end */
        leave (story, 0, MPL__LEFT_CRASHED, 0, 0);
        assert_int_equal (0, mpl__core_join (story->core, 0));
        act (story);
        story->text[0] = '\0';
    }
    leave (story, 0, MPL__LEFT_CRASHED, 101, 0);    /* #101 is a 0+2: charged is item 0, and not its neighbours */
    expect (story, "fail a 0+1 attempt 1; ");
    assert_int_equal (0, mpl__core_join (story->core, 0));
    expect (story, "send w0 #103 a 1+1; send w0 #104 a 2+2; ");
    end (story);
}

static void a_page_that_names_an_item_answered_or_recalled_charges_nobody (void **state)
{
    story_t *story = begin (1, 0, 0);

    (void) state;
    submit (story, &a, 0, 9, 1000);
    expect (story, "send w0 #1 a 0+9; ");
    answer (story, 0, 1, 0, 4);
    leave (story, 0, MPL__LEFT_CRASHED, 1, 3);      /* answered */
    assert_int_equal (0, mpl__core_join (story->core, 0));
    expect (story, "a 0 of 0; send w0 #2 a 4+5; ");
    recalled (story, 0, 2, 3, 2);
    leave (story, 0, MPL__LEFT_CRASHED, 2, 3);      /* recalled */
    assert_int_equal (0, mpl__core_join (story->core, 0));
    expect (story, "send w0 #4 a 4+3; send w0 #5 a 7+2; ");
    end (story);
}

static void a_death_before_the_chunk_was_sent_gives_it_to_another (void **state)
{
    story_t *story = begin (2, 2, 0);

    (void) state;
    submit (story, &a, 0, 2, 0);
    leave (story, 0, MPL__LEFT_CRASHED, 0, 0);
    expect (story, "send w1 #2 a 0+2; ");
    end (story);
}

/* ---- recall -------------------------------------------------------------------------------------------------------------- */

static void what_waits_behind_a_long_item_goes_to_idle_workers (void **state)
{
    story_t *story = begin (3, 2, 0);

    (void) state;
    submit (story, &a, 0, 9, 0);
    expect (story, "send w0 #1 a 0+9; ");
    tick (story, MPL__RECALL_AFTER_NS, 0);
    expect (story, "");                     /* main has more to give: no need to take back */
    tick (story, 0, 1);
    expect (story, "recall w0 #1 a 0+9; ");
    recalled (story, 0, 1, 1, 8);
    expect (story, "send w1 #2 a 1+4; send w2 #3 a 5+4; ");
    answer (story, 0, 1, 0, 1);
    expect (story, "a 0 of 0, last; ");
    end (story);
}

static void a_chunk_is_left_to_its_worker_for_a_while (void **state)
{
    story_t *story = begin (2, 2, 0);

    (void) state;
    submit (story, &a, 0, 9, 0);
    expect (story, "send w0 #1 a 0+9; ");
    uint64_t sent_at = story->now;
    assert_true (sent_at + MPL__RECALL_AFTER_NS == tick (story, MPL__RECALL_AFTER_NS - 1, 1));
    expect (story, "");
    tick (story, 1, 1);
    expect (story, "recall w0 #1 a 0+9; ");
    recalled (story, 0, 1, 9, 0);           /* all was begun: it is not asked again */
    assert_true (UINT64_MAX == tick (story, MPL__NS_PER_S, 1));
    expect (story, "");
    end (story);
}

static void the_worker_that_holds_most_gives_its_newest_chunk_first (void **state)
{
    story_t *story = begin (3, 2, 0);

    (void) state;
    leave (story, 2, MPL__LEFT_CRASHED, 0, 0);
    submit (story, &a, 0, 1, LONG_NS);
    submit (story, &a, 1, 1, LONG_NS);
    submit (story, &a, 2, 1, LONG_NS);
    expect (story, "send w0 #1 a 0+1; send w1 #2 a 1+1; send w0 #3 a 2+1; ");
    assert_int_equal (0, mpl__core_join (story->core, 2));
    tick (story, MPL__RECALL_AFTER_NS, 1);
    expect (story, "recall w0 #3 a 2+1; ");
    recalled (story, 0, 3, 0, 1);
    expect (story, "last; send w2 #4 a 2+1; ");
    answer (story, 0, 3, 0, 1);
    expect (story, "stale; ");
    end (story);
}

static void a_recall_of_other_items_than_the_rest_is_refused (void **state)
{
    story_t *story = begin (2, 2, 0);

    (void) state;
    submit (story, &a, 0, 9, 0);
    expect (story, "send w0 #1 a 0+9; ");
    answer (story, 0, 1, 0, 4);
    recalled (story, 0, 1, 3, 6);           /* one of them was answered */
    recalled (story, 0, 1, 5, 3);           /* the last one is left out */
    recalled (story, 0, 1, 5, 5);           /* one too many */
    recalled (story, 1, 1, 5, 4);           /* not its own */
    expect (story, "a 0 of 0; stale; stale; stale; stale; ");
    recalled (story, 0, 1, 4, 5);           /* all that is left */
    expect (story, "last; send w1 #2 a 4+5; ");
    end (story);
}

/* A recall that was not taken before its chunk was answered must not be read as one of the chunk that has its index
 * next. */
static void a_recall_that_came_too_late_recalls_nothing_else (void **state)
{
    story_t *story = begin (2, 2, 0);

    (void) state;
    submit (story, &a, 0, 1, 0);
    expect (story, "send w0 #1 a 0+1; ");
    tick (story, MPL__RECALL_AFTER_NS, 1);
    answer (story, 0, 1, 0, 1);
    for (unsigned i = 0; i < 70; i++)           /* more than the core has chunks at first, so #1's is used again */
        submit (story, &b, i, 1, 1000);
    act (story);
    assert_null (strstr (story->text, "recall"));
    end (story);
}

/* ---- cancel -------------------------------------------------------------------------------------------------------------- */

static void after_cancel_nothing_of_the_owner_is_delivered (void **state)
{
    story_t *story = begin (2, 0, 0);

    (void) state;
    submit (story, &a, 0, 4, 0);
    submit (story, &b, 0, 4, 0);
    expect (story, "send w0 #1 a 0+4; send w1 #2 b 0+4; ");
    mpl__core_cancel (story->core, &a);
    assert_int_equal (0, mpl__core_in_flight (story->core, &a));
    assert_int_equal (1, mpl__core_in_flight (story->core, &b));
    expect (story, "recall w0 #1 nobody 0+4; ");
    recalled (story, 0, 1, 2, 2);
    answer (story, 0, 1, 0, 2);
    answer (story, 1, 2, 0, 4);
    expect (story, "dropped 0 of 0, last; b 0 of 0, last; ");
    end (story);
}

static void a_cancelled_chunk_is_never_sent_nor_retried_nor_failed (void **state)
{
    story_t *story = begin (1, 0, 0);

    (void) state;
    submit (story, &a, 0, 4, 0);
    mpl__core_cancel (story->core, &a);
    expect (story, "");
    assert_int_equal (1, mpl__core_idle (story->core));
    submit (story, &a, 0, 4, 0);
    expect (story, "send w0 #2 a 0+4; ");
    leave (story, 0, MPL__LEFT_CRASHED, 2, 0);      /* one is to fail, the others wait */
    mpl__core_cancel (story->core, &a);
    assert_int_equal (0, mpl__core_queued (story->core));
    assert_int_equal (0, mpl__core_join (story->core, 0));
    expect (story, "");
    submit (story, &a, 0, 1, 0);
    expect (story, "send w0 #3 a 0+1; ");
    mpl__core_cancel (story->core, &a);
    leave (story, 0, MPL__LEFT_CRASHED, 3, 0);
    expect (story, "");
    end (story);
}

/* ---- max_tasks ----------------------------------------------------------------------------------------------------------- */

static void a_worker_retires_after_its_max_tasks_and_gets_no_more (void **state)
{
    story_t *story = begin (1, 2, 5);

    (void) state;
    assert_int_equal (5, mpl__core_room (story->core, 0, 100));
    assert_int_equal (-1, mpl__core_submit (story->core, &a, 0, 6, 0, story->now));
    assert_int_equal (EAGAIN, errno);
    submit (story, &a, 0, 3, 1000);
    submit (story, &a, 3, 2, 1000);
    assert_int_equal (0, mpl__core_room (story->core, 1000, 1));
    expect (story, "send w0 #1 a 0+3; send w0 #2 a 3+2; ");
    answer (story, 0, 1, 0, 3);
    expect (story, "a 0 of 0, last; ");
    answer (story, 0, 2, 0, 2);
    expect (story, "a 3 of 3, last; retire w0; ");
    expect (story, "");                             /* said once */
    assert_int_equal (0, mpl__core_room (story->core, 0, 1));
    leave (story, 0, MPL__LEFT_CRASHED, 0, 0);
    assert_int_equal (0, mpl__core_join (story->core, 0));
    assert_int_equal (5, mpl__core_room (story->core, 0, 100));
    end (story);
}

static void a_worker_that_is_retired_gives_what_it_has_not_begun (void **state)
{
    story_t *story = begin (2, 2, 0);

    (void) state;
    submit (story, &a, 0, 9, 0);
    expect (story, "send w0 #1 a 0+9; ");
    assert_int_equal (0, mpl__core_retire (story->core, 0));
    expect (story, "recall w0 #1 a 0+9; ");
    assert_int_equal (0, mpl__core_retire (story->core, 0));
    expect (story, "");
    recalled (story, 0, 1, 1, 8);
    expect (story, "send w1 #2 a 1+8; ");
    answer (story, 0, 1, 0, 1);
    expect (story, "a 0 of 0, last; retire w0; ");
    assert_int_equal (0, mpl__core_room (story->core, 0, 1));
    leave (story, 0, MPL__LEFT_CRASHED, 0, 0);
    assert_int_equal (-1, mpl__core_retire (story->core, 0));
    assert_int_equal (0, mpl__core_join (story->core, 0));
    assert_int_equal (1, mpl__core_room (story->core, 0, 1));
    end (story);
}

static void what_comes_back_is_cut_to_what_a_worker_may_still_do (void **state)
{
    story_t *story = begin (2, 2, 5);

    (void) state;
    submit (story, &a, 0, 5, 0);
    submit (story, &b, 0, 3, 1000);
    expect (story, "send w0 #1 a 0+5; send w1 #2 b 0+3; ");
    answer (story, 1, 2, 0, 3);
    leave (story, 0, MPL__LEFT_CRASHED, 0, 0);
    expect (story, "b 0 of 0, last; send w1 #3 a 0+2; ");
    answer (story, 1, 3, 0, 2);
    expect (story, "a 0 of 0, last; retire w1; ");
    assert_int_equal (1, mpl__core_queued (story->core));
    end (story);
}

static void items_taken_back_do_not_count_as_tasks_done (void **state)
{
    story_t *story = begin (2, 2, 5);

    (void) state;
    submit (story, &a, 0, 5, 1000);
    expect (story, "send w0 #1 a 0+5; ");
    tick (story, MPL__RECALL_AFTER_NS, 1);
    expect (story, "recall w0 #1 a 0+5; ");
    recalled (story, 0, 1, 2, 3);
    answer (story, 0, 1, 0, 2);
    expect (story, "a 0 of 0, last; send w1 #2 a 2+3; ");
    assert_int_equal (3, mpl__core_room (story->core, 1000, 100));
    end (story);
}

static void items_cancelled_before_they_were_sent_do_not_count_as_tasks_done (void **state)
{
    story_t *story = begin (1, 2, 5);

    (void) state;
    submit (story, &a, 0, 5, 0);
    mpl__core_cancel (story->core, &a);
    expect (story, "");
    assert_int_equal (5, mpl__core_room (story->core, 0, 100));
    end (story);
}

/* ---- credit -------------------------------------------------------------------------------------------------------------- */

static void work_of_unknown_duration_goes_to_idle_workers_only (void **state)
{
    story_t *story = begin (1, 2, 0);

    (void) state;
    submit (story, &a, 0, 1, 0);
    assert_int_equal (0, mpl__core_room (story->core, 0, 1));
    assert_int_equal (0, mpl__core_room (story->core, 1000, 1));    /* nobody knows when it will be done */
    expect (story, "send w0 #1 a 0+1; ");
    answer (story, 0, 1, 0, 1);
    submit (story, &a, 1, 1, 1000);
    assert_int_equal (0, mpl__core_room (story->core, 0, 1));
    assert_int_equal (1, mpl__core_room (story->core, 1000, 1));
    end (story);
}

static void long_tasks_have_two_chunks_ahead (void **state)
{
    story_t *story = begin (2, 2, 0);

    (void) state;
    for (uint64_t i = 0; i < 4; i++)
        submit (story, &a, i, 1, LONG_NS);
    assert_int_equal (0, mpl__core_room (story->core, LONG_NS, 1));
    expect (story, "send w0 #1 a 0+1; send w1 #2 a 1+1; send w0 #3 a 2+1; send w1 #4 a 3+1; ");
    answer (story, 0, 1, 0, 1);
    assert_int_equal (1, mpl__core_room (story->core, LONG_NS, 1));
    end (story);
}

static unsigned fill (story_t *story, uint64_t cost_ns)
{
    unsigned n = 0;

    for (; mpl__core_room (story->core, cost_ns, 1) && n < 10 * MPL__SLOTS; n++)
        submit (story, &a, n, 1, cost_ns);
    assert_null (mpl__core_check (story->core));
    return n;
}

static void short_tasks_fill_the_slots_of_a_page_and_no_more (void **state)
{
    story_t *story = begin (3, 2, 0);

    (void) state;
    assert_int_equal (3 * MPL__SLOTS, fill (story, 1));
    assert_int_equal (MPL__SLOTS, mpl__core_held (story->core, 1));
    end (story);
}

static void what_a_worker_has_ahead_lasts_a_millisecond (void **state)
{
    story_t *story = begin (1, 2, 0);

    (void) state;
    assert_int_equal (MPL__AHEAD_NS / 100000, fill (story, 100000));
    end (story);
}

static void a_full_worker_is_refilled_when_half_is_done (void **state)
{
    story_t *story = begin (1, 2, 0);
    mpl_action_t action;
    mpl_answer_t answered;

    (void) state;
    unsigned n = fill (story, 1);
    for (unsigned i = 1; i <= n; i++) {
        assert_int_equal (1, mpl__core_next (story->core, story->now, &action));
        story->numbers[i] = action.chunk;
    }
    unsigned done = 0;
    for (; mpl__core_room (story->core, 1, 1) == 0; done++)
        assert_int_equal (0, mpl__core_answer (story->core, 0, story->numbers[done + 1], 0, 1, &answered));
    assert_in_range (done, MPL__SLOTS / 2, MPL__SLOTS / 2 + 1);
    end (story);
}

static void held (void *arg, uint64_t chunk, uint32_t n, uint32_t n_answered)
{
    tell (arg, "#%llu %u of %u; ", (unsigned long long) chunk & SERIAL_MASK, n_answered, n);
}

static void what_a_worker_holds_is_listed_oldest_first (void **state)
{
    story_t *story = begin (1, 2, 0);

    (void) state;
    submit (story, &a, 0, 3, 1000);
    submit (story, &a, 3, 4, 1000);
    act (story);
    story->text[0] = '\0';
    answer (story, 0, 1, 0, 2);
    mpl__core_each_held (story->core, 0, held, story);
    expect (story, "a 0 of 0; #1 2 of 3; #2 0 of 4; ");
    end (story);
}

/* ---- random histories ---------------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t state;
    size_t n_left;
} dice_t;

static uint32_t roll (void *arg, uint32_t n)
{
    dice_t *dice = arg;

    dice->state ^= dice->state << 13;           /* xorshift64 */
    dice->state ^= dice->state >> 7;
    dice->state ^= dice->state << 17;
    return (uint32_t) ((dice->state >> 32) * n >> 32);
}

static int is_over (void *arg)
{
    dice_t *dice = arg;

    return dice->n_left-- == 0;
}

static int run_seed (unsigned long seed, size_t n_steps, FILE *trace, size_t *steps)
{
    dice_t dice = { .state = (seed + 1) * UINT64_C (0x9e3779b97f4a7c15), .n_left = n_steps };
    chance_t chance = { roll, is_over, &dice };
    char wrong[HISTORY_WRONG];

    if (history_run (&chance, trace, steps, wrong) == 0)
        return 0;
    printf ("# MPL_SEED=%lu, %zu steps: %s\n", seed, n_steps, wrong);
    return -1;
}

/* Most histories are short, so that their beginnings and ends are many; every hundredth is long. */
static size_t steps_of (unsigned long seed)
{
    return seed % 100 ? 1000 : 20000;
}

static void no_history_loses_an_item_or_delivers_it_twice (void **state)
{
    const char *one = getenv ("MPL_SEED");
    unsigned long seed = one ? strtoul (one, NULL, 10) : 0;
    uint64_t until = mpl__clock_ns () + 4 * (uint64_t) MPL__NS_PER_S;
    size_t steps = 0;

    (void) state;
    if (one) {
        assert_int_equal (0, run_seed (seed, steps_of (seed), stdout, &steps));
        return;
    }
    for (; seed < 1500 && mpl__clock_ns () < until; seed++)     /* slow builds get as far as they get */
        if (run_seed (seed, steps_of (seed), NULL, &steps) < 0)
            fail_msg ("history %lu; run again with MPL_SEED=%lu to see every step", seed, seed);
    print_message ("# %zu steps in histories 0 to %lu\n", steps, seed - 1);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_worker_joins_once_and_leaves_once),
        cmocka_unit_test (without_a_worker_there_is_no_room),
        cmocka_unit_test (a_chunk_is_sent_and_its_answers_are_delivered_in_parts),
        cmocka_unit_test (late_double_and_unordered_answers_are_refused),
        cmocka_unit_test (a_chunk_that_was_not_sent_yet_cannot_be_answered),
        cmocka_unit_test (an_answer_under_an_old_number_is_refused),
        cmocka_unit_test (the_item_a_worker_died_on_is_retried_alone_and_charged),
        cmocka_unit_test (an_item_that_always_crashes_fails_alone_after_its_retries),
        cmocka_unit_test (with_no_retries_the_first_death_fails_the_item),
        cmocka_unit_test (an_item_that_ran_out_of_time_or_memory_is_not_run_again),
        cmocka_unit_test (what_only_waited_is_never_charged),
        cmocka_unit_test (a_page_that_names_an_item_answered_or_recalled_charges_nobody),
        cmocka_unit_test (a_death_before_the_chunk_was_sent_gives_it_to_another),
        cmocka_unit_test (what_waits_behind_a_long_item_goes_to_idle_workers),
        cmocka_unit_test (a_chunk_is_left_to_its_worker_for_a_while),
        cmocka_unit_test (the_worker_that_holds_most_gives_its_newest_chunk_first),
        cmocka_unit_test (a_recall_of_other_items_than_the_rest_is_refused),
        cmocka_unit_test (a_recall_that_came_too_late_recalls_nothing_else),
        cmocka_unit_test (after_cancel_nothing_of_the_owner_is_delivered),
        cmocka_unit_test (a_cancelled_chunk_is_never_sent_nor_retried_nor_failed),
        cmocka_unit_test (a_worker_retires_after_its_max_tasks_and_gets_no_more),
        cmocka_unit_test (a_worker_that_is_retired_gives_what_it_has_not_begun),
        cmocka_unit_test (what_comes_back_is_cut_to_what_a_worker_may_still_do),
        cmocka_unit_test (items_taken_back_do_not_count_as_tasks_done),
        cmocka_unit_test (items_cancelled_before_they_were_sent_do_not_count_as_tasks_done),
        cmocka_unit_test (work_of_unknown_duration_goes_to_idle_workers_only),
        cmocka_unit_test (long_tasks_have_two_chunks_ahead),
        cmocka_unit_test (short_tasks_fill_the_slots_of_a_page_and_no_more),
        cmocka_unit_test (what_a_worker_has_ahead_lasts_a_millisecond),
        cmocka_unit_test (a_full_worker_is_refilled_when_half_is_done),
        cmocka_unit_test (what_a_worker_holds_is_listed_oldest_first),
        cmocka_unit_test (no_history_loses_an_item_or_delivers_it_twice),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
