/* The way in: what workers send is checked, matched with what they hold, and handed to the batch it belongs to. */
#include "pool/pool.h"
#include "wire/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES_PER_TURN 256           /* then whoever waits is looked after */

/* ---- results --------------------------------------------------------------------------------------------------- */

/* Whether the body of a RESULT is as long as n results of this task are. */
static int body_fits (const mpl_task_t *task, const mpl_record_t *record, const uint8_t *body)
{
    size_t lens = (size_t) record->n * 8, left;

    if (record->flags & MPL__FLAG_SHM)
        return record->bytes == 0 && task->out_size != MPL_VARIABLE;
    if (task->out_size != MPL_VARIABLE)
        return record->bytes == record->n * task->out_size;
    if (record->bytes < lens)
        return 0;
    left = record->bytes - lens;
    for (uint32_t i = 0; i < record->n; i++) {
        uint64_t len = mpl__get64 (body + (size_t) i * 8);
        if (len > left)
            return 0;
        left -= len;
    }
    return left == 0;
}

/* Asks the core whether the answer counts. The batch, or NULL: it was cancelled, is late, or comes from a worker gone
 * mad. */
static mpl_batch_t *take_answer (mpl_pool_t *self, int worker, const mpl_record_t *record, mpl_answer_t *answer)
{
    if (mpl__core_answer (self->core, worker, record->chunk, record->at, record->n, answer) < 0) {
        answer->is_last = 0;
        return NULL;
    }
    return answer->owner;
}

static const uint8_t *shared_results (mpl_pool_t *self, const mpl_record_t *record, const mpl_batch_t *batch)
{
    size_t i = mpl__core_index (record->chunk), offset = record->at * batch->task->out_size;

    if (i >= self->n_parcels || offset + record->n * batch->task->out_size > self->parcels[i].out_len)
        return NULL;
    return (const uint8_t *) mpl__arena_at (self->arena, self->parcels[i].out) + offset;
}

static void take_result (mpl_pool_t *self, int worker, const mpl_record_t *record, const uint8_t *body)
{
    mpl_answer_t answer;
    mpl_batch_t *batch = take_answer (self, worker, record, &answer);

    if (batch) {
        mpl_ran_t ran = mpl__members_ran (self, worker, (double) record->first / record->n * 1e-9);
        const uint8_t *lens = batch->task->out_size == MPL_VARIABLE ? body : NULL;
        const uint8_t *data = record->flags & MPL__FLAG_SHM ? shared_results (self, record, batch)
                            : lens ? body + (size_t) record->n * 8 : body;
        mpl__learn_cost (self, batch->fn, record->first, record->n);
        if (!data || !body_fits (batch->task, record, body))
            mpl__members_dismiss (self, worker, "results whose length is wrong");
        else
            batch->sink->results (batch, answer.first, record->n, lens, data, &ran);
    }
    if (answer.is_last)
        mpl__parcel_free (self, record->chunk);
}

static void take_failure (mpl_pool_t *self, int worker, const mpl_record_t *record, const uint8_t *body)
{
    mpl_answer_t answer;
    mpl_batch_t *batch = record->n == 1 ? take_answer (self, worker, record, &answer) : NULL;
    char why[1024];

    if (record->n != 1)
        return;
    if (batch) {
        mpl_ran_t ran = mpl__members_ran (self, worker, (double) record->first * 1e-9);
        size_t len = record->bytes < sizeof why ? record->bytes : sizeof why - 1;
        memcpy (why, body, len);
        why[len] = '\0';
        mpl__learn_cost (self, batch->fn, record->first, 1);
        mpl__batch_item_failed (batch, answer.first, why, &ran);
    }
    if (answer.is_last)
        mpl__parcel_free (self, record->chunk);
}

/* ---- long results ---------------------------------------------------------------------------------------------- */

static void drop_piece (mpl_member_t *member)
{
    free (member->piece.data);
    memset (&member->piece, 0, sizeof member->piece);
}

/* Pieces come in order, one result at a time; memory is taken when the first one says how long it is. */
static int add_piece (mpl_member_t *member, const mpl_record_t *record, const uint8_t *body)
{
    if (record->bytes < 16 || record->n != 1)
        return -1;
    uint64_t total = mpl__get64 (body), offset = mpl__get64 (body + 8);
    size_t len = record->bytes - 16;
    if (offset == 0) {
        drop_piece (member);
        if (total > SIZE_MAX / 2 || !(member->piece.data = malloc (total + 1)))
            return -1;
        member->piece.chunk = record->chunk;
        member->piece.at = record->at;
        member->piece.total = total;
    }
    if (!member->piece.data || member->piece.chunk != record->chunk || member->piece.at != record->at
        || member->piece.total != total || member->piece.got != offset || len > total - offset)
        return -1;
    memcpy (member->piece.data + offset, body + 16, len);
    member->piece.got += len;
    return 0;
}

static void take_piece (mpl_pool_t *self, int worker, const mpl_record_t *record, const uint8_t *body)
{
    mpl_member_t *member = &self->members[worker];
    mpl_answer_t answer;

    if (add_piece (member, record, body) < 0) {
        mpl__members_dismiss (self, worker, "a long result in pieces that do not fit, or that there is no memory for");
        return;
    }
    if (member->piece.got < member->piece.total)
        return;
    mpl_batch_t *batch = take_answer (self, worker, record, &answer);
    if (batch && batch->task->out_size == MPL_VARIABLE) {
        mpl_ran_t ran = mpl__members_ran (self, worker, (double) record->first * 1e-9);
        member->piece.data[member->piece.total] = '\0';
        batch->sink->take (batch, answer.first, member->piece.data, member->piece.total, &ran);
        member->piece.data = NULL;
    }
    drop_piece (member);
    if (answer.is_last)
        mpl__parcel_free (self, record->chunk);
}

/* ---- records --------------------------------------------------------------------------------------------------- */

static void initializer_failed (mpl_pool_t *self, int worker, const mpl_record_t *record, const uint8_t *body)
{
    mpl_ran_t ran = mpl__members_ran (self, worker, 0);
    int len = record->bytes < 1000 ? (int) record->bytes : 1000;

    mpl__pool_break (self, "its initializer failed on worker %d at %s: %.*s", worker, ran.host ? ran.host : "?", len,
                     (const char *) body);
}

static void take_record (mpl_pool_t *self, int worker, const mpl_record_t *record, const uint8_t *body);

/* Of a long record from another host. Each is answered, so that the next is sent. */
static void take_part (mpl_pool_t *self, int worker, const mpl_record_t *part, const uint8_t *bytes)
{
    mpl_joint_t *joint = &self->members[worker].joint;
    mpl_record_t record;
    const uint8_t *body;
    int rc = mpl__joint_take (joint, part, bytes, &record, &body);

    if (rc < 0) {
        mpl__members_dismiss (self, worker, "a long record in parts that do not fit, or that there is no memory for");
        return;
    }
    mpl_record_t answer = mpl__joint_answer (joint);
    mpl__router_add (self->router, worker, &answer, 0);
    if (rc == 0)
        return;
    if (record.type == MPL__RESULT || record.type == MPL__FAIL)
        take_record (self, worker, &record, body);
    mpl__joint_clear (joint);
}

static void take_record (mpl_pool_t *self, int worker, const mpl_record_t *record, const uint8_t *body)
{
    switch (record->type) {
    case MPL__RESULT:
        take_result (self, worker, record, body);
        break;
    case MPL__FAIL:
        take_failure (self, worker, record, body);
        break;
    case MPL__PIECE:
        take_piece (self, worker, record, body);
        break;
    case MPL__READY:
        mpl__members_serve (self, worker);
        break;
    case MPL__INIT_FAILED:
        initializer_failed (self, worker, record, body);
        break;
    case MPL__PART:
        take_part (self, worker, record, body);
        break;
    case MPL__TAKEN:
        mpl__router_taken (self->router, worker, record);
        break;
    case MPL__SHARED:
        mpl__shares_arrived (self, worker, record->chunk);
        break;
    default:
        mpl__members_dismiss (self, worker, "a record of a type that workers do not send");
    }
}

static void take_message (mpl_pool_t *self, mpl_peer_t peer, const uint8_t *data, size_t len, uint64_t now)
{
    int worker = mpl__router_worker (self->router, peer);
    const uint8_t *body;
    mpl_record_t record;
    size_t at = 0;
    int rc;

    if (worker >= 0)
        self->members[worker].n_received++;
    while ((rc = mpl__record_get (data, len, &at, &record, &body)) == 1) {
        if (worker >= 0) {
            take_record (self, worker, &record, body);
        } else {                                /* a stranger may only say hello, and then goes by its number */
            if (record.type == MPL__HELLO)
                mpl__members_hello (self, peer, &record, body, now);
            return;
        }
    }
    if (rc < 0 && worker >= 0)
        mpl__members_dismiss (self, worker, "bytes that are no record");
}

int mpl__receive (mpl_pool_t *self, uint64_t now)
{
    const uint8_t *data;
    mpl_peer_t peer;
    size_t len, was_running = self->n_running;

    for (int i = 0; i < MESSAGES_PER_TURN; i++) {
        if (!mpl__router_recv (self->router, &peer, &data, &len))
            return 0;
        take_message (self, peer, data, len, now);
        if (was_running && !self->n_running)
            break;
    }
    return 1;
}
