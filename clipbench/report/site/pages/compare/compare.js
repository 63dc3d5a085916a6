"use strict";
// All differences are of two stored values; intervals and what they say were made in Python.
(() => {
  const { models, measurements } = window.clipbenchPairs;
  const given = JSON.parse(document.getElementById("given").textContent);
  const bySlug = new Map(measurements.map((found) => [found.slug, found]));
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const one = (id) => document.getElementById(id);
  // Two models have no matrix.
  const table = document.querySelector(".matrix");
  const controls = { a: one("a"), b: one("b"), ...(table && { measure: one("measure") }) };
  const initial = Object.fromEntries(Object.entries(controls).map(([name, control]) => [name, control.value]));

  // Numbers as the page writes them -------------------------------------------------------------------------------
  const size = (value, unit) => (unit === "fraction" ? (100 * value).toFixed(1) : String(Number(value.toPrecision(4))));
  const number = (value, unit, plus = "") => {
    const text = size(Math.abs(value), unit);
    return Number(text) === 0 ? text : (value < 0 ? "\u2212" : plus) + text;
  };
  const signed = (value, unit) => number(value, unit, unit === "fraction" ? "+" : "");
  const ends = (found, unit) => (found.low === null ? "" : `[${signed(found.low, unit)}, ${signed(found.high, unit)}]`);
  const counted = (value) => value.toLocaleString("en");
  const fill = (box, values) => {
    for (const [name, value] of Object.entries(values)) {
      all(`[data-fill="${name}"]`, box).forEach((part) => { part.textContent = counted(value); });
    }
  };

  // Pairs are stored once, the model with the larger value first.
  const pairOf = (count, first, second) => first * count - (first * (first + 1)) / 2 + second - first - 1;
  const OUTCOMES = { h: "higher", l: "lower", n: "not_distinguishable", c: "chance", u: "undefined" };
  const TURNED = { higher: "lower", lower: "higher" };
  const between = (found, a, b) => {
    const [i, j] = [found.models.indexOf(a), found.models.indexOf(b)];
    if (i < 0 || j < 0 || i === j) return null;
    const pair = pairOf(found.models.length, Math.min(i, j), Math.max(i, j));
    const [low, high, outcome] = [found.low[pair], found.high[pair], OUTCOMES[found.outcomes[pair]]];
    const value = found.values[i] - found.values[j];
    if (i < j) return { value, low, high, outcome, i, j };
    const ends = low === null ? { low, high } : { low: -high, high: -low };
    return { value, ...ends, outcome: TURNED[outcome] || outcome, i, j };
  };

  // Two models ----------------------------------------------------------------------------------------------------
  const setValue = (cell, found, place, model) => {
    const shown = cell.firstElementChild;
    const unit = found.unit === "fraction" ? "\u202f%" : "";
    shown.textContent = number(found.values[place], found.unit) + unit;
    if (shown.tagName === "A") shown.href = `model/${models[model].slug}.html#job-${found.jobs[place]}`;
    cell.classList.toggle("chance", found.chance.includes(model));
  };
  const setMark = (mark, pair, limit) => {
    const share = (value) => ((value + limit) / (2 * limit || 1)).toFixed(4);
    for (const [name, value] of Object.entries({ v: pair.value, l: pair.low, h: pair.high })) {
      if (value === null) mark.style.removeProperty("--" + name);
      else mark.style.setProperty("--" + name, share(value));
    }
  };
  const rows = all("[data-measurement]");
  const showRow = (row, found, pair, limit, a, b) => {
    row.dataset.verdict = pair.outcome;
    const values = all(".value", row);
    setValue(values[0], found, pair.i, a);
    setValue(values[1], found, pair.j, b);
    setMark(row.querySelector(".span"), pair, limit);
    row.querySelector(".v").textContent = signed(pair.value, found.unit);
    row.querySelector(".ci").textContent = ends(pair, found.unit);
    row.querySelector(".verdict").textContent = given.says[found.better][pair.outcome];
  };
  const showPair = (a, b) => {
    const shared = new Map(measurements.map((found) => [found.slug, between(found, a, b)]));
    const limits = {};
    const count = { n: 0, a: 0, b: 0, neither: 0 };
    for (const found of measurements) {
      const pair = shared.get(found.slug);
      if (!pair) continue;
      const far = Math.max(...[pair.value, pair.low, pair.high].filter((end) => end !== null).map(Math.abs));
      limits[found.unit] = Math.max(limits[found.unit] || 0, far);
      if (found.datasets.length > 1) continue;
      const ahead = ({ higher: 1, lower: -1 }[pair.outcome] || 0) * found.better;
      count.n += 1;
      count[ahead > 0 ? "a" : ahead < 0 ? "b" : "neither"] += 1;
    }
    for (const row of rows) {
      const found = bySlug.get(row.dataset.measurement);
      const pair = shared.get(found.slug);
      row.hidden = !pair;
      if (pair) showRow(row, found, pair, limits[found.unit], a, b);
    }
    all(".forest tbody").forEach((body) => { body.hidden = !body.querySelector("[data-measurement]:not([hidden])"); });
    all("[data-model]").forEach((link) => {
      const model = models[link.dataset.model === "A" ? a : b];
      link.firstElementChild.textContent = model.name;
      link.href = `model/${model.slug}.html`;
    });
    fill(one("lead"), count);
    one("lead").hidden = count.n === 0;
    one("alone").hidden = count.n > 0;
    document.querySelector(".forest").closest(".scroll").hidden = count.n === 0;
  };

  // Pictures ------------------------------------------------------------------------------------------------------
  const SHOWN = 12;
  const element = (tag, text = "", kind = "") => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const labelled = (word, text) => {
    const line = element("p");
    line.append(element("span", word, "soft"), " ", element("bdi", text));
    return line;
  };
  const picture = (known, image, answer, letter) => {
    const item = element("li");
    const shown = element("img");
    const [path, label] = known.images[image];
    const name = (place) => known.names[place] || "";
    Object.assign(shown, { alt: name(label), width: 128, height: 128, loading: "lazy", decoding: "async", src: path });
    item.append(shown);
    if (label >= 0) item.append(labelled("true", name(label)));
    if (answer >= 0) item.append(labelled(letter + ":", name(answer)));
    return item;
  };
  const showSide = (box, known, right, wrong, letter) => {
    const found = known.images.map((_, image) => image).filter((image) => known.correct[right][image] === "1" && known.correct[wrong][image] === "0");
    const shown = found.slice(0, SHOWN);
    box.querySelector("ul").replaceChildren(...shown.map((image) => picture(known, image, known.answers[wrong][image], letter)));
    box.querySelector(".none").hidden = found.length > 0;
    box.querySelector(".more").hidden = found.length <= shown.length;
    fill(box, { shown: shown.length, stored: found.length });
    return found.length;
  };
  const showPictures = (box, a, b) => {
    const known = window.clipbenchPictures[box.dataset.pictures];
    const [i, j] = [known.models.indexOf(a), known.models.indexOf(b)];
    box.hidden = i < 0 || j < 0 || i === j;
    if (box.hidden) return;
    const both = known.both[pairOf(known.models.length, Math.min(i, j), Math.max(i, j))];
    fill(box.querySelector("summary"), { a: known.right[i] - both, b: known.right[j] - both });
    const [first, second] = all("[data-right]", box);
    const stored = showSide(first, known, i, j, "B") + showSide(second, known, j, i, "A");
    box.hidden = stored === 0;
  };

  // Wordings ------------------------------------------------------------------------------------------------------
  const listTemplates = (table, templates, n) => {
    const made = templates.sort((one, other) => other.by - one.by).map(({ text, by }) => {
      const row = element("tr");
      const head = element("th");
      head.scope = "row";
      head.append(element("bdi", text));
      row.append(head, element("td", number(by / n, "fraction"), "num"));
      return row;
    });
    table.tBodies[0].replaceChildren(...made);
  };
  const showWordings = (box, a, b) => {
    const known = window.clipbenchWordings[box.dataset.wordings];
    const [i, j] = [known.models.indexOf(a), known.models.indexOf(b)];
    box.hidden = i < 0 || j < 0 || i === j;
    if (box.hidden) return;
    const stored = known.sure[pairOf(known.models.length, Math.min(i, j), Math.max(i, j))];
    const [sureA, sureB] = i < j ? stored : [stored[1], stored[0]];
    const by = known.templates.map((text, place) => ({ text, by: known.right[i][place] - known.right[j][place] }));
    const first = by.filter((template) => template.by > 0);
    const second = by.filter((template) => template.by < 0).map(({ text, by: less }) => ({ text, by: -less }));
    const nothing = known.chance.includes(a) && known.chance.includes(b);
    const reversed = first.length > 0 && second.length > 0;
    const which = nothing ? "chance" : sureA && sureB ? "decides" : reversed ? "changes" : "same";
    all("[data-case]", box).forEach((part) => { part.hidden = !part.dataset.case.split(" ").includes(which); });
    fill(box, { a: first.length, b: second.length, sureA, sureB });
    const [ofA, ofB] = all("[data-ahead]", box);
    listTemplates(ofA, first, known.n);
    listTemplates(ofB, second, known.n);
  };

  // All pairs -----------------------------------------------------------------------------------------------------
  const link = (cell) => {
    const text = cell.lastElementChild;
    if (text.firstElementChild) return text.firstElementChild;
    const made = element("a");
    // Hundreds of stops would lie between a keyboard and the page's end; the two lists above choose the same.
    made.tabIndex = -1;
    text.replaceChildren(made);
    return made;
  };
  const head = (cell, model, place) => {
    cell.title = model.name;
    cell.firstElementChild.textContent = place + 1;
    cell.lastElementChild.textContent = model.name;
  };
  const showCell = (cell, found, row, column, most) => {
    const pair = between(found, row, column);
    const made = link(cell);
    const names = `${models[row].name} less ${models[column].name}`;
    made.textContent = signed(pair.value, found.unit);
    made.href = `?a=${models[row].slug}&b=${models[column].slug}#pair`;
    cell.title = `${names}: ${made.textContent} ${ends(pair, found.unit)}`;
    cell.lastElementChild.classList.toggle("firm", pair.outcome in TURNED);
    cell.firstElementChild.style.setProperty("--v", (Math.abs(pair.value) / (most || 1)).toFixed(3));
  };
  let shown = "";
  const showMatrix = (slug) => {
    if (slug === shown) return;
    shown = slug;
    const found = bySlug.get(slug);
    const order = found.better < 0 ? [...found.models].reverse() : found.models;
    const most = Math.max(...found.values) - Math.min(...found.values);
    const bodies = Array.from(table.tBodies[0].rows);
    Array.from(table.tHead.rows[0].cells).slice(1).forEach((cell, place) => {
      cell.hidden = place >= order.length;
      if (!cell.hidden) head(cell, models[order[place]], place);
    });
    bodies.forEach((row, at) => {
      row.hidden = at >= order.length;
      if (row.hidden) return;
      const name = row.cells[0].querySelector("bdi");
      [name.textContent, name.title] = [given.short[order[at]], models[order[at]].name];
      Array.from(row.cells).slice(1).forEach((cell, place) => {
        cell.hidden = place >= order.length;
        if (!cell.hidden && place !== at) showCell(cell, found, order[at], order[place], most);
      });
    });
    table.classList.toggle("bare", order.length > given.numbered);
    const chosen = all("option", controls.measure).find((option) => option.value === slug);
    table.closest("figure").querySelector("figcaption bdi").textContent = `Shown: ${chosen.textContent}.`;
  };

  // State, in the address -------------------------------------------------------------------------------------------
  let former = initial;
  const place = (slug) => models.findIndex((model) => model.slug === slug);
  const render = () => {
    const wanted = new URLSearchParams(location.search);
    for (const [name, control] of Object.entries(controls)) {
      const options = all("option", control).map((option) => option.value);
      control.value = options.includes(wanted.get(name)) ? wanted.get(name) : initial[name];
    }
    if (controls.a.value === controls.b.value) {
      controls.b.value = controls.a.value === initial.b ? initial.a : initial.b;
    }
    former = { a: controls.a.value, b: controls.b.value };
    const [a, b] = [place(former.a), place(former.b)];
    showPair(a, b);
    all("[data-pictures]").forEach((box) => showPictures(box, a, b));
    all("[data-wordings]").forEach((box) => showWordings(box, a, b));
    all(".needs").forEach((section) => { section.hidden = !section.querySelector(":is([data-pictures], [data-wordings]):not([hidden])"); });
    if (table) showMatrix(controls.measure.value);
  };
  const choose = () => {
    const query = new URLSearchParams(Object.entries(controls).map(([name, control]) => [name, control.value]));
    history.pushState(null, "", "?" + query + location.hash);
    render();
  };
  controls.measure?.addEventListener("change", choose);
  // A model that is chosen a second time changes places with the other one.
  for (const [name, other] of [["a", "b"], ["b", "a"]]) {
    controls[name].addEventListener("change", () => {
      if (controls[name].value === controls[other].value) controls[other].value = former[name];
      choose();
    });
  }
  one("swap").addEventListener("click", () => {
    [controls.a.value, controls.b.value] = [controls.b.value, controls.a.value];
    choose();
  });
  table?.addEventListener("click", (event) => {
    const target = event.target.closest("a");
    if (!target || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    const wanted = new URLSearchParams(target.getAttribute("href").split("#")[0]);
    [controls.a.value, controls.b.value] = [wanted.get("a"), wanted.get("b")];
    choose();
    one("pair").scrollIntoView();
  });
  window.addEventListener("popstate", render);
  all(".choice").forEach((box) => { box.hidden = false; });
  render();
  const first = all("[data-pictures]").find((box) => !box.hidden);
  if (first) first.open = true;
})();
