#include "base/io_choose.h"
#include "base/io_probe.h"
#include "base/io_system.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A plain io whose table is altered: one operation is answered by us. */
static struct io *io;
static struct io_vtable altered;
static int32_t answer; /* of the altered operation */
static struct io_op *unanswered;

static void setup(void)
{
    cr_assert(eq(int, io_plain_create(&(struct io_plain_options){0}, &io), OK));
    altered = *io->v;
    io->v = &altered;
}

static void teardown(void)
{
    io->v->destroy(io);
}

static void answer_at_once(struct io *at, struct io_op *op)
{
    op->in_flight = true;
    op->result = answer;
    list_push_back(&at->completed, &op->node);
}

static void answered_sync(struct io *at, struct io_op *op, int32_t fd)
{
    answer_at_once(at, op);
}

static void answered_connect(struct io *at, struct io_op *op, int32_t fd,
                             const struct io_address *to)
{
    answer_at_once(at, op);
}

static void answered_writev(struct io *at, struct io_op *op, int32_t fd, const struct iovec *vec,
                            uint32_t vec_count, uint64_t pos, bool dsync)
{
    answer_at_once(at, op);
}

static void silent_sync(struct io *at, struct io_op *op, int32_t fd)
{
    op->in_flight = true;
    unanswered = op; /* known, so that it is no leak */
}

Test(io_probe, every_operation_is_tried_and_works, .init = setup, .fini = teardown)
{
    struct io_probe probe;

    cr_assert(io_probe_run(io, &probe));
    for (uint32_t i = 0; i < IO_OPERATION_COUNT; i++) {
        cr_expect(probe.tried[i], "%s", io_operation_text((enum io_operation)i));
        cr_expect(eq(i32, probe.errors[i], 0), "%s", io_operation_text((enum io_operation)i));
    }
    cr_assert(eq(int, io_probe_refused(&probe), IO_OPERATION_COUNT));
    cr_assert(eq(u64, io->in_flight_count, 0));
}

Test(io_probe, a_refused_operation_is_named_and_the_others_are_tried, .init = setup,
     .fini = teardown)
{
    struct io_probe probe;

    answer = -EACCES;
    altered.sync = answered_sync;
    cr_assert(io_probe_run(io, &probe));
    cr_assert(eq(int, io_probe_refused(&probe), IO_OPERATION_SYNC));
    cr_assert(eq(i32, probe.errors[IO_OPERATION_SYNC], EACCES));
    cr_assert(probe.tried[IO_OPERATION_CANCEL]);
}

Test(io_probe, what_the_system_lacks_for_the_trial_refuses_nothing, .init = setup, .fini = teardown)
{
    struct io_probe probe;

    answer = -ENETUNREACH;
    altered.connect = answered_connect;
    cr_assert(io_probe_run(io, &probe));
    cr_assert(eq(int, io_probe_refused(&probe), IO_OPERATION_COUNT));
    cr_assert(not(probe.tried[IO_OPERATION_SEND]));

    answer = -EMFILE;
    cr_assert(io_probe_run(io, &probe));
    cr_assert(eq(int, io_probe_refused(&probe), IO_OPERATION_COUNT));

    answer = -ENOSPC;
    altered.writev = answered_writev;
    cr_assert(io_probe_run(io, &probe));
    cr_assert(eq(int, io_probe_refused(&probe), IO_OPERATION_COUNT));
}

/* What is in flight stays the backend's, so the io is left as it is: leaked on purpose. */
Test(io_probe, an_operation_that_never_ends_is_refused, .init = setup)
{
    struct io_probe probe;

    altered.sync = silent_sync;
    cr_assert(not(io_probe_run(io, &probe)));
    cr_assert(eq(int, io_probe_refused(&probe), IO_OPERATION_SYNC));
    cr_assert(eq(i32, probe.errors[IO_OPERATION_SYNC], ETIMEDOUT));
}

static enum err (*true_wait)(struct io *io, uint64_t timeout_ns);
static uint32_t late_waits; /* that many take longer than a step may */

static enum err late_wait(struct io *at, uint64_t timeout_ns)
{
    if (late_waits > 0) {
        late_waits--;
        usleep(2100000);
        return OK;
    }
    return true_wait(at, timeout_ns);
}

/* As after SIGSTOP: the time of the step is over, and nobody has looked. */
Test(io_probe, a_process_that_stood_still_looks_again, .init = setup, .fini = teardown)
{
    struct io_probe probe;

    true_wait = altered.wait;
    altered.wait = late_wait;
    late_waits = 1;
    cr_assert(io_probe_run(io, &probe));
    cr_assert(eq(u32, late_waits, 0));
    cr_assert(eq(int, io_probe_refused(&probe), IO_OPERATION_COUNT));
}

static void (*true_writev)(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                           uint32_t vec_count, uint64_t pos, bool dsync);

static void durable_refused(struct io *at, struct io_op *op, int32_t fd, const struct iovec *vec,
                            uint32_t vec_count, uint64_t pos, bool dsync)
{
    if (dsync)
        answer_at_once(at, op);
    else
        true_writev(at, op, fd, vec, vec_count, pos, dsync);
}

Test(io_probe, a_durable_write_is_asked_for_by_itself, .init = setup, .fini = teardown)
{
    struct io_probe probe;

    answer = -EOPNOTSUPP;
    true_writev = altered.writev;
    altered.writev = durable_refused;
    cr_assert(io_probe_run(io, &probe));
    cr_assert(eq(int, io_probe_refused(&probe), IO_OPERATION_WRITE_DURABLE));
}

static void deaf_cancel(struct io *at, struct io_op *op)
{
    unanswered = op;
}

/* Leaked on purpose, as above. */
Test(io_probe, a_cancel_that_does_nothing_is_refused, .init = setup)
{
    struct io_probe probe;

    altered.cancel = deaf_cancel;
    cr_assert(not(io_probe_run(io, &probe)));
    cr_assert(eq(int, io_probe_refused(&probe), IO_OPERATION_CANCEL));
}

Test(io_choose, plain_is_taken_without_a_look_when_it_is_wanted)
{
    struct io_choice choice;
    char why[IO_CHOICE_TEXT_MAX];

    cr_assert(eq(int, io_choose(IO_WANTED_PLAIN, &choice), OK));
    cr_assert(not(choice.ring));
    io_choice_why(&choice, why);
    cr_assert(eq(str, why, (char *)"levee.io=plain"));
}

/* One refused operation is enough; what was not tried, or lacked something, refuses nothing. */
Test(io_choose, a_ring_is_taken_when_no_operation_of_it_is_refused)
{
    for (uint32_t i = 0; i <= IO_OPERATION_COUNT; i++) {
        struct io_choice choice = {.operation = IO_OPERATION_COUNT};
        struct io_probe probe = {0};
        if (i < IO_OPERATION_COUNT)
            probe.errors[i] = EACCES;
        io_choice_judge(&probe, &choice);
        cr_assert(eq(int, choice.ring, i == IO_OPERATION_COUNT));
        cr_assert(eq(int, choice.operation, i));
        cr_assert(eq(int, choice.refusal,
                     i == IO_OPERATION_COUNT ? IO_REFUSAL_NONE : IO_REFUSAL_OPERATION));
        cr_assert(eq(i32, choice.error, i == IO_OPERATION_COUNT ? 0 : EACCES));
    }
}

Test(io_choose, auto_always_finds_a_backend)
{
    struct io_choice choice;
    struct io *chosen;

    cr_assert(eq(int, io_choose(IO_WANTED_AUTO, &choice), OK));
    cr_assert(eq(int, io_choice_create(&choice, &chosen), OK));
    chosen->v->destroy(chosen);
}

Test(io_choose, every_refusal_has_a_reason_and_advice)
{
    char why[IO_CHOICE_TEXT_MAX];

    for (int refusal = IO_REFUSAL_NONE; refusal <= IO_REFUSAL_RESOURCE; refusal++) {
        struct io_choice choice = {
            .refusal = (enum io_refusal)refusal, .error = EPERM, .operation = IO_OPERATION_ACCEPT};
        io_choice_why(&choice, why);
        cr_expect(ne(sz, strlen(why), 0));
        cr_expect(refusal == IO_REFUSAL_NONE || strstr(why, "EPERM") != NULL);
        cr_expect(ne(sz, strlen(io_choice_advice(&choice)), 0));
    }
}

Test(io_choose, the_three_words_are_known)
{
    enum io_wanted wanted = IO_WANTED_AUTO;

    cr_assert(io_wanted_parse("plain", &wanted));
    cr_assert(eq(int, (int)wanted, IO_WANTED_PLAIN));
    cr_assert(io_wanted_parse("ring", &wanted));
    cr_assert(eq(int, (int)wanted, IO_WANTED_RING));
    cr_assert(not(io_wanted_parse("epoll", &wanted)));
}
