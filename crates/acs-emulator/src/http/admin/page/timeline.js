// Draws the timeline of a call: a lane for each person and each recording.

import { h, svg } from "./dom.js";
import { between, duration, personName, time } from "./format.js";

const LANE = 24;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400];
const MOST_TICKS = 5;

/** Positions are in percent of the width, so that the drawing needs no measuring. */
function scale(from, until) {
  const start = Date.parse(from);
  const length = Math.max(until - start, 1_000);
  const at = (instant) => Math.min(Math.max((100 * (Date.parse(instant) - start)) / length, 0), 100);
  return { start, length, until: start + length, at };
}

function bar(axis, interval, { y, height, name, title }) {
  const from = axis.at(interval.from);
  const until = interval.until ? axis.at(interval.until) : 100;
  const ends = interval.until ? time(interval.until) : "now";
  return svg(
    "rect",
    { class: name, x: `${from.toFixed(3)}%`, width: `${Math.max(until - from, 0.2).toFixed(3)}%`, y, height, rx: 2 },
    svg("title", {}, `${title}, ${time(interval.from)} to ${ends}`),
  );
}

function lane(key, name, detail, description, ...shapes) {
  return h(
    "div",
    { class: "lane", "data-key": key },
    h("span", { class: "lane-name", title: detail }, name),
    svg("svg", { height: LANE, width: "100%", role: "img", "aria-label": description }, ...shapes),
  );
}

function axisLane(axis) {
  const step = 1_000 * (STEPS.find((one) => axis.length / (1_000 * one) <= MOST_TICKS) ?? STEPS.at(-1));
  const ticks = [];
  for (let at = 0; at <= axis.length; at += step) {
    const x = `${((100 * at) / axis.length).toFixed(3)}%`;
    const late = at > 0.93 * axis.length;
    ticks.push(
      svg("line", { class: "tick", x1: x, x2: x, y1: 16, y2: LANE }),
      svg("text", { x, y: 12, "text-anchor": at === 0 ? "start" : late ? "end" : "middle" }, at === 0 ? "0" : duration(at).replace(".0 s", " s")),
    );
  }
  return h(
    "div",
    { class: "lane axis", "data-key": "axis", "aria-hidden": "true" },
    h("span", { class: "lane-name" }),
    svg("svg", { height: LANE, width: "100%" }, ticks),
  );
}

/** The stays of each participant, who can leave and come back. */
function byPerson(participants) {
  const people = new Map();
  for (const stay of participants) {
    if (!people.has(stay.id)) people.set(stay.id, []);
    people.get(stay.id).push(stay);
  }
  return [...people.values()];
}

/** The periods of speech, which for people who always speak is the whole stay. */
function speech(stay) {
  return stay.speaksAlways ? [{ from: stay.joinedAt, until: stay.leftAt, text: null }] : stay.speech;
}

function begun(interval, axis) {
  return Date.parse(interval.from) <= axis.until;
}

function personLane(stays, axis) {
  const name = personName(stays[0]);
  const shapes = stays
    .filter((stay) => stay.state !== "joining")
    .map((stay) => [
      bar(axis, { from: stay.joinedAt, until: stay.leftAt }, { name: "present", y: 9, height: 6, title: `${name} is in the call` }),
      speech(stay)
        .filter((one) => begun(one, axis))
        .map((one) =>
          bar(
            axis,
            { from: one.from, until: one.until ?? stay.leftAt },
            { name: "speech", y: 4, height: 16, title: one.text ? `${name}: “${one.text}”` : `${name} speaks` },
          ),
        ),
      stay.mutes.map((one) =>
        bar(axis, { from: one.from, until: one.until ?? stay.leftAt }, { name: "mute", y: 4, height: 16, title: `${name} is muted` }),
      ),
    ]);
  const sentences = history({ participants: stays, recordings: [] }).map((entry) => `${entry.text} at ${time(entry.at)}`);
  return lane(`p-${stays[0].id}`, name, stays[0].id, sentences.join("; ") || `${name} has not joined yet`, shapes);
}

function recordingLane(recording, number, axis) {
  const name = `recording ${number}`;
  const options = `${recording.channels} ${recording.format}`;
  const pauses = recording.pauses.map((one) => bar(axis, one, { name: "pause", y: 9, height: 6, title: "Paused" }));
  const spans = recording.spans.map((one) => bar(axis, one, { name: "recorded", y: 4, height: 16, title: `Recorded (${options})` }));
  const description = `${name}, ${options}: ${recording.state}, ${recording.pauses.length} pauses`;
  return lane(`r-${recording.id}`, name, options, description, pauses, spans);
}

/** The patterns that the bars use. */
function patterns() {
  const hatch = (id) =>
    svg(
      "pattern",
      { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("rect", { class: "hatch-ground", width: 6, height: 6 }),
      svg("rect", { class: "hatch-line", width: 2, height: 6 }),
    );
  return svg("svg", { class: "defs", width: 0, height: 0, "aria-hidden": "true" }, svg("defs", {}, hatch("hatch")));
}

function legend(call) {
  const entry = (name, text) =>
    h("span", {}, svg("svg", { width: 16, height: 12, "aria-hidden": "true" }, svg("rect", { class: name, width: 16, height: name === "present" || name === "pause" ? 5 : 12, y: name === "present" || name === "pause" ? 4 : 0, rx: 2 })), text);
  return h(
    "figcaption",
    { class: "legend" },
    entry("present", "in the call"),
    entry("speech", "speaks"),
    entry("mute", "muted"),
    call.recordings?.length ? [entry("recorded", "recorded"), entry("pause", "paused")] : null,
  );
}

/** The timeline of a call until it ended, or until `now`. */
export function timeline(call, now) {
  const axis = scale(call.startedAt ?? call.createdAt, call.endedAt ? Date.parse(call.endedAt) : now);
  const recordings = call.recordings ?? [];
  return h(
    "figure",
    { class: "timeline", "aria-label": "Timeline", "data-key": "timeline" },
    patterns(),
    axisLane(axis),
    byPerson(call.participants).map((stays) => personLane(stays, axis)),
    recordings.map((recording, index) => recordingLane(recording, index + 1, axis)),
    legend(call),
  );
}

/** What has happened in a call as sentences, in order. */
export function history(call) {
  const entries = [];
  const add = (at, text) => at && entries.push({ at, text });
  if (call.createdAt) add(call.startedAt, "The call started");
  for (const connection of call.connections ?? []) {
    if (connection.state !== "connecting") add(connection.connectedAt, "The application connected");
    add(connection.disconnectedAt, "The application disconnected");
  }
  for (const stay of call.participants) {
    const name = personName(stay);
    if (stay.state === "joining") continue;
    add(stay.joinedAt, `${name} joined`);
    for (const one of stay.speech) {
      const length = one.until ? ` for ${duration(between(one.from, one.until))}` : "";
      add(one.from, one.text ? `${name} spoke${length}: “${one.text}”` : `${name} spoke${length}`);
    }
    for (const one of stay.mutes) {
      add(one.from, `${name} was muted`);
      add(one.until, `${name} was unmuted`);
    }
    add(stay.leftAt, `${name} left`);
  }
  (call.recordings ?? []).forEach((recording, index) => {
    const name = `Recording ${index + 1}`;
    add(recording.requestedAt, `${name} was requested`);
    recording.spans.forEach((span, at) => add(span.from, at ? `${name} was resumed` : `${name} became active`));
    recording.pauses.forEach((pause) => add(pause.from, `${name} was paused`));
    add(recording.endedAt, `${name} ended`);
  });
  if (call.createdAt) add(call.endedAt, `The call ended${call.endReason ? `. ${call.endReason}` : ""}`);
  return entries.sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
}
