// Turns values into text.

const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
  timeZone: "UTC",
});

/** The time of day in UTC: `12:34:56`. */
export function time(instant) {
  return instant ? CLOCK.format(new Date(instant)) : "–";
}

/** The date and the time of day in UTC: `2026-01-31 12:34:56`. */
export function dateTime(instant) {
  if (!instant) return "–";
  return `${new Date(instant).toISOString().slice(0, 10)} ${time(instant)}`;
}

/** The difference between two times in milliseconds. */
export function between(from, until) {
  return new Date(until) - new Date(from);
}

/** A length of time: `850 ms`, `12.5 s`, `1:05:09`. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (Math.abs(ms) < 1_000) return `${Math.round(ms)} ms`;
  if (Math.abs(ms) < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1_000);
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60];
  const hours = Math.floor(seconds / 3_600);
  const text = parts.map((part) => String(part).padStart(2, "0")).join(":");
  return hours ? `${hours}:${text}` : text.replace(/^0/, "");
}

/** The time until `instant`: `in 9 s`, `2 min ago`. */
export function relative(instant, now) {
  if (!instant) return "–";
  const seconds = Math.round((new Date(instant) - now) / 1_000);
  const size = Math.abs(seconds);
  const [value, unit] =
    size < 90
      ? [size, "s"]
      : size < 5_400
        ? [Math.round(size / 60), "min"]
        : size < 172_800
          ? [Math.round(size / 3_600), "h"]
          : [Math.round(size / 86_400), "days"];
  if (size < 1) return "now";
  return seconds > 0 ? `in ${value} ${unit}` : `${value} ${unit} ago`;
}

/** A size in bytes: `1.2 MB`. */
export function bytes(size) {
  if (size === null || size === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (size >= 1_000 && unit < units.length - 1) {
    size /= 1_000;
    unit += 1;
  }
  return `${unit && size < 100 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** `1 call`, `2 calls`. */
export function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** The last part of an event type: `CallConnected`. */
export function shortType(type) {
  return type.slice(type.lastIndexOf(".") + 1);
}

/** The beginning and the end of a long id. */
export function shortId(id, keep = 8) {
  return id.length <= 2 * keep + 1 ? id : `${id.slice(0, keep)}…${id.slice(-keep)}`;
}

/** The name of a participant, or the end of the raw id. */
export function personName(participant) {
  return participant.name ?? (participant.id.startsWith("4:") ? participant.id.slice(2) : shortId(participant.id));
}

/** The names of the participants of a call, each once. */
export function people(call) {
  const names = [...new Set(call.participants.map(personName))];
  return names.length > 4 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
}
