"""An example: records a call with the official SDK and downloads the recording."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue

import pytest
from azure.communication.callautomation import CallAutomationClient

FILE_STATUS = "Microsoft.Communication.RecordingFileStatusUpdated"


@pytest.fixture
def events():
    """A webhook, with its URL and a queue of what it receives."""
    received = Queue()

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self):
            [event] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            response = {}
            if "validationCode" in event["data"]:
                response["validationResponse"] = event["data"]["validationCode"]
            else:
                received.put(event)
            body = json.dumps(response).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Webhook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        received.url = f"http://127.0.0.1:{server.server_port}"
        yield received
        server.shutdown()


def test_a_recorded_call_is_downloaded(acs_emulator, events):
    client = CallAutomationClient.from_connection_string(acs_emulator.connection_string)
    acs_emulator.subscribe(events.url, FILE_STATUS)

    incoming = acs_emulator.ring("alice")
    call = client.answer_call(incoming["incomingCallContext"], events.url)
    acs_emulator.advance(1)
    recording = client.start_recording(
        call_connection_id=call.call_connection_id,
        recording_content_type="audio",
        recording_channel_type="mixed",
        recording_format_type="wav",
    )
    acs_emulator.advance(60)
    client.stop_recording(recording.recording_id)
    acs_emulator.advance(1)

    while (event := events.get(timeout=30)).get("eventType") != FILE_STATUS:
        pass
    [chunk] = event["data"]["recordingStorageInfo"]["recordingChunks"]
    media = b"".join(client.download_recording(chunk["contentLocation"]).iter_bytes())
    assert media.startswith(b"RIFF")
    assert len(media) >= 59 * 16_000 * 2
