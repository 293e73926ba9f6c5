#include "broker/in_sync.h"

void in_sync_init(struct in_sync *set, int32_t self_id, int32_t min_insync_replicas)
{
    *set = (struct in_sync){
        .self_id = self_id,
        .leader_epoch = INT32_MIN, /* before any, also the -1 of a record without one */
        .partition_epoch = INT32_MIN,
        .min_insync_replicas = min_insync_replicas,
    };
}

void in_sync_set_min(struct in_sync *set, int32_t min_insync_replicas)
{
    set->min_insync_replicas = min_insync_replicas;
}

/* The replica's bit, or 0: none of ours. */
static uint32_t bit_of(const struct in_sync *set, int32_t id)
{
    for (uint32_t i = 0; i < set->replica_count; i++)
        if (set->replica_ids[i] == id)
            return UINT32_C(1) << i;
    return 0;
}

/* The ids as a set.  ERR_INVALID: one is twice or no replica, or the leader is missing. */
static enum err set_of(const struct in_sync *set, const int32_t *ids, uint32_t count, uint32_t *out)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t bit = bit_of(set, ids[i]);
        if (bit == 0 || (bits & bit) != 0)
            return ERR_INVALID; /* ISR-2 */
        bits |= bit;
    }
    if ((bits & (UINT32_C(1) << set->own)) == 0)
        return ERR_INVALID; /* ISR-1 */
    *out = bits;
    return OK;
}

/* ---- the committed state */

static void lead_nothing(struct in_sync *set)
{
    set->replica_count = 0; /* ISR-6 */
    set->own = 0;
    set->isr = 0;
    set->isr_count = 0;
    set->pending = 0;
}

/* The replicas of state; what old knows of them stays known, unless a new leader epoch began. */
static enum err take_replicas(struct in_sync *set, const struct in_sync_state *state,
                              const struct in_sync *old)
{
    bool is_new_epoch = state->leader_epoch > old->leader_epoch;
    bool found_self = false;

    if (state->replica_count > IN_SYNC_REPLICAS_MAX)
        return ERR_TOO_LARGE;
    for (uint32_t i = 0; i < state->replica_count; i++) {
        int32_t id = state->replicas[i];
        uint32_t known = bit_of(old, id);
        bool is_self = id == set->self_id;
        if (bit_of(set, id) != 0)
            return ERR_INVALID;
        set->replica_ids[i] = id;
        set->end_offsets[i] = known != 0 && (is_self || !is_new_epoch)
                                  ? old->end_offsets[__builtin_ctz(known)]
                                  : IN_SYNC_UNKNOWN_OFFSET;
        set->replica_count++;
        if (is_self) {
            set->own = i;
            found_self = true;
        }
    }
    return found_self ? OK : ERR_INVALID; /* ISR-1 */
}

enum err in_sync_commit(struct in_sync *set, const struct in_sync_state *state, int64_t log_end)
{
    struct in_sync old = *set;
    enum err err;

    if (state->partition_epoch < set->partition_epoch || state->leader_epoch < set->leader_epoch)
        return ERR_FENCED_EPOCH; /* ISR-4 */
    if (state->partition_epoch == set->partition_epoch && state->leader_epoch == set->leader_epoch)
        return OK;
    lead_nothing(set);
    set->partition_epoch = state->partition_epoch;
    set->leader_epoch = state->leader_epoch;
    if (state->leader != set->self_id)
        return OK;
    err = take_replicas(set, state, &old);
    if (err == OK)
        err = set_of(set, state->isr, state->isr_count, &set->isr);
    if (err != OK) {
        lead_nothing(set);
        return err;
    }
    set->isr_count = state->isr_count;
    if (state->leader_epoch > old.leader_epoch)
        set->epoch_start_offset = log_end;
    return OK;
}

/* ---- how far they are */

enum err in_sync_tell(struct in_sync *set, int32_t id, int64_t end_offset)
{
    uint32_t bit = bit_of(set, id);

    if (bit == 0)
        return ERR_NOT_FOUND;
    set->end_offsets[__builtin_ctz(bit)] = end_offset;
    return OK;
}

int64_t in_sync_high_watermark(const struct in_sync *set, int64_t current)
{
    uint32_t maximal = set->isr | set->pending;
    int64_t least = INT64_MAX;

    if (!in_sync_has_enough(set))
        return current;
    for (uint32_t i = 0; i < set->replica_count; i++)
        if ((maximal & (UINT32_C(1) << i)) != 0 && set->end_offsets[i] < least)
            least = set->end_offsets[i];
    return least > current ? least : current; /* ISR-3 */
}

bool in_sync_has(const struct in_sync *set, int32_t id)
{
    return (bit_of(set, id) & set->isr) != 0;
}

bool in_sync_has_maximal(const struct in_sync *set, int32_t id)
{
    return (bit_of(set, id) & (set->isr | set->pending)) != 0;
}

/* ---- the pending change */

enum err in_sync_propose(struct in_sync *set, const int32_t *ids, uint32_t count,
                         int64_t high_watermark, struct in_sync_change *out)
{
    int64_t needed =
        high_watermark > set->epoch_start_offset ? high_watermark : set->epoch_start_offset;
    struct in_sync_change change = {
        .leader_epoch = set->leader_epoch,
        .partition_epoch = set->partition_epoch,
    };
    uint32_t proposed;
    enum err err;

    if (!in_sync_leads(set))
        return ERR_NOT_FOUND;
    if (set->pending != 0)
        return ERR_EXISTS; /* ISR-5 */
    err = set_of(set, ids, count, &proposed);
    if (err != OK)
        return err;
    if (proposed == set->isr)
        return ERR_INVALID;
    for (uint32_t i = 0; i < set->replica_count; i++) {
        uint32_t bit = UINT32_C(1) << i;
        if ((proposed & bit) == 0)
            continue;
        if ((set->isr & bit) == 0 && set->end_offsets[i] < needed)
            return ERR_OFFSET_RANGE; /* ISR-7 */
        change.isr[change.isr_count++] = set->replica_ids[i];
    }
    set->pending = proposed;
    change.proposal = ++set->proposal;
    *out = change;
    return OK;
}

static bool is_pending(const struct in_sync *set, const struct in_sync_change *change)
{
    return set->pending != 0 && change->proposal == set->proposal; /* ISR-4, ISR-5 */
}

bool in_sync_accepted(struct in_sync *set, const struct in_sync_change *change,
                      int32_t partition_epoch)
{
    if (!is_pending(set, change) || partition_epoch < set->partition_epoch)
        return false;
    set->partition_epoch = partition_epoch;
    set->isr = set->pending;
    set->isr_count = change->isr_count;
    set->pending = 0;
    return true;
}

bool in_sync_refused(struct in_sync *set, const struct in_sync_change *change)
{
    if (!is_pending(set, change))
        return false;
    set->pending = 0;
    return true;
}
