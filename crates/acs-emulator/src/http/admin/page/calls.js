// Calls: the list, the timeline of one call, and what people can do in it.

import { api } from "./api.js";
import { form, h } from "./dom.js";
import { between, count, duration, people, personName, relative, time } from "./format.js";
import { button, card, cells, empty, facts, field, fold, idField, input, more, recordedTime, select, table, tag } from "./parts.js";
import { find, now, put, state } from "./store.js";
import { history, timeline } from "./timeline.js";

const MOST_ENTRIES = 200;

/** The names in a text such as `alice, bob`. */
function names(text) {
  return text.split(",").map((name) => name.trim()).filter(Boolean).map((name) => ({ name }));
}

function show(call) {
  put("calls", call);
  location.hash = `#/calls/${call.id}`;
  return true;
}

function newCallForm() {
  const submit = async ({ people: text, kind, id, callback, speaking }) =>
    show(
      await api.createCall({
        participants: names(text),
        groupId: kind === "group" ? id : undefined,
        roomId: kind === "room" ? id : undefined,
        callbackUri: callback,
        speaking,
      }),
    );
  return fold(
    "New call",
    "new-call",
    form(
      { class: "fields" },
      submit,
      field("People", input("people", { required: true, placeholder: "alice, bob" }), "Names of your choice or raw ids, separated by commas."),
      field("Kind", select("kind", [["call", "Call"], ["group", "Group call"], ["room", "Room call"]])),
      field("Group or room id", input("id"), "Only for group and room calls."),
      field("They speak", select("speaking", [["always", "all the time"], ["onRequest", "when told to"]])),
      field("Callback URL", input("callback", { type: "url", placeholder: "none" })),
      h("button", { class: "primary" }, "Set up the call"),
    ),
  );
}

function ringForm() {
  return fold(
    "Ring the application",
    "ring",
    form(
      { class: "fields" },
      async ({ caller }) => show(await api.ring({ caller: { name: caller } })),
      field("Caller", input("caller", { required: true, placeholder: "carol" }), "Subscribers receive IncomingCall, and can answer."),
      h("button", { class: "primary" }, "Ring"),
    ),
  );
}

function length(call) {
  if (!call.startedAt) return "–";
  return duration(call.endedAt ? between(call.startedAt, call.endedAt) : now() - Date.parse(call.startedAt));
}

function row(call, selected) {
  return h(
    "li",
    { "data-key": call.id },
    h(
      "a",
      { href: `#/calls/${call.id}`, class: "row", "aria-current": selected ? "true" : undefined },
      h("span", { class: "row-title" }, people(call) || "Nobody yet"),
      tag(call.state),
      h(
        "span",
        { class: "row-more" },
        `${relative(call.createdAt, now())} · ${length(call)}`,
        call.roomId ? ` · room ${call.roomId}` : call.groupId ? " · group" : "",
        call.recordingIds.length ? ` · ${count(call.recordingIds.length, "recording")}` : "",
      ),
    ),
  );
}

function list(selected) {
  const { items } = state.calls;
  return h(
    "div",
    { class: "list", "data-key": "list" },
    h("div", { class: "stack tight" }, newCallForm(), ringForm()),
    items.length > 0 && h("ul", { class: "rows" }, items.map((call) => row(call, call.id === selected))),
    more("calls"),
  );
}

function personRow(call, stay) {
  const name = personName(stay);
  const here = stay.state === "joined" && call.state !== "ended" && call.state !== "ringing";
  const reload = async (request) => {
    await request();
    put("calls", await api.call(call.id));
  };
  const buttons = here && [
    button("Speak 5 s", () => reload(() => api.speak(call.id, stay.id, { durationMs: 5_000 })), { tone: "small", label: `${name} speaks for 5 seconds` }),
    stay.muted
      ? button("Unmute", () => reload(() => api.unmute(call.id, stay.id)), { tone: "small", label: `Unmute ${name}` })
      : button("Mute", () => reload(() => api.mute(call.id, stay.id)), { tone: "small", label: `Mute ${name}` }),
    button("Leave", () => reload(() => api.leave(call.id, stay.id)), { tone: "small", label: `${name} leaves` }),
  ];
  const states = [tag(stay.state), stay.muted && here && tag("muted")];
  return h(
    "tr",
    { "data-key": `${stay.id} ${stay.joinedAt}` },
    h("th", { scope: "row", title: stay.id }, name),
    cells(h("span", { class: "buttons" }, states), time(stay.joinedAt), time(stay.leftAt), h("span", { class: "buttons" }, buttons)),
  );
}

function peopleCard(call) {
  const live = call.state === "connected" || call.state === "connecting";
  const here = call.participants.filter((stay) => stay.state === "joined");
  const join = form(
    { class: "inline" },
    async ({ name }) => {
      await api.join(call.id, { name });
      put("calls", await api.call(call.id));
      return true;
    },
    input("name", { required: true, placeholder: "Name or raw id", "aria-label": "Who joins" }),
    h("button", {}, "Join"),
  );
  const speak = form(
    { class: "inline" },
    async ({ who, text, seconds }) => {
      await api.speak(call.id, who, { text, durationMs: seconds && Math.round(1_000 * seconds) });
      put("calls", await api.call(call.id));
      return true;
    },
    select("who", here.map((stay) => [stay.id, personName(stay)]), { "aria-label": "Who speaks" }),
    input("text", { placeholder: "Text for the timeline", "aria-label": "Text for the timeline" }),
    input("seconds", { type: "number", min: "0.1", step: "any", placeholder: "seconds", "aria-label": "Seconds", class: "narrow" }),
    h("button", {}, "Speak"),
  );
  return card(
    "People",
    { key: "people" },
    call.participants.length
      ? table("People in the call", ["Who", "State", "Joined", "Left", "Actions"], call.participants.map((stay) => personRow(call, stay)))
      : empty("Nobody is in this call.", "Let somebody join below."),
    live && h("div", { class: "forms" }, join, here.length > 0 && speak),
  );
}

function recordingsCard(call) {
  const rows = (call.recordings ?? []).map((recording, index) =>
    h(
      "tr",
      { "data-key": recording.id },
      h("th", { scope: "row" }, h("a", { href: `#/recordings/${recording.id}` }, `Recording ${index + 1}`)),
      cells(tag(recording.state), `${recording.channels} ${recording.format}`, duration(recordedTime(recording)), String(recording.pauses.length), String(recording.chunks.length)),
    ),
  );
  return card(
    "Recordings",
    { key: "recordings" },
    rows.length
      ? table("Recordings of the call", ["Recording", "State", "Format", "Recorded", "Pauses", "Files"], rows)
      : h("p", { class: "hint" }, "This call has not been recorded. Start a recording with an SDK and the server call id above."),
  );
}

function detail(id) {
  const call = find("calls", id);
  if (!call) {
    return h("div", { class: "detail", "data-key": `detail-${id}` }, back(), empty("This call is not listed.", "It has ended and is no longer kept, or the emulator was reset."));
  }
  // A list has no recordings in its calls.
  const whole = { ...call, recordings: call.recordings ?? state.recordings.items.filter((one) => one.callId === call.id).reverse() };
  const over = call.state === "ended";
  const entries = history(whole).slice(-MOST_ENTRIES);
  return h(
    "div",
    { class: "detail", "data-key": `detail-${id}` },
    back(),
    h(
      "div",
      { class: "title" },
      h("h2", {}, people(call) || "Call"),
      tag(call.state),
      h("span", { class: "buttons end" }, !over && button(call.state === "ringing" ? "Stop ringing" : "End the call", async () => put("calls", await api.endCall(call.id)), { tone: "danger-button" })),
    ),
    facts([
      ["Server call id", idField(call.serverCallId, "the server call id")],
      ["Connection id", call.connections.length ? idField(call.connections[0].id, "the connection id") : null],
      ["Group id", call.groupId && idField(call.groupId, "the group id")],
      ["Room id", call.roomId && idField(call.roomId, "the room id")],
      ["Incoming call context", call.state === "ringing" && call.incomingCallContext && idField(call.incomingCallContext, "the context")],
      ["Started", time(call.startedAt)],
      ["Duration", length(call)],
      ["Callbacks to", call.connections.find((one) => one.callbackUri)?.callbackUri],
      ["Ended because", call.endReason],
    ]),
    call.state === "ringing"
      ? empty("The call is ringing.", "The application answers it with the incoming call context from the event IncomingCall.")
      : card("Timeline", { key: "timeline" }, timeline(whole, now())),
    peopleCard(whole),
    recordingsCard(whole),
    entries.length > 0 &&
      fold(`What happened (${entries.length})`, "history", h("ol", { class: "history" }, entries.map((entry) => h("li", {}, h("time", { datetime: entry.at }, time(entry.at)), " ", entry.text)))),
  );
}

function back() {
  return h("a", { class: "back", href: "#/calls" }, "← All calls");
}

export const view = {
  id: "calls",
  title: "Calls",
  badge() {
    const live = state.calls.items.filter((call) => call.state !== "ended").length;
    return live ? { count: live, title: `${live} now` } : null;
  },
  draw(id) {
    const selected = id ?? null;
    return h(
      "div",
      { class: `split ${selected ? "has-detail" : ""}`, "data-key": "split" },
      list(selected),
      selected
        ? detail(selected)
        : state.calls.items.length
          ? h("div", { class: "detail placeholder", "data-key": "none" }, empty("Select a call.", "Its timeline, its people and its recordings are shown here."))
          : h("div", { class: "detail", "data-key": "empty" }, empty("No calls yet.", "Create one with an SDK, or set one up here. It appears without reloading.")),
    );
  },
};
