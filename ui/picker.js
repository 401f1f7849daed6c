function bringIntoView(scroll, current) {
  if (!scroll || !current) return;
  const [outer, inner] = [scroll.getBoundingClientRect(), current.getBoundingClientRect()];
  scroll.scrollLeft += inner.left - outer.left - outer.width / 2 + inner.width / 2;
}

function buttonsOf(box) {
  return [...box.querySelectorAll("[data-pick]")];
}

/* Of many buttons the keyboard's Tab comes to one. */
function setTabStop(box, chosen) {
  for (const button of buttonsOf(box)) button.tabIndex = button === chosen ? 0 : -1;
}

function middle(button) {
  const { left, right, top, bottom, height } = button.getBoundingClientRect();
  return { x: (left + right) / 2, y: (top + bottom) / 2, height };
}

/* The button that an arrow key leads to; up and down to the nearest of the next row. */
function neighbour(buttons, button, key) {
  const place = buttons.indexOf(button);
  if (key === "Home") return buttons[0];
  if (key === "End") return buttons.at(-1);
  if (key === "ArrowRight") return buttons[place + 1];
  if (key === "ArrowLeft") return buttons[place - 1];
  const sign = { ArrowDown: 1, ArrowUp: -1 }[key];
  if (!sign) return undefined;
  const here = middle(button);
  const far = (one) => sign * (middle(one).y - here.y) * 1e4 + Math.abs(middle(one).x - here.x);
  const beyond = buttons.filter((one) => sign * (middle(one).y - here.y) > here.height / 2);
  return beyond.sort((a, b) => far(a) - far(b))[0];
}

/* A dialog that a press has opened gives the focus back to the page, not to the button. */
function focusAfterDialog(box, picked) {
  let wasOpen = false;
  const observer = new MutationObserver(() => {
    const isOpen = document.querySelector("[role=dialog]") !== null;
    if (wasOpen && !isOpen) {
      observer.disconnect();
      const button = box.querySelector(`[data-pick="${picked}"]`);
      setTimeout(() => document.activeElement === document.body && button?.focus(), 300);
    }
    wasOpen = isOpen;
  });
  observer.observe(document.body, { childList: true, subtree: true });
  setTimeout(() => wasOpen || observer.disconnect(), 5000);
}

function draw(box, data, root) {
  // Redrawing loses focus and scroll position, so both are put back.
  const focused = root.activeElement?.dataset?.pick;
  const before = box.querySelector(".scroll");
  const [left, top] = [before?.scrollLeft ?? 0, before?.scrollTop ?? 0];
  box.innerHTML = data;
  box.shown = data;
  box.querySelector(".scroll")?.scrollTo(left, top);
  if (!before) bringIntoView(box.querySelector(".scroll"), box.querySelector("[aria-current]"));
  const same = focused && box.querySelector(`[data-pick="${focused}"]`);
  const chosen = box.querySelector("[aria-current], [aria-pressed=true]");
  setTabStop(box, same || chosen || buttonsOf(box)[0]);
  if (same) same.focus({ preventScroll: true });
}

export default function ({ data, parentElement, setTriggerValue }) {
  let box = parentElement.querySelector(".picker");
  if (!box) {
    box = document.createElement("div");
    box.className = "picker";
    parentElement.appendChild(box);
  }
  if (box.shown !== data) draw(box, data, parentElement);
  box.onclick = (event) => {
    const button = event.target.closest("[data-pick]");
    if (!button) return;
    setTabStop(box, button);
    focusAfterDialog(box, button.dataset.pick);
    setTriggerValue("picked", button.dataset.pick);
  };
  box.onkeydown = (event) => {
    const button = event.target.closest("[data-pick]");
    if (!button || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const next = neighbour(buttonsOf(box), button, event.key);
    if (!next) return;
    event.preventDefault();
    setTabStop(box, next);
    next.focus();
  };
}
