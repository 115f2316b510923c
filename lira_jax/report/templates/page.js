"use strict";
// Draws the charts, saves them, shows and hides curves, and sorts tables.
const charts = JSON.parse(document.getElementById("charts").textContent);
const options = {displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false};

const drawn = {};
for (const element of document.querySelectorAll("[data-chart]")) {
  const chart = charts[element.dataset.chart];
  drawn[element.dataset.chart] = Plotly.newPlot(element, chart.data, chart.layout, options).then(() => element);
}
window.chartsDrawn = Promise.all(Object.values(drawn)).then(() => { document.body.dataset.drawn = "yes"; });

// A row a point: the curve, and whatever lists plotly has of it.
function csv(chart) {
  const lists = (trace) => Object.entries({
    ...trace, "interval above": trace.error_y?.array, "interval below": trace.error_y?.arrayminus,
  }).filter(([, value]) => Array.isArray(value));
  const title = (key) => {
    const given = {x: chart.layout.xaxis, y: chart.layout.yaxis}[key]?.title;
    return given?.text ?? given ?? key;
  };
  const keys = [...new Set(chart.data.flatMap((trace) => lists(trace).map(([key]) => key)))];
  const rows = chart.data.flatMap((trace) => {
    const own = Object.fromEntries(lists(trace));
    const length = Math.max(0, ...Object.values(own).map((list) => list.length));
    return Array.from({length}, (_, i) => [trace.meta ?? trace.name ?? "", ...keys.map((key) => own[key]?.[i] ?? "")]);
  });
  const cell = (value) => /[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value;
  return [["curve", ...keys.map(title)], ...rows].map((row) => row.map(cell).join(",") + "\n").join("");
}

function download(text, file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type: "text/csv"}));
  link.download = file;
  link.click();
  URL.revokeObjectURL(link.href);
}

// Prints one chart with its caption alone, which a browser can save as PDF.
function printAlone(element) {
  const figure = element.closest("figure");
  figure.dataset.printed = "";
  for (let above = figure.parentElement; above !== document.body; above = above.parentElement) above.dataset.around = "";
  document.body.dataset.only = "";
  window.addEventListener("afterprint", () => {
    for (const name of ["printed", "around", "only"]) {
      for (const marked of document.querySelectorAll(`[data-${name}]`)) delete marked.dataset[name];
    }
  }, {once: true});
  window.print();
}

for (const save of document.querySelectorAll("[data-save]")) {
  const name = save.dataset.save;
  save.addEventListener("click", async (event) => {
    const as = event.target.dataset.as;
    if (as === "csv") download(csv(charts[name]), `${name}.csv`);
    if (as === "svg") Plotly.downloadImage(await drawn[name], {format: "svg", filename: name});
    if (as === "pdf") printAlone(await drawn[name]);
  });
}

for (const toggles of document.querySelectorAll("[data-toggles]")) {
  const boxes = [...toggles.querySelectorAll("input")];
  const first = boxes.map((box) => box.defaultChecked);
  const apply = async () => {
    const shown = new Map(boxes.map((box) => [box.dataset.curve, box.checked]));
    for (const name of toggles.dataset.toggles.split(" ")) {
      const element = await drawn[name];
      const visible = element.data.map((curve) => !shown.has(curve.meta) || shown.get(curve.meta));
      await Plotly.restyle(element, {visible});
    }
  };
  toggles.addEventListener("change", apply);
  for (const button of toggles.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => {
      boxes.forEach((box, i) => {
        box.checked = button.dataset.show === "all" || (button.dataset.show === "first" && first[i]);
      });
      apply();
    });
  }
}

// Numbers sort as numbers, the largest first; cells without a value stay last either way.
function compare(a, b, direction) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const [x, y] = [Number(a), Number(b)];
  const order = Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", {numeric: true}) : x - y;
  return direction * order;
}

function sort(table, column, ascending) {
  const rows = [...table.tBodies[0].rows];
  const key = (row) => row.cells[column].dataset.sort;
  rows.sort((a, b) => compare(key(a), key(b), ascending ? 1 : -1));
  table.tBodies[0].append(...rows);
  [...table.tHead.rows[0].cells].forEach((cell, i) => {
    cell.setAttribute("aria-sort", i === column ? (ascending ? "ascending" : "descending") : "none");
  });
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const before = heading.getAttribute("aria-sort");
      sort(table, column, before === "none" ? column === 0 : before === "descending");
    });
    if (heading.getAttribute("aria-sort") === "descending") sort(table, column, false);
  });
}

// What is folded away on the screen belongs on paper.
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
