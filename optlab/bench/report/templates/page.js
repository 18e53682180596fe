"use strict";
(function () {
  const table = document.getElementById("run-table");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const shown = document.getElementById("shown");
  const inputs = ["name", "class", "method", "ending"].map((id) => document.getElementById("by-" + id));

  function key(row, column, numeric) {
    const text = row.cells[column].textContent.trim();
    if (!numeric) { return text.toLowerCase(); }
    const number = parseFloat(text);
    return Number.isNaN(number) ? Infinity : number;
  }

  function sort(head) {
    const column = head.cellIndex;
    const numeric = head.classList.contains("number");
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentNode.cells) { other.setAttribute("aria-sort", "none"); }
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keyed = rows.map((row, i) => [key(row, column, numeric), i, row]);
    keyed.sort((a, b) => {
      // What has no value comes last either way; equal values keep their order.
      if (a[0] === b[0]) { return a[1] - b[1]; }
      if (a[0] === Infinity) { return 1; }
      if (b[0] === Infinity) { return -1; }
      return (a[0] < b[0] ? -1 : 1) * (down ? -1 : 1);
    });
    body.append(...keyed.map((item) => item[2]));
  }

  function filter() {
    const [name, kind, method, ending] = inputs.map((input) => input.value);
    const part = name.trim().toLowerCase();
    let count = 0;
    for (const row of rows) {
      const cells = row.cells;
      const kept = cells[0].textContent.toLowerCase().includes(part)
        && (!kind || cells[1].textContent === kind)
        && (!method || cells[2].textContent === method)
        && (!ending || (ending === "not solved" ? row.classList.contains("failed") : cells[3].textContent === ending));
      row.hidden = !kept;
      count += kept;
    }
    shown.textContent = count + " of " + rows.length + " runs";
  }

  function reveal() {
    const target = document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") {
      target.open = true;
      target.scrollIntoView();
    }
  }

  for (const button of table.querySelectorAll("th button")) {
    button.addEventListener("click", () => sort(button.parentNode));
  }
  for (const input of inputs) { input.addEventListener("input", filter); }
  window.addEventListener("hashchange", reveal);
  filter();
  reveal();
})();
