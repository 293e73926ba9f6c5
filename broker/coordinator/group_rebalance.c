/* How a group moves: a rebalance begins, a generation is formed, members are lost, time passes
 * (Kafka's ClassicGroup; KIP-62, 134, 345, 394).
 *
 * The walk of a rebalance: prepare → each member joins (group_join.c), or is gone when the timer
 * ends → the number of the generation is recorded → form it, choose protocol and leader, answer all
 * joins → the leader's sync brings the assignment (group_sync.c) → recorded → stable, all syncs
 * answered. */
#include "broker/coordinator/group_rebalance.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/sometimes.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_answer.h"
#include "broker/coordinator/group_records.h"

#include <string.h>

enum {
    LATE_MAX_NS = 500000000, /* a timer that fires later was not looked at in time */
    NEW_MEMBER_WAITS_MAX_MS = 5 * 60 * 1000,
};

struct loop *group_loop(const struct group *group)
{
    return &group->coordinator->shard->loop;
}

/* ---- time */

static uint64_t rebalance_timeout_of(const struct group *group)
{
    int32_t longest = 0;

    list_for_each(node, &group->members)
    {
        int32_t timeout = container_of(node, struct group_member, node)->terms.rebalance_timeout_ms;
        if (timeout > longest)
            longest = timeout;
    }
    return (uint64_t)longest;
}

/* How long it may be silent, in milliseconds. */
static uint64_t session_of(const struct group_member *member)
{
    return member->is_new && member->join != NULL ? NEW_MEMBER_WAITS_MAX_MS
                                                  : (uint64_t)member->terms.session_timeout_ms;
}

/* How long the rebalance may go on, counted anew, in milliseconds. */
static uint64_t rebalance_of(const struct group *group)
{
    return group->initial_delay
               ? (uint64_t)coordinator_config(group->coordinator)->group_initial_rebalance_delay_ms
               : rebalance_timeout_of(group);
}

/* Who has not joined by then, or later synced, is out. */
static void set_rebalance_timer(struct group *group, uint64_t timeout_ms)
{
    group->is_excused = false;
    loop_set_timer_ms(group_loop(group), &group->rebalance, timeout_ms);
}

void group_forget(struct group_member *member, int16_t error_code)
{
    struct request *join = member->join;
    struct request *sync = member->sync;

    loop_cancel_timer(group_loop(member->group), &member->session);
    member->join = NULL;
    member->sync = NULL;
    if (join != NULL)
        group_refuse_join(join, error_code, NULL);
    if (sync != NULL)
        group_refuse_sync(sync, error_code);
    group_remove_member(member);
}

/* A member is gone: the rest rebalances. */
void group_after_loss(struct group *group)
{
    if (group->state == GROUP_STABLE || group->state == GROUP_COMPLETING)
        group_prepare_rebalance(group);
    else if (group->state == GROUP_PREPARING)
        group_try_complete(group);
}

static void restart(struct group *group, struct timer *timer, bool *is_excused, uint64_t timeout_ms)
{
    if (!timer_is_set(timer) || *is_excused)
        return;
    *is_excused = true;
    loop_set_timer_ms(group_loop(group), timer, timeout_ms);
}

/* Each waits its whole time from now; but whoever was excused and has not been heard of since goes
 * on with the time that it has, or a loop that is always late would keep the dead for ever. */
static void restart_timers(struct group *group)
{
    restart(group, &group->rebalance, &group->is_excused, rebalance_of(group));
    list_for_each(node, &group->members)
    {
        struct group_member *member = container_of(node, struct group_member, node);
        restart(group, &member->session, &member->is_excused, session_of(member));
    }
    list_for_each(node, &group->pending)
    {
        struct group_pending *pending = container_of(node, struct group_pending, node);
        restart(group, &pending->expiry, &pending->is_excused, pending->timeout_ms);
    }
}

/* The process stood still (stopped, or its machine frozen): nobody could be heard of meanwhile, so
 * nobody is out for that (DUR-F14).  False: the one whose timer fired has had its second time. */
static bool was_asleep(const struct group *group, struct timer *timer, bool *is_excused,
                       uint64_t timeout_ms)
{
    struct group_coordinator *groups = group->coordinator;
    uint64_t now_ns = loop_now_ns(group_loop(group));
    size_t cursor = 0;
    struct group *each;

    if (*is_excused || now_ns < timer->deadline_ns + LATE_MAX_NS)
        return false;
    log_line(groups->shard->sink, LOG_WARN, "LVE-5004",
             "time passed without a turn of the loop: the sessions of members begin anew",
             log_u64("late_ms", (now_ns - timer->deadline_ns) / 1000000U));
    while ((each = hash_map_next(&groups->groups, &cursor)) != NULL)
        restart_timers(each);
    *is_excused = true;
    loop_set_timer_ms(group_loop(group), timer, timeout_ms);
    return true;
}

static void on_session_end(struct timer *timer)
{
    struct group_member *member = container_of(timer, struct group_member, session);
    struct group *group = member->group;

    if (was_asleep(group, timer, &member->is_excused, session_of(member)))
        return;
    SOMETIMES("group: a member was not heard of for its session timeout", true);
    log_line(group->coordinator->shard->sink, LOG_INFO, "LVE-5003",
             "a member was not heard of for its session timeout and is out of its group",
             log_text("group", group->id, group->id_bytes), log_str("member", member->id),
             log_u64("session_timeout_ms", session_of(member)));
    group_forget(member, KAFKA_UNKNOWN_MEMBER_ID);
    group_after_loss(group);
}

void group_touch(struct group_member *member)
{
    member->session.fire = on_session_end;
    member->is_excused = false;
    loop_set_timer_ms(group_loop(member->group), &member->session, session_of(member));
}

/* While a member's request waits here, it is the broker that is late.  But one that does not know
 * its id yet cannot be told from a new one when its client gives up and asks again: such a wait
 * ends by itself (Kafka's classicGroupNewMemberJoinTimeoutMs). */
void group_hold_session(struct group_member *member)
{
    if (member->is_new && member->join != NULL)
        group_touch(member);
    else
        loop_cancel_timer(group_loop(member->group), &member->session);
}

void group_on_pending_end(struct timer *timer)
{
    struct group_pending *pending = container_of(timer, struct group_pending, expiry);
    struct group *group = pending->group;

    if (was_asleep(group, timer, &pending->is_excused, pending->timeout_ms))
        return;
    group_remove_pending(pending);
    if (group->state == GROUP_PREPARING)
        group_try_complete(group);
    coordinator_drop_if_idle(group);
}

void group_end_pending(struct group *group)
{
    while (!list_is_empty(&group->pending)) {
        struct group_pending *pending = list_first(&group->pending, struct group_pending, node);
        loop_cancel_timer(group_loop(group), &pending->expiry);
        group_remove_pending(pending);
    }
}

void group_start_sessions(struct group *group)
{
    if (group->state == GROUP_PREPARING) /* as it was when the process ended */
        group_prepare_rebalance(group);
    list_for_each(node, &group->members)
    {
        group_touch(container_of(node, struct group_member, node));
    }
}

void group_cancel_timers(struct group *group)
{
    loop_cancel_timer(group_loop(group), &group->rebalance);
    list_for_each(node, &group->members)
    {
        loop_cancel_timer(group_loop(group),
                          &container_of(node, struct group_member, node)->session);
    }
    list_for_each(node, &group->pending)
    {
        loop_cancel_timer(group_loop(group),
                          &container_of(node, struct group_pending, node)->expiry);
    }
}

void group_end_waits(struct group *group, int16_t error_code)
{
    list_for_each(node, &group->members)
    {
        struct group_member *member = container_of(node, struct group_member, node);
        struct request *join = member->join;
        struct request *sync = member->sync;
        member->join = NULL;
        member->sync = NULL;
        if (join == NULL && sync == NULL)
            continue;
        group_touch(member);
        if (join != NULL)
            group_refuse_join(join, error_code, NULL);
        if (sync != NULL)
            group_refuse_sync(sync, error_code);
    }
}

/* ---- recording that nobody is left */

static void on_empty_recorded(struct group_write *write, enum err err)
{
    struct group *group = write->group;

    group_write_end(write);
    mem_free(write);
    coordinator_drop_if_idle(group);
}

/* Without memory, as when it cannot be written: a start goes on with what the log says, whose
 * members are out when their sessions end. */
void group_record(struct group *group)
{
    struct group_write *write = mem_try_alloc(sizeof(*write));

    if (write == NULL)
        return;
    if (!group_write_begin(write, group, on_empty_recorded)) {
        mem_free(write);
        return;
    }
    group_records_metadata(write, NULL);
    runtime_write_start(&write->records);
}

/* ---- a generation is formed */

static bool all_joined(const struct group *group)
{
    if (group->pending_count > 0)
        return false; /* first: each of them that goes asks */
    list_for_each(node, &group->members)
    {
        if (container_of(node, struct group_member, node)->join == NULL)
            return false;
    }
    return true;
}

/* Those who did not come are out, but for static members, whose place is kept (KIP-345). */
static void drop_absent(struct group *group)
{
    list_for_each_safe(node, &group->members)
    {
        struct group_member *member = container_of(node, struct group_member, node);
        if (member->join == NULL && member->instance_id == NULL)
            group_forget(member, KAFKA_UNKNOWN_MEMBER_ID);
    }
}

static void choose_leader(struct group *group)
{
    if (group->leader != NULL && group->leader->join != NULL)
        return;
    list_for_each(node, &group->members)
    {
        struct group_member *member = container_of(node, struct group_member, node);
        if (member->join != NULL) {
            group->leader = member;
            return;
        }
    }
}

static bool anybody_joined(const struct group *group)
{
    list_for_each(node, &group->members)
    {
        if (container_of(node, struct group_member, node)->join != NULL)
            return true;
    }
    return false;
}

static void complete_join(struct group *group);

/* No generation comes of this: who waited joins again. */
static void end_round(struct group *group, enum err err)
{
    group_end_waits(group, coordinator_record_error(err));
    group_prepare_rebalance(group);
}

/* ---- the number of a generation: told to nobody before it is recorded, or a start after a crash
 * would give it to other members, too (DUR-G1) */

struct reservation {
    struct group_write write;
    int32_t generation;
};

static bool is_next(const struct group *group, int32_t generation)
{
    return group->state == GROUP_PREPARING &&
           generation == group_next_generation(group->generation);
}

static void reserve_recorded(struct group_write *write)
{
    const struct reservation *reservation = container_of(write, struct reservation, write);
    struct group *group = write->group;

    if (is_next(group, reservation->generation))
        group->reserved_generation = reservation->generation;
}

static void on_reserved(struct group_write *write, enum err err)
{
    struct reservation *reservation = container_of(write, struct reservation, write);
    struct group *group = write->group;
    int32_t generation = reservation->generation;

    group_write_end(write);
    mem_free(reservation);
    if (group->reserving_generation == generation)
        group->reserving_generation = 0;
    if (is_next(group, generation) && !group->coordinator->stopping) {
        if (err == OK)
            complete_join(group);
        else
            end_round(group, err);
    }
    coordinator_drop_if_idle(group);
}

static void reserve(struct group *group, int32_t generation)
{
    struct reservation *reservation = mem_try_alloc(sizeof(*reservation));

    if (reservation == NULL) {
        end_round(group, ERR_NOMEM);
        return;
    }
    if (!group_write_begin(&reservation->write, group, on_reserved)) {
        mem_free(reservation);
        group_end_waits(group, KAFKA_NOT_COORDINATOR);
        return;
    }
    reservation->write.recorded = reserve_recorded;
    reservation->generation = generation;
    group->reserving_generation = generation;
    group_records_generation(&reservation->write, generation);
    runtime_write_start(&reservation->write.records);
}

static void complete_join(struct group *group)
{
    int32_t next = group_next_generation(group->generation);
    char *protocol = NULL;

    loop_cancel_timer(group_loop(group), &group->rebalance);
    drop_absent(group);
    if (group->member_count > 0 && !anybody_joined(group)) {
        /* static members only, none of them back: wait on for them */
        set_rebalance_timer(group, rebalance_timeout_of(group));
        return;
    }
    if (group->member_count > 0 && group->reserved_generation != next) {
        if (group->reserving_generation != next)
            reserve(group, next);
        return;
    }
    if (group->member_count > 0) {
        const char *chosen = group_vote(group);
        protocol = mem_try_strdup(chosen == NULL ? "" : chosen);
        if (protocol == NULL) {
            end_round(group, ERR_NOMEM);
            return;
        }
    }
    group_set_text(&group->protocol, protocol);
    group->generation = next;
    group->state_timestamp_ms = clock_wall_ms(group->coordinator->shard->clock);
    if (group->member_count == 0) {
        group->state = GROUP_EMPTY;
        group_record(group);
        return;
    }
    choose_leader(group);
    group->state = GROUP_COMPLETING;
    list_for_each(node, &group->members)
    {
        struct group_member *member = container_of(node, struct group_member, node);
        struct request *request = member->join;
        member->join = NULL;
        member->synced = request == NULL;
        if (request != NULL)
            group_answer_join(member, request, group_leader_id(group), group_is_leader(member),
                              false);
        else
            group_touch(member); /* an absent static member */
    }
    set_rebalance_timer(group, rebalance_timeout_of(group));
}

/* Who was told the generation and does not ask for its assignment is out: a leader that only beats
 * would hold up all others (Kafka's pending sync). */
static void drop_unsynced(struct group *group)
{
    uint32_t before = group->member_count;

    list_for_each_safe(node, &group->members)
    {
        struct group_member *member = container_of(node, struct group_member, node);
        if (!member->synced)
            group_forget(member, KAFKA_UNKNOWN_MEMBER_ID);
    }
    if (group->member_count == before)
        return;
    log_line(group->coordinator->shard->sink, LOG_INFO, "LVE-5005",
             "members did not ask for their assignment and are out of their group",
             log_text("group", group->id, group->id_bytes),
             log_i64("generation", group->generation),
             log_i64("members", before - group->member_count));
    group_prepare_rebalance(group);
}

static void on_rebalance_timer(struct timer *timer)
{
    struct group *group = container_of(timer, struct group, rebalance);

    if (was_asleep(group, timer, &group->is_excused, rebalance_of(group)))
        return;
    if (group->state != GROUP_PREPARING) {
        drop_unsynced(group);
        return;
    }
    if (group->initial_delay && group->joined_since_delay && group->delay_left_ms > 0) {
        uint64_t step =
            (uint64_t)coordinator_config(group->coordinator)->group_initial_rebalance_delay_ms;
        if (step > group->delay_left_ms)
            step = group->delay_left_ms;
        group->delay_left_ms -= step;
        group->joined_since_delay = false;
        set_rebalance_timer(group, step);
        return;
    }
    group->initial_delay = false;
    complete_join(group);
}

void group_try_complete(struct group *group)
{
    if (group->state == GROUP_PREPARING && !group->initial_delay && all_joined(group))
        complete_join(group);
}

void group_prepare_rebalance(struct group *group)
{
    uint64_t timeout_ms = rebalance_timeout_of(group);

    list_for_each(node, &group->members)
    {
        struct group_member *member = container_of(node, struct group_member, node);
        struct request *sync = member->sync;
        member->sync = NULL;
        if (sync != NULL) {
            group_touch(member);
            group_refuse_sync(sync, KAFKA_REBALANCE_IN_PROGRESS);
        }
    }
    group->initial_delay = group->state == GROUP_EMPTY;
    group->state = GROUP_PREPARING;
    group->rebalance.fire = on_rebalance_timer;
    if (group->initial_delay) {
        uint64_t delay_ms =
            (uint64_t)coordinator_config(group->coordinator)->group_initial_rebalance_delay_ms;
        if (delay_ms > timeout_ms)
            delay_ms = timeout_ms;
        group->delay_left_ms = timeout_ms - delay_ms;
        group->joined_since_delay = false;
        if (delay_ms > 0) {
            set_rebalance_timer(group, delay_ms);
            return;
        }
        group->initial_delay = false;
    }
    set_rebalance_timer(group, timeout_ms);
    group_try_complete(group);
}
