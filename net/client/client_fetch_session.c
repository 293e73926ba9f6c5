#include "net/client/client_fetch_session.h"

#include "base/mem.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/kafka_errors.h"

#include <string.h>

enum { VERSION_BY_NAME = 12, FORGOTTEN_FIRST = 16 };

void client_fetch_session_init(struct client_fetch_session *session, bool is_used)
{
    *session = (struct client_fetch_session){.is_used = is_used};
    list_init(&session->entries);
}

static void unlink_entry(struct client_fetch_session *session, struct client_fetch_entry *entry)
{
    list_remove(&entry->node);
    session->entries_count--;
    session->without_id_count -= uuid_is_zero(&entry->id);
}

void client_fetch_session_deinit(struct client_fetch_session *session)
{
    while (!list_is_empty(&session->entries))
        unlink_entry(session, list_first(&session->entries, struct client_fetch_entry, node));
    mem_free(session->forgotten);
    session->forgotten = NULL;
    session->forgotten_count = 0;
    session->forgotten_max = 0;
}

/* The broker's session ends with the next request, which is full. */
static void start_anew(struct client_fetch_session *session)
{
    session->epoch = KAFKA_FETCH_SESSION_EPOCH_NEW_SESSION;
    session->forgotten_count = 0;
}

void client_fetch_session_want(struct client_fetch_session *session,
                               struct client_fetch_entry *entry,
                               const struct client_fetch_place *place)
{
    entry->is_wanted = true;
    if (!list_is_linked(&entry->node)) {
        list_push_back(&session->entries, &entry->node);
        session->entries_count++;
        session->without_id_count += uuid_is_zero(&entry->id);
        entry->is_changed = true;
    } else {
        entry->is_changed = entry->place.offset != place->offset ||
                            entry->place.leader_epoch != place->leader_epoch ||
                            entry->place.last_epoch != place->last_epoch ||
                            entry->place.max_bytes != place->max_bytes;
    }
    entry->place = *place;
}

void client_fetch_session_drop(struct client_fetch_session *session,
                               struct client_fetch_entry *entry)
{
    if (!list_is_linked(&entry->node))
        return;
    unlink_entry(session, entry);
    if (session->epoch == KAFKA_FETCH_SESSION_EPOCH_NEW_SESSION && !session->is_under_way)
        return; /* the next full request does not name it */
    if (session->forgotten_count == session->forgotten_max) {
        uint32_t max = session->forgotten_max == 0 ? FORGOTTEN_FIRST : session->forgotten_max * 2;
        void *larger = mem_try_realloc(session->forgotten, max * sizeof(*session->forgotten));
        if (larger == NULL) {
            start_anew(session);
            return;
        }
        session->forgotten = larger;
        session->forgotten_max = max;
    }
    session->forgotten[session->forgotten_count++] = (struct client_fetch_forgotten){
        .name = entry->name, .id = entry->id, .partition = entry->partition};
}

/* ---- building: entries of one topic stand together when they were wanted together */

static bool is_same_topic(const char *name, const struct uuid *id, const char *other_name,
                          const struct uuid *other_id)
{
    return name == other_name && uuid_equal(id, other_id);
}

static enum err put_asked(struct client_fetch_session *session, struct fetch_request *request,
                          struct arena *arena)
{
    const struct client_fetch_entry *last = NULL;
    struct fetch_request_fetch_topic *topic = NULL;
    size_t topics_count = 0;
    size_t count = 0;
    struct fetch_request_fetch_partition *partition;

    list_for_each(node, &session->entries)
    {
        struct client_fetch_entry *entry = container_of(node, struct client_fetch_entry, node);
        if (!session->is_full && !entry->is_changed)
            continue;
        topics_count +=
            last == NULL || !is_same_topic(last->name, &last->id, entry->name, &entry->id);
        count++;
        last = entry;
    }
    request->topics.items = codec_new_array(&fetch_request_fetch_topic_struct, arena, topics_count);
    partition = codec_new_array(&fetch_request_fetch_partition_struct, arena, count);
    if (request->topics.items == NULL || partition == NULL)
        return ERR_NOMEM;
    last = NULL;
    list_for_each(node, &session->entries)
    {
        struct client_fetch_entry *entry = container_of(node, struct client_fetch_entry, node);
        if (!session->is_full && !entry->is_changed)
            continue;
        if (last == NULL || !is_same_topic(last->name, &last->id, entry->name, &entry->id)) {
            topic = &request->topics.items[request->topics.count++];
            topic->topic = wire_string(entry->name);
            topic->topic_id = entry->id;
            topic->partitions.items = partition;
        }
        partition->partition = entry->partition;
        partition->current_leader_epoch = entry->place.leader_epoch;
        partition->fetch_offset = entry->place.offset;
        partition->last_fetched_epoch = entry->place.last_epoch;
        partition->partition_max_bytes = entry->place.max_bytes;
        partition++;
        topic->partitions.count++;
        last = entry;
    }
    return OK;
}

static bool is_asked_again(const struct client_fetch_session *session,
                           const struct client_fetch_forgotten *forgotten)
{
    list_for_each(node, &session->entries)
    {
        const struct client_fetch_entry *entry =
            container_of(node, struct client_fetch_entry, node);
        if (entry->partition == forgotten->partition &&
            is_same_topic(entry->name, &entry->id, forgotten->name, &forgotten->id))
            return true;
    }
    return false;
}

static enum err put_forgotten(struct client_fetch_session *session, struct fetch_request *request,
                              struct arena *arena)
{
    const struct client_fetch_forgotten *last = NULL;
    int32_t *partition;

    if (session->forgotten_count == 0)
        return OK;
    request->forgotten_topics_data.items =
        codec_new_array(&fetch_request_forgotten_topic_struct, arena, session->forgotten_count);
    partition = arena_alloc_array(arena, session->forgotten_count, sizeof(*partition));
    if (request->forgotten_topics_data.items == NULL || partition == NULL)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < session->forgotten_count; i++) {
        const struct client_fetch_forgotten *forgotten = &session->forgotten[i];
        struct fetch_request_forgotten_topic *topic;
        if (is_asked_again(session, forgotten)) /* a broker forgets after it has added */
            continue;
        if (last == NULL || !is_same_topic(last->name, &last->id, forgotten->name, &forgotten->id))
            request->forgotten_topics_data.count++;
        topic = &request->forgotten_topics_data.items[request->forgotten_topics_data.count - 1];
        if (topic->partitions.items == NULL) {
            topic->topic = wire_string(forgotten->name);
            topic->topic_id = forgotten->id;
            topic->partitions.items = partition;
        }
        *partition++ = forgotten->partition;
        topic->partitions.count++;
        last = forgotten;
    }
    session->forgotten_count = 0;
    return OK;
}

enum err client_fetch_session_build(struct client_fetch_session *session,
                                    struct fetch_request *request, struct arena *arena)
{
    enum err err;

    list_for_each_safe(node, &session->entries)
    {
        struct client_fetch_entry *entry = container_of(node, struct client_fetch_entry, node);
        if (!entry->is_wanted)
            client_fetch_session_drop(session, entry);
        entry->is_wanted = false;
    }
    session->is_full = session->epoch == KAFKA_FETCH_SESSION_EPOCH_NEW_SESSION;
    request->session_id = session->id;
    request->session_epoch =
        session->is_used ? session->epoch : KAFKA_FETCH_SESSION_EPOCH_SESSIONLESS;
    err = put_asked(session, request, arena);
    if (err == OK && !session->is_full)
        err = put_forgotten(session, request, arena);
    session->is_under_way = err == OK;
    if (err != OK)
        start_anew(session);
    return err;
}

int16_t client_fetch_session_max_version(const struct client_fetch_session *session)
{
    return session->without_id_count > 0 ? VERSION_BY_NAME : INT16_MAX;
}

/* ---- answers */

bool client_fetch_session_answered(struct client_fetch_session *session,
                                   const struct fetch_response *response)
{
    session->is_under_way = false;
    if (response->error_code != KAFKA_NONE) {
        if (response->error_code == KAFKA_FETCH_SESSION_ID_NOT_FOUND)
            session->id = 0;
        start_anew(session);
        return false;
    }
    if (!session->is_full && response->session_id != 0 && response->session_id != session->id) {
        start_anew(session);
        return false;
    }
    session->id = session->is_used ? response->session_id : 0;
    if (session->id == 0)
        start_anew(session); /* the broker keeps none, or not this one any more */
    else
        session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    return true;
}

void client_fetch_session_failed(struct client_fetch_session *session)
{
    session->is_under_way = false;
    start_anew(session);
}
