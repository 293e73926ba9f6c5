#include "net/client/client_verdict.h"
#include "net/protocol/kafka_errors.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct client_attempt answered(int16_t error_code)
{
    return (struct client_attempt){.error_code = error_code,
                                   .was_sent = true,
                                   .is_numbered = true,
                                   .is_first = true,
                                   .is_divisible = true};
}

static enum client_verdict_what what(struct client_attempt attempt)
{
    return client_verdict_of(&attempt).what;
}

Test(client_verdict, without_an_answer_nobody_knows)
{
    static const enum err passing[] = {ERR_TIMEOUT, ERR_CLOSED, ERR_MALFORMED};

    for (int i = 0; i < 3; i++) {
        struct client_attempt attempt = {.err = passing[i], .was_sent = true};

        cr_assert(eq(int, what(attempt), CLIENT_VERDICT_RETRY));
        cr_assert(client_verdict_of(&attempt).may_be_stored);
        attempt.was_sent = false;
        cr_assert(not(client_verdict_of(&attempt).may_be_stored));
        attempt.may_be_stored = true;
        cr_assert(client_verdict_of(&attempt).may_be_stored);
    }
}

Test(client_verdict, what_is_out_of_order_waits_for_the_first)
{
    struct client_attempt attempt = answered(KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);

    attempt.is_first = false;
    cr_assert(eq(int, what(attempt), CLIENT_VERDICT_RETRY));
    cr_assert(not(client_verdict_of(&attempt).must_renumber));
    attempt.is_first = true;
    attempt.may_be_stored = true;
    cr_assert(eq(int, what(attempt), CLIENT_VERDICT_RETRY));
    cr_assert(client_verdict_of(&attempt).must_renumber);
    cr_assert(not(client_verdict_of(&attempt).may_be_stored));
    attempt.is_transactional = true;
    cr_assert(eq(int, what(attempt), CLIENT_VERDICT_FAIL));
}

/* A partition that has forgotten the producer knows nothing of what it took from it. */
Test(client_verdict, what_is_in_doubt_gets_no_other_numbers_where_the_producer_is_unknown)
{
    struct client_attempt attempt = answered(KAFKA_UNKNOWN_PRODUCER_ID);

    cr_assert(eq(int, what(attempt), CLIENT_VERDICT_RETRY));
    cr_assert(client_verdict_of(&attempt).must_renumber);
    attempt.may_be_stored = true;
    cr_assert(eq(int, what(attempt), CLIENT_VERDICT_FAIL));
    cr_assert(client_verdict_of(&attempt).may_be_stored);
    cr_assert(not(client_verdict_of(&attempt).must_renumber));
}

/* What may be stored as a whole is not stored again in pieces: these have its numbers, and are
 * failed where those are used up. */
Test(client_verdict, what_is_too_large_is_split_with_its_doubt)
{
    struct client_attempt attempt = answered(KAFKA_MESSAGE_TOO_LARGE);

    cr_assert(eq(int, what(attempt), CLIENT_VERDICT_SPLIT));
    attempt.may_be_stored = true;
    cr_assert(eq(int, what(attempt), CLIENT_VERDICT_SPLIT));
    cr_assert(client_verdict_of(&attempt).may_be_stored);
    attempt.error_code = KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
    attempt.is_half_in_doubt = true;
    cr_assert(eq(int, what(attempt), CLIENT_VERDICT_FAIL));
    cr_assert(client_verdict_of(&attempt).may_be_stored);
    attempt = answered(KAFKA_MESSAGE_TOO_LARGE);
    attempt.is_divisible = false;
    cr_assert(eq(int, what(attempt), CLIENT_VERDICT_FAIL));
    cr_assert(not(client_verdict_of(&attempt).may_be_stored));
}

Test(client_verdict, duplicates_are_stored_where_there_are_numbers)
{
    struct client_attempt attempt = answered(KAFKA_DUPLICATE_SEQUENCE_NUMBER);

    cr_assert(eq(int, what(attempt), CLIENT_VERDICT_STORED));
    attempt.is_numbered = false;
    cr_assert(eq(int, what(attempt), CLIENT_VERDICT_FAIL));
}

/* A leader that has appended, and is none any more, says the same as one that never was. */
Test(client_verdict, a_lost_leader_may_have_stored)
{
    struct client_attempt attempt = answered(KAFKA_NOT_LEADER_OR_FOLLOWER);
    struct client_verdict verdict = client_verdict_of(&attempt);

    cr_assert(eq(int, verdict.what, CLIENT_VERDICT_RETRY));
    cr_assert(verdict.may_be_stored);
    cr_assert(verdict.is_stale);
    attempt.error_code = KAFKA_NOT_ENOUGH_REPLICAS;
    cr_assert(not(client_verdict_of(&attempt).may_be_stored));
    attempt.error_code = KAFKA_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
    cr_assert(client_verdict_of(&attempt).may_be_stored);
}

Test(client_verdict, fencing_ends_a_producer_with_numbers_alone)
{
    struct client_attempt attempt = answered(KAFKA_CLUSTER_AUTHORIZATION_FAILED);

    cr_assert(client_verdict_of(&attempt).is_fatal);
    attempt.is_numbered = false;
    cr_assert(not(client_verdict_of(&attempt).is_fatal));
    cr_assert(eq(int, what(attempt), CLIENT_VERDICT_FAIL));
    attempt = answered(KAFKA_INVALID_PRODUCER_EPOCH); /* KIP-588 */
    cr_assert(eq(int, what(attempt), CLIENT_VERDICT_FAIL));
    cr_assert(not(client_verdict_of(&attempt).is_fatal));
}

Test(client_verdict, every_error_has_one)
{
    for (int16_t code = -1; code < 140; code++) {
        struct client_attempt attempt = answered(code);
        struct client_verdict verdict = client_verdict_of(&attempt);

        cr_assert(eq(int, verdict.what == CLIENT_VERDICT_STORED,
                     code == KAFKA_NONE || code == KAFKA_DUPLICATE_SEQUENCE_NUMBER));
        if (verdict.must_renumber)
            cr_assert(not(verdict.may_be_stored));
    }
}
