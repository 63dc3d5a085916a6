"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  // A site's pages share the choice; where nothing may be stored each page asks anew.
  const storage = (act) => { try { return act(window.localStorage); } catch { return null; } };
  let chosen = storage((kept) => kept.getItem("theme"));

  // Figures -----------------------------------------------------------------------------------------------------
  const specs = new Map();
  const drawn = new Set();

  const colours = () => {
    const style = getComputedStyle(root);
    const named = (name) => style.getPropertyValue("--" + name).trim();
    return {
      ink: named("ink"), soft: named("soft"), grid: named("grid"), card: named("card"), line: named("line"),
      warn: named("warn"), band: named("band"),
      training: [0, 1, 2, 3, 4, 5].map((index) => named("t" + index)),
      series: [0, 1, 2, 3, 4, 5, 6, 7].map((index) => named("s" + index)),
    };
  };

  const painted = (spec) => {
    const palette = colours();
    const roles = {
      benchmark: palette.ink, shift: palette.warn, link: palette.grid, chosen: palette.ink,
      curve: palette.series[0], second: palette.soft, baseline: palette.ink, band: palette.band,
    };
    const copy = JSON.parse(JSON.stringify(spec));
    for (const trace of copy.data) {
      const { series, role, training, hollow, outlined } = trace.meta;
      const named = role ? roles[role] : palette.training[training];
      const colour = named ? named : Array.isArray(series) ? series.map((index) => palette.series[index]) : palette.series[series];
      if (trace.line) trace.line.color = colour;
      if (trace.marker) {
        trace.marker.color = hollow ? hollow.map((open) => (open ? palette.card : colour)) : colour;
        trace.marker.line = { width: 0, ...trace.marker.line, color: outlined ? palette.card : colour };
      }
      if (trace.fill) trace.fillcolor = colour;
      // A name that lies over other points stays legible.
      if (trace.text) trace.textfont = { weight: 600, shadow: `0 0 3px ${palette.card}, 0 0 3px ${palette.card}, 0 0 3px ${palette.card}` };
      if (trace.error_x) trace.error_x.color = trace.error_y ? colour : palette.ink;
      if (trace.error_y) trace.error_y.color = colour;
      trace.hoverlabel = { bgcolor: palette.card, bordercolor: palette.line, font: { color: palette.ink }, align: "left" };
    }
    const font = getComputedStyle(document.body).fontFamily;
    Object.assign(copy.layout, {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: font, size: 12.5, color: palette.ink },
    });
    for (const axis of Object.keys(copy.layout).filter((key) => /^[xy]axis/.test(key)).map((key) => copy.layout[key])) {
      if (axis.showgrid === false) continue;
      Object.assign(axis, { gridcolor: palette.grid, zerolinecolor: palette.soft, tickfont: { color: palette.soft, size: 12 } });
      if (axis.title) axis.title.font.color = palette.soft;
    }
    return copy;
  };

  // A report holds plotly; a site has it in a file of its own, loaded with the first figure.
  const source = document.currentScript.dataset.plotly;
  let loading = null;
  const plotly = () => {
    if (window.Plotly) return Promise.resolve();
    loading ??= new Promise((done, failed) => {
      const script = document.createElement("script");
      Object.assign(script, { src: source, onload: done, onerror: failed });
      document.head.append(script);
    });
    return loading;
  };

  const draw = async (box) => {
    await plotly();
    const spec = specs.get(box.id) || JSON.parse(document.getElementById(box.id + "-data").textContent);
    specs.set(box.id, spec);
    const { data, layout } = painted(spec);
    drawn.add(box);
    await window.Plotly.react(box, data, layout, { displayModeBar: false, responsive: true, scrollZoom: false, typesetMath: false });
    box.dispatchEvent(new Event("drawn", { bubbles: true }));
  };

  const boxes = all("[data-plot]");
  const folded = (box) => box.closest("details:not([open])") !== null;
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) { watch.unobserve(entry.target); draw(entry.target); }
    }
  }, { rootMargin: "400px 0px" });
  boxes.forEach((box) => watch.observe(box));
  // For what a page's own script adds.
  window.clipbenchPlot = (box, spec) => {
    box.dataset.plot = "";
    specs.set(box.id, spec);
    boxes.push(box);
    watch.observe(box);
  };
  // A figure in closed details has no width; it is drawn again when it comes into view.
  const redraw = () => drawn.forEach((box) => {
    if (!folded(box)) { draw(box); return; }
    drawn.delete(box);
    watch.observe(box);
  });

  // Theme -------------------------------------------------------------------------------------------------------
  const button = document.getElementById("theme");
  const setTheme = (theme) => {
    root.dataset.theme = theme;
    button.setAttribute("aria-label", theme === "dark" ? "Use light colours" : "Use dark colours");
    redraw();
  };
  const system = () => (dark.matches ? "dark" : "light");
  setTheme(chosen || system());
  button.hidden = false;
  button.addEventListener("click", () => {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    storage((kept) => kept.setItem("theme", chosen));
    setTheme(chosen);
  });
  dark.addEventListener("change", () => { if (!chosen) setTheme(system()); });
  window.addEventListener("beforeprint", () => {
    root.classList.add("paper");
    setTheme("light");
    boxes.filter((box) => !folded(box)).forEach(draw);
  });
  window.addEventListener("afterprint", () => { root.classList.remove("paper"); setTheme(chosen || system()); });

  // Sorting -----------------------------------------------------------------------------------------------------
  const sortBy = (head) => {
    const table = head.closest("table");
    const body = table.tBodies[0];
    const place = Number(head.dataset.place);
    const before = head.getAttribute("aria-sort");
    const direction = before ? (before === "ascending" ? "descending" : "ascending") : head.dataset.first;
    const sign = direction === "ascending" ? 1 : -1;
    const textual = head.dataset.first === "ascending" && head.dataset.kind === "text";
    const key = (row) => row.cells[place].dataset.value || "";
    const rows = Array.from(body.rows).sort((a, b) => {
      const [one, two] = [key(a), key(b)];
      if (one === "" || two === "") return (one === "") - (two === "");
      return sign * (textual ? one.localeCompare(two, undefined, { numeric: true }) : Number(one) - Number(two));
    });
    all("[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", direction);
    body.append(...rows);
  };
  all("[data-place] > .sort").forEach((sorter) => sorter.addEventListener("click", () => sortBy(sorter.closest("th"))));

  // Links -------------------------------------------------------------------------------------------------------
  const reveal = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && document.getElementById(id);
    if (!target) return;
    for (let box = target; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
    target.scrollIntoView();
  };
  window.addEventListener("hashchange", reveal);
  reveal();
})();
