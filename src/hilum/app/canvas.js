// A film with marks: drag draws a box, clicks draw a polygon, and all is also done by keyboard. Coordinates are those of the film's
// own size. Plain DOM and SVG; the film arrives as a data address in `data.film`, shapes leave by setStateValue("shapes", ...).
const SVG = "http://www.w3.org/2000/svg";
const COLOURS = ["#ffb000", "#4fc3f7"]; // not chosen, chosen
const HELP = {
  box: "Box: drag on the film, by mouse or finger. By keyboard: arrows move the cross, Space sets a corner, Space again the opposite one.",
  polygon: "Polygon: click its corners; double-click, Enter or a click on the first corner closes it, Backspace takes one back.",
  select: "Select: click a mark, or Tab to it; drag it or use the arrows to move it, Delete removes it.",
};

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const kept = parentElement.hilum;
  if (kept && kept.film === data.key) {
    kept.disable(data.disabled);
    return kept.end;
  }
  if (kept) kept.end();
  const made = draw(parentElement, data, (shapes) => setStateValue("shapes", shapes));
  parentElement.hilum = made;
  return made.end;
}

function draw(parent, data, send) {
  const root = parent.querySelector(".canvas");
  root.replaceChildren();
  const state = {
    shapes: structuredClone(data.shapes || []), undone: [], tool: "box", drawn: null, chosen: -1, zoom: 1, x: 0, y: 0,
    cross: [data.width / 2, data.height / 2], crossed: false, disabled: !!data.disabled, pointers: new Map(), pinch: null, pan: null, pinched: false, held: null,
  };
  const bar = root.appendChild(document.createElement("div"));
  bar.className = "tools";
  bar.setAttribute("role", "toolbar");
  bar.setAttribute("aria-label", "Tools for marks");
  const tools = {};
  for (const [name, label, key] of [["box", "Box", "b"], ["polygon", "Polygon", "p"], ["select", "Select", "v"]]) {
    tools[name] = button(bar, `${label}`, `${label} (key ${key})`, () => choose(name));
  }
  const undo = button(bar, "Undo", "Undo the last change (Ctrl+Z)", stepBack);
  const remove = button(bar, "Delete", "Delete the selected mark (Delete)", removeChosen);
  const whole = button(bar, "Whole film", "Show the whole film (key 0)", () => { state.zoom = 1; state.x = state.y = 0; show(); });
  const film = root.appendChild(document.createElementNS(SVG, "svg"));
  film.setAttribute("tabindex", "0");
  film.setAttribute("role", "application");
  film.setAttribute("aria-label", "Film to mark");
  film.setAttribute("aria-describedby", `help-${data.key}`);
  const picture = film.appendChild(document.createElementNS(SVG, "image"));
  picture.setAttribute("href", data.film);
  for (const [name, value] of [["width", data.width], ["height", data.height], ["preserveAspectRatio", "none"]]) {
    picture.setAttribute(name, value);
  }
  const layer = film.appendChild(document.createElementNS(SVG, "g"));
  const help = root.appendChild(document.createElement("p"));
  help.className = "help";
  help.id = `help-${data.key}`;
  const told = root.appendChild(document.createElement("p"));
  told.className = "told";
  told.setAttribute("role", "status");

  function button(place, text, label, act) {
    const made = place.appendChild(document.createElement("button"));
    made.type = "button";
    made.textContent = text;
    made.title = label;
    made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  }

  function choose(tool) {
    state.tool = tool;
    state.drawn = null;
    if (tool !== "select") state.chosen = -1;
    show();
  }

  // what the film's own pixels are on the screen, and back
  function scale() {
    return Math.max(data.width, 1) / Math.max(film.getBoundingClientRect().width, 1) / state.zoom;
  }
  function place(event) {
    const spot = new DOMPoint(event.clientX, event.clientY).matrixTransform(film.getScreenCTM().inverse());
    return cut([spot.x, spot.y]);
  }
  function cut([x, y]) {
    const round = (value) => Math.round(value * 100) / 100;
    return [round(Math.min(Math.max(x, 0), data.width)), round(Math.min(Math.max(y, 0), data.height))];
  }

  function change(shapes, words) {
    state.undone.push(state.shapes);
    if (state.undone.length > 100) state.undone.shift();
    state.shapes = shapes;
    told.textContent = words;
    send(shapes);
    show();
  }
  function add(shape) {
    state.drawn = null;
    const box = around(shape);
    if (Math.min(box[2], box[3]) < 1) return show();
    change([...state.shapes, shape], `${name(shape)} ${state.shapes.length + 1} drawn, ${sizes(shape)}`);
  }
  function stepBack() {
    if (state.drawn?.kind === "polygon" && state.drawn.points.length > 1) {
      state.drawn.points.pop();
      return show();
    }
    if (state.drawn) {
      state.drawn = null;
      return show();
    }
    if (!state.undone.length || state.disabled) return;
    state.shapes = state.undone.pop();
    state.chosen = -1;
    told.textContent = "Undone";
    send(state.shapes);
    show();
  }
  function removeChosen() {
    if (state.chosen < 0 || state.disabled) return;
    const left = state.shapes.filter((_, k) => k !== state.chosen);
    state.chosen = -1;
    change(left, "Mark deleted");
    film.focus();
  }
  function close() {
    const { points } = state.drawn;
    if (points.length >= 3) add({ kind: "polygon", points });
    else told.textContent = "A polygon needs three corners";
  }
  function around({ points }) {
    const xs = points.map((point) => point[0]), ys = points.map((point) => point[1]);
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys)];
  }
  const name = (shape) => (shape.kind === "box" ? "Box" : "Polygon");
  const sizes = (shape) => around(shape).slice(2).map((side) => Math.round(side)).join(" x ") + " pixels";

  function show() {
    const part = [data.width / state.zoom, data.height / state.zoom];
    state.x = Math.min(Math.max(state.x, 0), data.width - part[0]);
    state.y = Math.min(Math.max(state.y, 0), data.height - part[1]);
    film.setAttribute("viewBox", `${state.x} ${state.y} ${part[0]} ${part[1]}`);
    const focused = film.getRootNode().activeElement?.dataset.mark; // drawn anew, a mark would lose the keyboard
    layer.replaceChildren();
    state.shapes.forEach((shape, k) => {
      const node = outline(shape, k === state.chosen);
      node.setAttribute("tabindex", "0");
      node.setAttribute("role", "img");
      node.setAttribute("aria-label", `${name(shape)} ${k + 1}, ${sizes(shape)}${k === state.chosen ? ", selected" : ""}`);
      node.addEventListener("focus", () => { if (state.chosen !== k && state.tool === "select") { state.chosen = k; show(); } });
      node.dataset.mark = k;
    });
    if (state.drawn) {
      const corners = [...state.drawn.points, ...(state.drawn.next ? [state.drawn.next] : [])];
      outline({ kind: state.drawn.kind, points: corners }, true, state.drawn.kind === "polygon");
      if (state.drawn.kind === "polygon") {
        const first = layer.appendChild(document.createElementNS(SVG, "circle"));
        first.setAttribute("cx", corners[0][0]);
        first.setAttribute("cy", corners[0][1]);
        first.setAttribute("r", 6 * scale());
        first.setAttribute("fill", COLOURS[1]);
      }
    }
    if (state.crossed) drawCross();
    for (const [tool, one] of Object.entries(tools)) {
      one.setAttribute("aria-pressed", String(tool === state.tool));
      one.disabled = state.disabled;
    }
    undo.disabled = state.disabled || !(state.undone.length || state.drawn);
    remove.disabled = state.disabled || state.chosen < 0;
    whole.disabled = state.zoom === 1;
    bar.hidden = state.disabled;
    if (focused !== undefined) (layer.querySelector(`[data-mark="${focused}"]`) ?? film).focus();
    help.textContent = state.disabled ? "Marks of this film are final." : `${HELP[state.tool]} Wheel, two fingers, or + and - zoom.`;
  }
  function outline(shape, chosen, open) {
    const node = layer.appendChild(document.createElementNS(SVG, shape.kind === "box" ? "rect" : open ? "polyline" : "polygon"));
    if (shape.kind === "box") {
      ["x", "y", "width", "height"].forEach((key, k) => node.setAttribute(key, around(shape)[k]));
    } else {
      node.setAttribute("points", shape.points.map((point) => point.join(",")).join(" "));
    }
    node.setAttribute("stroke", COLOURS[Number(!!chosen)]);
    node.setAttribute("fill", open ? "none" : COLOURS[Number(!!chosen)]);
    node.setAttribute("fill-opacity", "0.08");
    return node;
  }
  function drawCross() {
    const [x, y] = state.cross, arm = 12 * scale();
    for (const [x1, y1, x2, y2] of [[x - arm, y, x + arm, y], [x, y - arm, x, y + arm]]) {
      const line = layer.appendChild(document.createElementNS(SVG, "line"));
      Object.entries({ x1, y1, x2, y2, stroke: "#ff5252" }).forEach(([key, value]) => line.setAttribute(key, value));
    }
  }
  function zoomAt([x, y], factor) {
    const zoom = Math.min(Math.max(state.zoom * factor, 1), 16);
    state.x = x - (x - state.x) * state.zoom / zoom;
    state.y = y - (y - state.y) * state.zoom / zoom;
    state.zoom = zoom;
    show();
  }

  function press(event) {
    if (event.button > 0 && event.button !== 1) return;
    film.setPointerCapture(event.pointerId);
    state.pointers.set(event.pointerId, event);
    state.pinched = state.pinched && state.pointers.size > 1; // until all fingers are off the film
    if (state.pointers.size === 2) { // two fingers zoom and move
      state.drawn = state.drawn?.kind === "box" ? null : state.drawn;
      state.pinch = span();
      state.pinched = true;
      putBack();
      return show();
    }
    if (event.button === 1) {
      state.pan = [event.clientX, event.clientY];
      event.preventDefault();
      return;
    }
    if (state.disabled) return;
    state.crossed = false;
    const spot = place(event);
    if (state.tool === "box") {
      state.drawn = { kind: "box", points: [spot, spot] };
    } else if (state.tool === "polygon") {
      if (event.pointerType === "touch") return; // when the finger is lifted, as a second one may follow
      addCorner(spot);
    } else {
      const found = layer.querySelectorAll("[data-mark]");
      const under = [...found].filter((node) => within(Number(node.dataset.mark), spot)).pop();
      state.chosen = under ? Number(under.dataset.mark) : -1;
      const far = event.pointerType === "touch" ? 10 : 3; // pixels of the screen, as a hand that only selects trembles
      state.held = under ? { spot, shape: state.shapes[state.chosen], from: [event.clientX, event.clientY], far, dragged: false } : null;
    }
    show();
  }
  function within(k, [x, y]) {
    const [left, top, width, height] = around(state.shapes[k]), edge = 4 * scale();
    return x >= left - edge && x <= left + width + edge && y >= top - edge && y <= top + height + edge;
  }
  function addCorner(spot, finger) {
    if (state.drawn?.kind !== "polygon") {
      state.drawn = { kind: "polygon", points: [spot] };
      return;
    }
    const { points } = state.drawn, near = (finger ? 24 : 8) * scale();
    const apart = (one) => Math.hypot(one[0] - spot[0], one[1] - spot[1]);
    if (points.length >= 3 && apart(points[0]) < near) return close();
    if (apart(points[points.length - 1]) < (finger ? 16 : 2) * scale()) return points.length >= 3 ? close() : undefined; // second of a double click
    points.push(spot);
    state.drawn.next = null;
  }
  function move(event) {
    if (!state.pointers.has(event.pointerId) && state.drawn?.kind !== "polygon") return;
    if (state.pointers.has(event.pointerId)) state.pointers.set(event.pointerId, event);
    if (state.pinch) {
      const now = span();
      zoomAt(place({ clientX: now.x, clientY: now.y }), now.apart / Math.max(state.pinch.apart, 1));
      state.x -= (now.x - state.pinch.x) * scale();
      state.y -= (now.y - state.pinch.y) * scale();
      state.pinch = now;
      return show();
    }
    if (state.pan) {
      state.x -= (event.clientX - state.pan[0]) * scale();
      state.y -= (event.clientY - state.pan[1]) * scale();
      state.pan = [event.clientX, event.clientY];
      return show();
    }
    if (state.held) return drag(event);
    if (state.drawn?.kind === "box") state.drawn.points = [state.drawn.points[0], place(event)];
    else if (state.drawn) state.drawn.next = place(event);
    else return;
    show();
  }
  function drag(event) { // the mark that is held, without leaving the film; it counts as changed when it is let go
    const { spot, shape, from, far } = state.held, [x, y] = place(event);
    state.held.dragged ||= Math.hypot(event.clientX - from[0], event.clientY - from[1]) > far;
    if (!state.held.dragged) return;
    state.shapes = state.shapes.map((one, k) => (k === state.chosen ? shift(shape, [x - spot[0], y - spot[1]]) : one));
    show();
  }
  function shift(shape, [x, y]) {
    const [left, top, width, height] = around(shape);
    const across = Math.min(Math.max(x, -left), data.width - left - width);
    const down = Math.min(Math.max(y, -top), data.height - top - height);
    return { ...shape, points: shape.points.map((point) => cut([point[0] + across, point[1] + down])) };
  }
  function putBack() {
    if (state.held) state.shapes = state.shapes.map((one, k) => (k === state.chosen ? state.held.shape : one));
    state.held = null;
  }
  function letGo() {
    const moved = state.shapes;
    putBack(); // what Undo goes back to
    const points = (shapes) => JSON.stringify(shapes[state.chosen].points);
    if (points(moved) !== points(state.shapes)) change(moved, `${name(moved[state.chosen])} moved`);
    else show();
  }
  function span() {
    const [one, other] = [...state.pointers.values()];
    const apart = Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    return { apart, x: (one.clientX + other.clientX) / 2, y: (one.clientY + other.clientY) / 2 };
  }
  function release(event) {
    state.pointers.delete(event.pointerId);
    if (state.pinch && state.pointers.size < 2) state.pinch = null;
    state.pan = null;
    if (state.held) return letGo();
    if (state.tool === "polygon" && event.pointerType === "touch" && event.type === "pointerup" && !state.pinched && !state.disabled) {
      addCorner(place(event), true);
      return show();
    }
    if (state.drawn?.kind === "box" && event.type === "pointerup" && !state.crossed) {
      add({ kind: "box", points: [state.drawn.points[0], place(event)] });
    } else if (event.type === "pointercancel" && state.drawn?.kind === "box") {
      state.drawn = null;
      show();
    }
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  function type(event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      stepBack();
    } else if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    } else if (ARROWS[event.key]) {
      moveBy(ARROWS[event.key].map((way) => way * (event.shiftKey ? 20 : 4) * scale()));
    } else if (event.key === " ") {
      setCorner();
    } else if (event.key === "Enter" && state.drawn?.kind === "polygon") {
      close();
    } else if (event.key === "Escape" && state.drawn) {
      state.drawn = null;
      show();
    } else if (event.key === "Backspace" && state.drawn) {
      stepBack();
    } else if (event.key === "Delete" || event.key === "Backspace") {
      removeChosen();
    } else if (event.key === "+" || event.key === "-") {
      const middle = [state.x + data.width / state.zoom / 2, state.y + data.height / state.zoom / 2];
      zoomAt(state.crossed ? state.cross : middle, event.key === "+" ? 1.25 : 0.8);
    } else if (event.key === "0") {
      state.zoom = 1;
      show();
    } else if ({ b: "box", p: "polygon", v: "select" }[event.key]) {
      choose({ b: "box", p: "polygon", v: "select" }[event.key]);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
  function moveBy([x, y]) {
    if (state.disabled) return;
    if (state.tool === "select" && state.chosen >= 0) {
      const moved = state.shapes.map((one, k) => (k === state.chosen ? shift(one, [x, y]) : one));
      return change(moved, `${name(moved[state.chosen])} moved`);
    }
    state.crossed = true;
    state.cross = cut([state.cross[0] + x, state.cross[1] + y]);
    if (state.drawn?.kind === "box") state.drawn.points = [state.drawn.points[0], state.cross];
    else if (state.drawn) state.drawn.next = state.cross;
    told.textContent = `At ${Math.round(state.cross[0])}, ${Math.round(state.cross[1])}`;
    show();
  }
  function setCorner() {
    if (state.disabled || state.tool === "select") return;
    state.crossed = true;
    if (state.tool === "polygon") addCorner(state.cross);
    else if (state.drawn) return add({ kind: "box", points: [state.drawn.points[0], state.cross] });
    else state.drawn = { kind: "box", points: [state.cross, state.cross] };
    show();
  }

  const listeners = {
    pointerdown: press, pointermove: move, pointerup: release, pointercancel: release, keydown: type,
    wheel: (event) => {
      if (!event.ctrlKey && document.activeElement !== film && parent.activeElement !== film) return; // the page scrolls
      event.preventDefault();
      zoomAt(place(event), event.deltaY < 0 ? 1.15 : 1 / 1.15);
    },
    dblclick: (event) => event.preventDefault(),
  };
  for (const [kind, act] of Object.entries(listeners)) film.addEventListener(kind, act, { passive: false });
  show();
  return {
    film: data.key,
    disable: (disabled) => { state.disabled = !!disabled; show(); },
    end: () => {
      for (const [kind, act] of Object.entries(listeners)) film.removeEventListener(kind, act);
      parent.hilum = undefined;
    },
  };
}
