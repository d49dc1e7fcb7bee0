// Recordings: their state, their files, waveforms and metadata.

import { api } from "./api.js";
import { form, h } from "./dom.js";
import { bytes, count, dateTime, duration, people, personName, relative, time } from "./format.js";
import { button, card, copyButton, empty, facts, field, fold, idField, input, more, recordedTime, tag } from "./parts.js";
import { changed, find, now, put, state } from "./store.js";
import { follow, waveform, waveformOf } from "./waveform.js";

/** The metadata documents that were read, by URL. */
const documents = new Map();

function title(recording) {
  const call = recording.callId && find("calls", recording.callId);
  if (recording.synthetic) return "Synthetic recording";
  return call ? people(call) : "Recording of an earlier call";
}

function kind(recording) {
  return `${recording.channels} ${recording.format}`;
}

function addForm() {
  const submit = async ({ size, files, seed }) => {
    const chunks = Array(Number(files ?? 1)).fill(Math.round(Number(size) * 1_000_000));
    const recording = await api.createRecording({ chunks, seed: seed && Number(seed) });
    put("recordings", recording);
    location.hash = `#/recordings/${recording.id}`;
    return true;
  };
  return fold(
    "Add a synthetic recording",
    "add",
    form(
      { class: "fields" },
      submit,
      field("Size of a file in MB", input("size", { type: "number", min: "0.0001", step: "any", required: true, placeholder: "1" }), "WAV files with noise. They need no memory, so any size works."),
      field("Number of files", input("files", { type: "number", min: "1", max: "1000", placeholder: "1" })),
      field("Seed", input("seed", { type: "number", min: "0", placeholder: "0" })),
      h("button", { class: "primary" }, "Add the recording"),
    ),
  );
}

function row(recording, selected) {
  return h(
    "li",
    { "data-key": recording.id },
    h(
      "a",
      { href: `#/recordings/${recording.id}`, class: "row", "aria-current": selected ? "true" : undefined },
      h("span", { class: "row-title" }, title(recording)),
      tag(recording.state),
      h("span", { class: "row-more" }, `${relative(recording.requestedAt, now())} · ${kind(recording)} · ${duration(recordedTime(recording))}`, recording.chunks.length ? ` · ${count(recording.chunks.length, "file")}` : ""),
    ),
  );
}

function list(selected) {
  const { items } = state.recordings;
  return h(
    "div",
    { class: "list", "data-key": "list" },
    addForm(),
    items.length > 0 && h("ul", { class: "rows" }, items.map((recording) => row(recording, recording.id === selected))),
    more("recordings"),
  );
}

/** The names of the participants with these raw ids. */
function namesOf(recording, ids) {
  const call = recording.callId && find("calls", recording.callId);
  return ids.map((id) => {
    const known = call?.participants?.find((one) => one.id === id);
    return known ? personName(known) : personName({ id });
  });
}

function channelLabel(recording, chunk) {
  return (channel) => {
    const ids = chunk.channels.find((one) => one.channel === channel)?.participantIds ?? [];
    const names = namesOf(recording, ids);
    if (names.length === 0) return `channel ${channel}`;
    return names.length > 2 ? `${names.length} people` : names.join(", ");
  };
}

function player(recording, chunk) {
  const id = `player-${chunk.documentId}`;
  const video = chunk.format === "mp4";
  return h(video ? "video" : "audio", {
    id,
    class: "player",
    controls: true,
    preload: "metadata",
    src: api.contentUrl(recording.id, chunk.index),
    "aria-label": `Chunk ${chunk.index}`,
    "data-key": id,
    ...follow(id),
  });
}

function sound(recording, chunk) {
  const data = waveformOf(recording, chunk);
  if (data === undefined) return h("p", { class: "hint" }, "Reading the waveform…");
  if (data instanceof Error) return h("p", { class: "hint" }, `There is no waveform. ${data.message}`);
  return [
    waveform(data, `player-${chunk.documentId}`, channelLabel(recording, chunk)),
    data.sampled && h("p", { class: "hint" }, "The file is large. Only a part of the audio was examined."),
  ];
}

function metadata(recording, chunk) {
  const url = api.metadataUrl(recording.id, chunk.index);
  const known = documents.get(url);
  const read = async (event) => {
    if (!event.currentTarget.open || documents.get(url)) return;
    documents.set(url, "Reading…");
    changed();
    const text = await api.metadata(recording.id, chunk.index).then(
      (document) => JSON.stringify(document, null, 2),
      (error) => error.message,
    );
    documents.set(url, text);
    changed();
  };
  return h(
    "details",
    { class: "fold", "data-key": "metadata", ontoggle: read },
    h("summary", {}, "Metadata"),
    known && h("div", { class: "snippet" }, h("pre", { tabindex: "0" }, h("code", {}, known)), copyButton(known, "Copy", "the metadata")),
  );
}

function chunkCard(recording, chunk) {
  const available = chunk.state === "available";
  const remove = button("Delete", async () => {
    await api.deleteChunk(recording.id, chunk.index);
    put("recordings", await api.recording(recording.id));
  }, { tone: "small", label: `Delete chunk ${chunk.index}` });
  return card(
    `Chunk ${chunk.index}`,
    { key: chunk.documentId, extra: [tag(chunk.state), available && remove] },
    available && h("div", { class: "stack", "data-key": "media" }, player(recording, chunk), sound(recording, chunk)),
    facts([
      ["Document id", idField(chunk.documentId, "the document id")],
      ["Content", idField(chunk.contentLocation, "the content location")],
      ["Type", chunk.contentType],
      ["Length", duration(chunk.durationMs)],
      ["Size", chunk.sizeBytes === null ? "known when it is first read" : bytes(chunk.sizeBytes)],
      ["Channels", String(chunk.channelCount)],
      ["Begins", time(chunk.startsAt)],
      ["Ended because of", chunk.endReason],
      [available ? "Expires" : "Expiry", `${dateTime(chunk.expiresAt)} (${relative(chunk.expiresAt, now())})`],
    ]),
    available && metadata(recording, chunk),
  );
}

function filesOf(recording) {
  if (recording.chunks.length) return recording.chunks.map((chunk) => chunkCard(recording, chunk));
  if (recording.state === "ended") return empty("The recording has no file.", "Not a single sample was recorded.");
  return empty("The recording is in progress.", "Its files are listed here when it ends. Stop it with an SDK, or end the call.");
}

function detail(id) {
  const recording = find("recordings", id);
  const back = h("a", { class: "back", href: "#/recordings" }, "← All recordings");
  if (!recording) {
    return h("div", { class: "detail", "data-key": id }, back, empty("This recording is not listed.", "Its files have expired, or the emulator was reset."));
  }
  return h(
    "div",
    { class: "detail", "data-key": id },
    back,
    h("div", { class: "title" }, h("h2", {}, title(recording)), tag(recording.state)),
    facts([
      ["Recording id", idField(recording.id, "the recording id")],
      ["Call", recording.callId && find("calls", recording.callId) && h("a", { href: `#/calls/${recording.callId}` }, "Show the call")],
      ["Recorded", `${recording.content}, ${kind(recording)}`],
      ["Requested", dateTime(recording.requestedAt)],
      ["Active since", recording.activeAt && time(recording.activeAt)],
      ["Ended", recording.endedAt && time(recording.endedAt)],
      ["End reason", recording.endReason],
      ["Recorded time", duration(recordedTime(recording))],
      ["Pauses", recording.pauses.length ? recording.pauses.map((one) => `${time(one.from)}–${one.until ? time(one.until) : "now"}`).join(", ") : "none"],
      ["Stored in", recording.container],
    ]),
    filesOf(recording),
  );
}

export const view = {
  id: "recordings",
  title: "Recordings",
  badge() {
    const live = state.recordings.items.filter((one) => one.state !== "ended").length;
    return live ? { count: live, tone: "recording", title: `${live} in progress` } : null;
  },
  draw(id) {
    return h(
      "div",
      { class: `split ${id ? "has-detail" : ""}`, "data-key": "split" },
      list(id),
      id
        ? detail(id)
        : state.recordings.items.length
          ? h("div", { class: "detail placeholder", "data-key": "none" }, empty("Select a recording.", "Its files, waveforms and metadata are shown here."))
          : h("div", { class: "detail", "data-key": "empty" }, empty("No recordings yet.", "Start one with an SDK and the server call id of a call, or add a synthetic one.")),
    );
  },
};
