"use strict";

// Draws what `data-chart` of a canvas says (rapport/web/drawing.py) with Chart.js, in the colours of the page.
const COLOURS = ["--chart-1", "--chart-2", "--chart-3", "--chart-4", "--chart-5"];
const drawn = new Map();

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function datasets(chart) {
  return chart.series.flatMap((series, place) => {
    const ink = colour(COLOURS[place % COLOURS.length]);
    const line = {
      label: series.name, data: series.values, borderColor: ink, backgroundColor: chart.kind === "bar" ? ink : "transparent",
      borderWidth: 2, pointRadius: chart.labels.length > 45 ? 0 : 2.5, pointHoverRadius: 5, tension: 0.2,
    };
    if (!series.low) return [line];
    const edge = { borderWidth: 0, pointRadius: 0, pointHitRadius: 0, tension: 0.2, backgroundColor: `${ink}26`, isEdge: true };
    return [line, { ...edge, data: series.low }, { ...edge, data: series.high, fill: "-1" }];
  });
}

function draw(canvas) {
  const chart = JSON.parse(canvas.dataset.chart);
  const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: chart.places });
  const withUnit = (value) => `${number.format(value)}${chart.unit ? ` ${chart.unit}` : ""}`;
  const axis = { grid: { color: colour("--line") }, ticks: { color: colour("--quiet"), maxRotation: 0, autoSkipPadding: 16 } };
  drawn.get(canvas)?.destroy();
  drawn.set(canvas, new Chart(canvas, {
    type: chart.kind,
    data: { labels: chart.labels, datasets: datasets(chart) },
    options: {
      animation: false, responsive: true, maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      onClick: (_, points) => { if (points.length && chart.links.length) window.location.href = chart.links[points[0].index]; },
      scales: { x: axis, y: { ...axis, ticks: { ...axis.ticks, callback: withUnit }, beginAtZero: chart.kind === "bar" } },
      plugins: {
        legend: {
          display: chart.series.length > 1, labels: {
            color: colour("--ink"), boxWidth: 12,
            filter: (item, data) => !data.datasets[item.datasetIndex].isEdge,
          },
        },
        tooltip: {
          filter: (item) => !item.dataset.isEdge,
          callbacks: { label: (item) => `${item.dataset.label}: ${withUnit(item.parsed.y)}` },
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
