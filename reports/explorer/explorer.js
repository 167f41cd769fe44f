"use strict";
// Binds the explorer's controls to its chart, table and answer. What is chosen is kept in the address, so that it can be
// bookmarked and sent.

const STEPS = 200; // of a slider
const byId = (id) => document.getElementById(id);
let view = null, drawn = "", points = [], hovered = -1;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// ---- words -------------------------------------------------------------------------------------------------------

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const DIGITS = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const number = (value) => (Math.abs(value) >= 1000 ? WHOLE : DIGITS).format(value);
const read = (name, value) => number(value / METRIC[name].scale);
const titled = (metric) => `${metric.label}${metric.unit ? ` (${metric.unit})` : ""}`;
const interval = (name, cell) => (cell[LOW] === null || cell[HIGH] === null ? "" : `${read(name, cell[LOW])} – ${read(name, cell[HIGH])}`);
const limit = (name) => `${METRIC[name].label} ${METRIC[name].more ? "≥" : "≤"} ${read(name, state.limits[name])} ${METRIC[name].unit}`;

function provenance(cell) {
  const batch = cell[BATCH] === null ? "" : `, batch ${cell[BATCH]}`, seeds = cell[SEEDS] > 1 ? `, mean of ${cell[SEEDS]} seeds` : "";
  return `${origins[cell[ORIGIN]]}${batch}${seeds}: ${sources[cell[SOURCE]]}`;
}

function say(of, found) {
  const place = byId("x-answer"), asked = Object.keys(state.limits).map(limit).join(", ");
  place.replaceChildren();
  if (!found.score) return place.append("No score is known, so that no model can be recommended.");
  if (found.best < 0) return place.append(`No model of ${found.shown.length} has ${asked || `a known ${found.score.label}`}.`);
  const best = models[found.best].name, button = element("button", { type: "button", class: "link" }, best);
  button.addEventListener("click", () => choose({ model: found.best }));
  const value = `${read(found.score.name, of(found.score.name, found.best)[VALUE])} ${found.score.unit}`;
  place.append(`Best ${found.score.label}${asked ? ` with ${asked}` : ""}: `, button, ` (${value}). `);
  place.append(`${found.ranked.length} of ${found.shown.length} models ${asked ? "are within the limits" : `have a ${found.score.label}`}.`);
}

function showCard(of, found) {
  const i = hovered >= 0 ? hovered : state.model, card = byId("x-card");
  card.replaceChildren();
  if (i < 0) return card.append(element("p", { class: "hint" }, byId("x-chart").dataset.hint));
  const list = element("dl"), weights = models[i].weights;
  for (const metric of metrics) {
    const cell = of(metric.name, i);
    if (!cell) continue;
    const range = interval(metric.name, cell);
    const value = element("dd", {}, `${read(metric.name, cell[VALUE])} ${metric.unit}`,
      element("small", {}, `${range && `95 %: ${range}; `}${provenance(cell)}`));
    list.append(element("div", {}, element("dt", {}, metric.label), value));
  }
  const facts = [groups[models[i].group], weights ? `weights: ${weights}` : "", i === found.best ? "recommended" : "",
    found.broken[i].length ? `not within ${found.broken[i].map(limit).join(", ")}` : ""].filter(Boolean);
  const button = element("button", { type: "button" }, "Layers, counters, batch sizes");
  button.addEventListener("click", () => openDetails(i));
  card.append(element("h3", {}, models[i].name), element("p", {}, facts.join(" · ")), list, button);
}

function openDetails(i) {
  const details = byId(`x-model-${i}`);
  details.open = true;
  details.querySelector("summary").focus();
  details.scrollIntoView({ block: "start" });
}

// ---- chart -------------------------------------------------------------------------------------------------------

function plotted(of, found) {
  const style = getComputedStyle(document.documentElement), worth = front(of, found.shown), ours = origins.indexOf("counted");
  const scaled = (name, cell, place) => (cell[place] === null ? null : cell[place] / METRIC[name].scale);
  const [low, high] = domain(of, "x").map(state.xlog ? Math.log : Number), end = (value) => (state.xlog ? Math.log(value) : value) > low + 0.8 * (high - low);
  const usable = (cell, log) => cell && (!log || cell[VALUE] > 0);
  return found.shown.filter((i) => usable(of(state.x, i), state.xlog) && usable(of(state.y, i), state.ylog)).map((i) => {
    const [x, y] = [of(state.x, i), of(state.y, i)], foreign = (x[ORIGIN] > ours) + (y[ORIGIN] > ours);
    const colour = style.getPropertyValue(`--group-${models[i].group}`).trim(), best = i === found.best;
    return {
      i, best, colour, front: worth.includes(i), fill: foreign === 2 ? "transparent" : colour,
      shape: ["circle", "diamond", "square"][foreign], opacity: found.broken[i].length ? 0.2 : 1,
      label: best || (worth.includes(i) && worth.length <= 8) ? models[i].name : "",
      end: end(scaled(state.x, x, VALUE)),
      x: scaled(state.x, x, VALUE), xlow: scaled(state.x, x, LOW), xhigh: scaled(state.x, x, HIGH),
      y: scaled(state.y, y, VALUE), ylow: scaled(state.y, y, LOW), yhigh: scaled(state.y, y, HIGH),
    };
  });
}

function datasets() {
  const focus = hovered >= 0 ? hovered : state.model, bound = (name) => state.limits[name] / METRIC[name].scale;
  return {
    points, front: points.filter((point) => point.front), focus: points.filter((point) => point.i === focus),
    across: state.x in state.limits ? [{ x: bound(state.x) }] : [], along: state.y in state.limits ? [{ y: bound(state.y) }] : [],
  };
}

/** The ends of an axis: all that is known of any model, shown or not, so that axes stay when models are filtered. */
function domain(of, axis) {
  const name = state[axis], log = state[`${axis}log`];
  const ends = models.map((_, i) => of(name, i)).filter(Boolean).flatMap((cell) => [cell[VALUE], cell[LOW], cell[HIGH]]);
  const known = ends.filter((end) => end !== null && (!log || end > 0)).map((end) => end / METRIC[name].scale);
  const [low, high] = known.length ? [Math.min(...known), Math.max(...known)] : [1, 10];
  return low < high ? [low, high] : log ? [low / 2, low * 2] : [low - 1, low + 1];
}

function specification(of) {
  const spec = structuredClone(EXPLORED.chart), style = getComputedStyle(document.documentElement);
  const css = (name) => style.getPropertyValue(`--${name}`).trim(), ink = css("text"), line = css("line"), font = style.fontFamily;
  for (const param of spec.params) param.value = css({ ink: "text", quiet: "quiet", accent: "accent" }[param.name]);
  for (const { encoding, mark } of spec.layer) {
    mark.clip = mark.type === "rule";
    if (mark.type === "line") mark.interpolate = METRIC[state.x].more ? "step-before" : "step-after";
    for (const axis of ["x", "y"]) {
      if (!encoding[axis]) continue;
      const metric = METRIC[state[axis]], log = state[`${axis}log`];
      const where = metric.timed && axis === "x" && settings.length && window.innerWidth > 600 ? `, ${settings[state.on].label}` : "";
      encoding[axis].scale = { type: log ? "log" : "linear", domain: domain(of, axis), nice: false, padding: 24, ...(log ? {} : { zero: false }) };
      encoding[axis].title = titled(metric) + where;
      encoding[axis].axis = { labelOverlap: true, tickCount: 8, format: log ? "~r" : "~f" };
    }
  }
  const axis = { labelColor: ink, titleColor: ink, domainColor: line, tickColor: line, gridColor: line, gridOpacity: 0.6,
    labelFontSize: 12, titleFontSize: 13, titleFontWeight: 500, labelFont: font, titleFont: font, titlePadding: 10 };
  return { ...spec, datasets: datasets(), background: "transparent",
    config: { ...spec.config, axis, aria: false, view: { stroke: null }, text: { font } } };
}

async function draw(of, anew) {
  const key = [state.x, state.y, state.xlog, state.ylog, state.on, domain(of, "x"), domain(of, "y")].join("|");
  if (anew || key !== drawn || !view) {
    drawn = key;
    const options = { actions: false, renderer: "svg", ast: true, tooltip: false };
    const embedded = await vegaEmbed("#x-plot", specification(of), options);
    if (view) view.finalize();
    view = embedded.view;
    view.addEventListener("mouseover", (_, item) => hover(item && item.datum && item.datum.i));
    view.addEventListener("click", (_, item) => item && item.datum && item.datum.i >= 0 && choose({ model: item.datum.i }));
  } else {
    for (const [name, rows] of Object.entries(datasets())) view.data(name, rows);
    await view.runAsync();
  }
}

function hover(i) {
  const now = Number.isInteger(i) ? i : -1;
  if (now === hovered) return;
  hovered = now;
  const of = lookup();
  showCard(of, answer(of));
  draw(of, false);
}

/** Arrow keys: to the next point to the right or left, or above or below. */
function move(event) {
  const axis = { ArrowLeft: "x", ArrowRight: "x", ArrowUp: "y", ArrowDown: "y", Home: "x", End: "x" }[event.key];
  if (event.key === "Escape") return choose({ model: -1 });
  if (event.target !== byId("x-chart") || !points.length || !(axis || event.key === "Enter")) return undefined;
  event.preventDefault();
  if (event.key === "Enter") return state.model >= 0 && openDetails(state.model);
  hovered = -1;
  const order = [...points].sort((a, b) => a[axis] - b[axis] || a.i - b.i), here = order.findIndex((point) => point.i === state.model);
  const step = { ArrowLeft: -1, ArrowDown: -1, Home: -Infinity, End: Infinity }[event.key] || 1;
  const next = here < 0 ? 0 : Math.min(order.length - 1, Math.max(0, here + step));
  return choose({ model: order[next].i });
}

// ---- table -------------------------------------------------------------------------------------------------------

const columns = () => metrics.filter((metric) => metric.shown || metric === scored() || [state.x, state.y].includes(metric.name));

function sorted(of, shown) {
  const sign = state.down ? -1 : 1;
  if (state.sort === "model") return [...shown].sort((a, b) => sign * models[a].name.localeCompare(models[b].name, "en", { numeric: true }));
  const value = (i) => (METRIC[state.sort] && of(state.sort, i) ? of(state.sort, i)[VALUE] : null);
  // What is not known comes last, whatever the order.
  return [...shown].sort((a, b) => (value(a) === null) - (value(b) === null) || sign * (value(a) - value(b)));
}

function tabulate(of, found) {
  const head = element("tr"), limited = Object.keys(state.limits).length > 0;
  for (const [name, label] of [["model", "Model"], ...columns().map((metric) => [metric.name, titled(metric)])]) {
    const button = element("button", { type: "button", "data-key": `sort ${name}` }, label), chosen = state.sort === name;
    button.addEventListener("click", () => choose({ sort: name, down: chosen ? !state.down : name !== "model" }));
    head.append(element("th", { scope: "col", "aria-sort": !chosen ? "none" : state.down ? "descending" : "ascending" }, button));
  }
  if (limited) head.append(element("th", { scope: "col" }, "In the way"));
  const rows = sorted(of, found.shown).map((i) => {
    const row = element("tr", { "data-model": models[i].name, class: found.broken[i].length ? "beyond" : "" });
    if (i === found.best) row.classList.add("best");
    const name = element("button", { type: "button", class: "link", "data-key": models[i].name }, models[i].name);
    name.addEventListener("click", () => choose({ model: i }));
    row.append(element("th", { scope: "row" }, element("span", { class: "swatch", style: `--swatch: var(--group-${models[i].group})` }), name));
    for (const metric of columns()) {
      const cell = of(metric.name, i);
      if (!cell) { row.append(element("td", {}, "–")); continue; }
      const mark = element("abbr", { title: provenance(cell) }, origins[cell[ORIGIN]][0]);
      row.append(element("td", {}, read(metric.name, cell[VALUE]), mark, element("small", {}, interval(metric.name, cell))));
    }
    if (limited) row.append(element("td", { class: "why" }, found.broken[i].map(limit).join(", ")));
    return row;
  });
  const focused = document.activeElement?.dataset.key;
  byId("x-table").querySelector("thead").replaceChildren(head);
  byId("x-table").querySelector("tbody").replaceChildren(...rows);
  if (focused) byId("x-table").querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

/** The rows that are shown, with every metric, in the units of the store. */
function download() {
  const of = lookup(), found = answer(of), quote = (text) => `"${String(text).replaceAll('"', '""')}"`;
  const parts = ["", "_low", "_high", "_origin", "_source", "_batch_size"];
  const head = ["spec", "family", "setting", "within_limits", ...metrics.flatMap((metric) => parts.map((part) => metric.name + part))];
  const lines = sorted(of, found.shown).map((i) => [models[i].name, groups[models[i].group], settings.length ? settings[state.on].label : "", !found.broken[i].length,
    ...metrics.flatMap((metric) => {
      const cell = of(metric.name, i);
      return cell ? [cell[VALUE], cell[LOW] ?? "", cell[HIGH] ?? "", origins[cell[ORIGIN]], sources[cell[SOURCE]], cell[BATCH] ?? ""] : parts.map(() => "");
    })]);
  const text = [head, ...lines].map((cells) => cells.map(quote).join(",")).join("\r\n") + "\r\n";
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: "models.csv" });
  link.click();
  URL.revokeObjectURL(link.href);
}

// ---- controls ----------------------------------------------------------------------------------------------------

const options = (pairs) => pairs.map(([value, label]) => element("option", { value }, label));
const distinct = (values) => [...new Set(values)];

/** Device, precision and the rest of a setting, each chosen among what the ones before it leave. */
function offerSettings() {
  const now = settings[state.on], device = (other) => other.device === now.device;
  const precision = (other) => device(other) && other.precision === now.precision;
  byId("x-device").replaceChildren(...options(distinct(settings.map((s) => s.device)).map((name) => [name, name])));
  byId("x-precision").replaceChildren(...options(distinct(settings.filter(device).map((s) => s.precision)).map((name) => [name, name || "not known"])));
  byId("x-rest").replaceChildren(...options(settings.filter(precision).map((s) => [settings.indexOf(s), s.rest || "as usual"])));
  byId("x-device").value = now.device;
  byId("x-precision").value = now.precision;
  byId("x-rest").value = state.on;
  byId("x-rest").parentElement.hidden = settings.filter(precision).length < 2;
}

function choosePart(part, value) {
  const now = settings[state.on], fits = (other) => other[part] === value && (part === "device" || other.device === now.device);
  const same = settings.findIndex((other) => fits(other) && other.precision === now.precision && other.rest === now.rest);
  choose({ on: same >= 0 && part === "device" ? same : settings.findIndex(fits) });
}

/** The bounds of a slider, in the unit of the store: the smallest and the largest known value. */
function span(name) {
  const of = lookup(), known = models.map((_, i) => of(name, i)).filter(Boolean).map((cell) => cell[VALUE]);
  return known.length ? [Math.min(...known), Math.max(...known)] : null;
}

function place(name, value, [low, high]) {
  const log = low > 0 && !METRIC[name].score, scale = log ? Math.log : Number;
  return high > low ? Math.round((STEPS * (scale(value) - scale(low))) / (scale(high) - scale(low))) : 0;
}

function bound(name, step, [low, high]) {
  const log = low > 0 && !METRIC[name].score, part = step / STEPS;
  const value = (log ? low * (high / low) ** part : low + part * (high - low)) / METRIC[name].scale;
  return Number(value.toPrecision(3)) * METRIC[name].scale;
}

/** A slider and a field for each quantity that may be limited; the loose end of a slider is no limit. */
function offerLimits() {
  const score = scored();
  for (const { name } of metrics) {
    const row = byId(`x-limit-${name}`), known = span(name);
    if (!row) continue;
    row.hidden = !known || (METRIC[name].score && METRIC[name] !== score && !(name in state.limits));
    if (row.hidden) continue;
    const [slider, field] = row.querySelectorAll("input"), loose = METRIC[name].more ? 0 : STEPS, set = name in state.limits;
    slider.value = set ? place(name, state.limits[name], known) : loose;
    slider.setAttribute("aria-valuetext", set ? limit(name) : "no limit");
    if (document.activeElement !== field) field.value = set ? Number((state.limits[name] / METRIC[name].scale).toPrecision(5)) : "";
  }
}

function setLimit(name, value) {
  const limits = { ...state.limits };
  delete limits[name];
  if (value > 0 && Number.isFinite(value)) limits[name] = value;
  choose({ limits });
}

function buildControls() {
  for (const axis of ["x", "y"]) {
    byId(`x-${axis}`).replaceChildren(...options(metrics.map((metric) => [metric.name, titled(metric)])));
    byId(`x-${axis}`).addEventListener("change", (event) => choose({ [axis]: event.target.value, [`${axis}log`]: logs(event.target.value) }));
    byId(`x-${axis}log`).addEventListener("change", (event) => choose({ [`${axis}log`]: event.target.checked }));
  }
  for (const part of ["device", "precision"]) byId(`x-${part}`).addEventListener("change", (event) => choosePart(part, event.target.value));
  byId("x-rest").addEventListener("change", (event) => choose({ on: Number(event.target.value) }));
  byId("x-settings").hidden = !settings.length;
  groups.forEach((name, group) => {
    const box = element("input", { type: "checkbox" });
    box.addEventListener("change", () => {
      const hidden = new Set(state.hidden);
      box.checked ? hidden.delete(group) : hidden.add(group);
      choose({ hidden });
    });
    byId("x-families").append(element("label", {}, box, element("span", { class: "swatch", style: `--swatch: var(--group-${group})` }), name));
  });
  for (const { name, limited, more } of metrics.filter((metric) => metric.limited)) {
    const label = `${titled(METRIC[name])}, at ${more ? "least" : "most"}`;
    const slider = element("input", { type: "range", min: 0, max: STEPS, step: 1, "aria-label": label });
    const field = element("input", { type: "number", min: 0, step: "any", placeholder: "any", "aria-label": label });
    slider.addEventListener("input", () => {
      const loose = Number(slider.value) === (more ? 0 : STEPS);
      setLimit(name, loose ? NaN : bound(name, Number(slider.value), span(name)));
    });
    field.addEventListener("input", () => setLimit(name, Number(field.value) * METRIC[name].scale));
    const words = element("span", {}, METRIC[name].label, element("small", {}, `${more ? "≥" : "≤"} ${METRIC[name].unit}`));
    byId("x-limits").append(element("div", { class: "limit", id: `x-limit-${name}` }, words, slider, field));
  }
  byId("x-reset").addEventListener("click", () => { history.replaceState(null, "", location.pathname + location.search); load(); });
  byId("x-csv").addEventListener("click", download);
  byId("x-chart").addEventListener("keydown", move);
  window.addEventListener("hashchange", load);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => update(true));
}

// ---- the address -------------------------------------------------------------------------------------------------

/** Costs and rates are on a logarithmic axis, unless some are zero. */
function logs(name) {
  const known = span(name);
  return !METRIC[name].score && known !== null && known[0] > 0;
}

function load() {
  const asked = new URLSearchParams(location.hash.slice(1));
  if (location.hash && !location.hash.includes("=")) return; // a section of the page
  const named = (key, other) => (METRIC[asked.get(key)] ? asked.get(key) : other);
  const y = metrics.find((metric) => metric.score) || metrics.find((metric) => metric.name === "throughput") || metrics[0];
  const x = METRIC.macs_exact && METRIC.macs_exact !== y ? METRIC.macs_exact : metrics.find((metric) => metric !== y && !metric.score) || y;
  state.on = Math.max(0, settings.findIndex((setting) => setting.label === asked.get("on")));
  state.x = named("x", x.name);
  state.y = named("y", y.name);
  for (const axis of ["x", "y"]) state[`${axis}log`] = asked.has(`${axis}scale`) ? asked.get(`${axis}scale`) === "log" && span(state[axis])?.[0] > 0 : logs(state[axis]);
  state.hidden = new Set(asked.getAll("hide").map((name) => groups.indexOf(name)).filter((group) => group >= 0));
  state.limits = {};
  for (const [key, text] of asked) {
    const name = key.replace("limit.", "");
    if (key.startsWith("limit.") && METRIC[name]?.limited && Number(text) > 0) state.limits[name] = Number(text);
  }
  const order = asked.get("sort") || "";
  state.sort = named("sort", order === "model" ? order : scored()?.name || "model");
  state.down = asked.has("order") ? asked.get("order") === "down" : state.sort !== "model";
  state.model = models.findIndex((model) => model.name === asked.get("model"));
  update(false);
}

function save() {
  const kept = new URLSearchParams({ x: state.x, y: state.y, xscale: state.xlog ? "log" : "linear", yscale: state.ylog ? "log" : "linear" });
  if (settings.length) kept.set("on", settings[state.on].label);
  for (const group of state.hidden) kept.append("hide", groups[group]);
  for (const [name, value] of Object.entries(state.limits)) kept.set(`limit.${name}`, value);
  kept.set("sort", state.sort);
  kept.set("order", state.down ? "down" : "up");
  if (state.model >= 0) kept.set("model", models[state.model].name);
  history.replaceState(null, "", `#${kept}`);
}

function choose(changes) {
  Object.assign(state, changes);
  save();
  update(false);
}

/** Brings everything that is shown in line with the state; ``anew`` where colours or sizes changed. */
function update(anew) {
  const of = lookup(), found = answer(of);
  for (const axis of ["x", "y"]) {
    byId(`x-${axis}`).value = state[axis];
    byId(`x-${axis}log`).checked = state[`${axis}log`];
    byId(`x-${axis}log`).disabled = !(span(state[axis])?.[0] > 0);
  }
  byId("x-families").querySelectorAll("input").forEach((box, group) => { box.checked = !state.hidden.has(group); });
  if (settings.length) offerSettings();
  offerLimits();
  points = plotted(of, found);
  say(of, found);
  showCard(of, found);
  tabulate(of, found);
  const axes = `${titled(METRIC[state.y])} against ${titled(METRIC[state.x])}`;
  byId("x-chart").setAttribute("aria-label", `Chart: ${axes}, ${points.length} models. Arrow keys move between them.`);
  const missing = found.shown.length - points.length;
  byId("x-missing").textContent = missing ? `Not drawn, since one of both is not known: ${missing} of ${found.shown.length}.` : "";
  byId("explorer").dataset.state = "drawing";
  draw(of, anew).then(() => { byId("explorer").dataset.state = "ready"; });
}

byId("explorer").hidden = false;
buildControls();
load();
