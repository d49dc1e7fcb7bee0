"use strict";

// An example for both test frameworks: records a call with the official SDK and downloads the
// recording.

const http = require("node:http");
const { once } = require("node:events");
const { CallAutomationClient } = require("@azure/communication-call-automation");

const FILE_STATUS = "Microsoft.Communication.RecordingFileStatusUpdated";

/** A webhook, with its URL and the promise of the first event of this type. */
async function webhook(type) {
  let arrived;
  const event = new Promise((resolve) => (arrived = resolve));
  const server = http.createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const [received] = JSON.parse(body);
    if (received.eventType === type) arrived(received);
    const validationResponse = received.data?.validationCode;
    response.end(JSON.stringify({ validationResponse }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, event, close };
}

/** Records a minute of a call, and returns the file. */
async function record(acs) {
  const events = await webhook(FILE_STATUS);
  await acs.subscribe(events.url, [FILE_STATUS]);
  const client = new CallAutomationClient(acs.connectionString);
  const recordings = client.getCallRecording();

  const { incomingCallContext } = await acs.ring("alice");
  const call = await client.answerCall(incomingCallContext, events.url);
  await acs.advance(1000);
  const { recordingId } = await recordings.start({
    callConnectionId: call.callConnectionProperties.callConnectionId,
    recordingContent: "audio",
    recordingChannel: "mixed",
    recordingFormat: "wav",
  });
  await acs.advance(60_000);
  await recordings.stop(recordingId);
  await acs.advance(1000);

  const { data } = await events.event;
  events.close();
  const [chunk] = data.recordingStorageInfo.recordingChunks;
  const parts = [];
  for await (const part of await recordings.downloadStreaming(chunk.contentLocation)) parts.push(part);
  return Buffer.concat(parts);
}

module.exports = { record };
