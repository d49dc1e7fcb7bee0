// Draws the waveform of each channel of a chunk, and follows the player.

import { api } from "./api.js";
import { h, svg } from "./dom.js";
import { changed } from "./store.js";

const POINTS = 600;
const HEIGHT = 48;
const MOST_KEPT = 30;

/** The waveforms that were read, by the URL of the content: a waveform, an error, or `null` while reading. */
const kept = new Map();

/** The waveform of a chunk. `undefined` while it is read. */
export function waveformOf(recording, chunk) {
  const key = api.contentUrl(recording.id, chunk.index);
  if (!kept.has(key)) {
    if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value);
    kept.set(key, null);
    api
      .waveform(recording.id, chunk.index, POINTS)
      .catch((error) => error)
      .then((result) => {
        kept.set(key, result);
        changed();
      });
  }
  return kept.get(key) ?? undefined;
}

/** A closed path around the middle: up with the peaks, and back below it. */
function path(peaks) {
  const middle = HEIGHT / 2;
  const tall = peaks.map((peak) => Math.max(peak * (middle - 1), 0.5));
  const upper = tall.map((size, x) => `${x} ${(middle - size).toFixed(1)}`);
  const lower = tall.map((size, x) => `${x} ${(middle + size).toFixed(1)}`).reverse();
  return `M${upper.join("L")}L${lower.join("L")}Z`;
}

/** The share of the media that has been played, by player. */
const positions = new Map();

/** Handlers for a player whose position the waveform shows. */
export function follow(id) {
  const update = (event) => {
    const { currentTime, duration } = event.currentTarget;
    positions.set(id, duration ? currentTime / duration : 0);
    changed();
  };
  return { ontimeupdate: update, onseeked: update, onended: update };
}

function seek(event, id) {
  const player = document.getElementById(id);
  const box = event.currentTarget.getBoundingClientRect();
  if (player?.duration) player.currentTime = (player.duration * (event.clientX - box.left)) / box.width;
}

/** One lane per channel. `player` is the id of the player; `label(channel)` names the people in it. */
export function waveform(data, player, label) {
  const played = positions.get(player) ?? 0;
  return h(
    "div",
    { class: "waveform", "data-key": `wave-${player}` },
    data.channels.map(({ channel, peaks }) => {
      const loudest = Math.max(0, ...peaks);
      const width = Math.max(peaks.length - 1, 1);
      const shape = path(peaks);
      return h(
        "div",
        { class: "lane", "data-key": String(channel) },
        h("span", { class: "lane-name", title: label(channel) }, label(channel)),
        svg(
          "svg",
          {
            viewBox: `0 0 ${width} ${HEIGHT}`,
            preserveAspectRatio: "none",
            role: "img",
            "aria-label": `Channel ${channel}, ${label(channel)}: ${loudest < 0.001 ? "silent" : `loudest at ${Math.round(100 * loudest)} percent`}`,
            onclick: (event) => seek(event, player),
          },
          svg("path", { class: "wave", d: shape }),
          svg("svg", { width: (width * played).toFixed(2), height: HEIGHT }, svg("path", { class: "wave played", d: shape })),
          svg("line", { class: "cursor", x1: width * played, x2: width * played, y1: 0, y2: HEIGHT }),
        ),
      );
    }),
  );
}
