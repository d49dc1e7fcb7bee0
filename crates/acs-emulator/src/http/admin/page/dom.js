// Creates elements and updates the page in place.

const SVG = "http://www.w3.org/2000/svg";
const handlers = new WeakMap();

/** Creates an element. Text is never read as HTML. A property `on…` is an event handler. */
export function h(tag, properties, ...children) {
  return build(document.createElement(tag), properties, children);
}

/** Creates an SVG element. */
export function svg(tag, properties, ...children) {
  return build(document.createElementNS(SVG, tag), properties, children);
}

function build(node, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) {
      listen(node, name.slice(2), value);
    } else {
      node.setAttribute(name, value === true ? "" : value);
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child);
  }
  return node;
}

/** Sets the handler of an event. `morph` can replace it later. */
function listen(node, type, handler) {
  let table = handlers.get(node);
  if (!table) handlers.set(node, (table = new Map()));
  if (!table.has(type)) {
    node.addEventListener(type, (event) => handlers.get(node)?.get(type)?.(event));
  }
  table.set(type, handler);
}

/** Makes the children of `target` equal to `next`, and keeps focus, selections and players. */
export function render(target, ...next) {
  const wanted = next.flat(Infinity).filter((child) => child || child === 0);
  morphChildren(target, wanted.map((child) => (child instanceof Node ? child : new Text(child))));
}

function morphChildren(parent, wanted) {
  const keyed = new Map();
  for (const child of parent.children) {
    if (child.dataset.key) keyed.set(child.dataset.key, child);
  }
  // Removed first, so that the others keep their place and with it the focus.
  const kept = new Set(wanted.map((child) => child.dataset?.key));
  for (const [key, child] of keyed) {
    if (!kept.has(key)) child.remove();
  }
  let at = parent.firstChild;
  for (const child of wanted) {
    const key = child.dataset?.key;
    const known = key ? keyed.get(key) : at && !at.dataset?.key && alike(at, child) ? at : null;
    if (known && alike(known, child)) {
      if (known === at) at = at.nextSibling;
      else parent.insertBefore(known, at);
      morph(known, child);
    } else {
      parent.insertBefore(child, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function alike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName;
}

function morph(known, next) {
  if (known === next) return;
  if (known.nodeType === Node.TEXT_NODE) {
    if (known.data !== next.data) known.data = next.data;
    return;
  }
  for (const { name } of [...known.attributes]) {
    // What the user has opened stays open.
    if (!next.hasAttribute(name) && name !== "open") known.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (known.getAttribute(name) !== value) known.setAttribute(name, value);
  }
  // A listener stays for each type that the element has ever handled, so it is only added once.
  const table = handlers.get(known);
  for (const type of table?.keys() ?? []) table.set(type, undefined);
  for (const [type, handler] of handlers.get(next) ?? []) listen(known, type, handler);
  morphChildren(known, [...next.childNodes]);
}

/** The values of the named fields of a form. Empty ones are left out. */
export function values(form) {
  const result = {};
  for (const [name, value] of new FormData(form)) {
    if (typeof value === "string" && value.trim() !== "") result[name] = value.trim();
  }
  return result;
}

let announcer;

/** Has a screen reader say `text`. */
export function announce(text) {
  announcer ??= document.getElementById("announcer");
  announcer.textContent = text;
}

let toastTimer;

/** Shows a short message at the edge of the page. */
export function toast(text, kind = "info") {
  const box = document.getElementById("toast");
  box.textContent = text;
  box.dataset.kind = kind;
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (box.hidden = true), kind === "error" ? 10_000 : 3_000);
}

/** Runs an action of the user, and shows why it failed. The button is disabled meanwhile. */
export async function act(event, action, done) {
  const button = event?.currentTarget ?? event?.target;
  const control = button instanceof HTMLFormElement ? event.submitter : button;
  control?.setAttribute("aria-busy", "true");
  try {
    const result = await action();
    if (done) toast(typeof done === "function" ? done(result) : done);
    return result;
  } catch (error) {
    toast(error.hint ? `${error.message} ${error.hint}` : error.message, "error");
    return undefined;
  } finally {
    control?.removeAttribute("aria-busy");
  }
}

/** A form that calls `submit` with its values and is cleared if that succeeds. */
export function form(properties, submit, ...children) {
  const onsubmit = async (event) => {
    event.preventDefault();
    const element = event.currentTarget;
    const result = await act(event, () => submit(values(element)));
    if (result !== undefined) element.reset();
  };
  return h("form", { ...properties, onsubmit }, ...children);
}
