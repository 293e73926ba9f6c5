/* A known instance comes under a new id (KIP-345, KIP-814).
 *
 * In a stable group whose protocol stays the same it keeps its assignment: the new id is recorded,
 * then answered.  When it cannot be recorded, the member is again all that it was. */
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"

#include <string.h>

struct rename_write {
    struct state_write write;
    struct list node; /* in group.renames */
    struct group *group;
    struct request *request;
    int32_t generation;
    char *new_id;
    struct group_member *was; /* id and what it joined with, before */
};

/* What a join changes of a member, but for its id, goes from one to the other, which has none. */
static void move_terms(struct group_member *from, struct group_member *to)
{
    to->client_id = from->client_id;
    to->client_host = from->client_host;
    to->session_timeout_ms = from->session_timeout_ms;
    to->rebalance_timeout_ms = from->rebalance_timeout_ms;
    to->protocols = from->protocols;
    to->protocol_count = from->protocol_count;
    from->client_id = NULL;
    from->client_host = NULL;
    from->protocols = NULL;
    from->protocol_count = 0;
}

static void free_terms(struct group_member *member)
{
    group_clear_protocols(member);
    mem_free(member->client_id);
    mem_free(member->client_host);
}

static void free_set_aside(struct group_member *was)
{
    free_terms(was);
    budget_give(was->group->budget, was->counted_bytes);
    mem_free(was->id);
    mem_free(was);
}

/* The member has new_id and no terms; returned is what it was. */
static struct group_member *set_aside(struct group_member *member, const char *new_id)
{
    struct group_member *was = mem_alloc(sizeof(*was));

    was->group = member->group;
    was->id = mem_strdup(member->id);
    was->counted_bytes = member->counted_bytes;
    budget_force(was->group->budget, was->counted_bytes);
    move_terms(member, was);
    group_rename_member(member, new_id);
    return was;
}

static void restore(struct group_member *member, struct group_member *was)
{
    free_terms(member);
    move_terms(was, member);
    group_rename_member(member, was->id);
    group_count_member(member);
}

/* Its answer, unless a rebalance that began meanwhile has answered it, or will. */
static void answer(struct group_member *member, const struct rename_write *renamed,
                   const char *old_id, int16_t error_code)
{
    struct group *group = member->group;
    bool leads = group_is_leader(member);
    bool skips;

    if (member->join != renamed->request)
        return; /* and the request perhaps gone */
    skips = leads && renamed->request->api_version >= 9;
    member->join = NULL;
    if (error_code != KAFKA_NONE) {
        group_touch(member);
        group_refuse_join(renamed->request, error_code, NULL);
    } else if (leads && !skips) { /* as if another were the leader: it must not assign anew */
        group_answer_join(member, renamed->request, old_id, false, false);
    } else {
        group_answer_join(member, renamed->request, group->leader_id, leads, skips);
    }
}

/* It has got yet another id, which is being recorded: should that fail too, it is not our new id
 * to which it goes back. */
static void hand_on(struct rename_write *failed)
{
    list_for_each(node, &failed->group->renames)
    {
        struct rename_write *later = container_of(node, struct rename_write, node);
        if (strcmp(later->was->id, failed->new_id) == 0) {
            struct group_member *was = later->was;
            later->was = failed->was;
            failed->was = was;
            return;
        }
    }
}

static void on_recorded(struct state_write *write, enum err err)
{
    struct rename_write *renamed = container_of(write, struct rename_write, write);
    struct group *group = renamed->group;
    struct group_member *member = group_find(group, wire_string(renamed->new_id));
    bool is_current = group->state == GROUP_STABLE && group->generation == renamed->generation;

    group->writes--;
    list_remove(&renamed->node);
    if (member != NULL && is_current) {
        if (err != OK)
            restore(member, renamed->was);
        answer(member, renamed, renamed->was->id, group_record_error(err));
    } else if (member == NULL && err != OK) {
        hand_on(renamed);
    } /* else: the rebalance that began records the new id itself, before anybody is told */
    free_set_aside(renamed->was); /* counts in the group's budget, so before the group may go */
    mem_free(renamed->new_id);
    state_write_deinit(write);
    mem_free(renamed);
    coordinator_drop_if_idle(group);
}

/* Begin to record the new id; was is ours then.  False: the partition is gone. */
static bool record(struct group_member *member, struct request *request, struct group_member *was)
{
    struct group *group = member->group;
    struct rename_write *renamed = mem_alloc(sizeof(*renamed));

    if (!coordinator_write_init(group, &renamed->write, on_recorded)) {
        mem_free(renamed);
        return false;
    }
    renamed->group = group;
    renamed->request = request;
    renamed->generation = group->generation;
    renamed->new_id = mem_strdup(member->id);
    renamed->was = was;
    list_push_back(&group->renames, &renamed->node);
    group->writes++;
    group_write_metadata(group, &renamed->write, NULL);
    state_write_start(&renamed->write);
    return true;
}

void group_replace_static(struct group_member *member, struct request *request,
                          const char *member_id)
{
    struct group *group = member->group;
    struct request *sync = member->sync;
    struct request *join = member->join;
    struct group_member *was;
    const char *vote;

    member->sync = NULL;
    member->join = NULL;
    if (sync != NULL)
        group_refuse_sync(sync, KAFKA_FENCED_INSTANCE_ID);
    if (join != NULL)
        group_refuse_join(join, KAFKA_FENCED_INSTANCE_ID, NULL);
    was = set_aside(member, member_id);
    group_update_member(member, request);
    group_wait_to_join(member, request);
    vote = group->state == GROUP_STABLE ? group_vote(group) : NULL;
    if (vote != NULL && strcmp(vote, group->protocol) == 0 && record(member, request, was))
        return;
    free_set_aside(was);
    if (group->state == GROUP_PREPARING)
        group_try_complete(group);
    else
        group_prepare_rebalance(group);
}
