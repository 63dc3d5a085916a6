"use strict";
// One number: how it was found, what its marks say, and where its evidence is.
(() => {
  const { models, columns, footnotes } = window.clipbench.board;
  const suffixes = { fraction: "\u202f%", difference: " points", gap: " points", rank: "", count: "", number: "", p: "" };
  // As Python rounds: of two decimals that are as near, the even one.
  const fixed = (value) => (Math.abs(value) % 1 === 0.25 ? Math.trunc(value * 10) / 10 : value).toFixed(1);
  const number = (value, unit, signed = false) => {
    const scaled = ["fraction", "difference", "gap"].includes(unit) ? fixed(100 * value) : String(Number(value.toPrecision(4)));
    const plain = Number(scaled) === 0 ? scaled.replace("-", "") : scaled;
    return (signed && Number(plain) > 0 ? `+${plain}` : plain).replace("-", "−");
  };

  const named = (column) => [column.dataset, column.task];
  const address = (model, column) => {
    const alike = columns.filter((other) => named(other).join() === named(column).join());
    return [models[model].slug, ...named(column), ...(alike[0] === column ? [] : [column.slug])];
  };
  const find = ([slug, dataset, task, own]) => {
    const place = models.findIndex((model) => model.slug === slug);
    const column = columns.find((other) => other.dataset === dataset && other.task === task && (!own || other.slug === own));
    const cell = column && column.cells.find(([model]) => model === place);
    return cell ? { place, column, cell } : null;
  };

  const make = (tag, text, more = {}) => Object.assign(document.createElement(tag), { textContent: text, ...more });
  const meanings = {
    b: "the best of its column, or not distinguishable from it", c: "not above chance",
    s: "the model declares this data set among its training data", f: "not compared with the others", x: "failed",
  };

  const facts = ({ place, column, cell }) => {
    const [, value, low, high, marks = "", job, footnote] = cell;
    const model = models[place];
    const unit = suffixes[column.unit] ?? ` ${column.unit}`;
    const told = (known) => `${number(known, column.unit)}${unit}`;
    const rank = (column.ranks || []).find(([at]) => at === place);
    const note = footnotes.find((known) => known.number === footnote);
    return [
      [column.metric_label, value === null ? (marks.includes("x") ? "failed" : "undefined") : told(value)],
      ["95 % interval", low == null || high == null ? "" : `${number(low, column.unit)} to ${told(high)}`],
      ["Images", [column.n?.toLocaleString("en"), column.limit].filter(Boolean).join(", ")],
      ["Chance", column.chance == null ? "" : told(column.chance)],
      ["Commonest class", column.commonest == null || column.commonest === column.chance ? "" : told(column.commonest)],
      ["Rank here", rank ? (rank[1] === rank[2] ? `${rank[1]}` : `${rank[1]} to ${rank[2]}`) + ` of ${column.ranks.length}` : ""],
      ["Marks", Array.from(marks, (mark) => meanings[mark]).join("; ")],
      ["Note", note ? `†${note.number} ${note.text}` : ""],
      ["Origin", job ? "measured here" : `published${model.origin === "published" ? "; not compared with what was measured here" : ""}`],
    ].filter(([, text]) => text);
  };

  const fill = (body, found, href, pages, copied) => {
    const list = make("dl", "", { className: "facts" });
    facts(found).forEach(([name, text]) => list.append(make("dt", name), make("dd", text)));
    const links = make("p", "", { className: "links" });
    const { column, cell } = found;
    links.append(make("a", "Evidence", { href }));
    if (cell[5]) links.append(make("a", "Record (JSON)", { href: `jobs/${cell[5]}.json` }));
    if (pages[column.dataset]) links.append(make("a", `About ${column.dataset}`, { href: pages[column.dataset] }));
    const copy = make("button", "Copy link", { type: "button", className: "chip" });
    copy.addEventListener("click", () => copied(location.href, copy));
    links.append(copy);
    body.replaceChildren(list, links);
  };
  const title = ({ place, column }) =>
    [`${models[place].name} on ${column.dataset}`, column.task_label, column.setting].filter(Boolean).join(", ");

  Object.assign(window.clipbenchIndex, { number, address, find, fill, title });
})();
