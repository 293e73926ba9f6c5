#include "broker/coordinator/group.h"

#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/group_offsets.h"

#include <string.h>

const char *group_state_name(enum group_state state)
{
    static const char *const names[] = {"Empty", "PreparingRebalance", "CompletingRebalance",
                                        "Stable", "Dead"};

    return names[state];
}

/* ---- what things hold, tables and the allocator's rounding roughly included */

enum { TABLES_BYTES = 512, ENTRY_BYTES = 128 };

static uint64_t text_bytes(const char *text)
{
    return text == NULL ? 0 : strlen(text) + 1;
}

static uint64_t bytes_of_group(const struct group *group)
{
    return sizeof(*group) + group->id_bytes + TABLES_BYTES;
}

static uint64_t bytes_of_pending(const struct group_pending *pending)
{
    return sizeof(*pending) + ENTRY_BYTES + text_bytes(pending->id);
}

static uint64_t bytes_of_member(const struct group_member *member)
{
    return sizeof(*member) + ENTRY_BYTES + text_bytes(member->id) +
           text_bytes(member->instance_id) + group_terms_bytes(&member->terms) +
           (uint64_t)member->assignment.size_bytes;
}

void group_count_member(struct group_member *member)
{
    struct group *group = member->group;
    uint64_t bytes = bytes_of_member(member);

    budget_force(group->budget, bytes); /* GRP-3 */
    budget_give(group->budget, member->counted_bytes);
    group->members_bytes += bytes - member->counted_bytes;
    member->counted_bytes = bytes;
}

struct group *group_create(struct group_coordinator *coordinator, struct budget *budget,
                           const char *id, size_t id_bytes, int32_t partition_index, uint64_t seed)
{
    struct group *group = mem_try_alloc(sizeof(*group));

    if (group == NULL)
        return NULL;
    group->id = mem_try_strndup(id, id_bytes);
    if (group->id == NULL) {
        mem_free(group);
        return NULL;
    }
    group->coordinator = coordinator;
    group->budget = budget;
    group->id_bytes = id_bytes;
    group->partition_index = partition_index;
    group->state_timestamp_ms = -1;
    group->recording_generation = -1;
    list_init(&group->members);
    list_init(&group->pending);
    list_init(&group->renames);
    hash_map_init(&group->offsets, seed);
    hash_map_init(&group->member_ids, seed);
    hash_map_init(&group->instances, seed);
    hash_map_init(&group->pending_ids, seed);
    protocol_names_init(&group->protocol_names, seed);
    budget_force(budget, bytes_of_group(group));
    return group;
}

void group_set_text(char **field, char *text)
{
    mem_free(*field);
    *field = text;
}

const char *group_leader_id(const struct group *group)
{
    return group->leader == NULL ? NULL : group->leader->id;
}

/* OK, or ERR_NOMEM: it is not in the table. */
static enum err index_text(struct hash_map *map, const char *text, struct group_member *member)
{
    enum err err = hash_map_insert(map, text, strlen(text), member);

    return err == ERR_EXISTS ? OK : err; /* records may say anything: the first one is found */
}

static void forget_text(struct hash_map *map, const char *text, const struct group_member *member)
{
    if (text != NULL && hash_map_find(map, text, strlen(text)) == member)
        hash_map_remove(map, text, strlen(text));
}

static void free_member(struct group_member *member)
{
    group_terms_deinit(&member->terms);
    mem_free(member->assignment.bytes);
    mem_free(member->id);
    mem_free(member->instance_id);
    mem_free(member);
}

static struct group_member *make_member(struct group *group, struct wire_string id,
                                        struct wire_string instance_id)
{
    struct group_member *member = mem_try_alloc(sizeof(*member));

    if (member == NULL)
        return NULL;
    member->group = group;
    member->id = mem_try_strndup(id.text, (size_t)id.size_bytes);
    if (instance_id.text != NULL)
        member->instance_id = mem_try_strndup(instance_id.text, (size_t)instance_id.size_bytes);
    if (member->id != NULL && (member->instance_id != NULL) == (instance_id.text != NULL))
        return member;
    free_member(member);
    return NULL;
}

struct group_member *group_add_member(struct group *group, struct wire_string id,
                                      struct wire_string instance_id, struct group_terms *terms)
{
    struct group_member *member = make_member(group, id, instance_id);

    if (member == NULL)
        return NULL;
    if (index_text(&group->member_ids, member->id, member) != OK) {
        free_member(member);
        return NULL;
    }
    if (member->instance_id != NULL &&
        index_text(&group->instances, member->instance_id, member) != OK) {
        forget_text(&group->member_ids, member->id, member);
        free_member(member);
        return NULL;
    }
    list_push_back(&group->members, &member->node);
    group->member_count++;
    group_swap_terms(member, terms);
    return member;
}

char *group_rename_member(struct group_member *member, char *id)
{
    struct hash_map *ids = &member->group->member_ids;
    char *old_id = member->id;
    bool was_found = hash_map_find(ids, old_id, strlen(old_id)) == member;

    forget_text(ids, old_id, member);
    check(index_text(ids, id, member) == OK ||
          !was_found); /* hash_map.h, MAP-3: no memory needed */
    member->id = id;
    return old_id;
}

void group_swap_terms(struct group_member *member, struct group_terms *terms)
{
    struct group_terms had = member->terms;

    group_terms_uncount(&had);
    group_terms_count(terms);
    member->terms = *terms;
    *terms = had;
    group_count_member(member);
}

void group_remove_member(struct group_member *member)
{
    struct group *group = member->group;

    check(member->join == NULL && member->sync == NULL && !list_is_linked(&member->session.node));
    if (group->leader == member)
        group->leader = NULL;
    forget_text(&group->member_ids, member->id, member);
    forget_text(&group->instances, member->instance_id, member);
    list_remove(&member->node);
    group_terms_uncount(&member->terms);
    group->member_count--;
    group->members_bytes -= member->counted_bytes;
    budget_give(group->budget, member->counted_bytes);
    free_member(member);
}

struct group_pending *group_add_pending(struct group *group, const char *id)
{
    struct group_pending *pending = mem_try_alloc(sizeof(*pending));

    if (pending == NULL)
        return NULL;
    pending->group = group;
    pending->id = mem_try_strdup(id);
    if (pending->id == NULL ||
        hash_map_insert(&group->pending_ids, pending->id, strlen(pending->id), pending) != OK) {
        mem_free(pending->id);
        mem_free(pending);
        return NULL;
    }
    list_push_back(&group->pending, &pending->node);
    group->pending_count++;
    budget_force(group->budget, bytes_of_pending(pending));
    return pending;
}

void group_remove_pending(struct group_pending *pending)
{
    check(!list_is_linked(&pending->expiry.node));
    hash_map_remove(&pending->group->pending_ids, pending->id, strlen(pending->id));
    list_remove(&pending->node);
    pending->group->pending_count--;
    budget_give(pending->group->budget, bytes_of_pending(pending));
    mem_free(pending->id);
    mem_free(pending);
}

void group_reset(struct group *group)
{
    check(group->member_count == 0);
    group->state = GROUP_EMPTY;
    group->generation = 0;
    group->reserved_generation = 0;
    group->state_timestamp_ms = -1;
    group_set_text(&group->protocol_type, NULL);
    group_set_text(&group->protocol, NULL);
}

int32_t group_next_generation(int32_t generation)
{
    return generation == INT32_MAX ? 1 : generation + 1;
}

void group_destroy(struct group *group)
{
    check(!list_is_linked(&group->rebalance.node) && group->writes == 0);
    while (!list_is_empty(&group->members))
        group_remove_member(list_first(&group->members, struct group_member, node));
    while (!list_is_empty(&group->pending))
        group_remove_pending(list_first(&group->pending, struct group_pending, node));
    group_drop_offsets(group);
    hash_map_deinit(&group->member_ids);
    hash_map_deinit(&group->instances);
    hash_map_deinit(&group->pending_ids);
    protocol_names_deinit(&group->protocol_names);
    budget_give(group->budget, bytes_of_group(group));
    mem_free(group->id);
    mem_free(group->protocol_type);
    mem_free(group->protocol);
    mem_free(group);
}

struct group_member *group_find(const struct group *group, struct wire_string member_id)
{
    return member_id.text == NULL
               ? NULL
               : hash_map_find(&group->member_ids, member_id.text, (size_t)member_id.size_bytes);
}

struct group_member *group_find_instance(const struct group *group, struct wire_string instance_id)
{
    return instance_id.text == NULL
               ? NULL
               : hash_map_find(&group->instances, instance_id.text, (size_t)instance_id.size_bytes);
}

struct group_pending *group_find_pending(const struct group *group, struct wire_string member_id)
{
    return member_id.text == NULL
               ? NULL
               : hash_map_find(&group->pending_ids, member_id.text, (size_t)member_id.size_bytes);
}

/* ---- protocols */

bool group_all_have(const struct group *group, struct wire_string protocol)
{
    const struct protocol_name *name =
        protocol.text == NULL ? NULL
                              : protocol_names_find(&group->protocol_names, protocol.text,
                                                    (size_t)protocol.size_bytes);

    return group->member_count == 0 || (name != NULL && name->member_count == group->member_count);
}

/* The first of its own list that all have; NULL: none. */
static struct protocol_name *choice_of(const struct group_member *voter)
{
    for (uint32_t i = 0; i < voter->terms.protocol_count; i++) {
        struct protocol_name *name = voter->terms.protocols[i].name;
        if (name->member_count == voter->group->member_count)
            return name;
    }
    return NULL;
}

const char *group_vote(struct group *group)
{
    uint32_t most = 0;

    list_for_each(node, &group->members)
    {
        struct group_member *voter = container_of(node, struct group_member, node);
        voter->choice = choice_of(voter);
        if (voter->choice != NULL)
            voter->choice->votes = 0;
    }
    list_for_each(node, &group->members)
    {
        struct protocol_name *choice = container_of(node, struct group_member, node)->choice;
        if (choice != NULL && ++choice->votes > most)
            most = choice->votes;
    }
    list_for_each(node, &group->members)
    {
        const struct protocol_name *choice = container_of(node, struct group_member, node)->choice;
        if (choice != NULL && choice->votes == most)
            return choice->text;
    }
    return NULL;
}
