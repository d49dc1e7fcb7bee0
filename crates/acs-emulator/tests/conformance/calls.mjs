// A complete recorded call with the unmodified official JavaScript SDK.
//
// ACS_READY is the emulator's ready line, ACS_PACKAGES the folder with node_modules, and ACS_SCHEMA
// the schema of the events. NODE_EXTRA_CA_CERTS makes Node.js trust the emulator.

import assert from "node:assert/strict";
import dns from "node:dns";
import { once } from "node:events";
import fs from "node:fs/promises";
import http from "node:http";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";

const require = createRequire(path.join(process.env.ACS_PACKAGES, "package.json"));
const { CallAutomationClient, parseCallAutomationEvent } = require(
  "@azure/communication-call-automation",
);
const { EventGridDeserializer, isSystemEvent } = require("@azure/eventgrid");

const ready = JSON.parse(process.env.ACS_READY);
const schema = process.env.ACS_SCHEMA;

// The SDK sends its key to hosts of the service only. This process resolves them to loopback.
const lookup = dns.lookup;
dns.lookup = (name, options, callback) =>
  lookup(name.endsWith(".asm.skype.com") ? "127.0.0.1" : name, options, callback);

/** How much this program does. */
const done = { flows: 0, requests: 0, events: 0 };
const counter = {
  policy: {
    name: "counter",
    sendRequest(request, next) {
      done.requests += 1;
      return next(request);
    },
  },
  position: "perCall",
};

/** The received requests, and the callbacks that wait for more. */
const inbox = [];
const waiting = new Set();

function deliver(entry) {
  inbox.push(entry);
  for (const wake of waiting) wake();
}

async function next(what, matches) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const index = inbox.findIndex(matches);
    if (index >= 0) {
      done.events += 1;
      return inbox.splice(index, 1)[0];
    }
    const left = deadline - Date.now();
    assert(left > 0, `${what} did not arrive; received ${JSON.stringify(inbox)}`);
    await new Promise((resolve) => {
      const timer = setTimeout(wake, left);
      function wake() {
        clearTimeout(timer);
        waiting.delete(wake);
        resolve();
      }
      waiting.add(wake);
    });
  }
}

const webhook = http.createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts).toString();
  if (request.method === "OPTIONS") {
    response.setHeader("WebHook-Allowed-Origin", request.headers["webhook-request-origin"]);
    response.end();
    return;
  }
  if (request.headers["aeg-event-type"] === "SubscriptionValidation") {
    const [event] = JSON.parse(body);
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ validationResponse: event.data.validationCode }));
    return;
  }
  deliver({ path: request.url, body, authorization: request.headers.authorization });
  response.end();
});
webhook.listen(0, "127.0.0.1");
await once(webhook, "listening");
const base = `http://127.0.0.1:${webhook.address().port}`;

async function admin(path, body) {
  const response = await fetch(`${ready.admin}/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 200, await response.text());
}

const advance = (ms) => admin("clock:advance", { ms });

await admin("subscriptions", {
  url: `${base}/events`,
  schema,
  events: [
    "Microsoft.Communication.RecordingFileStatusUpdated",
    "Microsoft.Communication.IncomingCall",
  ],
});

/** The next callback of this type, as the SDK reads it. */
async function callback(kind, path = "/callbacks") {
  const entry = await next(kind, (one) => one.path === path && one.body.includes(`.${kind}"`));
  assert.match(entry.authorization, /^Bearer [\w-]+\.[\w-]+\.[\w-]+$/);
  return parseCallAutomationEvent(JSON.parse(entry.body)[0]);
}

/** The next Event Grid event of this type, as the SDK reads it. */
async function event(kind) {
  const { body } = await next(kind, (one) => one.path === "/events" && one.body.includes(kind));
  const reader = new EventGridDeserializer();
  const [first] =
    schema === "cloud-events"
      ? await reader.deserializeCloudEvents(body)
      : await reader.deserializeEventGridEvents(body);
  assert(isSystemEvent(kind, first), body);
  return first.data;
}

const settings = { additionalPolicies: [counter] };
const client = new CallAutomationClient(ready.https_connection_string, settings);
const recordings = client.getCallRecording();
const alice = { communicationUserId: "8:acs:conformance_alice" };
const bob = { communicationUserId: "8:acs:conformance_bob" };

/** Stops a recording and checks its files. */
async function harvest(recordingId, expected) {
  await recordings.stop(recordingId);
  await assert.rejects(recordings.getState(recordingId), { statusCode: 404, code: "8522" });
  await advance(500);
  const data = await event("Microsoft.Communication.RecordingFileStatusUpdated");
  assert.equal(data.recordingChannelType, expected.channel);
  assert.equal(data.recordingFormatType, expected.format);
  assert(data.recordingDurationMs >= 1000, JSON.stringify(data));
  const [chunk] = data.recordingStorageInfo.recordingChunks;

  const file = path.join(os.tmpdir(), `acs-conformance-${process.pid}`);
  await recordings.downloadToPath(chunk.contentLocation, file);
  const media = await fs.readFile(file);
  const magic = { Wav: [0, "RIFF"], Mp4: [4, "ftyp"] }[expected.format];
  if (magic) {
    const [at, text] = magic;
    assert.equal(media.subarray(at, at + 4).toString(), text);
  } else {
    assert.equal(media[0], 0xff, "an MP3 frame");
  }

  const stream = await recordings.downloadStreaming(chunk.contentLocation, {
    offset: 4,
    length: 8,
  });
  const part = [];
  for await (const piece of stream) part.push(piece);
  assert.deepEqual(Buffer.concat(part), media.subarray(4, 12));

  await recordings.downloadToPath(chunk.metadataLocation, file);
  const metadata = JSON.parse(await fs.readFile(file, "utf8"));
  await fs.rm(file);
  assert.equal(metadata.chunkDocumentId, chunk.documentId);
  if (expected.channels) {
    const channels = metadata.participants.map((one) => [one.participantId, one.channel]);
    assert.deepEqual(Object.fromEntries(channels), expected.channels);
  }

  await recordings.delete(chunk.deleteLocation);
  await assert.rejects(recordings.delete(chunk.deleteLocation), { status: 404 });
}

// Creates a call and performs all operations on a recording of it.
{
  done.flows += 1;
  const created = await client.createCall({ targetParticipant: alice }, `${base}/callbacks`, {
    operationContext: "created",
  });
  const id = created.callConnectionProperties.callConnectionId;
  const connected = await callback("CallConnected");
  assert.equal(connected.callConnectionId, id);
  assert.equal(connected.operationContext, "created");
  const people = await callback("ParticipantsUpdated");
  assert.deepEqual(people.participants[0].identifier.communicationUserId, alice.communicationUserId);

  const connection = client.getCallConnection(id);
  const added = await connection.addParticipant({ targetParticipant: bob });
  assert(added.invitationId);
  await callback("AddParticipantSucceeded");
  assert.equal((await connection.listParticipants()).values.length, 2);

  const properties = await connection.getCallConnectionProperties();
  assert.equal(properties.callConnectionState, "connected");
  const started = await recordings.start({
    callLocator: { kind: "serverCallLocator", id: properties.serverCallId },
    recordingContent: "audio",
    recordingChannel: "unmixed",
    recordingFormat: "wav",
    channelAffinity: [{ targetParticipant: bob, channel: 0 }],
    audioChannelParticipantOrdering: [alice],
    recordingStateCallbackEndpointUrl: `${base}/state`,
  });
  assert.equal(started.recordingState, "inactive");
  assert.equal(started.recordingKind, "azureCommunicationServices");
  const changed = async () => (await callback("RecordingStateChanged", "/state")).state;
  assert.equal(await changed(), "inactive");
  await advance(200);
  assert.equal(await changed(), "active");
  assert.equal((await recordings.getState(started.recordingId)).recordingState, "active");
  await advance(1000);
  await recordings.pause(started.recordingId);
  assert.equal(await changed(), "inactive");
  assert.equal((await recordings.getState(started.recordingId)).recordingState, "inactive");
  await recordings.resume(started.recordingId);
  assert.equal(await changed(), "active");
  await harvest(started.recordingId, {
    channel: "Unmixed",
    format: "Wav",
    channels: { [alice.communicationUserId]: 1, [bob.communicationUserId]: 0 },
  });

  await connection.muteParticipant(alice);
  await connection.removeParticipant(bob);
  await callback("RemoveParticipantSucceeded");
  await connection.hangUp(true);
  assert.equal((await callback("CallDisconnected")).resultInformation.subCode, 7000);
  await assert.rejects(connection.getCallConnectionProperties(), { statusCode: 404 });
}

// Answers an incoming call, and records it by the id of the connection.
{
  done.flows += 1;
  await admin("calls:ring", { caller: "carol" });
  const incoming = await event("Microsoft.Communication.IncomingCall");
  const answered = await client.answerCall(incoming.incomingCallContext, `${base}/callbacks`);
  const { callConnectionId, serverCallId } = answered.callConnectionProperties;
  assert.equal(serverCallId, incoming.serverCallId);
  await callback("CallConnected");
  const { recordingId } = await recordings.start({
    callConnectionId,
    recordingFormat: "wav",
    recordingContent: "audio",
    pauseOnStart: true,
  });
  await advance(1000);
  assert.equal((await recordings.getState(recordingId)).recordingState, "inactive");
  await recordings.resume(recordingId);
  await advance(1000);
  await harvest(recordingId, { channel: "Mixed", format: "Wav" });
  await client.getCallConnection(callConnectionId).hangUp(false);
  await callback("CallDisconnected");
}

// Connects to a group call and a room call, and records them in the remaining formats.
for (const [callLocator, recordingFormat, recordingContent] of [
  [{ kind: "groupCallLocator", id: process.env.ACS_GROUP }, "mp3", "audio"],
  [{ kind: "roomCallLocator", id: process.env.ACS_ROOM }, "mp4", "audioVideo"],
]) {
  done.flows += 1;
  const joined = await client.connectCall(callLocator, `${base}/callbacks`);
  await callback("CallConnected");
  const { recordingId } = await recordings.start({
    callLocator,
    recordingFormat,
    recordingContent,
    recordingChannel: "mixed",
  });
  await advance(1500);
  const format = recordingFormat === "mp3" ? "Mp3" : "Mp4";
  await harvest(recordingId, { channel: "Mixed", format });
  await joined.callConnection.hangUp(false);
}

// Requests that the service refuses.
done.flows += 1;
await assert.rejects(
  recordings.start({ callLocator: { kind: "serverCallLocator", id: "nonsense" } }),
  { statusCode: 400, code: "8527" },
);
const stranger = new CallAutomationClient(
  ready.https_connection_string.replace(/accesskey=.*/, `accesskey=${btoa("another key")}`),
  settings,
);
await assert.rejects(stranger.getCallRecording().getState("unknown"), { statusCode: 401 });

webhook.close();
webhook.closeAllConnections();
console.log(`conformance: ok ${JSON.stringify(done)}`);
process.exit(0);
