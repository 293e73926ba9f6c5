/* model_crowd: a client with thousands of topics: creates and deletes them by the hundred, writes a
 * record to some, and knows what must be true of each.
 *
 * A topic has one partition, and a name that is used once.  A request without an answer may still
 * take effect, so its topics are asked for again, by name or id, until somebody answers.  The judge
 * is this client itself, in an audit; complaints go to the oracle:
 *   DUR-L15  a topic whose creation was answered is not there, or is another one; one whose
 *   deletion
 *        was answered is there again; there is one that nobody asked for
 *   DUR-L3   a log ends before the records that were acknowledged
 *   DUR-L5   a log ends behind the records that were sent */
#ifndef LEVEE_TESTS_MODEL_CROWD_H
#define LEVEE_TESTS_MODEL_CROWD_H

#include "base/uuid.h"
#include "record/compression.h"
#include "tests/sim/model_client.h"
#include "tests/sim/oracle.h"

enum { CROWD_TOPICS_MAX = 4000, CROWD_BATCH_MAX = 400, CROWD_RECORDS_MAX = 50 };

enum crowd_state {
    CROWD_NONE,
    CROWD_COMING, /* its creation was asked for */
    CROWD_THERE,
    CROWD_GOING, /* its deletion was asked for */
    CROWD_GONE,
};

struct crowd_topic {
    enum crowd_state state;
    struct uuid id; /* zero: not told yet */
    int32_t sent;   /* records */
    int32_t acknowledged;
    bool listed; /* in the audit that runs */
    bool read;   /* its end is known */
};

struct model_crowd_options {
    uint32_t topics_count; /* to be created, at most CROWD_TOPICS_MAX */
    uint32_t deleted_max;
    uint32_t batch_max; /* topics of a request, at most CROWD_BATCH_MAX */
    uint32_t pause_max_ms;
};

struct model_crowd {
    struct model_client client;
    struct model_crowd_options options;
    struct oracle *oracle;
    struct compression_context *compression;
    struct model_call call;
    struct timer tick;
    struct crowd_topic topics[CROWD_TOPICS_MAX];
    uint32_t created_count;          /* asked for: the first so many */
    uint32_t deleted_count;          /* asked for */
    uint32_t asked[CROWD_BATCH_MAX]; /* topics of the request under way */
    uint32_t asked_count;
    uint64_t next_counter; /* of records */
    bool busy;
    bool auditing;
    bool looked; /* the names of this audit were */
    bool finishing;
};

void model_crowd_init(struct model_crowd *crowd, struct sim_node *node, struct history *history,
                      const struct model_client_options *client,
                      const struct model_crowd_options *options, struct oracle *oracle);
void model_crowd_deinit(struct model_crowd *crowd);

/* Half of the topics were created: crashes find them. */
bool model_crowd_is_large(const struct model_crowd *crowd);

/* All topics were created, as many deleted as shall be, and each request was answered. */
bool model_crowd_is_done(const struct model_crowd *crowd);

/* Look at all of them, and judge.  It must be done. */
void model_crowd_audit(struct model_crowd *crowd);
bool model_crowd_audit_is_done(const struct model_crowd *crowd);

#endif
