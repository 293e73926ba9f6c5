/* oracle_txn: judges transactions over the topics of a ledger: what no correct broker lets their
 * producers and readers see.
 *
 * Told by the model clients, call by call, in virtual time.  It knows each producer session (an
 * answer to InitProducerId, and the epochs that answers to EndTxn gave it), each transaction (what
 * was sent, whether a commit was asked for, what was told) and each record by a number of its own,
 * which the record carries.  What lies in the partitions, and what readers saw of it, is
 * oracle_txn_log's.
 * Complaints carry the name of the rule (docs/rules.md):
 *   DUR-T3   markers of both kinds end one transaction
 *   DUR-T4   a part of a transaction is visible, or the balance of all is not kept
 *   DUR-T5   a commit that was told is not visible, or what was not asked to be committed is
 *   DUR-T7   the last stable offset does not reach the end
 *   DUR-T8   EndTxn gives a (P, E) that is not the next
 *   DUR-T9   (P, E) is handed to two, or something of a fenced producer takes effect, or a producer
 *            is fenced that nobody has fenced
 *   DUR-T10  a repeated EndTxn gives another answer, the opposite one is taken
 *   DUR-T12  the last stable offset went back, or is above the high watermark
 *   DUR-T13  the list of aborted transactions is not what the log says
 *   DUR-L1, DUR-I1, DUR-I2, DUR-L7: one offset has two records, one record two offsets, sequences
 *            have a gap, or records are not in the order in which they were sent
 * A transaction whose commit was asked for, and never answered, is committed or aborted, whole;
 * once somebody saw it committed, it is. */
#ifndef LEVEE_TESTS_ORACLE_TXN_H
#define LEVEE_TESTS_ORACLE_TXN_H

#include "base/check.h"
#include "base/err.h"
#include "tests/sim/oracle.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    ORACLE_TXN_IDS_MAX = 8, /* transactional ids */
    ORACLE_TXN_VALUE_BYTES = 32,
    ORACLE_TXN_NONE = -1,
};

enum oracle_txn_told { ORACLE_TXN_NOTHING, ORACLE_TXN_COMMITTED, ORACLE_TXN_ABORTED };

struct oracle_txn_transaction {
    uint32_t session;
    uint32_t records_count;
    bool commit_asked;
    bool is_over;   /* its producer does nothing for it any more */
    bool is_pinned; /* somebody saw it committed */
    enum oracle_txn_told told;
    uint64_t commit_asked_ns; /* first */
};

struct oracle_txn_record {
    uint32_t transaction;
    uint32_t topic_partition; /* numbered through the ledger's topics */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t sequence;
    int64_t amount;
    int64_t told_offset; /* -1: not acknowledged, or without an offset */
    bool is_acknowledged;
};

struct oracle_txn_session {
    uint32_t id;
    uint32_t process;
    bool is_tv2;
    int64_t producer_id; /* the newest (P, E) that it was given */
    int16_t producer_epoch;
    uint64_t told_ns;
    bool may_be_fenced;     /* another one of its id has asked, whatever it was told */
    uint64_t superseded_ns; /* another one of its id was told then; 0: not */
    uint64_t begun_ns;      /* of its open transaction; 0: there is none */
    uint64_t timeout_ns;
};

/* That a session was given. */
struct oracle_txn_handed {
    int64_t producer_id;
    int16_t producer_epoch;
    uint32_t session;
};

struct oracle_txn_id {
    uint32_t asking; /* calls of InitProducerId under way */
    uint32_t lost;   /* that have ended without an answer, and may still take effect */
    uint32_t newest; /* session, by the time it was told */
    bool has_session;
};

struct oracle_txn {
    struct oracle *oracle;
    FILE *trace;     /* NULL: none */
    bool is_lenient; /* clocks jump, memory ends, producers are forgotten: anybody may be fenced */
    struct oracle_txn_id ids[ORACLE_TXN_IDS_MAX];
    struct oracle_txn_session *sessions;
    uint32_t sessions_count, sessions_capacity;
    struct oracle_txn_handed *handed;
    uint32_t handed_count, handed_capacity;
    struct oracle_txn_transaction *transactions;
    uint32_t transactions_count, transactions_capacity;
    struct oracle_txn_record *records;
    uint32_t records_count, records_capacity;
};

void oracle_txn_init(struct oracle_txn *txn, struct oracle *oracle);
void oracle_txn_deinit(struct oracle_txn *txn);

printf_like(4, 5) void oracle_txn_complain(struct oracle_txn *txn, const char *rule,
                                           uint64_t now_ns, const char *format, ...);
printf_like(3, 4) void oracle_txn_say(const struct oracle_txn *txn, uint64_t now_ns,
                                      const char *format, ...);

/* The broker's process has ended: what was on its way to it takes no effect any more. */
void oracle_txn_broker_ended(struct oracle_txn *txn);

/* ---- sessions */

void oracle_txn_init_asked(struct oracle_txn *txn, uint32_t id);
void oracle_txn_init_failed(struct oracle_txn *txn, uint32_t id, bool is_answered);

/* The answer's; returns the session. */
uint32_t oracle_txn_init_told(struct oracle_txn *txn, uint64_t now_ns,
                              const struct oracle_txn_session *told);

/* ---- transactions; asked_ns: when the call that was answered began */

uint32_t oracle_txn_begin(struct oracle_txn *txn, uint32_t session);

/* The first request for it leaves now. */
void oracle_txn_begun(struct oracle_txn *txn, uint64_t now_ns, uint32_t session);

/* Its number. */
uint32_t oracle_txn_send(struct oracle_txn *txn, const struct oracle_txn_record *record);
void oracle_txn_acknowledged(struct oracle_txn *txn, uint64_t now_ns, uint64_t asked_ns,
                             uint32_t first, uint32_t count, int64_t base_offset);
void oracle_txn_commit_asked(struct oracle_txn *txn, uint64_t now_ns, uint32_t transaction);

/* transaction: ORACLE_TXN_NONE of an empty abort.  producer_id -1: the answer has none (TV1). */
void oracle_txn_ended(struct oracle_txn *txn, uint64_t now_ns, uint64_t asked_ns, uint32_t session,
                      int64_t transaction, bool commit, int64_t producer_id,
                      int16_t producer_epoch);

/* Told before, asked again with the (P, E) of then: was answered. */
void oracle_txn_ended_again(struct oracle_txn *txn, uint64_t now_ns, uint32_t session,
                            uint32_t transaction, bool commit, int16_t error, int64_t producer_id,
                            int16_t producer_epoch);

/* Its producer stops, or is refused: what was not asked for never comes. */
void oracle_txn_left(struct oracle_txn *txn, uint64_t now_ns, uint32_t session,
                     int64_t transaction);

/* An error that only a producer may get whom somebody has fenced, or whose transaction has timed
 * out. */
void oracle_txn_refused(struct oracle_txn *txn, uint64_t now_ns, uint32_t session,
                        const char *request, int16_t error);

/* ---- the record of a number, as bytes */

void oracle_txn_value_put(const struct oracle_txn *txn, uint32_t record,
                          uint8_t bytes[static ORACLE_TXN_VALUE_BYTES]);

/* False: nobody has sent it. */
bool oracle_txn_value_get(const struct oracle_txn *txn, const uint8_t *bytes, int32_t size_bytes,
                          uint32_t *record_out);

/* May readers of committed records see it now?  NULL: yes; otherwise the rule that is broken. */
const char *oracle_txn_may_be_committed(const struct oracle_txn *txn, uint32_t transaction);

#endif
