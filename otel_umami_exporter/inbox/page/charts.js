// Bars over time with Chart.js (in vendor/), in the colours of the page.

const HUES = [174, 214, 32, 268, 342, 92, 52, 196, 300, 12];
const drawn = new Set();

/** Draw stacked bars into *holder*: *labels* of time, and for each name its numbers. */
export function drawBars(holder, title, labels, series) {
  const canvas = document.createElement("canvas");
  const total = series.reduce((sum, each) => sum + each.numbers.reduce((a, b) => a + b, 0), 0);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${title}: ${total} in total`);
  holder.append(canvas);
  const { soft, line, bar } = colours();
  const datasets = series.map((each, index) => ({
    label: each.name,
    data: each.numbers,
    backgroundColor: bar(index),
    borderRadius: 2,
    maxBarThickness: 28,
  }));
  const axis = { stacked: true, border: { color: line } };
  const chart = new window.Chart(canvas, {
    type: "bar",
    data: { labels, datasets },
    options: {
      animation: false,
      maintainAspectRatio: false,
      scales: {
        x: { ...axis, grid: { display: false }, ticks: { color: soft, maxRotation: 0, autoSkipPadding: 12 } },
        y: { ...axis, grid: { color: line }, ticks: { color: soft, precision: 0 }, beginAtZero: true },
      },
      plugins: { colors: { enabled: false }, legend: { position: "bottom", labels: { boxWidth: 12, color: soft } } },
    },
  });
  drawn.add(chart);
  return total;
}

/** Forget all charts, before the page is drawn anew. */
export function clearCharts() {
  drawn.forEach((chart) => chart.destroy());
  drawn.clear();
}

/** The colours of the page as it is now, light or dark. */
function colours() {
  const style = getComputedStyle(document.documentElement);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  return {
    soft: style.getPropertyValue("--soft").trim(),
    line: style.getPropertyValue("--line").trim(),
    bar: (index) => `hsl(${HUES[index % HUES.length]} 55% ${dark ? 58 : 40}%)`,
  };
}

function recolour(chart) {
  const { soft, line, bar } = colours();
  const { scales, plugins } = chart.options;
  chart.data.datasets.forEach((dataset, index) => {
    dataset.backgroundColor = bar(index);
  });
  for (const axis of [scales.x, scales.y]) {
    axis.ticks.color = soft;
    axis.border.color = line;
  }
  scales.y.grid.color = line;
  plugins.legend.labels.color = soft;
  chart.update();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(recolour));
