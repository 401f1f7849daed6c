const SETTLES_AFTER = 300;  // ms without a move
const PATIENCE = 3000;  // ms after which a move is taken for lost

const words = (spec, value) =>
  spec.prefix + String(Number(value.toPrecision(4))).replace("-", "−") + spec.suffix;

function show(row, spec, value) {
  const share = (x) => `${(100 * (x - spec.low)) / (spec.high - spec.low)}%`;
  const text = words(spec, value);
  row.querySelector("output").textContent = text;
  row.querySelector("input").setAttribute("aria-valuetext", text);
  row.querySelector("button").style.visibility = value === spec.neutral ? "hidden" : "visible";
  row.style.setProperty("--from", share(Math.min(value, spec.neutral)));
  row.style.setProperty("--to", share(Math.max(value, spec.neutral)));
  row.style.setProperty("--neutral", share(spec.neutral));
}

function element(name, attributes, parent) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") made.textContent = value;
    else made.setAttribute(key, value);
  }
  parent.appendChild(made);
  return made;
}

function addRow(box, fieldset, spec) {
  const row = element("div", { class: "row", title: spec.summary }, fieldset);
  element("label", { for: spec.name, text: spec.label }, row);
  element("output", { for: spec.name, "aria-hidden": "true" }, row);
  const reset = element(
    "button", { type: "button", "aria-label": `Reset ${spec.label}`, text: "↺" }, row
  );
  const input = element(
    "input",
    { type: "range", id: spec.name, min: spec.low, max: spec.high, step: spec.step },
    row
  );
  const moved = (value) => {
    show(row, spec, value);
    box.live.name = spec.name;
    box.live.values[spec.name] = value;
    ask(box, false);
    clearTimeout(box.live.timer);
    box.live.timer = setTimeout(() => {
      box.live.timer = null;
      ask(box, true);
    }, SETTLES_AFTER);
  };
  input.oninput = () => moved(Number(input.value));
  reset.onclick = () => {
    input.value = spec.neutral;
    moved(spec.neutral);
    input.focus();
  };
  box.rows.set(spec.name, { row, spec, input });
}

function build(box, groups) {
  box.replaceChildren();
  box.rows = new Map();
  for (const { title, sliders } of groups) {
    const fieldset = element("fieldset", {}, box);
    if (title) element("legend", { text: title }, fieldset);
    sliders.forEach((spec) => addRow(box, fieldset, spec));
  }
  box.said = element("p", { role: "status" }, box);
}

function ask(box, settled) {
  box.live.next = { settled };
  pump(box);
}

// Sends what is next, unless the page still answers what was sent before.
function pump(box) {
  const { sent, answered, next } = box.live;
  if (sent <= answered && next) send(box, next.settled);
}

// What stays unanswered may have been lost, as where the page starts anew: it is sent once more.
function send(box, settled) {
  const { live } = box;
  const count = (live.sent += 1);
  live.next = null;
  box.report({ count, name: live.name, values: { ...live.values }, settled });
  setTimeout(() => {
    const isLost = live.answered < count && live.sent === count && box.isConnected;
    if (isLost) send(box, live.next ? live.next.settled : settled);
  }, PATIENCE);
}

// Takes over the page's values, unless a move is still on its way to it.
function follow(box, data) {
  const live = box.live;
  live.answered = data.answered;
  pump(box);
  if (live.sent > live.answered || live.timer) return;
  live.values = {};
  for (const [name, { row, spec, input }] of box.rows) {
    input.value = data.values[name];
    show(row, spec, data.values[name]);
  }
  if (box.said.textContent !== data.said) box.said.textContent = data.said;
}

export default function ({ data, parentElement, setStateValue }) {
  let box = parentElement.querySelector(".sliders");
  if (!box) {
    box = element("div", { class: "sliders" }, parentElement);
    const { answered } = data;
    box.live = { sent: answered, answered, next: null, timer: null, name: "", values: {} };
    for (const near of data.wake ? ["pointerenter", "focusin"] : []) {
      box.addEventListener(near, () => ask(box, true), { once: true });
    }
  }
  box.report = (moved) => setStateValue("moved", moved);
  const shape = JSON.stringify(data.groups);
  if (box.shape !== shape) {
    build(box, data.groups);
    box.shape = shape;
  }
  follow(box, data);
}
