const SIDE = 280;  // px of the drawing that is sent, ten for each of the 28
const STEP = 8;  // px that an arrow key moves the pen; 2 with Shift
const PATIENCE = 3000;  // ms after which a drawing is taken for lost
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const PARTS = `
<canvas width="${SIDE}" height="${SIDE}" tabindex="0" role="application" aria-label="Drawing board"
  aria-describedby="help"></canvas><i class="pen" aria-hidden="true"></i>
<div class="tools">
  <button type="button" class="undo">Undo</button><button type="button" class="clear">Clear</button>
  <label>Pen <input type="range" min="8" max="48" step="2" value="26"></label><output></output>
</div>
<p id="help">Draw with the mouse, a finger or a pen. By keyboard: arrow keys move the pen, with Shift
  in small steps; Space puts it down and lifts it. Reloading this page wipes the board.</p>
<p role="status"></p>`;

class Board {
  constructor(root, data) {
    root.innerHTML = PARTS;
    for (const name of ["canvas", "input", "output", ".pen", ".undo", ".clear", "[role=status]"]) {
      this[name.replace(/\W|role=/g, "")] = root.querySelector(name);
    }
    this.context = this.canvas.getContext("2d", { alpha: false });
    Object.assign(this.context, { strokeStyle: "#fff", lineCap: "round", lineJoin: "round" });
    // A page that starts anew takes the board down, perhaps in the middle of a stroke.
    const { live, active, pointer } = last ?? {};
    const isAhead = Boolean(live && (active || live.isNew || live.sent > data.answered));
    this.strokes = structuredClone(isAhead ? last.strokes : data.strokes);
    this.cleared = [];
    this.active = isAhead && active ? this.strokes.at(-1) : null;  // the stroke that grows
    this.pointer = this.active ? pointer : null;  // what draws it, null for the keyboard
    this.at = [SIDE / 2, SIDE / 4];  // where the keyboard's pen is
    const sent = isAhead ? live.sent : data.answered;
    this.live = { sent, answered: data.answered, isNew: isAhead };
    this.listen();
    this.show();
  }

  listen() {
    const { canvas } = this;
    for (const near of ["pointerenter", "focus"]) {
      canvas.addEventListener(near, () => this.wake(), { once: true });
    }
    canvas.onpointerdown = (event) => this.press(event);
    canvas.onpointermove = (event) => this.follow(event);
    canvas.onpointerup = canvas.onpointercancel = (event) => this.release(event);
    canvas.onkeydown = (event) => this.type(event);
    canvas.onblur = () => this.pointer ?? this.lift();
    this.input.oninput = () => this.show();
    this.undo.onclick = () => this.takeBack();
    this.clear.onclick = () => this.wipe();
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) * SIDE) / box.width;
    return [Math.round(x), Math.round(((event.clientY - box.top) * SIDE) / box.height)];
  }

  press(event) {
    if (!event.isPrimary || event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.lift();
    this.pointer = event.pointerId;
    this.put(this.place(event));
  }

  follow(event) {
    if (event.pointerId !== this.pointer || !this.active) return;
    if (!event.buttons) return this.release(event);  // it was lifted elsewhere
    for (const one of event.getCoalescedEvents?.() ?? [event]) this.add(this.place(one));
    this.change();
  }

  release(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.lift();
  }

  type(event) {
    const arrow = ARROWS[event.key];
    if (arrow) {
      const step = event.shiftKey ? 2 : STEP;
      this.at = this.at.map((value, i) => Math.min(SIDE, Math.max(0, value + step * arrow[i])));
      if (this.active) {
        this.add(this.at);
        this.change();
      } else this.show();
    } else if (event.key === " ") {
      if (this.active) this.lift();
      else this.put(this.at);
    } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) this.takeBack();
    else return;
    event.preventDefault();
  }

  put(point) {
    this.active = { width: Number(this.input.value), points: [point] };
    this.strokes.push(this.active);
    this.cleared = [];
    this.status.textContent = "The pen is down.";
    this.change();
  }

  add(point) {
    const last = this.active.points.at(-1);
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) >= 2) this.active.points.push(point);
  }

  lift() {
    if (this.active) this.status.textContent = "The pen is up.";
    this.active = null;
    this.show();
  }

  takeBack() {
    this.lift();
    if (this.cleared.length) this.strokes = this.cleared.splice(0);
    else this.strokes.pop();
    this.status.textContent = `${this.strokes.length} strokes are left.`;
    this.change();
  }

  wipe() {
    this.lift();
    [this.cleared, this.strokes] = [this.strokes, []];
    this.status.textContent = "Nothing is drawn.";
    this.change();
  }

  show() {
    const { context, pen } = this;
    context.fillRect(0, 0, SIDE, SIDE);
    for (const { width, points } of this.strokes) {
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(points[0][0] + 0.01, points[0][1]);  // a line without length is not drawn
      points.forEach((point) => context.lineTo(...point));
      context.stroke();
    }
    this.output.textContent = `${this.input.value}\u00a0px`;
    pen.style.setProperty("--x", this.at[0] / SIDE);
    pen.style.setProperty("--y", this.at[1] / SIDE);
    pen.style.setProperty("--width", this.input.value / SIDE);
    pen.classList.toggle("down", Boolean(this.active));
  }

  // Reports before anything is drawn, so that the page can get ready.
  wake() {
    if (!this.live.sent) this.change();
  }

  change() {
    this.show();
    this.live.isNew = true;
    this.pump();
  }

  // Sends the drawing, unless the page still answers what was sent before.
  pump() {
    const { sent, answered, isNew } = this.live;
    if (sent <= answered && isNew) this.deliver();
  }

  // What stays unanswered may have been lost, as where the page starts anew: it is sent again,
  // each time after twice as long, since that also interrupts an answer which is only slow.
  deliver(patience = PATIENCE) {
    const { live } = this;
    const count = (live.sent += 1);
    live.isNew = false;
    const png = this.strokes.length ? this.canvas.toDataURL("image/png") : "";
    this.send({ count, png, strokes: [...this.strokes] });
    setTimeout(() => {
      const isLost = live.answered < count && live.sent === count && this.canvas.isConnected;
      if (isLost) this.deliver(2 * patience);
    }, patience);
  }
}

const boards = new WeakMap();
let last = null;  // the board of this tab that was made last

export default function ({ data, parentElement, setStateValue }) {
  let root = parentElement.querySelector(".board");
  const isFirst = !root;
  if (isFirst) {
    root = document.createElement("div");
    root.className = "board";
    parentElement.appendChild(root);
    last = new Board(root, data);
    boards.set(root, last);
  }
  const board = boards.get(root);
  board.send = (drawn) => setStateValue("drawn", drawn);
  board.live.answered = data.answered;
  if (isFirst && board.live.isNew) board.deliver();
  else board.pump();
}
