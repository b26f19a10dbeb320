"use strict";

// Draws what `data-chart` of a canvas says (rapport/web/drawing.py) with Chart.js, in the colours of the page.
const COLOURS = ["--chart-1", "--chart-2", "--chart-3", "--chart-4", "--chart-5"];
const drawn = new Map();

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function datasets(chart) {
  const last = chart.labels.length - 1;
  return chart.series.flatMap((series, place) => {
    const ink = colour(COLOURS[place % COLOURS.length]);
    const fill = chart.kind === "bar" ? chart.labels.map((_, at) => (chart.partial && at === last ? `${ink}80` : ink)) : ink;
    const line = {
      label: series.name, data: series.values, series, borderColor: ink, backgroundColor: fill,
      borderWidth: chart.kind === "bar" ? 0 : 2, pointRadius: chart.labels.length > 45 ? 0 : 2.5, pointHoverRadius: 5, cubicInterpolationMode: "monotone",
      segment: { borderDash: (part) => (chart.partial && part.p1DataIndex === last ? [4, 4] : undefined) },
    };
    if (!series.low) return [line];
    const edge = { borderWidth: 0, pointRadius: 0, pointHitRadius: 0, pointHoverRadius: 0, cubicInterpolationMode: "monotone", backgroundColor: `${ink}26`, isEdge: true };
    return [line, { ...edge, data: series.low }, { ...edge, data: series.high, fill: "-1" }];
  });
}

// What a click at a place opens: the nearest series' own link, else the label's.
function target(picture, chart, event) {
  const [at] = picture.getElementsAtEventForMode(event, "index", { intersect: false }, true);
  if (!at) return undefined;
  const near = picture.getElementsAtEventForMode(event, "nearest", { intersect: false }, true)
    .map((point) => picture.data.datasets[point.datasetIndex]).find((one) => !one.isEdge);
  return near?.series.links[at.index] || chart.links[at.index];
}

function draw(canvas) {
  const chart = JSON.parse(canvas.dataset.chart);
  const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: chart.places });
  const withUnit = (value) => `${number.format(value)}${chart.unit ? ` ${chart.unit}` : ""}`;
  const axis = { stacked: chart.stacked, grid: { color: colour("--line") }, ticks: { color: colour("--quiet"), maxRotation: 0, autoSkipPadding: 16 } };
  const inWords = (item) => {
    const { series } = item.dataset;
    const between = series.low && series.low[item.dataIndex] !== null
      ? ` (${number.format(series.low[item.dataIndex])} to ${number.format(series.high[item.dataIndex])})` : "";
    const note = series.notes[item.dataIndex] ? `, ${series.notes[item.dataIndex]}` : "";
    return `${series.name}: ${withUnit(item.raw)}${between}${note}`;
  };
  drawn.get(canvas)?.destroy();
  drawn.set(canvas, new Chart(canvas, {
    type: chart.kind,
    data: { labels: chart.labels, datasets: datasets(chart) },
    options: {
      animation: false, responsive: true, maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      onClick: (event, _, picture) => { const link = target(picture, chart, event); if (link) window.location.href = link; },
      onHover: (event, _, picture) => { canvas.classList.toggle("opens", Boolean(target(picture, chart, event))); },
      scales: { x: axis, y: { ...axis, ticks: { ...axis.ticks, callback: withUnit }, beginAtZero: chart.fromZero } },
      plugins: {
        legend: {
          display: chart.series.length > 1, labels: {
            color: colour("--ink"), boxWidth: 12,
            filter: (item, data) => !data.datasets[item.datasetIndex].isEdge,
          },
        },
        tooltip: {
          filter: (item) => !item.dataset.isEdge,
          callbacks: { label: inWords },
        },
      },
    },
  }));
}

function drawAll(part) {
  for (const canvas of part.querySelectorAll("canvas[data-chart]")) draw(canvas);
}

drawAll(document);
document.addEventListener("htmx:load", (event) => { if (event.detail.elt !== document.body) drawAll(event.detail.elt); });
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));
