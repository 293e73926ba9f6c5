/* DeleteAcls (key 31): there is no authorizer yet, and each answer says so as Kafka's does. */
#include "broker/handlers.h"
#include "broker/request.h"

void handle_delete_acls(struct request *request)
{
    request_answer_error(request, KAFKA_SECURITY_DISABLED, "No Authorizer is configured.");
}
