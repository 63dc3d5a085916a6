"use strict";
// Sets out what closed boxes hold when one is opened: blocks by kind, whose texts are places in a list of values.
(() => {
  const source = document.getElementById("held");
  if (!source) return;
  let held = null;
  let figures = 0;
  const value = (place) => held.values[place];
  const make = (tag, kind, ...children) => {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    made.append(...children.filter((child) => child !== null && child !== ""));
    return made;
  };
  const isolated = (text) => make("bdi", "", text);
  const region = (kind, label, ...children) => {
    const box = make("div", kind, ...children);
    for (const [name, text] of [["tabindex", "0"], ["role", "group"], ["aria-label", label]]) box.setAttribute(name, text);
    return box;
  };
  const scoped = (head, scope) => { head.scope = scope; return head; };
  const shade = (share) => { const mark = make("i"); mark.style.setProperty("--v", share); return mark; };

  const entry = (place, at, numeric, link, heat) => {
    const found = value(place);
    const [text, small, bar] = Array.isArray(found) ? found : [found];
    if (at === 0) {
      const name = isolated(text);
      const linked = link ? make("a", "", name) : name;
      if (link) linked.href = link;
      return scoped(make("th", "", linked, small ? make("span", "remark", small) : null), "row");
    }
    if (heat && numeric) {
      const cell = make("td", "num", bar === undefined ? null : shade(bar), make("span", "", text));
      if (small) cell.title = small;
      return cell;
    }
    const kinds = [numeric ? "num" : "", bar === undefined ? "" : "meter", !numeric && text.length > 40 ? "words" : ""];
    const mark = bar === undefined ? null : shade(bar);
    return make("td", kinds.filter(Boolean).join(" "), mark, numeric ? text : isolated(text), small ? make("span", "ci", " " + small) : null);
  };

  const find = (label, rows) => {
    const field = make("input");
    Object.assign(field, { type: "search", autocomplete: "off" });
    const count = make("output", "small soft");
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      rows.forEach((row) => { row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted); });
      count.textContent = wanted ? rows.filter((row) => !row.hidden).length + " found" : "";
    });
    return make("div", "find", make("label", "", label + " ", field), count);
  };

  const grid = (frame, rows, look, search, links = []) => {
    const [caption, note, heads] = value(frame);
    const top = heads.map(([text, numeric]) => scoped(make("th", numeric ? "num" : "", isolated(text)), "col"));
    const body = rows.map((row, place) =>
      make("tr", "", ...row.map((cell, at) => entry(cell, at, heads[at][1], links.length ? value(links[place]) : "", look === 2))));
    const table = make("table", look === 2 ? "heat" : "", make("caption", "", caption), make("thead", "", make("tr", "", ...top)), make("tbody", "", ...body));
    const box = region(look === 1 ? "plain tall" : "plain", caption, table, note ? make("p", "small soft", note) : null);
    return search !== undefined && value(search) ? make("div", "searched", find(value(search), body), box) : box;
  };

  const matrix = (models, rows, numbered) => {
    const named = models.map(value);
    const top = named.map(([model], place) => {
      const head = scoped(make("th", "num", String(place + 1), make("span", "hidden", " " + model)), "col");
      head.title = model;
      return head;
    });
    const body = rows.map((row, at) => {
      const name = isolated(named[at][1]);
      name.title = named[at][0];
      const head = scoped(make("th", "", make("span", "who", make("span", "soft", String(at + 1)), name)), "row");
      return make("tr", "", head, ...row.map((place, column) => {
        const [text, hover, share, firm] = value(place);
        const cell = make("td", "num", hover ? shade(share) : null, make("span", firm ? "firm" : "", text));
        if (hover) cell.title = `${named[at][0]}, ${named[column][0]}: ${hover}`;
        return cell;
      }));
    });
    const table = make("table", numbered ? "heat matrix" : "heat matrix bare", make("thead", "", make("tr", "", make("td"), ...top)), make("tbody", "", ...body));
    return region("plain pairs", "Models by models, scrolls sideways", table);
  };

  const curve = (title, flag, legend, summary, height, spec) => {
    const plot = make("div", "plot");
    plot.id = `held-${figures += 1}`;
    plot.style.height = height + "px";
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", value(summary));
    const caption = make("figcaption", "", make("strong", "", value(title)), " ", value(flag) ? make("span", "flag", value(flag)) : null, make("span", "small soft", value(legend)));
    window.clipbenchPlot(plot, spec);
    return make("figure", "curve", caption, plot);
  };

  const titled = (title, ...children) => make("section", "", value(title) ? make("p", "label", value(title)) : null, ...children);

  const facts = (title, places, foot) => {
    const listed = places.map(value).flatMap(([name, text, full]) => {
      const cut = full ? make("abbr", "mono", text + "…") : isolated(text);
      if (full) cut.title = full;
      return [make("dt", "", name), make("dd", "", cut)];
    });
    return titled(title, make("dl", "facts", ...listed), value(foot) ? make("p", "small soft", value(foot)) : null);
  };

  const album = (title, pictures, words, foot) => {
    const shown = pictures.map((places) => {
      const [image, id, ...texts] = places.map(value);
      const told = texts.length > 1 ? texts.map((text, at) => [value(words)[at], text]) : [["", texts[0]]];
      const stored = image.startsWith("data:");
      const picture = make(stored ? "img" : "span", stored ? "" : "none", stored ? "" : image);
      // A caption that stands below is not said twice.
      const alt = told.length > 1 ? told.map((line) => line.filter(Boolean).join(": ")).join("; ") : id;
      if (stored) Object.assign(picture, { src: image, alt, width: 128, height: 128 });
      return make("li", "", picture, ...told.map(([word, text]) => {
        const line = make("p", "", word ? make("span", "soft", word + " ") : null, isolated(text));
        line.title = id;
        return line;
      }));
    });
    const list = shown.length ? make("ul", "album", ...shown) : null;
    return titled(title, list, value(foot) ? make("p", "small soft", value(foot)) : null);
  };

  const notes = (places, title) => titled(title, make("ul", "notes", ...places.map((place) => make("li", "", isolated(value(place))))));
  const builders = {
    grid, matrix, curve, facts, album, notes,
    notice: (places) => make("p", "notice bad", isolated(value(places[0]))),
    grids: (blocks) => make("div", "grids", ...blocks.map(set)),
    pair: (blocks) => make("div", "pair", ...blocks.map(set)),
  };
  const set = (place) => {
    const [kind, ...rest] = held.blocks[place];
    return builders[kind](...rest);
  };

  const fill = (box) => {
    held ??= JSON.parse(source.textContent);
    box.replaceChildren(...held.boxes[box.dataset.held].map(set));
  };
  for (const box of document.querySelectorAll("[data-held]")) {
    const around = box.closest("details");
    if (around.open) fill(box); else around.addEventListener("toggle", () => fill(box), { once: true });
  }
})();
