"use strict";
// The board's controls. Ranks and means are Python's: here rows and columns are chosen, sorted, subtracted and shown.
(() => {
  const table = document.getElementById("board");
  if (!table) return;
  const { read, write, forms, save, number, address, find, fill, title } = window.clipbenchIndex;
  const { models, columns, presets } = window.clipbench.board;
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const by = (id) => document.getElementById(id);
  const body = table.tBodies[0];
  const rows = Array.from(body.rows, (row) => ({ row, place: Number(row.dataset.place), cells: Array.from(row.cells) }));
  const heads = Array.from(table.tHead.rows[0].cells, (head, index) => ({ head, index, label: head.querySelector("button").textContent, ...head.dataset }));
  const headOf = new Map(heads.map((head) => [head.key, head]));
  const columnOf = new Map(columns.map((column) => [column.slug, column]));
  const cellsOf = new Map(columns.map((column) => [column.slug, new Map(column.cells.map((cell) => [cell[0], cell]))]));
  const sets = heads.filter((head) => head.kind === "set");
  const plain = headOf.get("plain");
  const text = models.map((model) => [model.name, ...(model.also || []), model.family, ...(model.trained_on || [])].join(" ").toLowerCase());
  const form = by("controls");
  const field = (name) => form.elements.namedItem(name);
  const style = document.head.appendChild(document.createElement("style"));
  const pages = JSON.parse(by("pages").textContent);
  let state = {};
  let shown = [];
  let seen = [];

  // What a choice of columns shows -------------------------------------------------------------------------------
  const preset = () => presets.find((known) => known.slug === (state.preset || table.dataset.preset));
  const own = () => state.columns !== null || state.preset === "all";
  const chosen = () => {
    const slugs = state.columns || (state.preset === "all" ? null : preset()?.columns);
    const wanted = slugs && new Set(slugs);
    const passes = (head) => ["task", "regime", "limit"].every((key) => !state[key] || state[key].includes(head[key]));
    return sets.filter((head) => (!wanted || wanted.has(head.key)) && passes(head));
  };
  // A preset's means and ranks hold for its columns alone.
  const holds = (head, slugs) => !own() && head.preset === preset()?.slug && head.columns.split(" ").every((slug) => slugs.has(slug));
  const ranking = (slugs) => {
    const found = own() ? null : preset()?.rankings[0];
    return found && found.columns.every((slug) => slugs.has(slug)) ? found : null;
  };

  const chooseColumns = () => {
    const of = chosen();
    const slugs = new Set(of.map((head) => head.key));
    const means = heads.filter((head) => head.kind === "mean" && head !== plain && holds(head, slugs));
    const ranked = ranking(slugs);
    const narrowed = own() || of.length < preset().columns.length;
    const kept = new Set([...of, ...means, ...(narrowed && !means.length && !ranked ? [plain] : [])]);
    shown = heads.filter((head) => ["figure", "model"].includes(head.kind) ? head.key !== "rank" || ranked : kept.has(head));
    table.classList.toggle("ranked", shown.some((head) => head.key === "rank"));
    writeRanks(ranked);
  };

  const writeRanks = (ranked) => {
    const head = headOf.get("rank");
    if (!head || !ranked) return;
    const of = new Map(ranked.rows.map((row) => [row[0], row]));
    for (const { place, cells } of rows) {
      const row = of.get(place);
      cells[head.index].textContent = row ? span(row[4], row[5]) : "–";
    }
    head.head.querySelector(".sub").textContent = ranked.regime ? `by ${ranked.regime} mean` : "by mean";
  };
  const span = (low, high) => (low === high ? String(low) : `${low}–${high}`);

  // Rows ---------------------------------------------------------------------------------------------------------
  const trained = (place, of) => {
    if (!models[place].trained_on) return "undeclared";
    return of.some((head) => cellsOf.get(head.key).get(place)?.[4]?.includes("s")) ? "declared" : "not declared";
  };
  const valued = (head, place) => cellsOf.get(head.key).get(place)?.[1] ?? null;
  const chooseRows = () => {
    const of = shown.filter((head) => head.kind === "set");
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const passes = ({ row, place }) =>
      ["origin", "family", "size"].every((key) => !state[key] || state[key].includes(row.dataset[key]))
      && (!state.trained || state.trained.includes(trained(place, of))) && words.every((word) => text[place].includes(word));
    const fits = state.complete ? "every" : "some";
    const found = rows.filter(passes);
    seen = found.filter(({ place }) => of[fits]((head) => valued(head, place) !== null));
    writeMeans(of);
    return found.length - seen.length;
  };

  const writeMeans = (of) => {
    if (!shown.includes(plain)) return;
    const able = of.filter(({ key }) => columnOf.get(key).unit === "fraction" && columnOf.get(key).higher_is_better);
    const common = able.filter((head) => seen.every(({ place }) => valued(head, place) !== null));
    for (const { place, cells } of seen) {
      const cell = cells[plain.index];
      const sum = common.reduce((total, head) => total + valued(head, place), 0);
      cell.textContent = common.length ? number(sum / common.length, "fraction") : "–";
      if (common.length) cell.dataset.value = sum / common.length; else delete cell.dataset.value;
    }
    const sub = plain.head.querySelector(".sub") || plain.head.appendChild(Object.assign(document.createElement("span"), { className: "sub" }));
    sub.textContent = `${common.length} of ${of.length} columns,\nthat all rows have\nno ranks for this choice`;
  };

  // Order --------------------------------------------------------------------------------------------------------
  const merit = () => {
    const ranked = ranking(new Set(shown.map((head) => head.key)));
    const place = new Map((ranked?.rows || []).map((row, at) => [row[0], at]));
    const published = new Map((own() ? [] : preset()?.published?.means || []).map(([model, value]) => [model, -value]));
    const keys = new Map(rows.map(({ place: at }) => [at, [models[at].origin === "measured" ? 0 : 1, place.get(at) ?? published.get(at) ?? 1e9, at]]));
    return (one, two) => { const [a, b] = [keys.get(one.place), keys.get(two.place)]; return a[0] - b[0] || a[1] - b[1] || a[2] - b[2]; };
  };
  const order = () => {
    const key = state.sort.replace(/^-/, "");
    const head = headOf.get(key);
    if (!head || !shown.includes(head) || (key === "rank" && state.sort === "rank")) return [...rows].sort(merit());
    const sign = state.sort.startsWith("-") ? -1 : 1;
    const textual = ["model", "trained"].includes(key);
    const value = ({ place, cells }) => {
      if (head.kind === "set") return valued(head, place);
      const cell = cells[head.index];
      if (textual) return cell.textContent === "–" ? null : cell.textContent;
      return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
    };
    const keyed = rows.map((row) => [value(row), row]);
    keyed.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : sign * (textual ? a.localeCompare(b, undefined, { numeric: true }) : a - b)));
    return keyed.map(([, row]) => row);
  };
  const arrange = () => {
    const wanted = order();
    if (wanted.some(({ row }, at) => body.rows[at] !== row)) body.append(...wanted.map(({ row }) => row));
    seen = wanted.filter((row) => seen.includes(row));
    const key = state.sort.replace(/^-/, "");
    for (const { key: known, head } of heads) {
      if (known === key) head.setAttribute("aria-sort", state.sort.startsWith("-") ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  };

  // Numbers ------------------------------------------------------------------------------------------------------
  const scores = new Map();
  const pinned = () => Math.max(models.findIndex((model) => model.slug === state.pin), 0);
  const otherwise = (column, place, base) => {
    if (state.show === "rank") {
      const rank = (column.ranks || []).find(([model]) => model === place);
      return rank ? span(rank[1], rank[2]) : "–";
    }
    const [value, other] = [valued({ key: column.slug }, place), valued({ key: column.slug }, base)];
    return value === null || other === null ? "–" : number(value - other, column.unit === "fraction" ? "difference" : column.unit, true);
  };
  const writeNumbers = () => {
    if (!state.show && !scores.size) return;
    const base = pinned();
    for (const head of shown.filter(({ kind }) => kind === "set")) {
      for (const { place, cells } of rows) {
        const link = cells[head.index].firstElementChild;
        if (!link) continue;
        if (!scores.has(link)) scores.set(link, link.textContent);
        const wanted = state.show ? otherwise(columnOf.get(head.key), place, base) : scores.get(link);
        if (link.textContent !== wanted) link.textContent = wanted;
      }
    }
    rows.forEach(({ row, place }) => row.classList.toggle("pinned", state.show === "difference" && place === base));
  };
  const writeHeat = () => {
    table.toggleAttribute("data-heat", Boolean(state.heat));
    if (!state.heat) return;
    for (const head of shown.filter(({ kind }) => kind === "set")) {
      const column = columnOf.get(head.key);
      const known = column.cells.map((cell) => cell[1]).filter((value) => value !== null);
      const [low, high] = [Math.min(...known), Math.max(...known)];
      for (const { place, cells } of rows) {
        const value = valued(head, place);
        const share = value === null || high === low ? 0 : (value - low) / (high - low);
        cells[head.index].style.setProperty("--v", (column.higher_is_better === false ? 1 - share : share).toFixed(2));
      }
    }
  };

  // The page -----------------------------------------------------------------------------------------------------
  const metric = () => headOf.get(state.metric) || shown.find((head) => head.kind !== "model" && head.key !== "rank" && !["parameters", "trained"].includes(head.key));
  const hide = () => {
    const nth = (found) => found.map(({ index }) => `#board tr > :nth-child(${index + 1})`).join();
    const kept = new Set(shown);
    table.style.setProperty("--columns", shown.length);
    const value = metric();
    const card = new Set(["rank", "model", "parameters", value?.key]);
    const rule = (found) => (found.length ? `${nth(found)} { display: none }` : "");
    const css = `${rule(heads.filter((head) => !kept.has(head)))} @media screen and (max-width: 40rem) { ${rule(shown.filter(({ key }) => !card.has(key)))} ${value ? `${nth([value])} { grid-area: 1 / value / span 2 }` : ""} }`;
    if (style.textContent !== css) style.textContent = css;
  };
  const option = (value, label, selected) => Object.assign(document.createElement("option"), { value, textContent: label, selected });
  const writeControls = (without) => {
    const active = ["task", "regime", "limit", "origin", "size", "family", "trained"].filter((key) => state[key]);
    all(".chip[data-filter]").forEach((chip) => chip.setAttribute("aria-pressed", Boolean(state[chip.dataset.filter]?.includes(chip.dataset.value))));
    if (by("filtered")) by("filtered").textContent = active.length ? ` (${active.length})` : "";
    field("q").value = state.q;
    const choice = field("preset");
    if (choice) {
      choice.querySelector("[value=own]").hidden = !state.columns;
      choice.value = state.columns ? "own" : state.preset || table.dataset.preset;
    }
    field("show").value = state.show || "score";
    by("pinned").hidden = state.show !== "difference";
    field("pin").value = models[pinned()].slug;
    field("heat").checked = Boolean(state.heat);
    field("complete").checked = Boolean(state.complete);
    const told = shown.filter(({ kind, key }) => kind !== "model" && !["rank", "parameters", "trained"].includes(key));
    field("metric").replaceChildren(...told.map((head) => option(head.key, [head.label, ...lines(head).slice(0, 1)].join(", "), head === metric())));
    const of = shown.filter(({ kind }) => kind === "set").length;
    by("status").textContent = [`${seen.length} of ${rows.length} models, ${of} of ${sets.length} columns`,
      without ? `${without} ${state.complete ? "lacking some of these columns" : "without a number in these columns"}` : "",
      state.show === "difference" ? "differences are of the numbers alone, without intervals" : "",
      state.show === "rank" ? "ranks that each may have among the models measured here" : ""].filter(Boolean).join("; ");
    by("reset").hidden = write({ ...state, cell: null }) === "";
    all("#picker input").forEach((box) => { box.checked = shown.includes(headOf.get(box.value)); });
  };
  const lines = (head) => (head.head.querySelector(".sub")?.textContent || "").split("\n");

  const render = () => {
    chooseColumns();
    const without = chooseRows();
    // A property that none of these models has.
    shown = shown.filter(({ kind, index }) => kind !== "figure" || seen.some(({ cells }) => cells[index].textContent !== "–"));
    arrange();
    const kept = new Set(seen);
    rows.forEach((row) => { if (row.row.hidden === kept.has(row)) row.row.hidden = !kept.has(row); });
    hide();
    writeNumbers();
    writeHeat();
    table.dataset.show = state.show || "score";
    writeControls(without);
    roam();
    cue();
    showCell();
  };

  // The address --------------------------------------------------------------------------------------------------
  let typing = false;
  const go = (change, { typed = false } = {}) => {
    state = { ...state, ...change };
    const url = write(state) || location.pathname + location.search;
    if (typed && typing) history.replaceState(null, "", url); else history.pushState(null, "", url);
    typing = typed;
    render();
  };
  const arrive = () => {
    // An anchor of the page is no state of the board.
    if (location.hash && !location.hash.includes("=")) return;
    state = read(location.hash);
    typing = false;
    render();
  };
  window.addEventListener("popstate", arrive);

  // Controls -----------------------------------------------------------------------------------------------------
  form.addEventListener("submit", (event) => event.preventDefault());
  field("q").addEventListener("input", (event) => go({ q: event.target.value }, { typed: true }));
  form.addEventListener("change", ({ target }) => {
    if (target.name === "preset") go({ preset: target.value === table.dataset.preset ? "" : target.value, columns: null });
    if (target.name === "show") go({ show: target.value === "score" ? "" : target.value });
    if (target.name === "pin") go({ pin: target.value });
    if (target.name === "metric") go({ metric: target.value, sort: (headOf.get(target.value).first === "descending" ? "-" : "") + target.value });
    if (["heat", "complete"].includes(target.name)) go({ [target.name]: target.checked ? "1" : "" });
    if (target.name === "column") go({ columns: all("#picker input:checked").map((box) => box.value) });
  });
  all(".chip[data-filter]").forEach((chip) => chip.addEventListener("click", () => {
    const { filter, value } = chip.dataset;
    const now = state[filter] || [];
    const then = now.includes(value) ? now.filter((other) => other !== value) : [...now, value];
    go({ [filter]: then.length ? then : null });
  }));
  by("reset").addEventListener("click", () => { go(read("")); field("q").focus(); });
  heads.forEach(({ key, head, first }) => head.querySelector("button").addEventListener("click", () => {
    const wanted = first === "descending" ? `-${key}` : key;
    go({ sort: state.sort === wanted ? (wanted === key ? `-${key}` : key) : wanted });
  }));
  const pick = () => {
    const box = by("picker").querySelector("div");
    if (box.childElementCount) return;
    const groups = Map.groupBy ? Map.groupBy(sets, (head) => [head.task, head.regime].filter(Boolean).join(", ")) : new Map([["", sets]]);
    for (const [name, members] of groups) {
      const set = box.appendChild(document.createElement("fieldset"));
      set.appendChild(document.createElement("legend")).textContent = name;
      for (const head of members) {
        const label = set.appendChild(document.createElement("label"));
        label.append(Object.assign(document.createElement("input"), { type: "checkbox", name: "column", value: head.key, checked: shown.includes(head) }), ` ${[head.label, columnOf.get(head.key).setting].filter(Boolean).join(", ")}`);
      }
    }
  };
  by("picker").addEventListener("toggle", pick);
  // One of the drops is open at a time, and Escape closes it.
  const drops = all(".drop");
  drops.forEach((drop) => {
    drop.addEventListener("toggle", () => { if (drop.open) drops.forEach((other) => { if (other !== drop) other.open = false; }); });
    drop.addEventListener("keydown", (event) => { if (event.key === "Escape") { drop.open = false; drop.querySelector("summary").focus(); } });
  });
  document.addEventListener("click", ({ target }) => { if (target.isConnected) drops.forEach((drop) => { if (!drop.contains(target)) drop.open = false; }); });

  // What is seen, as text ----------------------------------------------------------------------------------------
  const signs = { b: "•", c: "○" };
  const seenText = (head, row) => {
    const cell = row.cells[head.index];
    if (head.kind === "model") return models[row.place].name;
    const marks = head.kind === "set" && state.show !== "rank" ? cellsOf.get(head.key).get(row.place)?.[4] || "" : "";
    const parts = Array.from(cell.childNodes).filter((node) => !node.matches?.("i")).map((node) => node.textContent);
    return parts.join(" ").replace("\n", " ").trim() + Array.from(marks, (mark) => signs[mark] || "").join("");
  };
  const extract = () => {
    const cells = seen.map((row) => shown.map((head) => seenText(head, row)));
    const used = all("#notes [data-mark]").filter((note) => cells.some((row) => row.some((cell) => cell.includes(note.dataset.mark))));
    const notes = used.map((note) => (note.textContent.trim().startsWith(note.dataset.mark) ? "" : `${note.dataset.mark} `) + note.textContent.trim().replace(/\s+/g, " "));
    return { heads: shown.map((head) => [head.label, ...lines(head)].filter(Boolean).join(", ")), rows: cells, notes };
  };
  const copied = (found, button) => {
    const done = (word) => { const before = button.textContent; button.textContent = word; setTimeout(() => { button.textContent = before; }, 1500); };
    const failed = () => { done("Could not copy"); };
    (navigator.clipboard ? navigator.clipboard.writeText(found).then(() => done("Copied"), failed) : Promise.resolve().then(failed));
  };
  all("[data-copy]").forEach((button) => button.addEventListener("click", () => copied(forms[button.dataset.copy](extract()), button)));
  all("[data-save]").forEach((button) => button.addEventListener("click", () => save(forms[button.dataset.save](extract()), `board.${button.dataset.save}`)));

  // One number ---------------------------------------------------------------------------------------------------
  const dialog = by("cell");
  const showCell = () => {
    const found = state.cell && find(state.cell);
    if (!found) { if (dialog.open) dialog.close(); return; }
    const row = rows.find(({ place }) => place === found.place);
    by("cell-title").textContent = title(found);
    fill(by("cell-body"), found, row.cells[headOf.get(found.column.slug).index].firstElementChild.getAttribute("href"), pages, copied);
    if (!dialog.open) dialog.showModal();
  };
  dialog.addEventListener("close", () => { if (state.cell) go({ cell: null }); });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  body.addEventListener("click", (event) => {
    const link = event.target.closest("td > a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const head = heads[link.parentElement.cellIndex];
    go({ cell: address(Number(link.closest("tr").dataset.place), columnOf.get(head.key)) });
  });

  // Keys: of all numbers one can be reached by Tab, the others from there by arrows ------------------------------
  let current = null;
  const enter = (link) => {
    if (current) current.tabIndex = -1;
    current = link;
    if (link) link.tabIndex = 0;
  };
  const within = (link) => { const cell = link?.parentElement; return link && !cell.parentElement.hidden && shown.includes(heads[cell.cellIndex]); };
  const roam = () => {
    if (within(current)) return;
    const first = shown.find(({ kind }) => kind === "set");
    enter(first && seen.map(({ cells }) => cells[first.index].firstElementChild).find(Boolean));
  };
  const step = (link, [down, right]) => {
    const places = shown.filter(({ kind }) => kind === "set").map(({ index }) => index);
    let row = seen.findIndex(({ row: known }) => known === link.closest("tr"));
    let column = places.indexOf(link.parentElement.cellIndex);
    for (;;) {
      [row, column] = [row + down, column + right];
      const cell = seen[row]?.cells[places[column]];
      if (!cell) return null;
      if (cell.firstElementChild) return cell.firstElementChild;
    }
  };
  const ways = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
  body.addEventListener("keydown", (event) => {
    const link = event.target.closest("td > a");
    const next = link && ways[event.key] && step(link, ways[event.key]);
    if (!next) return;
    event.preventDefault();
    enter(next);
    next.focus();
  });
  body.addEventListener("focusin", ({ target }) => { if (target.matches("td > a")) enter(target); });

  // A shadow where there is more to the right --------------------------------------------------------------------
  const region = by("region");
  const cue = () => { region.parentElement.toggleAttribute("data-more", region.scrollLeft + region.clientWidth < region.scrollWidth - 2); };
  region.addEventListener("scroll", cue, { passive: true });
  window.addEventListener("resize", cue);

  rows.forEach(({ cells }) => cells.forEach((cell) => { if (cell.firstElementChild?.tagName === "A" && cell.tagName === "TD") cell.firstElementChild.tabIndex = -1; }));
  table.classList.add("live");
  form.hidden = false;
  state = read(location.hash.includes("=") ? location.hash : "");
  render();
})();
