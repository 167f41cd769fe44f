"use strict";
// What is known of models, and which of them to take: the rules of effbench/reports/choosing.py and fair_times.py, which a
// test holds against this file. A model is its place in the list of models; a cell is what is known of one quantity.

const { models, groups, metrics, settings, origins, sources } = EXPLORED;
const METRIC = Object.fromEntries(metrics.map((metric) => [metric.name, metric]));
const [VALUE, LOW, HIGH, ORIGIN, SOURCE, BATCH, SEEDS] = [0, 1, 2, 3, 4, 5, 6]; // places in a cell
const RANKS = ["macs_exact", "parameters"]; // of equals, the one with less

/** What is chosen: axes, setting, families that are not shown, limits by metric, order of the table, and a model. */
const state = { x: "", y: "", xlog: true, ylog: false, on: 0, hidden: new Set(), limits: {}, sort: "", down: true, model: -1 };

/** Throughput and memory of one model at its best batch size of those that fit into so many bytes. */
function fitted(batches, bytes) {
  const known = batches.filter((batch) => batch[2]);
  let allowed = known.filter((batch) => batch[2][VALUE] <= bytes);
  if (!known.length) allowed = batches;
  else if (!allowed.length) allowed = [known.reduce((a, b) => (b[2][VALUE] < a[2][VALUE] ? b : a))];
  const best = allowed.filter((batch) => batch[1]).reduce((a, b) => (a && a[1][VALUE] > b[1][VALUE] ? a : b), null);
  return { throughput: best && best[1], memory_peak: best && best[0] !== null ? best[2] : null };
}

/** What is known of a model in the chosen setting: a function of metric and model. */
function lookup() {
  const setting = settings[state.on] || { values: {}, sweeps: [] };
  const bytes = state.limits.memory_peak;
  const fits = bytes === undefined ? [] : setting.sweeps.map((batches) => (batches.length ? fitted(batches, bytes) : null));
  return (name, model) => {
    if (fits[model] && setting.values[name] && name in fits[model]) return fits[model][name];
    return ((METRIC[name].timed ? setting.values : EXPLORED.values)[name] || [])[model] || null;
  };
}

const allows = (name, bound, cell) => cell !== null && (METRIC[name].more ? cell[VALUE] >= bound : cell[VALUE] <= bound);
const gain = (name, cell) => (METRIC[name].more ? cell[VALUE] : -cell[VALUE]);
const scored = () => (METRIC[state.y].score ? METRIC[state.y] : metrics.find((metric) => metric.score));

/** Models that are shown, the limits that each is not known to keep, and those within all, the best first. */
function answer(of) {
  const score = scored(), shown = models.map((_, i) => i).filter((i) => !state.hidden.has(models[i].group));
  const broken = models.map((_, i) => Object.keys(state.limits).filter((name) => !allows(name, state.limits[name], of(name, i))));
  const cost = (name, i) => (METRIC[name] && of(name, i) ? of(name, i)[VALUE] : Infinity);
  const order = (a, b) => (a === b ? 0 : a < b ? -1 : 1);
  const ranked = shown.filter((i) => score && !broken[i].length && of(score.name, i));
  ranked.sort((a, b) => order(-gain(score.name, of(score.name, a)), -gain(score.name, of(score.name, b)))
    || order(cost(RANKS[0], a), cost(RANKS[0], b)) || order(cost(RANKS[1], a), cost(RANKS[1], b)));
  return { score, shown, broken, ranked, best: ranked.length ? ranked[0] : -1 };
}

/** Of models with both values those that no other equals in both and betters in one. */
function front(of, shown) {
  const both = shown.filter((i) => of(state.x, i) && of(state.y, i));
  const gains = new Map(both.map((i) => [i, [gain(state.x, of(state.x, i)), gain(state.y, of(state.y, i))]]));
  const beats = ([a, b], [c, d]) => a >= c && b >= d && (a > c || b > d);
  return both.filter((i) => !both.some((other) => beats(gains.get(other), gains.get(i))));
}
