// Parts that several views share.

import { act, announce, h, toast } from "./dom.js";
import { shortId } from "./format.js";
import { loadMore, now, state } from "./store.js";

/** A button. `run` is an action of the user; `done` is shown after it. */
export function button(text, run, { done, tone = "", title, disabled, label } = {}) {
  return h(
    "button",
    { type: "button", class: tone, title, disabled, "aria-label": label, onclick: (event) => act(event, run, done) },
    text,
  );
}

/** Copies `text`, and shows `label`. */
export function copyButton(text, label = "Copy", what = "the text") {
  const onclick = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // The clipboard is not available, for example because the page is not on loopback.
      const field = h("textarea", { class: "hidden" }, text);
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    toast("Copied.");
    announce("Copied.");
  };
  return h("button", { type: "button", class: "small copy", "aria-label": `Copy ${what}`, onclick }, label);
}

/** An id in short form, with a button that copies the whole. */
export function idField(id, what) {
  return h("span", { class: "id" }, h("code", { title: id }, shortId(id)), copyButton(id, "Copy", what));
}

const TONES = {
  connected: "good",
  active: "recording",
  joined: "good",
  delivered: "good",
  available: "good",
  accepted: "good",
  ringing: "accent",
  connecting: "accent",
  joining: "accent",
  starting: "accent",
  sending: "accent",
  queued: "accent",
  pending: "warn",
  paused: "warn",
  retrying: "warn",
  muted: "warn",
  dropped: "bad",
  denied: "bad",
};

/** A state as a coloured word. */
export function tag(text, tone = TONES[text] ?? "") {
  return h("span", { class: `tag ${tone}` }, text);
}

/** The recorded time in milliseconds, which grows while a recording is active. */
export function recordedTime(recording) {
  const open = recording.spans.at(-1);
  if (recording.state !== "active" || !open || open.until) return recording.durationMs;
  const past = recording.spans.slice(0, -1).reduce((sum, span) => sum + Date.parse(span.until) - Date.parse(span.from), 0);
  return past + now() - Date.parse(open.from);
}

/** A status code, coloured by its class. */
export function statusTag(status) {
  if (status === null || status === undefined) return tag("none", "bad");
  return tag(String(status), status < 300 ? "good" : status < 400 ? "accent" : status < 500 ? "warn" : "bad");
}

/** What to do when there is nothing to show. */
export function empty(title, ...text) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), h("p", {}, ...text));
}

/** A section with a heading. */
export function card(title, { key, extra, tone = "" } = {}, ...children) {
  return h(
    "section",
    { class: `card ${tone}`, "data-key": key, "aria-label": title },
    h("div", { class: "card-head" }, h("h2", {}, title), extra && h("div", { class: "buttons" }, extra)),
    ...children,
  );
}

/** A part that is closed until it is needed. */
export function fold(title, key, ...children) {
  return h("details", { class: "fold", "data-key": key }, h("summary", {}, title), ...children);
}

/** Names and values. Values that are empty are left out. */
export function facts(entries, look = "") {
  const given = entries.filter(([, value]) => value !== null && value !== undefined && value !== false && value !== "");
  return h("dl", { class: `facts ${look}` }, given.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** A labelled field of a form. Labels are unique in a view. */
export function field(label, control, hint) {
  const id = `field-${label.toLowerCase().replace(/\W+/g, "-")}`;
  control.id = id;
  if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
  return h(
    "div",
    { class: "field" },
    h("label", { class: "label", for: id }, label),
    control,
    hint && h("span", { class: "hint", id: `${id}-hint` }, hint),
  );
}

export function input(name, properties = {}) {
  return h("input", { name, autocomplete: "off", spellcheck: "false", ...properties });
}

export function select(name, options, properties = {}) {
  return h("select", { name, ...properties }, options.map(([value, text]) => h("option", { value }, text)));
}

/** A table that scrolls by itself if it is wider than the page. */
export function table(caption, columns, rows) {
  const head = columns.map((column) => h("th", { scope: "col" }, column));
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "hidden" }, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)),
  );
}

export function cells(...values) {
  return values.map((value) => h("td", {}, value));
}

/** The button that loads the next page of a list. */
export function more(list) {
  const { items, total, nextCursor } = state[list];
  if (!nextCursor) return null;
  return h(
    "p",
    { class: "more" },
    button("Show older", () => loadMore(list)),
    h("span", { class: "quiet" }, `${items.length} of ${total} are shown.`),
  );
}
