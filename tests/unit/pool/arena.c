/* The arena: blocks that do not overlap, keep what was written, and are used again. */
#include "pool/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cmocka.h>

#define BLOCKS 24

static uint64_t memory_of (const mpl_arena_t *arena)
{
    struct stat file;

    assert_int_equal (0, fstat (mpl__arena_fd (arena), &file));
    return (uint64_t) file.st_blocks * 512;
}

static void an_arena_has_no_name_and_is_not_inherited (void **state)
{
    mpl_arena_t *arena = mpl__arena_new ();
    struct stat file;

    (void) state;
    assert_non_null (arena);
    assert_int_equal (0, fstat (mpl__arena_fd (arena), &file));
    assert_int_equal (0, file.st_nlink);
    assert_int_equal (FD_CLOEXEC, fcntl (mpl__arena_fd (arena), F_GETFD));
    mpl__arena_destroy (&arena);
    assert_null (arena);
    mpl__arena_destroy (&arena);
}

static void a_block_that_was_given_back_is_taken_again (void **state)
{
    mpl_arena_t *arena = mpl__arena_new ();

    (void) state;
    uint64_t first = mpl__arena_take (arena, 100000), second = mpl__arena_take (arena, 100000);
    assert_true (first != second && first % 4096 == 0 && second % 4096 == 0);
    mpl__arena_give (arena, first, 100000);
    assert_true (first == mpl__arena_take (arena, 99000));      /* the same class */
    assert_true (first != mpl__arena_take (arena, 100000));
    mpl__arena_destroy (&arena);
}

static void what_is_too_large_is_refused_and_harms_nothing (void **state)
{
    mpl_arena_t *arena = mpl__arena_new ();

    (void) state;
    uint64_t block = mpl__arena_take (arena, 5000);
    memset (mpl__arena_at (arena, block), 'x', 5000);
    errno = 0;
    assert_true (MPL__NO_BLOCK == mpl__arena_take (arena, SIZE_MAX));
    assert_int_equal (ENOMEM, errno);
    assert_true (MPL__NO_BLOCK == mpl__arena_take (arena, (size_t) 1 << 60));
    assert_int_equal ('x', ((char *) mpl__arena_at (arena, block))[4999]);
    assert_true (MPL__NO_BLOCK != mpl__arena_take (arena, 5000));
    mpl__arena_destroy (&arena);
}

static void a_worker_sees_what_main_wrote (void **state)
{
    mpl_arena_t *arena = mpl__arena_new ();

    (void) state;
    uint64_t block = mpl__arena_take (arena, 20000);
    memset (mpl__arena_at (arena, block), 'm', 20000);
    char *there = mmap (NULL, 20000, PROT_READ | PROT_WRITE, MAP_SHARED, mpl__arena_fd (arena), (off_t) block);
    assert_true (there != MAP_FAILED);
    assert_int_equal ('m', there[19999]);
    there[0] = 'w';
    assert_int_equal ('w', *(char *) mpl__arena_at (arena, block));
    munmap (there, 20000);
    mpl__arena_destroy (&arena);
}

/* ---- random use ---------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t offset;
    size_t len;                 /* 0: not taken */
    unsigned char mark;
} block_t;

/* Written at its ends and once a page: what any overlap would destroy. */
static void fill (mpl_arena_t *arena, const block_t *block)
{
    unsigned char *at = mpl__arena_at (arena, block->offset);

    for (size_t i = 0; i < block->len; i += 4096)
        at[i] = block->mark;
    at[block->len - 1] = block->mark;
}

static void check (mpl_arena_t *arena, const block_t *block)
{
    const unsigned char *at = mpl__arena_at (arena, block->offset);

    for (size_t i = 0; i < block->len; i += 4096)
        assert_int_equal (block->mark, at[i]);
    assert_int_equal (block->mark, at[block->len - 1]);
}

static void take (mpl_arena_t *arena, block_t *blocks, block_t *block)
{
    block->len = (size_t) 1 << (rand () % 21);
    block->len += (size_t) rand () % block->len;
    block->mark = (unsigned char) rand ();
    block->offset = mpl__arena_take (arena, block->len);
    assert_true (block->offset != MPL__NO_BLOCK && block->offset % 4096 == 0);
    for (size_t i = 0; i < BLOCKS; i++) {
        const block_t *other = &blocks[i];
        if (other != block && other->len)
            assert_true (block->offset + block->len <= other->offset || other->offset + other->len <= block->offset);
    }
    fill (arena, block);
}

static void blocks_never_overlap_and_keep_what_was_written (void **state)
{
    mpl_arena_t *arena = mpl__arena_new ();
    block_t blocks[BLOCKS] = { { 0 } };

    (void) state;
    srand (1);
    for (int step = 0; step < 3000; step++) {
        block_t *block = &blocks[rand () % BLOCKS];
        if (block->len) {
            check (arena, block);
            mpl__arena_give (arena, block->offset, block->len);
            block->len = 0;
        } else
            take (arena, blocks, block);
        if (step % 64 == 0)
            mpl__arena_trim (arena);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].len)
            check (arena, &blocks[i]);
    mpl__arena_destroy (&arena);
}

static void much_free_memory_goes_back_and_comes_again (void **state)
{
    enum { N = 10 };
    const size_t len = (size_t) 8 << 20;
    mpl_arena_t *arena = mpl__arena_new ();
    uint64_t blocks[N];

    (void) state;
    for (size_t i = 0; i < N; i++)
        assert_true ((blocks[i] = mpl__arena_take (arena, len)) != MPL__NO_BLOCK);
    assert_true (memory_of (arena) >= N * len);
    mpl__arena_give (arena, blocks[0], len);
    mpl__arena_trim (arena);                        /* little is free: kept */
    assert_true (memory_of (arena) >= N * len);
    for (size_t i = 1; i < N - 1; i++)
        mpl__arena_give (arena, blocks[i], len);
    memset (mpl__arena_at (arena, blocks[N - 1]), 'x', len);
    mpl__arena_trim (arena);
    assert_true (memory_of (arena) <= 2 * len);
    assert_int_equal ('x', ((char *) mpl__arena_at (arena, blocks[N - 1]))[len - 1]);
    for (size_t i = 0; i < N - 1; i++) {            /* and what is taken again has memory behind it */
        uint64_t block = mpl__arena_take (arena, len);
        assert_true (block < N * len);
        memset (mpl__arena_at (arena, block), 'y', len);
    }
    assert_true (memory_of (arena) >= N * len);
    mpl__arena_destroy (&arena);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (an_arena_has_no_name_and_is_not_inherited),
        cmocka_unit_test (a_block_that_was_given_back_is_taken_again),
        cmocka_unit_test (what_is_too_large_is_refused_and_harms_nothing),
        cmocka_unit_test (a_worker_sees_what_main_wrote),
        cmocka_unit_test (blocks_never_overlap_and_keep_what_was_written),
        cmocka_unit_test (much_free_memory_goes_back_and_comes_again),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
