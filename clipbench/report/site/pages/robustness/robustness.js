"use strict";
(() => {
  // Shifts --------------------------------------------------------------------------------------------------------
  // One shift of a benchmark is shown at a time; which one stands in the address, e.g. ?imagenet=imagenet-v2.
  const asked = new URLSearchParams(location.search);
  const benchmarks = Array.from(document.querySelectorAll("[data-benchmark]"), (section) => ({
    name: section.dataset.benchmark,
    select: section.querySelector("select"),
    articles: Array.from(section.querySelectorAll("[data-shift]")),
  })).filter(({ select }) => select);

  const show = ({ select, articles }, shift) => {
    select.value = shift;
    for (const article of articles) article.hidden = article.dataset.shift !== shift;
  };
  const first = ({ articles }) => articles[0].dataset.shift;
  const known = ({ articles }, shift) => articles.some((article) => article.dataset.shift === shift);

  const restore = () => {
    const query = new URLSearchParams(location.search);
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (const benchmark of benchmarks) {
      const linked = target && benchmark.articles.find((article) => article.contains(target));
      const wanted = linked ? linked.dataset.shift : query.get(benchmark.name);
      show(benchmark, known(benchmark, wanted) ? wanted : first(benchmark));
      if (linked) target.scrollIntoView();
    }
  };

  for (const benchmark of benchmarks) {
    benchmark.select.closest("[hidden]").hidden = false;
    benchmark.select.addEventListener("change", () => {
      const shift = benchmark.select.value;
      if (shift === first(benchmark)) asked.delete(benchmark.name); else asked.set(benchmark.name, shift);
      const query = asked.toString();
      history.pushState(null, "", location.pathname + (query ? `?${query}` : ""));
      show(benchmark, shift);
    });
  }
  restore();
  window.addEventListener("popstate", restore);
  window.addEventListener("hashchange", restore);

  // Hover ---------------------------------------------------------------------------------------------------------
  // What is pointed at in a scatter is shown in the residuals below it too, and the other way round.
  const link = (box) => {
    let busy = false;
    box.on("plotly_hover", ({ points: [point] }) => {
      if (busy) return;
      const { of } = point.data.meta;
      const other = of ?? box.data.findIndex((trace) => trace.meta.of === point.curveNumber);
      if (other < 0 || box.data[other].y[point.pointNumber] === null) return;
      const both = [point.curveNumber, other].map((curveNumber) => ({ curveNumber, pointNumber: point.pointNumber }));
      busy = true;
      window.Plotly.Fx.hover(box, both, ["xy", "xy2"]);
      busy = false;
    });
  };
  const linked = new Set();
  document.addEventListener("drawn", ({ target }) => {
    if (linked.has(target)) return;
    linked.add(target);
    link(target);
  });
})();
