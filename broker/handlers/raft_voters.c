/* AddRaftVoter (key 80) and RemoveRaftVoter (key 81; KIP-853): this broker is its own quorum, which
 * nobody can join or leave; the words are Kafka's where kraft.version is 0. */
#include "broker/handlers.h"
#include "broker/request.h"

void handle_add_raft_voter(struct request *request)
{
    request_answer_error(
        request, KAFKA_UNSUPPORTED_VERSION,
        "Cluster doesn't support adding voter because the kraft.version feature is 0");
}

void handle_remove_raft_voter(struct request *request)
{
    request_answer_error(
        request, KAFKA_UNSUPPORTED_VERSION,
        "Cluster doesn't support removing voter because the kraft.version feature is 0");
}
