const SETTLES_AFTER = 250;  // ms for which a cell must be focused before its formula is asked for

function element(name, attributes, parent) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") made.textContent = value;
    else made.setAttribute(key, value);
  }
  parent?.appendChild(made);
  return made;
}

// Cells as they stand on the screen, row by row, so that arrow keys find their neighbours.
function places([images, channels, height, width]) {
  const rows = [];
  for (let row = 0; row < images * height; row++) {
    rows.push(Array.from({ length: channels * width }, (_, column) => {
      const [image, y] = [Math.floor(row / height), row % height];
      const [channel, x] = [Math.floor(column / width), column % width];
      return `v${((image * channels + channel) * height + y) * width + x}`;
    }));
  }
  for (const part of ["g", "b"]) {
    rows.push(rows[0].map((_, column) => part + Math.floor(column / width)));
  }
  return rows;
}

const blockOf = (box, name) => {
  const [, , height, width] = box.data.shape;
  return Math.floor(Number(name.slice(1)) / (height * width));
};

function addCell(box, parent, name, label) {
  const input = element("input", {
    type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false", tabindex: "-1",
    "data-cell": name, "aria-label": label, "aria-describedby": "readout",
  }, parent);
  input.size = 1;
  box.inputs.set(name, input);
}

function addAffineRow(box, body, part, symbol, channels) {
  const row = element("tr", { class: "affine" }, body);
  element("th", { scope: "row", text: symbol }, row);
  for (let channel = 0; channel < channels; channel++) {
    const cell = element("td", {}, row);
    addCell(box, cell, `${part}${channel}`, `${symbol} of channel ${channel + 1}`);
  }
}

function addImageRow(box, body, image, [, channels, height, width]) {
  const row = element("tr", {}, body);
  element("th", { scope: "row", text: `Image ${image + 1}` }, row);
  for (let channel = 0; channel < channels; channel++) {
    const cell = element("td", { class: "block" }, row);
    element("span", { class: "set" }, cell);
    const values = element("div", { class: "values", style: `--columns:${width}` }, cell);
    for (let place = 0; place < height * width; place++) {
      const [y, x] = [Math.floor(place / width) + 1, (place % width) + 1];
      const label = `Image ${image + 1}, channel ${channel + 1}, row ${y}, column ${x}`;
      addCell(box, values, `v${(image * channels + channel) * height * width + place}`, label);
    }
    box.blocks.push(cell);
  }
}

function build(box, data) {
  box.replaceChildren();
  [box.inputs, box.blocks, box.edits, box.rows] = [new Map(), [], {}, places(data.shape)];
  const [images, channels] = data.shape;
  const table = element("table", { class: "sheet" }, element("div", { class: "scroll" }, box));
  const head = element("tr", {}, element("thead", {}, table));
  element("td", {}, head);
  for (let channel = 1; channel <= channels; channel++) {
    element("th", { scope: "col", text: `Channel ${channel}` }, head);
  }
  const body = element("tbody", {}, table);
  for (let image = 0; image < images; image++) addImageRow(box, body, image, data.shape);
  addAffineRow(box, body, "g", "γ", channels);
  addAffineRow(box, body, "b", "β", channels);
  box.errors = element("p", { role: "alert", class: "errors" }, box);
  box.readout = element("div", { class: "readout", id: "readout" }, box);
  listen(box, table);
}

function listen(box, table) {
  const named = (event) => event.target.dataset?.cell;
  table.onmouseover = (event) => named(event)?.startsWith("v") && show(box, named(event));
  table.onmouseleave = () => show(box, box.cell);
  table.addEventListener("focusin", (event) => focused(box, named(event)));
  table.oninput = (event) => event.target.classList.add("dirty");
  table.onchange = (event) => edited(box, named(event));
  table.onkeydown = (event) => pressed(box, event);
}

function focused(box, name) {
  const input = box.inputs.get(name);
  input.select();
  for (const one of box.inputs.values()) one.tabIndex = -1;
  input.tabIndex = 0;
  if (!name.startsWith("v")) return;
  box.cell = name;
  show(box, name);
  clearTimeout(box.timer);
  if (name !== box.data.cell) box.timer = setTimeout(() => report(box), SETTLES_AFTER);
}

function edited(box, name) {
  const input = box.inputs.get(name);
  box.edits[name] = { text: input.value, count: box.count + 1 };
  input.classList.remove("dirty");
  report(box);
}

// All edits that the page has not yet answered go along, so that none is lost on the way.
function report(box) {
  box.count += 1;
  const edits = Object.entries(box.edits).map(([name, edit]) => [name, edit.text]);
  box.send({ count: box.count, edits: Object.fromEntries(edits), cell: box.cell });
}

function pressed(box, event) {
  const input = event.target;
  const [name, all] = [input.dataset.cell, input.selectionEnd - input.selectionStart];
  const whole = all === input.value.length;
  if (event.key === "Escape") {
    input.value = box.shown[name];
    input.classList.remove("dirty");
    input.select();
  }
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], Enter: [event.shiftKey ? -1 : 1, 0] };
  if (whole || input.selectionEnd === 0) steps.ArrowLeft = [0, -1];
  if (whole || input.selectionStart === input.value.length) steps.ArrowRight = [0, 1];
  const step = steps[event.key];
  if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const next = neighbour(box, name, step);
  if (next) box.inputs.get(next).focus();
  else if (event.key === "Enter" && input.classList.contains("dirty")) edited(box, name);
}

function neighbour(box, name, [down, right]) {
  let row = box.rows.findIndex((names) => names.includes(name));
  let column = box.rows[row].indexOf(name);
  do {
    row += down;
    column += right;
  } while (box.rows[row]?.[column] === name);
  return box.rows[row]?.[column];
}

// Marks what shares the cell's mean in the chosen norm, and says it for all four.
function show(box, name) {
  const [block, value] = [blockOf(box, name), Number(name.slice(1))];
  const norm = box.data.norms.find((one) => one.key === box.data.chosen);
  box.blocks.forEach((cell, number) => {
    cell.classList.toggle("shares", norm.sets[number] === norm.sets[block]);
  });
  for (const [other, input] of box.inputs) input.classList.toggle("self", other === name);
  box.readout.replaceChildren();
  const where = box.inputs.get(name).getAttribute("aria-label");
  element("p", { text: `${where}: x = ${box.data.words[value]}` }, box.readout);
  const cards = element("div", { class: "cards" }, box.readout);
  for (const one of box.data.norms) addCard(box, cards, one, block, value);
}

function addCard(box, cards, norm, block, value) {
  const set = norm.sets[block];
  const chosen = norm.key === box.data.chosen;
  const card = element("section", chosen ? { class: "card chosen" } : { class: "card" }, cards);
  element("b", { text: norm.label }, card);
  const map = element("span", {
    class: "map", "aria-hidden": "true", style: `--columns:${box.data.shape[1]}`,
  }, card);
  norm.sets.forEach((other, number) => {
    const look = (other === set ? "in" : "") + (number === block ? " self" : "");
    element("i", { class: look }, map);
  });
  element("small", { text: `${norm.over[set]}: ${norm.count}` }, card);
  const index = norm.index[set];
  const figures = [
    [`μ`, index, norm.mean[set]], [`σ²`, index, norm.variance[set]],
    ["x̂", "", norm.xhat[value]], ["y", "", norm.y[value]],
  ];
  for (const [symbol, below, number] of figures) {
    const line = element("span", { class: "figure", text: symbol }, card);
    element("sub", { text: below }, line);
    line.append(` = ${number}`);
  }
}

// Takes over the page's values, except where the user is ahead of it.
function follow(box, data) {
  for (const [name, edit] of Object.entries(box.edits)) {
    if (edit.count <= data.answered) delete box.edits[name];
  }
  box.shown = { ...data.cells, ...data.refused };
  for (const [name, input] of box.inputs) {
    const ahead = name in box.edits || input.classList.contains("dirty");
    if (!ahead && input.value !== box.shown[name]) input.value = box.shown[name];
    input.toggleAttribute("aria-invalid", false);
    if (name in data.refused) input.setAttribute("aria-invalid", "true");
  }
  // No number is cut off: all cells are as wide as the longest.
  const longest = Math.max(...Object.values(data.cells).map((text) => text.length));
  box.style.setProperty("--digits", longest);
  const norm = data.norms.find((one) => one.key === data.chosen);
  box.blocks.forEach((cell, number) => {
    cell.dataset.tint = norm.tints[norm.sets[number]];
    const tag = cell.querySelector(".set");
    tag.textContent = "μ";
    element("sub", { text: norm.index[norm.sets[number]] }, tag);
  });
  if (box.errors.textContent !== data.said) box.errors.textContent = data.said;
}

export default function ({ data, parentElement, setStateValue }) {
  let box = parentElement.querySelector(".byhand");
  if (!box) {
    box = element("div", { class: "byhand" }, parentElement);
    box.count = data.answered;
  }
  box.send = (changed) => setStateValue("changed", changed);
  const rebuilt = box.shape !== data.shape.join();
  const moved = box.data?.cell !== data.cell;
  box.data = data;
  if (rebuilt) {
    box.shape = data.shape.join();
    build(box, data);
  }
  if (rebuilt || (moved && !parentElement.activeElement)) {
    box.cell = data.cell;
    box.inputs.get(box.cell).tabIndex = 0;
  }
  follow(box, data);
  show(box, box.cell);
}
