# Sets up the path of a recording from Azure Communication Services into the archive. Read it, then run
# it in a POSIX shell. Every command can be run again.
set -eu
SUBSCRIPTION={{subscription}}
ACS_ID={{acs_id}}
STORAGE_ID=$(az storage account list --subscription "$SUBSCRIPTION" --query "[?name=='{{account}}'].id | [0]" --output tsv)
: "${STORAGE_ID:?there is no storage account {{account}} in the subscription}"

# 1. The queue, the queue for messages that can never be handled, and the container for events that
#    Event Grid cannot deliver.
az storage queue create --account-name {{account}} --auth-mode login --name {{queue}}
az storage queue create --account-name {{account}} --auth-mode login --name {{queue}}-poison
az storage container create --account-name {{account}} --auth-mode login --name {{dead_letters}}
{{container}}
# 2. The system topic of the resource. Its identity delivers the events, so no key is needed.
az eventgrid system-topic create --subscription "$SUBSCRIPTION" --resource-group {{group}} --name {{topic}} \
  --topic-type Microsoft.Communication.CommunicationServices --source "$ACS_ID" --location global \
  --mi-system-assigned
TOPIC_PRINCIPAL=$(az eventgrid system-topic show --subscription "$SUBSCRIPTION" --resource-group {{group}} \
  --name {{topic}} --query identity.principalId --output tsv)
az role assignment create --assignee-object-id "$TOPIC_PRINCIPAL" \
  --assignee-principal-type ServicePrincipal --role "Storage Queue Data Message Sender" \
  --scope "$STORAGE_ID/queueServices/default/queues/{{queue}}"
az role assignment create --assignee-object-id "$TOPIC_PRINCIPAL" \
  --assignee-principal-type ServicePrincipal --role "Storage Blob Data Contributor" \
  --scope "$STORAGE_ID/blobServices/default/containers/{{dead_letters}}"

# 3. The subscription: the one event that announces a recording, as messages that {{expiry}}.
#    A role can take some minutes to apply; until then this command fails.
#    It is a request to the REST API, because the command for subscriptions of system topics has no
#    options for identities.
az rest --method put \
  --url "/subscriptions/$SUBSCRIPTION/resourceGroups/{{group}}/providers/Microsoft.EventGrid/systemTopics/{{topic}}/eventSubscriptions/{{topic}}-archive?api-version=2025-02-15" \
  --body "$(cat <<JSON
{
  "properties": {
    "filter": {"includedEventTypes": ["Microsoft.Communication.RecordingFileStatusUpdated"]},
    "deliveryWithResourceIdentity": {
      "identity": {"type": "SystemAssigned"},
      "destination": {
        "endpointType": "StorageQueue",
        "properties": {
          "resourceId": "$STORAGE_ID",
          "queueName": "{{queue}}",
          "queueMessageTimeToLiveInSeconds": {{ttl}}
        }
      }
    },
    "deadLetterWithResourceIdentity": {
      "identity": {"type": "SystemAssigned"},
      "deadLetterDestination": {
        "endpointType": "StorageBlob",
        "properties": {
          "resourceId": "$STORAGE_ID",
          "blobContainerName": "{{dead_letters}}"
        }
      }
    }
  }
}
JSON
)"

# 4. The identity of the workers: it reads and deletes recordings, uses the queues, and writes the
#    archive.
az identity create --subscription "$SUBSCRIPTION" --resource-group {{group}} --name {{identity}}
WORKER_PRINCIPAL=$(az identity show --subscription "$SUBSCRIPTION" --resource-group {{group}} \
  --name {{identity}} --query principalId --output tsv)
WORKER_CLIENT_ID=$(az identity show --subscription "$SUBSCRIPTION" --resource-group {{group}} \
  --name {{identity}} --query clientId --output tsv)
WORKER_ID=$(az identity show --subscription "$SUBSCRIPTION" --resource-group {{group}} \
  --name {{identity}} --query id --output tsv)
#    No built-in role is for recordings alone, and custom roles are not documented for them.
az role assignment create --assignee-object-id "$WORKER_PRINCIPAL" \
  --assignee-principal-type ServicePrincipal --role "Communication and Email Service Owner" \
  --scope "$ACS_ID"
#    Renewing a lease updates the message, which the role of a message processor does not permit.
az role assignment create --assignee-object-id "$WORKER_PRINCIPAL" \
  --assignee-principal-type ServicePrincipal --role "Storage Queue Data Contributor" \
  --scope "$STORAGE_ID/queueServices/default/queues/{{queue}}"
#    Workers only add to the poison queue. Whoever runs `archive poison` needs the role above for it.
az role assignment create --assignee-object-id "$WORKER_PRINCIPAL" \
  --assignee-principal-type ServicePrincipal --role "Storage Queue Data Message Sender" \
  --scope "$STORAGE_ID/queueServices/default/queues/{{queue}}-poison"
{{store_role}}
# 5. Alert on DeadLetteredCount of {{topic}}: a dead-lettered event is a recording that nobody archives
#    in time. `acs-recording archive put --event FILE` archives it from the dead-letter container.
echo "endpoint: https://$(az communication show --ids "$ACS_ID" --query hostName --output tsv)"
echo "identity: $WORKER_ID"
echo "client id: $WORKER_CLIENT_ID"
