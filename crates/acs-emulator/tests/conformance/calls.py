"""A complete recorded call with the unmodified official Python SDK.

ACS_READY is the emulator's ready line, ACS_CA the certificate to trust, and ACS_SCHEMA the schema
of the events.
"""

import json
import os
import socket
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from azure.communication.callautomation import (
    CallAutomationClient,
    ChannelAffinity,
    CommunicationUserIdentifier,
)
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, SystemEventNames

READY = json.loads(os.environ["ACS_READY"])
SCHEMA = os.environ["ACS_SCHEMA"]
CA = os.environ["ACS_CA"]

# The SDK sends its key to hosts of the service only. This process resolves them to loopback.
getaddrinfo = socket.getaddrinfo


def resolve(host, *args, **kwargs):
    on_loopback = isinstance(host, str) and host.endswith(".asm.skype.com")
    return getaddrinfo("127.0.0.1" if on_loopback else host, *args, **kwargs)


socket.getaddrinfo = resolve

# How much this program does.
DONE = {"flows": 0, "requests": 0, "events": 0}


def count_request(_):
    DONE["requests"] += 1


INBOX = []
ARRIVED = threading.Condition()


class Webhook(BaseHTTPRequestHandler):
    def do_OPTIONS(self):
        self.send_response(200)
        self.send_header("WebHook-Allowed-Origin", self.headers["WebHook-Request-Origin"])
        self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        response = b""
        if self.headers["aeg-event-type"] == "SubscriptionValidation":
            code = json.loads(body)[0]["data"]["validationCode"]
            response = json.dumps({"validationResponse": code}).encode()
        else:
            with ARRIVED:
                INBOX.append((self.path, json.loads(body), self.headers["Authorization"]))
                ARRIVED.notify_all()
        self.send_response(200)
        self.send_header("Content-Length", str(len(response)))
        self.end_headers()
        self.wfile.write(response)

    def log_message(self, *args):
        pass


def take(what, matches):
    def index():
        return next((n for n, one in enumerate(INBOX) if matches(*one)), None)

    with ARRIVED:
        assert ARRIVED.wait_for(lambda: index() is not None, 30), f"{what} did not arrive; received {INBOX}"
        DONE["events"] += 1
        return INBOX.pop(index())


def admin(path, body):
    request = urllib.request.Request(
        f"{READY['admin']}/{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request).read()


def advance(milliseconds):
    admin("clock:advance", {"ms": milliseconds})


def callback(kind, expected="/callbacks"):
    """The next callback of this type, as the SDK's core reads it."""

    def matches(path, body, _):
        return path == expected and body[0].get("type", "").endswith(f".{kind}")

    _, body, authorization = take(kind, matches)
    assert authorization.startswith("Bearer ey"), authorization
    return CloudEvent.from_dict(body[0]).data


def event(kind):
    """The next Event Grid event of this type, as the SDK reads it."""

    def first(body):
        return body[0] if isinstance(body, list) else body

    def matches(path, body, _):
        return path == "/events" and kind in (first(body).get("eventType"), first(body).get("type"))

    _, body, _ = take(kind, matches)
    if SCHEMA == "cloud-events":
        return CloudEvent.from_dict(first(body)).data
    return EventGridEvent.from_dict(first(body)).data


def refused(error, action, *args, **kwargs):
    try:
        action(*args, **kwargs)
    except error as failure:
        return failure
    raise AssertionError(f"{action} was not refused")


webhook = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
threading.Thread(target=webhook.serve_forever, daemon=True).start()
BASE = f"http://127.0.0.1:{webhook.server_address[1]}"
FILE_STATUS = SystemEventNames.AcsRecordingFileStatusUpdatedEventName.value
INCOMING = SystemEventNames.AcsIncomingCallEventName.value
admin(
    "subscriptions",
    {"url": f"{BASE}/events", "schema": SCHEMA, "events": [FILE_STATUS, INCOMING]},
)

client = CallAutomationClient.from_connection_string(
    READY["https_connection_string"], connection_verify=CA, raw_request_hook=count_request
)
alice = CommunicationUserIdentifier("8:acs:conformance_alice")
bob = CommunicationUserIdentifier("8:acs:conformance_bob")


def harvest(recording, channel, format, channels=None):
    """Stops a recording and checks its files."""
    client.stop_recording(recording)
    gone = refused(ResourceNotFoundError, client.get_recording_properties, recording)
    assert gone.error.code == "8522", gone
    advance(500)
    data = event(FILE_STATUS)
    assert (data["recordingChannelType"], data["recordingFormatType"]) == (channel, format), data
    assert data["recordingDurationMs"] >= 1000, data
    chunk = data["recordingStorageInfo"]["recordingChunks"][0]

    def download(location, **part):
        return b"".join(client.download_recording(location, **part).iter_bytes())

    media = download(chunk["contentLocation"])
    magic = {"Wav": (0, b"RIFF"), "Mp4": (4, b"ftyp"), "Mp3": (0, b"\xff")}[format]
    assert media[magic[0] :].startswith(magic[1]), media[:16]
    assert download(chunk["contentLocation"], offset=4, length=8) == media[4:12]
    # The SDK signs the query of a location, and everybody else leaves it out.
    assert download(chunk["contentLocation"] + "?part=1&name=a%20b") == media
    metadata = json.loads(download(chunk["metadataLocation"]))
    assert metadata["chunkDocumentId"] == chunk["documentId"], metadata
    if channels:
        people = {one["participantId"]: one.get("channel") for one in metadata["participants"]}
        assert people == channels, metadata
    client.delete_recording(chunk["deleteLocation"])
    refused(ResourceNotFoundError, client.delete_recording, chunk["deleteLocation"])


# Creates a call and performs all operations on a recording of it.
DONE["flows"] += 1
created = client.create_call(alice, f"{BASE}/callbacks", operation_context="created")
connected = callback("CallConnected")
assert connected["callConnectionId"] == created.call_connection_id
assert connected["operationContext"] == "created"
assert callback("ParticipantsUpdated")["participants"][0]["identifier"]["rawId"] == alice.raw_id
connection = client.get_call_connection(created.call_connection_id)
assert connection.add_participant(bob).invitation_id
callback("AddParticipantSucceeded")
assert len(list(connection.list_participants())) == 2
properties = connection.get_call_properties()
assert properties.call_connection_state == "connected"

started = client.start_recording(
    server_call_id=properties.server_call_id,
    recording_content_type="audio",
    recording_channel_type="unmixed",
    recording_format_type="wav",
    channel_affinity=[ChannelAffinity(target_participant=bob, channel=0)],
    audio_channel_participant_ordering=[alice],
    recording_state_callback_url=f"{BASE}/state",
)
assert started.recording_state == "inactive"
recording = started.recording_id


def changed():
    return callback("RecordingStateChanged", "/state")["state"]


assert changed() == "inactive"
advance(200)
assert changed() == "active"
assert client.get_recording_properties(recording).recording_state == "active"
advance(1000)
client.pause_recording(recording)
assert changed() == "inactive"
assert client.get_recording_properties(recording).recording_state == "inactive"
client.resume_recording(recording)
assert changed() == "active"
harvest(recording, "Unmixed", "Wav", {alice.raw_id: 1, bob.raw_id: 0})
connection.mute_participant(alice)
connection.remove_participant(bob)
callback("RemoveParticipantSucceeded")
connection.hang_up(is_for_everyone=True)
assert callback("CallDisconnected")["resultInformation"]["subCode"] == 7000
refused(ResourceNotFoundError, connection.get_call_properties)

# Answers an incoming call, and records it by the id of the connection.
DONE["flows"] += 1
admin("calls:ring", {"caller": "carol"})
incoming = event(INCOMING)
answered = client.answer_call(incoming["incomingCallContext"], f"{BASE}/callbacks")
assert answered.server_call_id == incoming["serverCallId"]
callback("CallConnected")
recording = client.start_recording(
    call_connection_id=answered.call_connection_id,
    recording_format_type="wav",
    recording_content_type="audio",
    pause_on_start=True,
).recording_id
advance(1000)
assert client.get_recording_properties(recording).recording_state == "inactive"
client.resume_recording(recording)
advance(1000)
harvest(recording, "Mixed", "Wav")
client.get_call_connection(answered.call_connection_id).hang_up(is_for_everyone=False)
callback("CallDisconnected")

# Connects to a group call and a room call, and records them in the remaining formats.
for locator, format, content in [
    ({"group_call_id": os.environ["ACS_GROUP"]}, "mp3", "audio"),
    ({"room_id": os.environ["ACS_ROOM"]}, "mp4", "audioVideo"),
]:
    DONE["flows"] += 1
    joined = client.connect_call(callback_url=f"{BASE}/callbacks", **locator)
    callback("CallConnected")
    recording = client.start_recording(
        recording_format_type=format,
        recording_content_type=content,
        recording_channel_type="mixed",
        **locator,
    ).recording_id
    advance(1500)
    harvest(recording, "Mixed", format.capitalize())
    client.get_call_connection(joined.call_connection_id).hang_up(is_for_everyone=False)

# Requests that the service refuses.
DONE["flows"] += 1
nonsense = refused(HttpResponseError, client.start_recording, server_call_id="nonsense")
assert (nonsense.status_code, nonsense.error.code) == (400, "8527"), nonsense
stranger = CallAutomationClient.from_connection_string(
    READY["https_connection_string"].split("accesskey=")[0] + "accesskey=YW5vdGhlciBrZXk=",
    connection_verify=CA,
    raw_request_hook=count_request,
)
refused(ClientAuthenticationError, stranger.get_recording_properties, "unknown")
print("conformance: ok", json.dumps(DONE))
