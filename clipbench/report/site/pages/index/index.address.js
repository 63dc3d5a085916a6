"use strict";
// What is seen, in the part of the address behind #: a link shows it again, and the back button leads back.
window.clipbenchIndex = {};
(() => {
  const lists = ["task", "regime", "limit", "origin", "size", "family", "trained", "columns"];
  const texts = ["q", "preset", "show", "pin", "heat", "complete", "sort", "metric"];
  const decoded = (text) => { try { return decodeURIComponent(text); } catch { return text; } };

  const read = (hash) => {
    const state = Object.fromEntries([...lists.map((key) => [key, null]), ...texts.map((key) => [key, ""]), ["cell", null]]);
    for (const part of hash.replace(/^#/, "").split("&")) {
      const [key, value] = [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)];
      if (texts.includes(key)) state[key] = decoded(value);
      else if (lists.includes(key) || key === "cell") state[key] = value.split(",").map(decoded);
    }
    return state;
  };

  const write = (state) => {
    const several = (value) => value.map(encodeURIComponent).join(",");
    const parts = [...texts.filter((key) => state[key]).map((key) => `${key}=${encodeURIComponent(state[key])}`),
      ...[...lists, "cell"].filter((key) => state[key]).map((key) => `${key}=${several(state[key])}`)];
    return parts.length ? `#${parts.join("&")}` : "";
  };

  Object.assign(window.clipbenchIndex, { read, write });
})();
