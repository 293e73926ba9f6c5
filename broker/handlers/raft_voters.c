/* AddRaftVoter (key 80) and RemoveRaftVoter (key 81; KIP-853): this broker is its own quorum, which
 * nobody can join or leave; the words are Kafka's where kraft.version is 0. */
#include "broker/handlers.h"
#include "broker/request.h"
#include "net/protocol/msg_add_raft_voter.h"
#include "net/protocol/msg_remove_raft_voter.h"

void handle_add_raft_voter(struct request *request)
{
    struct add_raft_voter_response *response = request->response;

    response->error_code = KAFKA_UNSUPPORTED_VERSION;
    response->error_message =
        wire_string("Cluster doesn't support adding voter because the kraft.version feature is 0");
    request_answer(request);
}

void handle_remove_raft_voter(struct request *request)
{
    struct remove_raft_voter_response *response = request->response;

    response->error_code = KAFKA_UNSUPPORTED_VERSION;
    response->error_message = wire_string(
        "Cluster doesn't support removing voter because the kraft.version feature is 0");
    request_answer(request);
}
