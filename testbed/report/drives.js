"use strict";
// The list of all drives of a run: filtered by what the address says behind "#", sorted by any column.
const all = JSON.parse(document.getElementById("drives").textContent);
const body = document.querySelector("tbody"), more = document.querySelector("[data-more]"), counter = document.querySelector("[data-count]");
const fields = [...document.querySelectorAll("[data-filter]")];
const STATES = ["counted", "not counted", "failed", "not run"];
const PAGE = 200;
const [KEY, SCENARIO, AGENT, CONDITION, SEED, WORLD, EVENTS, STATE, WORDS, OFFSET, SCORE, TRACE, HAS_PAGE] = Array(13).keys();
let shown = PAGE, order = null, up = true;

const texts = drive => ({
  scenario: all.scenarios[drive[SCENARIO]], agent: all.agents[drive[AGENT]], condition: all.conditions[drive[CONDITION]][0],
  world: all.worlds[drive[WORLD]], state: STATES[drive[STATE]], seed: String(drive[SEED]),
});
const wanted = () => {
  const found = {};
  for (const field of fields) if (field.value !== "") found[field.dataset.filter] = field.value.split(",").map(word => word.trim());
  return found;
};
const fits = (drive, want) => {
  const told = texts(drive);
  return Object.entries(want).every(([name, values]) => name === "event"
    ? values.some(value => value === "none" ? !drive[EVENTS].length : drive[EVENTS].some(place => all.events[place] === value))
    : values.includes(told[name]));
};
const cell = (row, content, kind) => {
  const made = row.insertCell();
  if (content instanceof Node) made.append(content); else made.textContent = content;
  if (kind) made.className = kind;
};
const link = (to, words) => Object.assign(document.createElement("a"), {href: to, textContent: words});
const draw = () => {
  const want = wanted();
  const found = all.drives.filter(drive => fits(drive, want));
  if (order !== null) {
    const value = drive => order === "words" ? drive[WORDS] : order === "offset" ? drive[OFFSET] : order === "score" ? drive[SCORE]
      : order === "seed" ? drive[SEED] : texts(drive)[order];
    found.sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      if (a === null || b === null) return (a === null) - (b === null);  // what is missing stands last, whichever way
      return (a < b ? -1 : a > b ? 1 : 0) * (up ? 1 : -1);
    });
  }
  body.replaceChildren();
  for (const drive of found.slice(0, shown)) {
    const row = body.insertRow(), told = texts(drive);
    if (all.several_scenarios) cell(row, told.scenario);
    cell(row, told.agent);
    cell(row, told.condition, "tagged " + all.conditions[drive[CONDITION]][1]);
    cell(row, drive[HAS_PAGE] ? link("drives/" + drive[KEY] + ".html", told.seed) : told.seed);
    if (all.several_worlds) cell(row, told.world);
    cell(row, drive[WORDS], drive[EVENTS].length ? "" : "calm");
    cell(row, drive[OFFSET] === null ? "–" : drive[OFFSET].toFixed(2) + " m");
    cell(row, drive[SCORE] === null ? "–" : drive[SCORE].toFixed(1));
    cell(row, told.state);
    cell(row, drive[STATE] === 3 ? "" : link("episodes/" + drive[KEY] + "/record.json", drive[KEY].slice(0, 12)), "hash");
    cell(row, drive[TRACE], "hash");
  }
  counter.textContent = found.length + " of " + all.drives.length + (all.drives.length === 1 ? " drive" : " drives");
  more.hidden = found.length <= shown;
  more.textContent = "Show " + Math.min(PAGE, found.length - shown) + " more";
  const address = new URLSearchParams(fields.filter(field => field.value !== "").map(field => [field.dataset.filter, field.value]));
  history.replaceState(null, "", String(address) ? "#" + address : location.pathname + location.search);
};
const read = () => {
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const field of fields) {
    const value = asked.get(field.dataset.filter) || "";
    if (field instanceof HTMLSelectElement && value && ![...field.options].some(option => option.value === value))
      field.add(new Option(value, value));  // several at once, as a claim about two conditions asks for
    field.value = value;
  }
  shown = PAGE;
  draw();
};
for (const field of fields) field.addEventListener("input", () => { shown = PAGE; draw(); });
for (const button of document.querySelectorAll("[data-order]")) {
  button.addEventListener("click", () => {
    up = order === button.dataset.order ? !up : true;
    order = button.dataset.order;
    for (const head of document.querySelectorAll("th")) head.removeAttribute("aria-sort");
    button.closest("th").setAttribute("aria-sort", up ? "ascending" : "descending");
    draw();
  });
}
more.addEventListener("click", () => { shown += PAGE; draw(); });
document.querySelector("[data-clear]").addEventListener("click", () => { for (const field of fields) field.value = ""; draw(); });
window.addEventListener("hashchange", read);
read();
