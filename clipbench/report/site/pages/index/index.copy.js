"use strict";
// The table that is seen, as CSV, Markdown or LaTeX, with its marks and their notes.
(() => {
  const formula = (text) => (/^[=+\-@\t\r\n]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text);
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const csv = ({ heads, rows, notes }) =>
    [heads, ...rows, ...notes.map((note) => [note])].map((row) => row.map((text) => quoted(formula(text))).join(",")).join("\n") + "\n";

  const piped = (text) => text.replace(/[\\|`*_<>[\]]/g, "\\$&").replace(/\s+/g, " ");
  const md = ({ heads, rows, notes }) => {
    const line = (cells) => `| ${cells.map(piped).join(" | ")} |`;
    const rule = `|${heads.map((_, place) => (place ? " ---: " : " --- ")).join("|")}|`;
    return [line(heads), rule, ...rows.map(line), "", ...notes.map((note) => `${piped(note)}  `)].join("\n") + "\n";
  };

  const symbols = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}",
    "‡": "\\ddag{}", "†": "\\dag{}", "–": "--", "−": "$-$", "•": "$\\bullet$", "○": "$\\circ$", "\u202f": "\\,", "±": "$\\pm$" };
  const typeset = (text) => text.replace(/[\\~^<>‡†–−•○\u202f±]|[&%$#_{}]/g, (sign) => symbols[sign] || `\\${sign}`).replace(/\s+/g, " ");
  const tex = ({ heads, rows, notes }) => {
    const line = (cells) => `${cells.map(typeset).join(" & ")} \\\\`;
    return ["% needs \\usepackage{booktabs}", `\\begin{tabular}{l${"r".repeat(heads.length - 1)}}`, "\\toprule", line(heads), "\\midrule",
      ...rows.map(line), "\\bottomrule", "\\end{tabular}", ...notes.map((note) => `\\par\\footnotesize ${typeset(note)}`)].join("\n") + "\n";
  };

  const save = (text, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  Object.assign(window.clipbenchIndex, { forms: { csv, md, tex }, save });
})();
