
// ---- the page of a search: one trial marked in every chart and in the table, which can be sorted ------------------------------
{
  const table = byId("trials"), body = table.tBodies[0], heads = [...table.tHead.rows[0].cells], list = byId("metric");
  const state = { chosen: -1, metric: 0 };
  function tell(view) { view.signal("chosen", state.chosen).signal("metric", state.metric).runAsync(); }
  function choose(number) {
    state.chosen = number === state.chosen ? -1 : number;
    views.forEach(tell);
    const told = byId("marked");
    told.hidden = state.chosen < 0;
    for (const row of body.rows) {
      const own = Number(row.dataset.number) === state.chosen;
      row.classList.toggle("different", own);
      row.setAttribute("aria-selected", own);
      if (own) told.textContent = [...row.cells].map((cell, k) => `${heads[k].textContent} ${cell.textContent}`).join("; ");
    }
  }
  function sort(column) {
    const down = heads[column].ariaSort === "ascending", value = (row) => row.cells[column].dataset.value;
    const text = (a, b) => a.localeCompare(b, "en"), number = (a, b) => a - b;
    const rows = [...body.rows], by = rows.every((row) => !Number.isNaN(Number(value(row)))) ? number : text;
    rows.sort((a, b) => (value(a) === "") - (value(b) === "") || (value(a) === "" ? 0 : (down ? -1 : 1) * by(value(a), value(b))) || a.dataset.number - b.dataset.number);
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].ariaSort = down ? "descending" : "ascending";
    body.append(...rows);
  }
  const drawn = new MutationObserver((records) => { // a chart is drawn, or drawn again, for dark or light
    for (const { target } of records) {
      const view = views.get(target.dataset.spec);
      view.addEventListener("click", (_, item) => { if (item?.datum?.number !== undefined) choose(item.datum.number); });
      if (target.dataset.spec === "spec-parallel") {
        view.addEventListener("mousemove", (event, item) => { // Vega itself tells a line only at its corners
          const number = item?.datum?.number ?? -1;
          if (item?.tooltip) view.tooltip()(view, event, item, item.tooltip);
          if (number !== view.signal("hovered")) view.signal("hovered", number).runAsync();
        });
        view.addEventListener("mouseout", () => view.signal("hovered", -1).runAsync());
      }
      tell(view);
    }
  });
  for (const place of document.querySelectorAll(".chart")) drawn.observe(place, { attributeFilter: ["data-drawn"] });
  heads.forEach((head, column) => { head.querySelector("button").onclick = () => sort(column); });
  body.onclick = (event) => { const row = event.target.closest("tr"); if (row) choose(Number(row.dataset.number)); };
  list?.addEventListener("change", () => { state.metric = Number(list.value); views.forEach(tell); });
  addEventListener("keydown", (event) => { if (event.key === "Escape" && state.chosen >= 0) choose(state.chosen); });
}
