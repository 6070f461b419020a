// The comparison page and the data report: charts, film room, sheet of films, filtered tables. Text from data reaches the page through textContent and canvas alone.
"use strict";
const byId = (id) => document.getElementById(id);
const readJson = (id) => (byId(id) ? JSON.parse(byId(id).textContent) : null);
function element(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// ---- charts -----------------------------------------------------------------------------------------------------------------
const dark = matchMedia("(prefers-color-scheme: dark)");
const views = new Map(); // id of a specification -> its view
async function drawCharts() {
  const bundle = byId("vega"), places = document.querySelectorAll(".chart");
  if (!bundle || !places.length) return;
  if (!window.vegaEmbed) {
    const script = document.createElement("script");
    script.textContent = bundle.textContent;
    document.head.append(script);
  }
  const ink = dark.matches ? "#e4e8ee" : "#1b2430", line = dark.matches ? "#39434f" : "#dde2e8";
  const config = {
    background: "transparent", view: { stroke: line }, title: { color: ink }, font: "system-ui, sans-serif",
    axis: { labelColor: ink, titleColor: ink, gridColor: line, tickColor: line, domainColor: line, labelFontSize: 12, titleFontSize: 12, labelLimit: innerWidth < 700 ? 110 : 260 },
    legend: { labelColor: ink, titleColor: ink, labelFontSize: 12, labelLimit: 240 }, header: { labelColor: ink, titleColor: ink, labelFontSize: 12, labelLimit: 200 },
  };
  for (const place of places) {
    const spec = readJson(place.dataset.spec);
    if (spec.columns) spec.columns = Math.max(1, Math.floor(place.clientWidth / 220));
    if (place.dataset.spec === "spec-differences") chosenReference(spec);
    views.get(place.dataset.spec)?.finalize();
    const drawn = await window.vegaEmbed(place, spec, { actions: false, renderer: "svg", config, defaultStyle: false });
    views.set(place.dataset.spec, drawn.view);
    place.querySelectorAll("svg").forEach((svg) => { svg.setAttribute("role", "img"); svg.setAttribute("aria-label", place.dataset.label); });
    place.dataset.drawn = "yes";
  }
}

// ---- differences from any run -----------------------------------------------------------------------------------------------
function chosenReference(spec) { // a chart that is drawn again, for dark or light, keeps the reader's choice
  for (const one of spec.params) if (one.name === "reference") one.value = byId("reference").value;
}
function startReference() {
  const list = byId("reference"), table = byId("against");
  if (!list) return;
  const rows = readJson("spec-differences").datasets.rows, metrics = JSON.parse(table.dataset.metrics);
  const signed = (value) => { const text = Math.abs(value).toFixed(3); return (value < 0 && Number(text) ? "−" : "+") + text; };
  function cell(row) {
    const made = element("td", "wrap");
    if (!row || row.difference === null) made.append("undefined");
    else made.append(`${signed(row.difference)} [${row.low === null ? "?" : signed(row.low)}, ${row.high === null ? "?" : signed(row.high)}] `, element("span", `tag ${row.judgement.replaceAll(" ", "-")}`, row.judgement));
    return made;
  }
  function show() {
    const found = new Map(), runs = new Map();
    for (const row of rows) if (row.reference === list.value) { found.set(JSON.stringify([row.run, row.metric]), row); runs.set(row.run, row.order); }
    const head = element("tr"), body = element("tbody"), corner = element("th", "long", `minus ${list.value}`);
    corner.scope = "col";
    head.append(corner, ...metrics.map(([, title, less]) => {
      const one = element("th", "wrap", title);
      one.scope = "col";
      if (less) one.append(element("small", "", "lower is better"));
      return one;
    }));
    for (const [run] of [...runs].sort((a, b) => a[1] - b[1])) {
      const line = element("tr"), name = element("th", "long", run);
      name.scope = "row";
      line.append(name, ...metrics.map(([metric]) => cell(found.get(JSON.stringify([run, metric])))));
      body.append(line);
    }
    const top = element("thead");
    top.append(head);
    table.replaceChildren(top, body);
  }
  list.addEventListener("change", () => {
    show();
    views.get("spec-differences")?.signal("reference", list.value).runAsync();
    const against = byId("room-against"); // lists the same runs in the same order
    if (against) { against.selectedIndex = list.selectedIndex; against.dispatchEvent(new Event("change")); }
  });
  show();
}

// ---- the film room ----------------------------------------------------------------------------------------------------------
const SIZES = [88, 128, 176, 240, 320], CAPTION = 38, GAP = 6, AHEAD = 1;
const LINES = { lesion: "#ffd92f", box: "#ff7f2a", lungs: "#4fc3f7" };

function startRoom(data) {
  const films = data.films, count = films.length, grid = byId("room-grid"), body = byId("room-body"), head = byId("room-head");
  const colours = Object.fromEntries(Object.entries(data.colours).map(([kind, text]) => [kind, paint(bytes(text), kind === "signed")]));
  const state = { size: innerWidth < 700 ? 0 : 1, film: 0, column: 0, order: [], columns: [] };
  const pictures = new Array(count), maps = new Map(), rows = new Map();

  function bytes(text) {
    const raw = atob(text), out = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
    return out;
  }
  function paint(table, signed) { // the pixel of each packed value from -127 to 127: red, green, blue, and opacity by strength
    const pixels = new Uint32Array(255), parts = new Uint8Array(pixels.buffer);
    for (let value = -127; value <= 127; value++) {
      const share = value / 127, place = 3 * Math.round(255 * (signed ? 0.5 + share / 2 : Math.max(0, share)));
      const opacity = 255 * Math.abs(share) ** (signed ? 0.75 : 1);
      parts.set([table[place], table[place + 1], table[place + 2], opacity], 4 * (value + 127));
    }
    return pixels;
  }
  function mapOf(run, method, film) { // Int8Array of side * side values, or null
    const about = data.maps[run][method];
    if (!about || about.targets[film] < 0) return null;
    const key = `maps-${run}-${method}`;
    if (!maps.has(key)) maps.set(key, new Int8Array(bytes(byId(key).textContent).buffer));
    const length = data.side * data.side;
    return maps.get(key).subarray(film * length, (film + 1) * length);
  }
  function pictureOf(film) {
    if (!data.pictures[film]) return null;
    if (!pictures[film]) {
      pictures[film] = new Image();
      pictures[film].onload = () => redraw(film);
      pictures[film].src = data.pictures[film];
    }
    return pictures[film].complete ? pictures[film] : null;
  }

  // What is sorted and filtered by: of each film.
  const right = (run, film) => data.predicted[run][film] === films[film].label;
  const ofTruth = (run, film) => data.probabilities[run][film][films[film].label];
  const chosenRuns = () => (byId("room-run").value === "" ? data.runs.map((_, run) => run) : [Number(byId("room-run").value)]);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  function disagreement(film) { // mean distance of the runs' probabilities from their mean
    const own = data.runs.map((_, run) => data.probabilities[run][film]);
    const middle = own[0].map((_, k) => mean(own.map((p) => p[k])));
    return mean(own.map((p) => p.reduce((sum, value, k) => sum + Math.abs(value - middle[k]), 0) / 2));
  }
  const apart = films.map((_, film) => disagreement(film));
  const reference = () => Number(byId("room-against").value);
  const changed = (film) => data.runs.some((_, run) => data.predicted[run][film] !== data.predicted[reference()][film]);
  const some = (film, test) => chosenRuns().some((run) => test(run, film));
  const FILTERS = {
    all: ["all", () => true],
    changed: ["prediction changed", changed],
    right: ["became right", (f) => !right(reference(), f) && some(f, right)],
    wrong: ["became wrong", (f) => right(reference(), f) && some(f, (run) => !right(run, f))],
    errors: ["wrong in some run", (f) => some(f, (run) => !right(run, f))],
    never: ["wrong in every run", (f) => !some(f, right)],
  };
  const SORTS = {
    apart: ["disagreement of runs", (f) => -apart[f]],
    error: ["error", (f) => -mean(chosenRuns().map((run) => (right(run, f) ? 0 : 1) + 1 - ofTruth(run, f)))],
    probability: ["probability of true class", (f) => mean(chosenRuns().map((run) => ofTruth(run, f)))],
    label: ["true class", (f) => films[f].label],
    name: ["as chosen", (f) => f],
  };
  function choose() {
    const text = byId("room-search").value.trim().toLowerCase(), label = byId("room-class").value;
    const keep = FILTERS[byId("room-filter").value][1], weight = SORTS[byId("room-sort").value][1];
    const found = [];
    for (let f = 0; f < count; f++) {
      if (label !== "" && films[f].label !== Number(label)) continue;
      if (text && !`${films[f].id} ${films[f].patient}`.toLowerCase().includes(text)) continue;
      if (keep(f)) found.push([weight(f), f]);
    }
    found.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    state.order = found.map((pair) => pair[1]);
    const method = byId("room-method").value;
    state.columns = chosenRuns().flatMap((run) => data.methods.map((_, m) => [run, m]))
      .filter(([run, m]) => data.maps[run][m] && (method === "" || m === Number(method)));
    state.column = Math.min(state.column, Math.max(0, state.columns.length - 1));
    byId("room-count").textContent = `${state.order.length} of ${count} films, ${state.columns.length} columns`;
    layout();
  }

  // Only what is in sight is in the page: rows of films, and in each the columns of runs and methods.
  const tile = () => SIZES[state.size], rowHeight = () => tile() + CAPTION + GAP, step = () => tile() + GAP;
  const sideWidth = () => (innerWidth < 700 ? 108 : Math.max(150, tile() + 12));
  function layout() {
    rows.forEach((row) => row.node.remove());
    rows.clear();
    head.replaceChildren();
    grid.style.setProperty("--tile", `${tile()}px`);
    grid.style.setProperty("--side", `${sideWidth()}px`);
    const width = sideWidth() + state.columns.length * step();
    body.style.height = `${Math.max(1, state.order.length) * rowHeight()}px`;
    body.style.width = head.style.width = `${width}px`;
    grid.setAttribute("aria-rowcount", state.order.length + 1);
    grid.setAttribute("aria-colcount", state.columns.length + 1);
    body.dataset.empty = state.order.length ? "" : "No film fits the filter.";
    render();
  }
  function render() {
    const top = grid.scrollTop, left = grid.scrollLeft;
    const first = Math.max(0, Math.floor(top / rowHeight()) - AHEAD);
    const last = Math.min(state.order.length, Math.ceil((top + grid.clientHeight) / rowHeight()) + AHEAD);
    const from = Math.max(0, Math.floor(left / step()) - AHEAD);
    const to = Math.min(state.columns.length, Math.ceil((left + grid.clientWidth - sideWidth()) / step()) + AHEAD);
    drawHead(from, to);
    for (const [index, row] of rows) if (index < first || index >= last) { row.node.remove(); rows.delete(index); }
    for (let index = first; index < last; index++) {
      if (!rows.has(index)) rows.set(index, makeRow(index));
      const row = rows.get(index);
      for (const [column, node] of row.tiles) if (column < from || column >= to) { node.remove(); row.tiles.delete(column); }
      for (let column = from; column < to; column++) if (!row.tiles.has(column)) addTile(row, column);
    }
  }
  function drawHead(from, to) {
    const corner = element("div", "room-corner", "film");
    corner.setAttribute("role", "columnheader");
    const cells = [corner];
    for (let column = from; column < to; column++) {
      const [run, method] = state.columns[column], about = data.maps[run][method];
      const cell = element("div", "room-column");
      cell.append(element("b", "", data.runs[run]), element("span", "", data.methods[method].title));
      if (about.sanity && about.sanity !== "passes") cell.append(element("em", "", about.sanity));
      cell.title = `${data.runs[run]}, ${data.methods[method].title}${about.sanity ? `, sanity gate: ${about.sanity}` : ""}`;
      cell.setAttribute("role", "columnheader");
      cell.setAttribute("aria-colindex", column + 2);
      cell.style.left = `${sideWidth() + column * step()}px`;
      cells.push(cell);
    }
    head.replaceChildren(...cells);
  }
  function makeRow(index) {
    const film = state.order[index], node = element("div", "room-row"), side = element("div", "room-film");
    node.setAttribute("role", "row");
    node.setAttribute("aria-rowindex", index + 2);
    node.style.top = `${index * rowHeight()}px`;
    side.setAttribute("role", "rowheader");
    const link = element("a", "", films[film].id), plain = canvas(tile());
    link.href = `#film=${encodeURIComponent(films[film].id)}`;
    const wrong = data.runs.filter((_, run) => !right(run, film)).length;
    const name = data.classes[films[film].label], told = wrong ? `wrong in ${wrong} of ${data.runs.length}` : "right in all";
    side.append(plain, link, element("span", "", innerWidth < 700 ? `${wrong ? `✗ ${wrong}/${data.runs.length}` : "✓ all"} ${name}` : `${name}; ${told}`));
    side.title = `${films[film].id}, patient ${films[film].patient}; true class ${name}; ${told}`;
    node.append(side);
    body.append(node);
    const row = { node, film, plain, tiles: new Map() };
    drawFilm(plain, film, null);
    mark(row);
    return row;
  }
  function told(run, film) {
    const predicted = data.predicted[run][film];
    return `${data.classes[predicted]} ${data.probabilities[run][film][predicted].toFixed(2)}`;
  }
  function addTile(row, column) {
    const [run, method] = state.columns[column], node = element("div", "room-tile"), button = element("button");
    const good = right(run, row.film), drawn = canvas(tile());
    node.setAttribute("role", "gridcell");
    node.setAttribute("aria-colindex", column + 2);
    node.style.left = `${sideWidth() + column * step()}px`;
    button.type = "button";
    button.tabIndex = -1;
    button.setAttribute("aria-label", `${data.runs[run]}, ${data.methods[method].title}: predicts ${told(run, row.film)}, ${good ? "right" : "wrong"}; open ${films[row.film].id}`);
    button.append(drawn, element("span", good ? "right" : "wrong", `${good ? "✓" : "✗"} ${told(run, row.film)}`));
    button.onclick = () => { select(row.film, column); open(); };
    node.append(button);
    row.node.append(node);
    row.tiles.set(column, node);
    drawFilm(drawn, row.film, state.columns[column]);
    mark(row);
  }
  function mark(row) {
    const chosen = row.film === state.film;
    row.node.classList.toggle("chosen", chosen);
    row.node.setAttribute("aria-selected", chosen);
    row.tiles.forEach((node, column) => node.classList.toggle("chosen", chosen && column === state.column));
  }
  function redraw(film) {
    rows.forEach((row) => {
      if (film !== undefined && row.film !== film) return;
      drawFilm(row.plain, row.film, null);
      row.tiles.forEach((node, column) => drawFilm(node.querySelector("canvas"), row.film, state.columns[column]));
    });
    if (byId("room-dialog").open && (film === undefined || film === state.film)) drawDialog();
  }

  // Drawing: the film, the map over it with the panels' colours, or contours at half of the strongest value, and annotations.
  function canvas(size) {
    const made = element("canvas");
    made.width = made.height = Math.round(size * Math.min(2, devicePixelRatio || 1));
    made.setAttribute("aria-hidden", "true");
    return made;
  }
  const buffer = document.createElement("canvas");
  buffer.width = buffer.height = data.side;
  const ink = buffer.getContext("2d", { willReadFrequently: true }), pixels = ink.createImageData(data.side, data.side), painted = new Uint32Array(pixels.data.buffer);
  function drawFilm(target, film, column) {
    const context = target.getContext("2d"), size = target.width, picture = pictureOf(film), how = byId("room-draw").value;
    context.globalAlpha = 1;
    context.fillStyle = "#000";
    context.fillRect(0, 0, size, size);
    if (picture) context.drawImage(picture, 0, 0, size, size);
    const values = column && how !== "film" ? mapOf(column[0], column[1], film) : null;
    if (values && how === "map") drawMap(context, size, values, data.maps[column[0]][column[1]].signed);
    if (values && how === "contour") drawContours(context, size, values, data.maps[column[0]][column[1]].signed);
    if (column && how !== "film" && !values) note(context, size, "no map");
    else if (values && !data.maps[column[0]][column[1]].tops[film]) note(context, size, "map is zero");
    if (byId("room-annotations").checked) drawAnnotations(context, size, data.annotations[film] || {});
  }
  function note(context, size, text) {
    context.fillStyle = "#fff";
    context.font = `${Math.round(size / 9)}px sans-serif`;
    context.textAlign = "center";
    context.fillText(text, size / 2, size / 2);
  }
  function drawMap(context, size, values, signed) {
    const table = colours[signed ? "signed" : "unsigned"];
    for (let i = 0; i < values.length; i++) painted[i] = table[values[i] + 127];
    ink.putImageData(pixels, 0, 0);
    context.globalAlpha = byId("room-opacity").value / 100;
    context.drawImage(buffer, 0, 0, size, size);
    context.globalAlpha = 1;
  }
  function drawContours(context, size, values, signed) {
    context.globalAlpha = Math.max(0.2, byId("room-opacity").value / 100);
    context.lineWidth = Math.max(1, size / 110);
    for (const [level, colour] of signed ? [[63.5, "#ff4d4d"], [-63.5, "#5b9dff"]] : [[63.5, "#ffb000"]]) {
      context.strokeStyle = colour;
      context.beginPath();
      traceLevel(context, values, level, size / data.side);
      context.stroke();
    }
    context.globalAlpha = 1;
  }
  function traceLevel(context, values, level, scale) { // marching squares between the middles of the map's pixels
    const side = data.side, sign = level < 0 ? -1 : 1, at = (x, y) => sign * values[y * side + x] - sign * level;
    for (let y = 0; y + 1 < side; y++) for (let x = 0; x + 1 < side; x++) {
      const corners = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1]], cuts = [];
      for (let i = 0; i < 4; i++) {
        const [ax, ay] = corners[i], [bx, by] = corners[(i + 1) % 4], a = at(ax, ay), b = at(bx, by);
        if (a > 0 !== b > 0) cuts.push([(ax + (bx - ax) * (a / (a - b)) + 0.5) * scale, (ay + (by - ay) * (a / (a - b)) + 0.5) * scale]);
      }
      for (let i = 0; i + 1 < cuts.length; i += 2) { context.moveTo(...cuts[i]); context.lineTo(...cuts[i + 1]); }
    }
  }
  function drawAnnotations(context, size, drawn) {
    context.lineWidth = Math.max(1, size / 150);
    for (const kind of ["lungs", "lesion"]) {
      context.strokeStyle = LINES[kind];
      for (const line of drawn[kind] || []) {
        context.beginPath();
        line.forEach(([x, y], i) => (i ? context.lineTo(x * size, y * size) : context.moveTo(x * size, y * size)));
        context.stroke();
      }
    }
    context.strokeStyle = LINES.box;
    for (const [x, y, w, h] of drawn.box || []) context.strokeRect(x * size, y * size, w * size, h * size);
  }

  // One film at its large size.
  function open() {
    if (!byId("room-dialog").open) byId("room-dialog").showModal();
    drawDialog();
  }
  function drawDialog() {
    const film = state.film, column = state.columns[state.column] || null, side = Math.min(720, Math.max(260, innerWidth - 60));
    byId("room-title").textContent = films[film].id;
    const what = column ? `${data.runs[column[0]]}, ${data.methods[column[1]].title}` : "no map";
    const about = column && data.maps[column[0]][column[1]], target = about ? about.targets[film] : -1;
    byId("room-told").textContent = `patient ${films[film].patient}; true class ${data.classes[films[film].label]}. ${what}` +
      (column ? `: predicts ${told(column[0], film)}` : "") + (target >= 0 ? `; the map is for ${data.classes[target]}, its strongest value ${about.tops[film]}.` : ".");
    const zoom = Number(byId("room-zoom").value), base = innerWidth < 900 ? side : Math.min(520, (innerWidth - 120) / 2, innerHeight - 330);
    for (const [id, drawn, label] of [["room-plain", null, "The film"], ["room-large", column, `The film with ${what}`]]) {
      const target = byId(id);
      target.width = target.height = Math.round(base * Math.min(zoom, 3));
      target.style.width = target.style.height = `${Math.round(base * zoom)}px`;
      target.setAttribute("aria-label", label);
      drawFilm(target, film, drawn);
    }
    byId("room-runs").replaceChildren(...data.runs.map((name, run) => {
      const row = element("tr"), good = right(run, film), predicted = data.predicted[run][film];
      const cell = element("td");
      cell.append(element("span", good ? "right" : "wrong", `${good ? "✓" : "✗"} ${data.classes[predicted]}`));
      row.append(element("td", "long", name), cell, element("td", "number", data.probabilities[run][film][predicted].toFixed(3)), element("td", "number", ofTruth(run, film).toFixed(3)));
      return row;
    }));
  }

  // Moving.
  function select(film, column, remember = true) {
    state.film = film;
    if (column !== undefined) state.column = Math.max(0, Math.min(state.columns.length - 1, column));
    const index = state.order.indexOf(film), top = index * rowHeight(), left = state.column * step();
    const high = grid.clientHeight - head.offsetHeight, wide = grid.clientWidth - sideWidth();
    if (index >= 0 && (top < grid.scrollTop || top + rowHeight() > grid.scrollTop + high)) grid.scrollTop = top < grid.scrollTop ? top : top + rowHeight() - high;
    if (column !== undefined && (left < grid.scrollLeft || left + step() > grid.scrollLeft + wide)) grid.scrollLeft = left < grid.scrollLeft ? left : left + step() - wide;
    render();
    rows.forEach(mark);
    const shown = state.columns[state.column];
    byId("room-said").textContent = `${films[film].id}, true class ${data.classes[films[film].label]}` +
      (shown ? `; ${data.runs[shown[0]]}, ${data.methods[shown[1]].title}: predicts ${told(shown[0], film)}` : "");
    if (remember) history.replaceState(null, "", `#film=${encodeURIComponent(films[film].id)}`);
    if (byId("room-dialog").open) drawDialog();
  }
  function move(by) {
    if (!state.order.length) return;
    const index = state.order.indexOf(state.film);
    select(state.order[index < 0 ? 0 : Math.max(0, Math.min(state.order.length - 1, index + by))]);
  }
  function resize(by) {
    state.size = Math.max(0, Math.min(SIZES.length - 1, state.size + by));
    layout();
    select(state.film, state.column, false);
  }
  function set(id, value) {
    byId(id).value = value;
    byId(id).dispatchEvent(new Event("change"));
  }
  function cycle(id) {
    const list = byId(id);
    set(id, list.options[(list.selectedIndex + 1) % list.options.length].value);
  }
  const keys = {
    j: () => move(1), k: () => move(-1), l: () => select(state.film, state.column + 1), h: () => select(state.film, state.column - 1),
    m: () => cycle("room-draw"), a: () => byId("room-annotations").click(), "+": () => resize(1), "-": () => resize(-1), "=": () => resize(1),
    c: () => set("room-filter", byId("room-filter").value === "changed" ? "all" : "changed"), "?": () => byId("room-keys").showModal(),
    "/": () => byId("room-search").focus(), 0: () => set("room-method", ""),
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("room-keys").open) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && !["checkbox", "range"].includes(event.target.type)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const number = Number(event.key);
    let act = keys[event.key];
    if (number >= 1 && number <= data.methods.length) act = () => set("room-method", String(number - 1));
    if (event.key === "Enter" && [grid, document.body].includes(event.target)) act = open;
    if (!act) return;
    event.preventDefault();
    act();
  });
  function follow() { // a link to a film
    const found = /^#film=(.*)$/.exec(location.hash);
    let film = -1;
    try { film = found ? films.findIndex((one) => one.id === decodeURIComponent(found[1])) : -1; } catch { film = -1; }
    if (film < 0) return;
    if (!state.order.includes(film)) { byId("room-search").value = ""; byId("room-class").value = ""; byId("room-filter").value = "all"; choose(); }
    byId("films").scrollIntoView();
    select(film, undefined, false);
  }

  function fill(id, options) {
    byId(id).replaceChildren(...options.map(([value, text]) => { const one = element("option", "", text); one.value = value; return one; }));
  }
  const indexed = (names) => names.map((name, index) => [String(index), name]);
  fill("room-filter", Object.entries(FILTERS).map(([key, [title]]) => [key, title]));
  fill("room-sort", Object.entries(SORTS).map(([key, [title]]) => [key, title]));
  fill("room-class", [["", "any"], ...indexed(data.classes)]);
  fill("room-run", [["", "all"], ...indexed(data.runs)]);
  fill("room-against", indexed(data.runs));
  fill("room-method", [["", "all"], ...indexed(data.methods.map((method) => method.title))]);
  byId("room-against").value = String(data.reference);
  byId("room-opacity").value = Math.round(100 * data.opacity);
  for (const id of ["room-filter", "room-sort", "room-class", "room-run", "room-against", "room-method"]) {
    byId(id).addEventListener("change", () => { grid.scrollTop = 0; choose(); });
  }
  byId("room-search").addEventListener("input", () => { grid.scrollTop = 0; choose(); });
  for (const id of ["room-draw", "room-annotations"]) byId(id).addEventListener("change", () => redraw());
  byId("room-opacity").addEventListener("input", () => redraw());
  byId("room-zoom").addEventListener("input", drawDialog);
  byId("room-smaller").onclick = () => resize(-1);
  byId("room-larger").onclick = () => resize(1);
  byId("room-help").onclick = () => byId("room-keys").showModal();
  byId("room-previous").onclick = () => move(-1);
  byId("room-next").onclick = () => move(1);
  byId("room-close").onclick = () => byId("room-dialog").close();
  byId("keys-close").onclick = () => byId("room-keys").close();
  let asked = false;
  grid.addEventListener("scroll", () => { if (!asked) { asked = true; requestAnimationFrame(() => { asked = false; render(); }); } });
  addEventListener("resize", layout);
  addEventListener("hashchange", follow);
  choose();
  state.film = state.order[0] ?? 0;
  rows.forEach(mark);
  follow();
}

// ---- the data report: a sheet of films, and tables with a filter --------------------------------------------------------------
function startSheet() {
  const all = [...document.querySelectorAll(".sheet-film")], lists = [...document.querySelectorAll("select[data-sheet]")], dialog = byId("sheet-dialog");
  let shown = all, current = null;
  const reasons = new Map(all.map((film) => [film, JSON.parse(film.dataset.reason)])), texts = new Map(all.map((film) => [film, film.textContent.toLowerCase()]));
  const fits = (film, list) => list.value === "" || (list.dataset.sheet === "reason" ? reasons.get(film).includes(list.value) : film.dataset[list.dataset.sheet] === list.value);
  function choose() {
    const text = byId("sheet-search").value.trim().toLowerCase();
    for (const film of all) film.hidden = !((!text || texts.get(film).includes(text)) && lists.every((list) => fits(film, list)));
    shown = all.filter((film) => !film.hidden);
    byId("sheet-count").textContent = shown.length === all.length ? `${all.length} films` : `${shown.length} of ${all.length} films`;
  }
  function zoom() { byId("sheet-large").style.width = `${Math.round(Math.min(560, innerWidth - 70) * byId("sheet-zoom").value)}px`; }
  function open(film) {
    if (!film) return;
    current = film;
    const [name, ...told] = film.querySelector("figcaption").children;
    byId("sheet-name").textContent = name.textContent;
    byId("sheet-told").replaceChildren(...told.map((one) => element("p", one.className, one.textContent)));
    byId("sheet-large").src = film.querySelector("img").src;
    byId("sheet-large").alt = `The film ${name.textContent}`;
    zoom();
    if (!dialog.open) dialog.showModal();
  }
  const move = (by) => open(shown[shown.indexOf(current) + by]);
  for (const film of all) film.querySelector("button").onclick = () => open(film);
  for (const list of lists) list.addEventListener("change", choose);
  byId("sheet-search").addEventListener("input", choose);
  byId("sheet-size").addEventListener("input", () => byId("sheet-films").style.setProperty("--film", `${byId("sheet-size").value}px`));
  byId("sheet-zoom").addEventListener("input", zoom);
  byId("sheet-previous").onclick = () => move(-1);
  byId("sheet-next").onclick = () => move(1);
  byId("sheet-close").onclick = () => dialog.close();
  dialog.addEventListener("keydown", (event) => {
    const by = { j: 1, k: -1 }[event.key];
    if (by && !event.ctrlKey && !event.metaKey && !event.altKey) move(by);
  });
  choose();
}
function startFilters(id) { // lists choose by the first column, fields search the whole row
  const inputs = [...document.querySelectorAll(`[data-rows="${id}"]`)], rows = [...byId(id).tBodies[0].rows].map((row) => [row, row.cells[0].textContent.trim(), row.textContent.toLowerCase()]);
  function choose() {
    let count = 0;
    for (const [row, first, text] of rows) {
      row.hidden = !inputs.every((one) => one.value.trim() === "" || (one.tagName === "SELECT" ? first === one.value : text.includes(one.value.trim().toLowerCase())));
      count += !row.hidden;
    }
    byId(`${id}-count`).textContent = `${count} of ${rows.length} rows`;
  }
  for (const one of inputs) one.addEventListener(one.tagName === "SELECT" ? "change" : "input", choose);
  choose();
}

if (byId("sheet-films")) startSheet();
if (byId("problem-list")) startFilters("problem-list");
const room = readJson("room-data");
if (room) startRoom(room);
document.body.dataset.ready = performance.now(); // what a benchmark reads
requestAnimationFrame(() => setTimeout(() => { startReference(); drawCharts(); }));
dark.addEventListener("change", drawCharts);
