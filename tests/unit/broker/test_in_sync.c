#include "base/prng.h"
#include "broker/in_sync.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>

enum { SELF = 1 };

static struct in_sync set;

/* Committed: replicas 1 2 3 at leader epoch 5, partition epoch 7, our log ends at 100. */
static enum err commit(int32_t leader_epoch, int32_t partition_epoch, const int32_t *isr,
                       uint32_t isr_count)
{
    static const int32_t replicas[] = {3, 1, 2};
    struct in_sync_state state = {.leader = SELF,
                                  .leader_epoch = leader_epoch,
                                  .partition_epoch = partition_epoch,
                                  .replicas = replicas,
                                  .replica_count = 3,
                                  .isr = isr,
                                  .isr_count = isr_count};

    return in_sync_commit(&set, &state, 100);
}

#define IDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / 4

static void setup(void)
{
    in_sync_init(&set, SELF, 1);
    cr_assert(eq(int, commit(5, 7, IDS(1, 2)), OK));
    in_sync_tell_own(&set, 100);
}

TestSuite(in_sync, .init = setup);

static void tell(int32_t id, int64_t end_offset)
{
    cr_assert(eq(int, in_sync_tell(&set, id, end_offset), OK));
}

static struct in_sync_change propose(const int32_t *ids, uint32_t count, int64_t high_watermark)
{
    struct in_sync_change change;

    cr_assert(eq(int, in_sync_propose(&set, ids, count, high_watermark, &change), OK));
    return change;
}

Test(in_sync, before_the_first_committed_state_nothing_is_led)
{
    struct in_sync_change change;

    in_sync_init(&set, SELF, 1);
    cr_assert(not(in_sync_leads(&set)));
    cr_assert(not(in_sync_has_enough(&set)));
    in_sync_tell_own(&set, 50);
    cr_assert(eq(i64, in_sync_high_watermark(&set, 10), 10));
    cr_assert(not(in_sync_has(&set, SELF)));
    cr_assert(eq(int, in_sync_tell(&set, SELF, 50), ERR_NOT_FOUND));
    cr_assert(eq(int, in_sync_propose(&set, IDS(1), 0, &change), ERR_NOT_FOUND));
}

Test(in_sync, one_replica_follows_its_own_end_whatever_the_minimum)
{
    int32_t one = SELF;
    struct in_sync_state state = {
        .leader = SELF, .replicas = &one, .replica_count = 1, .isr = &one, .isr_count = 1};

    in_sync_init(&set, SELF, 3);
    cr_assert(eq(int, in_sync_commit(&set, &state, 0), OK));
    cr_assert(eq(u32, in_sync_effective_min(&set), 1));
    cr_assert(in_sync_has_enough(&set));
    in_sync_tell_own(&set, 12);
    cr_assert(eq(i64, in_sync_high_watermark(&set, 0), 12));
    in_sync_tell_own(&set, 5); /* less counts now: a durability that asks for more */
    cr_assert(eq(i64, in_sync_high_watermark(&set, 12), 12));
}

Test(in_sync, the_high_watermark_is_the_least_end_of_the_set)
{
    cr_assert(eq(i64, in_sync_high_watermark(&set, 3), 3)); /* 2 has told nothing yet */
    tell(2, 60);
    cr_assert(eq(i64, in_sync_high_watermark(&set, 3), 60));
    tell(3, 10); /* not in sync: nobody waits for it */
    cr_assert(eq(i64, in_sync_high_watermark(&set, 60), 60));
    tell(2, 120); /* further than we say that we are */
    cr_assert(eq(i64, in_sync_high_watermark(&set, 60), 100));
    tell(2, 40); /* lost its tail */
    cr_assert(eq(i64, in_sync_high_watermark(&set, 100), 100));
    cr_assert(eq(int, in_sync_tell(&set, 9, 1000), ERR_NOT_FOUND));
}

Test(in_sync, below_the_minimum_nothing_moves_and_acks_all_is_not_promised)
{
    tell(2, 60);
    in_sync_set_min(&set, 2);
    cr_assert(in_sync_has_enough(&set));
    in_sync_set_min(&set, 3);
    cr_assert(not(in_sync_has_enough(&set)));
    cr_assert(eq(i64, in_sync_high_watermark(&set, 3), 3));
    in_sync_set_min(&set, 9); /* no more than there are replicas */
    cr_assert(eq(u32, in_sync_effective_min(&set), 3));
    tell(3, 60);
    cr_assert(eq(int, commit(5, 8, IDS(1, 2, 3)), OK));
    cr_assert(in_sync_has_enough(&set));
    cr_assert(eq(i64, in_sync_high_watermark(&set, 3), 60));
}

Test(in_sync, a_replica_that_would_join_holds_the_watermark_at_once_and_counts_later)
{
    struct in_sync_change change;

    in_sync_set_min(&set, 3);
    tell(2, 150);
    tell(3, 110);
    in_sync_tell_own(&set, 150);
    change = propose(IDS(1, 2, 3), 100);
    cr_assert(eq(u32, change.isr_count, 3));
    cr_assert(eq(i32, change.leader_epoch, 5));
    cr_assert(eq(i32, change.partition_epoch, 7));
    cr_assert(in_sync_has_maximal(&set, 3));
    cr_assert(not(in_sync_has(&set, 3)));
    cr_assert(not(in_sync_has_enough(&set))); /* not yet promised */
    in_sync_set_min(&set, 1);
    cr_assert(eq(i64, in_sync_high_watermark(&set, 100), 110)); /* but waited for */
    cr_assert(in_sync_accepted(&set, &change, 8));
    in_sync_set_min(&set, 3);
    cr_assert(in_sync_has(&set, 3));
    cr_assert(in_sync_has_enough(&set));
    cr_assert(eq(i32, set.partition_epoch, 8));
    cr_assert(eq(int, commit(5, 8, IDS(1, 2, 3)), OK)); /* the same by the metadata */
    cr_assert(eq(i64, in_sync_high_watermark(&set, 100), 110));
}

Test(in_sync, a_replica_that_would_go_is_waited_for_until_that_is_committed)
{
    struct in_sync_change change;

    tell(2, 40);
    change = propose(IDS(1), 30);
    cr_assert(eq(u32, change.isr_count, 1));
    cr_assert(in_sync_has_maximal(&set, 2));
    cr_assert(eq(i64, in_sync_high_watermark(&set, 30), 40));
    cr_assert(in_sync_accepted(&set, &change, 8));
    cr_assert(not(in_sync_has_maximal(&set, 2)));
    cr_assert(eq(i64, in_sync_high_watermark(&set, 40), 100));
    in_sync_set_min(&set, 2);
    cr_assert(not(in_sync_has_enough(&set)));
}

Test(in_sync, a_refused_change_leaves_the_committed_set)
{
    struct in_sync_change change;

    tell(2, 100);
    tell(3, 100);
    in_sync_tell_own(&set, 200);
    tell(2, 200);
    change = propose(IDS(1, 2, 3), 100);
    cr_assert(eq(i64, in_sync_high_watermark(&set, 100), 100));
    cr_assert(in_sync_refused(&set, &change));
    cr_assert(eq(i64, in_sync_high_watermark(&set, 100), 200));
    cr_assert(eq(i32, set.partition_epoch, 7));
    cr_assert(not(in_sync_refused(&set, &change)));
    cr_assert(not(in_sync_accepted(&set, &change, 8)));
    cr_assert(not(in_sync_has_maximal(&set, 3)));
}

Test(in_sync, one_change_at_a_time_and_only_its_own_answer_ends_it)
{
    struct in_sync_change first;
    struct in_sync_change second;

    tell(2, 100);
    tell(3, 100);
    first = propose(IDS(1), 100);
    cr_assert(eq(int, in_sync_propose(&set, IDS(1, 2, 3), 100, &second), ERR_EXISTS));
    cr_assert(in_sync_refused(&set, &first));
    second = propose(IDS(1, 2, 3), 100);
    cr_assert(not(in_sync_refused(&set, &first))); /* a late answer, on the same epochs */
    cr_assert(not(in_sync_accepted(&set, &first, 8)));
    cr_assert(in_sync_has_maximal(&set, 3));
    cr_assert(not(in_sync_accepted(&set, &second, 6))); /* older than what we have */
    cr_assert(in_sync_accepted(&set, &second, 8));
}

Test(in_sync, a_newer_committed_state_ends_a_pending_change)
{
    struct in_sync_change change;

    tell(3, 100);
    change = propose(IDS(1, 2, 3), 100);
    cr_assert(eq(int, commit(5, 7, IDS(1, 2)), OK)); /* the state that we have says nothing */
    cr_assert(in_sync_has_maximal(&set, 3));
    cr_assert(eq(int, commit(5, 6, IDS(1, 2)), ERR_FENCED_EPOCH));
    cr_assert(eq(int, commit(4, 9, IDS(1, 2)), ERR_FENCED_EPOCH));
    cr_assert(in_sync_has_maximal(&set, 3));
    cr_assert(eq(int, commit(5, 8, IDS(1)), OK)); /* the controller fenced 2 */
    cr_assert(not(in_sync_has_maximal(&set, 3)));
    cr_assert(not(in_sync_has_maximal(&set, 2)));
    cr_assert(not(in_sync_accepted(&set, &change, 9)));
    cr_assert(eq(i32, set.partition_epoch, 8));
    cr_assert(eq(u32, propose(IDS(1, 3), 100).isr_count, 2)); /* 3 is where it was */
}

Test(in_sync, a_new_leader_epoch_forgets_what_the_followers_told)
{
    tell(2, 100);
    cr_assert(eq(int, commit(5, 8, IDS(1, 2)), OK));
    cr_assert(eq(i64, in_sync_high_watermark(&set, 3), 100)); /* the same leader goes on */
    cr_assert(eq(int, commit(6, 9, IDS(1, 2)), OK));
    cr_assert(eq(i64, in_sync_high_watermark(&set, 3), 3));
    tell(2, 50);
    cr_assert(eq(i64, in_sync_high_watermark(&set, 3), 50)); /* we are where we were */
}

Test(in_sync, who_is_behind_does_not_join)
{
    struct in_sync_change change;

    in_sync_tell_own(&set, 200);
    cr_assert(eq(int, in_sync_propose(&set, IDS(1, 2, 3), 10, &change), ERR_OFFSET_RANGE));
    tell(3, 99); /* the leader epoch began at 100 */
    cr_assert(eq(int, in_sync_propose(&set, IDS(1, 2, 3), 10, &change), ERR_OFFSET_RANGE));
    tell(3, 119);
    cr_assert(eq(int, in_sync_propose(&set, IDS(1, 2, 3), 120, &change), ERR_OFFSET_RANGE));
    tell(3, 120);
    propose(IDS(1, 2, 3), 120); /* 2 is behind, but in it already */
}

Test(in_sync, a_set_that_makes_no_sense_is_not_proposed)
{
    struct in_sync_change change;

    tell(3, 1000);
    cr_assert(eq(int, in_sync_propose(&set, IDS(2, 3), 0, &change), ERR_INVALID)); /* without us */
    cr_assert(eq(int, in_sync_propose(&set, IDS(1, 4), 0, &change), ERR_INVALID));
    cr_assert(eq(int, in_sync_propose(&set, IDS(1, 3, 3), 0, &change), ERR_INVALID));
    cr_assert(eq(int, in_sync_propose(&set, NULL, 0, 0, &change), ERR_INVALID));
    cr_assert(eq(int, in_sync_propose(&set, IDS(2, 1), 0, &change), ERR_INVALID)); /* as it is */
    propose(IDS(3, 1), 0);
}

Test(in_sync, a_committed_state_that_makes_no_sense_leads_nothing)
{
    static const int32_t many[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
    static const int32_t twice[] = {1, 2, 2};
    struct in_sync_state state = {.leader = SELF, .leader_epoch = 5, .partition_epoch = 8};

    cr_assert(eq(int, commit(5, 8, IDS(2, 3)), ERR_INVALID)); /* without its leader */
    cr_assert(not(in_sync_leads(&set)));
    cr_assert(eq(i64, in_sync_high_watermark(&set, 3), 3));
    cr_assert(eq(int, commit(5, 9, IDS(1, 4)), ERR_INVALID)); /* no replica */
    cr_assert(eq(int, commit(5, 10, IDS(1, 1)), ERR_INVALID));
    cr_assert(eq(int, commit(5, 11, NULL, 0), ERR_INVALID));
    state.isr = many;
    state.isr_count = 1;
    state.replicas = many;
    state.replica_count = 17;
    state.partition_epoch = 12;
    cr_assert(eq(int, in_sync_commit(&set, &state, 0), ERR_TOO_LARGE));
    cr_assert(not(in_sync_leads(&set)));
    state.replica_count = 16;
    state.partition_epoch = 13;
    cr_assert(eq(int, in_sync_commit(&set, &state, 0), OK));
    cr_assert(eq(u32, set.replica_count, 16));
    state.replicas = twice;
    state.replica_count = 3;
    state.partition_epoch = 14;
    cr_assert(eq(int, in_sync_commit(&set, &state, 0), ERR_INVALID));
    state.replicas = many + 1; /* without us */
    state.partition_epoch = 15;
    cr_assert(eq(int, in_sync_commit(&set, &state, 0), ERR_INVALID));
    cr_assert(not(in_sync_leads(&set)));
    state.leader = 2; /* another's, which is no error */
    state.partition_epoch = 16;
    cr_assert(eq(int, in_sync_commit(&set, &state, 0), OK));
    cr_assert(not(in_sync_leads(&set)));
    cr_assert(eq(i32, set.partition_epoch, 16));
}

/* A leader, its replicas and a controller at random; the answer of a change may be late, lost to a
 * newer state, or a refusal.  Whatever is below the high watermark is on every committed member. */
static void walk(uint64_t seed)
{
    struct prng prng;
    int64_t ends[4] = {0}; /* by id; what they have, of which they tell */
    int64_t high_watermark = 0;
    uint32_t committed = 2; /* bit id */
    int32_t epoch = 1;
    struct in_sync_change change = {0};
    bool asked = false;

    prng_init(&prng, seed);
    in_sync_init(&set, SELF, 1);
    cr_assert(eq(int, commit(1, epoch, IDS(1)), OK));
    set.epoch_start_offset = 0;
    for (int step = 0; step < 2000; step++) {
        int32_t id = 2 + (int32_t)prng_below(&prng, 2);
        int32_t ids[3] = {SELF, id};
        uint32_t count = 2;
        int64_t before = high_watermark;
        switch (prng_below(&prng, 6)) {
        case 0:
            ends[SELF] += (int64_t)prng_below(&prng, 5);
            break;
        case 1: /* a follower fetches, and tells what it has */
            ends[id] += (int64_t)prng_below(&prng, (uint64_t)(ends[SELF] - ends[id]) + 1);
            tell(id, ends[id]);
            break;
        case 2: /* one joins or goes */
            if (in_sync_has(&set, id))
                ids[1] = 5 - id;
            count = in_sync_has(&set, id) && !in_sync_has(&set, 5 - id) ? 1 : 2;
            if (!in_sync_has(&set, id) && in_sync_has(&set, 5 - id))
                ids[count++] = 5 - id;
            if (in_sync_propose(&set, ids, count, high_watermark, &change) == OK)
                asked = true;
            break;
        case 3: /* the controller decides; by the answer or by the metadata */
            if (!asked)
                break;
            asked = false;
            if (prng_below(&prng, 3) == 0) {
                in_sync_refused(&set, &change);
                break;
            }
            if (change.partition_epoch != epoch)
                break; /* superseded */
            epoch++;
            committed = 0;
            for (uint32_t i = 0; i < change.isr_count; i++)
                committed |= 1U << change.isr[i];
            if (prng_below(&prng, 2) == 0)
                cr_assert(in_sync_accepted(&set, &change, epoch));
            else
                cr_assert(eq(int, commit(1, epoch, change.isr, change.isr_count), OK));
            break;
        case 4: /* the controller takes a follower out by itself */
            if (prng_below(&prng, 10) != 0)
                break;
            epoch++;
            committed = 2;
            cr_assert(eq(int, commit(1, epoch, IDS(1)), OK));
            break;
        default:
            in_sync_tell_own(&set, ends[SELF]);
            high_watermark = in_sync_high_watermark(&set, high_watermark);
            break;
        }
        cr_assert(ge(i64, high_watermark, before), "seed %" PRIu64, seed);
        for (int32_t member = 1; member <= 3; member++) {
            bool is_in = (committed & (1U << member)) != 0;
            cr_assert(eq(int, in_sync_has(&set, member), is_in), "seed %" PRIu64, seed);
            if (is_in)
                cr_assert(ge(i64, ends[member], high_watermark), "seed %" PRIu64 " step %d", seed,
                          step);
        }
    }
    cr_assert(lt(i64, 0, high_watermark), "seed %" PRIu64, seed);
}

Test(in_sync, what_is_below_the_high_watermark_is_on_every_committed_member)
{
    for (uint64_t seed = 1; seed <= 200; seed++)
        walk(seed);
}
