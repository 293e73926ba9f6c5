#include "base/clock_system.h"
#include "base/io_system.h"
#include "base/offload.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <semaphore.h>

/* A loop that sleeps until a thread posts. */
static struct clock clock_;
static struct io *io;
static struct loop loop;

struct piece {
    struct offload_job job;
    pthread_t worked_on;
    pthread_t done_on;
    uint32_t place; /* in which work began */
    bool is_done;
    sem_t *held_by; /* the work waits for it, or NULL */
};

static uint32_t begun_count; /* atomic */
static uint32_t done_count;

static void setup(void)
{
    struct io_uring_options options = {0};

    clock_system_init(&clock_);
    cr_assert(eq(int, io_uring_create(&options, &io), OK));
    loop_init(&loop, 0, io, &clock_);
}

static void teardown(void)
{
    loop_deinit(&loop);
    io->v->destroy(io);
}

TestSuite(offload, .init = setup, .fini = teardown, .timeout = 600);

static void work(struct offload_job *job)
{
    struct piece *piece = container_of(job, struct piece, job);

    piece->place = __atomic_fetch_add(&begun_count, 1, __ATOMIC_RELAXED);
    piece->worked_on = pthread_self();
    if (piece->held_by != NULL)
        sem_wait(piece->held_by);
}

static void done(struct offload_job *job)
{
    struct piece *piece = container_of(job, struct piece, job);

    piece->is_done = true;
    piece->done_on = pthread_self();
    done_count++;
}

static void start(struct offload *offload, struct piece *piece)
{
    piece->job.work = work;
    piece->job.done = done;
    offload_start(offload, &piece->job, &loop);
    cr_assert(not(piece->is_done)); /* OFF-2 */
}

static void turn_until_done(uint32_t count)
{
    while (done_count < count)
        cr_assert(eq(int, loop_turn(&loop, LOOP_WAIT_FOREVER), OK));
}

Test(offload, work_is_done_beside_the_loop_and_comes_back_to_it)
{
    struct offload *offload;
    struct piece piece = {0};

    cr_assert(eq(int, offload_create(2, &offload), OK));
    start(offload, &piece);
    turn_until_done(1);
    cr_assert(not(pthread_equal(piece.worked_on, pthread_self())));
    cr_assert(pthread_equal(piece.done_on, pthread_self()));
    offload_destroy(offload);
}

Test(offload, one_that_takes_long_holds_up_neither_the_loop_nor_the_other_thread)
{
    struct offload *offload;
    struct piece slow = {0};
    struct piece quick = {0};
    sem_t held;

    sem_init(&held, 0, 0);
    slow.held_by = &held;
    cr_assert(eq(int, offload_create(2, &offload), OK));
    start(offload, &slow);
    start(offload, &quick);
    turn_until_done(1);
    cr_assert(quick.is_done);
    cr_assert(not(slow.is_done));
    sem_post(&held);
    turn_until_done(2);
    offload_destroy(offload);
    sem_destroy(&held);
}

Test(offload, jobs_begin_in_their_order)
{
    enum { JOBS = 1000 };
    static struct piece pieces[JOBS];
    struct offload *offload;

    cr_assert(eq(int, offload_create(1, &offload), OK));
    for (int i = 0; i < JOBS; i++)
        start(offload, &pieces[i]);
    turn_until_done(JOBS);
    for (uint32_t i = 0; i < JOBS; i++)
        cr_assert(eq(u32, pieces[i].place, i)); /* OFF-3 */
    offload_destroy(offload);
}

Test(offload, without_threads_the_loop_works_in_a_later_turn)
{
    struct piece piece = {0};

    start(NULL, &piece);
    cr_assert(eq(u32, begun_count, 0));
    turn_until_done(1);
    cr_assert(pthread_equal(piece.worked_on, pthread_self()));
}

Test(offload, an_end_waits_for_what_has_begun_and_drops_the_rest)
{
    struct offload *offload;
    struct piece pieces[2] = {0};
    sem_t held;

    sem_init(&held, 0, 0);
    pieces[0].held_by = &held;
    cr_assert(eq(int, offload_create(1, &offload), OK));
    start(offload, &pieces[0]);
    while (__atomic_load_n(&begun_count, __ATOMIC_RELAXED) == 0)
        continue;
    start(offload, &pieces[1]);
    sem_post(&held);
    offload_destroy(offload);
    cr_assert(le(u32, begun_count, 2)); /* the second one may have been taken before the end */
    sem_destroy(&held);
}
