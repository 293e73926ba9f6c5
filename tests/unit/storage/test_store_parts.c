/* The parts of a store that need no store: who waits for room, who waits for a commit, which
 * indexes stay in memory, which files stay open. */
#include "storage/commit_waiters.h"
#include "storage/index_cache.h"
#include "storage/open_files.h"
#include "storage/room_queue.h"
#include "tests/support/fake_io.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

TestSuite(store_parts, .timeout = 30);

/* ---- room_queue */

enum { WAITERS = 3 };

static struct room_queue room;

static struct guest {
    struct store_waiter waiter;
    uint32_t turns;
    uint32_t refusals;    /* of its next turns: false */
    bool journal_is_full; /* and then nobody else has a turn */
    bool waits_anew;
} guests[WAITERS];

static uint32_t order[16];
static uint32_t order_count;

static bool on_room(struct store_waiter *waiter)
{
    struct guest *guest = container_of(waiter, struct guest, waiter);

    guest->turns++;
    order[order_count++] = (uint32_t)(guest - guests);
    if (guest->refusals > 0) {
        guest->refusals--;
        if (guest->journal_is_full)
            room_queue_refuse(&room);
        return false;
    }
    if (guest->waits_anew) {
        guest->waits_anew = false;
        room_queue_wait(&room, waiter);
    }
    room_queue_give(&room); /* nothing: turns do not nest */
    return true;
}

static void all_wait(void)
{
    room_queue_init(&room);
    for (int i = 0; i < WAITERS; i++) {
        guests[i] = (struct guest){.waiter.room = on_room};
        room_queue_wait(&room, &guests[i].waiter);
    }
}

static void check_order(uint32_t count, const uint32_t *expected)
{
    cr_assert(eq(u32, order_count, count));
    for (uint32_t i = 0; i < count; i++)
        cr_assert(eq(u32, order[i], expected[i]), "turn %u", i);
    order_count = 0;
}

Test(store_parts, turns_come_in_the_order_of_waiting)
{
    all_wait();
    room_queue_cancel(&guests[1].waiter);
    room_queue_cancel(&guests[1].waiter); /* it does not wait */
    guests[0].waits_anew = true;
    room_queue_give(&room);
    check_order(3, (const uint32_t[]){0, 2, 0});
    cr_assert(room_queue_is_empty(&room));
}

Test(store_parts, who_is_refused_keeps_its_turn_and_nobody_passes_it_into_the_journal)
{
    all_wait();
    guests[1].refusals = 1;
    guests[1].journal_is_full = true;
    room_queue_give(&room);
    check_order(2, (const uint32_t[]){0, 1});
    cr_assert(room_queue_must_wait(&room, false));
    cr_assert(not(room_queue_must_wait(&room, true))); /* reserved space */
    room_queue_give(&room);
    check_order(2, (const uint32_t[]){1, 2});
    cr_assert(not(room_queue_must_wait(&room, false)));
}

Test(store_parts, where_the_memory_did_not_suffice_less_may)
{
    all_wait();
    guests[0].refusals = 1;
    room_queue_give(&room);
    check_order(3, (const uint32_t[]){0, 1, 2});
    room_queue_give(&room);
    check_order(1, (const uint32_t[]){0});
}

/* ---- commit_waiters */

static struct commit_waiters commits;

static struct patient {
    struct commit_waiter waiter;
    uint32_t told_count;
    uint32_t dropped_count;
    enum err err;
    bool waits_anew;
} patients[WAITERS];

static void on_committed(struct commit_waiter *waiter, enum err err)
{
    struct patient *patient = container_of(waiter, struct patient, waiter);

    patient->told_count++;
    patient->err = err;
    if (patient->waits_anew) {
        patient->waits_anew = false;
        commit_waiters_add(&commits, waiter);
    }
}

static void on_dropped(struct commit_waiter *waiter)
{
    container_of(waiter, struct patient, waiter)->dropped_count++;
}

static void wait_for(uint64_t first, uint64_t second, uint64_t third)
{
    const uint64_t sequences[WAITERS] = {first, second, third};

    commit_waiters_init(&commits);
    for (int i = 0; i < WAITERS; i++) {
        patients[i] = (struct patient){
            .waiter = {.sequence = sequences[i], .committed = on_committed, .dropped = on_dropped}};
        commit_waiters_add(&commits, &patients[i].waiter);
    }
}

static void check_told(uint32_t first, uint32_t second, uint32_t third)
{
    cr_assert(eq(u32, patients[0].told_count, first));
    cr_assert(eq(u32, patients[1].told_count, second));
    cr_assert(eq(u32, patients[2].told_count, third));
}

Test(store_parts, a_sequence_is_told_to_those_at_and_below_it)
{
    wait_for(4, 5, 7);
    commit_waiters_reached(&commits, 3);
    check_told(0, 0, 0);
    commit_waiters_reached(&commits, 5);
    check_told(1, 1, 0);
    cr_assert(eq(int, patients[1].err, OK));
    commit_waiters_reached(&commits, 5);
    check_told(1, 1, 0);
    commit_waiters_drop(&commits);
    check_told(1, 1, 0);
    cr_assert(eq(u32, patients[2].dropped_count, 1));
}

Test(store_parts, a_failure_is_told_once_to_those_that_wait)
{
    wait_for(4, 4, 4);
    patients[0].waits_anew = true;
    commit_waiters_fail(&commits, ERR_STORAGE);
    check_told(1, 1, 1);
    cr_assert(eq(int, patients[2].err, ERR_STORAGE));
    commit_waiters_drop(&commits);
    cr_assert(eq(u32, patients[0].dropped_count, 1));
}

/* ---- index_cache */

static struct index_cache cache;

static struct shelf {
    struct cached_indexes cached;
    bool in_use;
} shelves[4];

static void unload(struct cached_indexes *indexes)
{
    if (!container_of(indexes, struct shelf, cached)->in_use)
        index_cache_forget(&cache, indexes);
}

static bool is_kept(const struct shelf *shelf)
{
    return list_is_linked(&shelf->cached.node);
}

Test(store_parts, the_indexes_that_were_not_used_for_longest_go)
{
    index_cache_init(&cache, 100, unload);
    for (int i = 0; i < 3; i++)
        index_cache_use(&cache, &shelves[i].cached, 40);
    cr_assert(not(is_kept(&shelves[0])));
    cr_assert(is_kept(&shelves[1]));
    index_cache_use(&cache, &shelves[1].cached, 50); /* it grew */
    cr_assert(eq(u64, cache.bytes, 90));
    index_cache_use(&cache, &shelves[3].cached, 40);
    cr_assert(is_kept(&shelves[1]));
    cr_assert(not(is_kept(&shelves[2])));
    shelves[1].in_use = true;
    index_cache_use(&cache, &shelves[0].cached, 200); /* the one in use does not go */
    cr_assert(is_kept(&shelves[1]));
    cr_assert(not(is_kept(&shelves[3])));
    cr_assert(eq(u64, cache.bytes, 250));
    index_cache_forget(&cache, &shelves[0].cached);
    index_cache_forget(&cache, &shelves[1].cached);
    cr_assert(eq(u64, cache.bytes, 0));
}

/* ---- open_files */

Test(store_parts, files_stay_open_up_to_a_bound_but_those_in_use)
{
    static struct fake_io fake;
    struct open_files files;
    struct gauge gauge = {0};
    struct open_file open[3] = {{.fd = -1}, {.fd = -1}, {.fd = -1}};

    fake_io_init(&fake);
    open_files_init(&files, &fake.io, 1, &gauge);
    cr_assert(eq(int, open_files_open(&files, &open[0], "a.x"), OK));
    open[0].io_count = 1;
    cr_assert(eq(int, open_files_open(&files, &open[1], "b.x"), OK));
    cr_assert(eq(u32, files.count, 2)); /* the first is in use */
    cr_assert(eq(u32, fake.open_count, 2));
    open_files_io_ended(&files, &open[0]);
    cr_assert(eq(i32, open[0].fd, -1));
    cr_assert(le(i32, 0, open[1].fd));
    open[1].io_count = 1;
    open_files_leave(&files, &open[1]);
    cr_assert(eq(u32, files.count, 0));
    cr_assert(eq(u32, fake.open_count, 1)); /* until its operation has ended */
    open_files_io_ended(&files, &open[1]);
    open_files_close(&files, &open[1]);
    cr_assert(eq(u32, fake.open_count, 0));
    fake_io_fail(&fake, FAKE_OPEN, 1, 24 /* EMFILE */);
    cr_assert(ne(int, open_files_open(&files, &open[2], "c.x"), OK));
    cr_assert(eq(i32, open[2].fd, -1));
    cr_assert(eq(u32, files.count, 0));
}
