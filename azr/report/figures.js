// Draws every figure of the page from #specs; hands them out as SVG, and as CSV from #tables, where there are buttons.
(() => {
  const plain = (id) => JSON.parse(document.getElementById(id)?.textContent || "{}");
  const specs = plain("specs"), tables = plain("tables");
  const options = { renderer: "svg", actions: false, tooltip: { disableDefaultStyle: true } };
  const places = [...document.querySelectorAll("[data-plot]")];
  const drawn = places.map((place) => vegaEmbed(place, specs[place.dataset.plot], options));
  Promise.all(drawn).then(() => { document.documentElement.dataset.plots = "drawn"; });

  window.saveAs = (name, type, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const standalone = (figure) => {
    const svg = document.querySelector(`[data-plot="${figure}"] svg`).cloneNode(true);
    svg.setAttribute("style", "color: #1d2126; background: #ffffff");  // its text takes the page's colour otherwise
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + new XMLSerializer().serializeToString(svg);
  };
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("button[data-take]");
    if (!button) return;
    const { take, figure } = button.dataset;
    if (take === "svg") saveAs(`${figure}.svg`, "image/svg+xml", standalone(figure));
    else saveAs(`${figure}.csv`, "text/csv", tables[figure]);
  });
})();
