// Receives what changes, and connects again when the connection is lost.

const NAMES = ["hello", "resync", "clock", "info", "call", "recording", "delivery", "request", "fault", "subscription"];
/** The emulator sends a comment every 15 seconds, which is not visible here; it also closes dead connections. */
const FIRST_DELAY = 500;
const MAX_DELAY = 5_000;

/**
 * Calls `receive(name, data)` for each event and `changed(state)` with `live` or `waiting`.
 *
 * `EventSource` connects again by itself and then sends `Last-Event-ID`. It gives up when a response
 * is not a stream, for example while the emulator restarts. Then this connects anew, with the id in
 * the query.
 */
export function connect(url, receive, changed) {
  let source;
  let lastId = "";
  let delay = FIRST_DELAY;
  let timer;

  function open() {
    clearTimeout(timer);
    source?.close();
    source = new EventSource(lastId ? `${url}?last-event-id=${encodeURIComponent(lastId)}` : url);
    source.onopen = () => {
      delay = FIRST_DELAY;
      changed("live");
    };
    source.onerror = () => {
      changed("waiting");
      if (source.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, delay);
      delay = Math.min(2 * delay, MAX_DELAY);
    };
    for (const name of NAMES) {
      source.addEventListener(name, (event) => {
        if (event.lastEventId) lastId = event.lastEventId;
        receive(name, JSON.parse(event.data));
      });
    }
  }

  open();
  window.addEventListener("online", open);
  // A page that comes back from the browser's cache has lost its connection.
  window.addEventListener("pageshow", (event) => event.persisted && open());
  window.addEventListener("pagehide", () => source.close());
}
