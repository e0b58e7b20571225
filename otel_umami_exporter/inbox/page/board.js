// Draws the board JSON of Umami, and the reports beside it, with Umami's own reading calls.

import { clearCharts, drawBars } from "/inbox/charts.js";

const HOUR = 3_600_000;
const DAYS = { "7day": 7, "30day": 30, "90day": 90 };
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const whole = new Intl.NumberFormat("en");
const picker = document.querySelector("#range");
const main = document.querySelector("#board");
const problem = document.querySelector("#problem");

let opened = null; // {board, reports, token}
let drawing = 0;

class Failed extends Error {}

async function call(path, options = {}) {
  const headers = { "x-umami-share-context": "1", "content-type": "application/json" };
  if (opened?.token) headers["x-umami-share-token"] = opened.token;
  const answer = await fetch(path, { ...options, headers });
  if (!answer.ok) throw new Failed(`${answer.status} from ${path.split("?")[0]}`);
  return answer.json();
}

/** What this address opens: a share page, a board, or the reports of a website. */
async function open() {
  const [kind, id] = location.pathname.split("/").filter(Boolean).map(decodeURIComponent);
  if (kind === "boards") return call(`/inbox/boards/${encodeURIComponent(id)}`);
  if (kind === "websites") return call(`/inbox/websites/${encodeURIComponent(id)}`);
  const share = await call(`/api/share/${encodeURIComponent(id)}`);
  opened = { board: null, reports: [], token: share.token };
  if (share.boardId) return { ...opened, board: await call(`/api/boards/${share.boardId}`) };
  return { ...opened, board: websiteBoard(await call(`/api/websites/${share.websiteId}`)) };
}

/** A share of a website, seen as a board. */
function websiteBoard(website) {
  const entity = { entityType: "website", entityId: website.id, description: "" };
  const components = [
    { type: "WebsiteMetricsBar", title: "Overview", props: {}, ...entity },
    { type: "EventsChart", title: "Events", props: {}, ...entity },
    { type: "MetricsTable", title: "Events by name", props: { type: "event", limit: 20 }, ...entity },
  ];
  const rows = components.map((component) => ({ columns: [{ component }] }));
  return { name: website.name, description: "", parameters: { rows } };
}

// --- time -----------------------------------------------------------------------------------------------------------

/** The range of the picker, to the end of the running hour or day, with the beginning of each hour or day in it. */
function range() {
  const now = new Date();
  const times = [];
  if (picker.value === "24hour") {
    const hour = new Date(now).setMinutes(0, 0, 0);
    for (let back = 23; back >= 0; back -= 1) times.push(new Date(hour - back * HOUR));
    return { startAt: times[0].getTime(), endAt: hour + HOUR - 1, unit: "hour", times };
  }
  for (let back = DAYS[picker.value] - 1; back >= 0; back -= 1) {
    times.push(new Date(now.getFullYear(), now.getMonth(), now.getDate() - back));
  }
  const end = new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1).getTime() - 1;
  return { startAt: times[0].getTime(), endAt: end, unit: "day", times };
}

function stamp(time, unit) {
  const two = (number) => String(number).padStart(2, "0");
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return unit === "hour" ? `${day} ${two(time.getHours())}:00:00` : `${day} 00:00:00`;
}

function label(time, unit) {
  const format = unit === "hour" ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : { day: "numeric", month: "short" };
  return time.toLocaleString("en-GB", format);
}

function query(extra = {}) {
  const { startAt, endAt } = range();
  return new URLSearchParams({ startAt, endAt, ...extra }).toString();
}

// --- widgets --------------------------------------------------------------------------------------------------------

const drawers = { WebsiteMetricsBar: metricsBar, WebsiteChart: websiteChart, EventsChart: eventsChart, MetricsTable: table, TextBlock: words };

async function metricsBar(body, component) {
  const stats = await call(`/api/websites/${component.entityId}/stats?${query()}`);
  const seconds = stats.visits ? Math.round(stats.totaltime / stats.visits) : 0;
  const bounces = stats.visits ? Math.round((100 * Math.min(stats.visits, stats.bounces)) / stats.visits) : 0;
  numbers(body, [
    ["Visitors", whole.format(stats.visitors)],
    ["Visits", whole.format(stats.visits)],
    ["Views", whole.format(stats.pageviews)],
    ["Bounce rate", `${bounces}%`],
    ["Visit duration", `${seconds}s`],
  ]);
}

async function websiteChart(body, component) {
  const { unit, times } = range();
  const found = await call(`/api/websites/${component.entityId}/pageviews?${query({ unit, timezone: zone })}`);
  const along = (rows) => times.map((time) => rows.find((row) => row.x === stamp(time, unit))?.y ?? 0);
  const series = [{ name: "Visitors", numbers: along(found.sessions) }, { name: "Views", numbers: along(found.pageviews) }];
  plot(body, component.title, times.map((time) => label(time, unit)), series);
}

async function eventsChart(body, component) {
  const { unit, times } = range();
  const rows = await call(`/api/websites/${component.entityId}/events/series?${query({ unit, timezone: zone })}`);
  const names = [...new Set(rows.map((row) => row.x))];
  const series = names.map((name) => ({
    name,
    numbers: times.map((time) => rows.find((row) => row.x === name && row.t === stamp(time, unit))?.y ?? 0),
  }));
  plot(body, component.title, times.map((time) => label(time, unit)), series);
}

async function table(body, component) {
  const { type, limit, params } = component.props;
  const rows = await call(`/api/websites/${component.entityId}/metrics?${query({ type, limit: limit ?? 10, ...params })}`);
  if (!rows.length) return empty(body);
  if (rows.length === 1) return numbers(body, [[rows[0].x, whole.format(rows[0].y)]]);
  const made = element("table");
  const head = element("tr");
  head.append(element("th", type === "event" ? "Event" : type), element("th", type === "event" ? "Count" : "Visitors"), element("th", "Share"));
  made.append(head);
  const all = rows.reduce((sum, row) => sum + row.y, 0);
  for (const row of rows) {
    const line = element("tr");
    line.append(element("td", row.x), element("td", whole.format(row.y)), element("td", percent(row.y, all)));
    made.append(line);
  }
  body.append(made);
}

function words(body, component) {
  body.append(element("p", component.props?.text ?? "", "words"));
}

async function report(body, saved) {
  const { startAt, endAt } = range();
  const dates = { startDate: new Date(startAt).toISOString(), endDate: new Date(endAt).toISOString() };
  const found = await call(`/api/reports/${saved.type}`, {
    method: "POST",
    body: JSON.stringify({ websiteId: saved.websiteId, type: saved.type, filters: {}, parameters: { ...saved.parameters, ...dates } }),
  });
  if (saved.type === "goal") {
    numbers(body, [["Visitors", whole.format(found.num)], ["of all", percent(found.num, found.total)]]);
    return;
  }
  const steps = element("ol", "", "steps");
  for (const step of found) {
    const item = element("li");
    const line = element("div", "", "line");
    line.append(element("span", step.value), element("span", `${whole.format(step.visitors)} (${percent(step.visitors, found[0].visitors)})`));
    const bar = element("progress");
    bar.max = Math.max(found[0].visitors, 1);
    bar.value = step.visitors;
    item.append(line, bar);
    steps.append(item);
  }
  body.append(steps, element("p", `Conversion: ${percent(found.at(-1).visitors, found[0].visitors)}`, "meant"));
}

function plot(body, title, labels, series) {
  if (!series.length) return empty(body);
  const figure = element("figure");
  const holder = element("div", "", "plot");
  figure.append(holder);
  body.append(figure);
  const total = drawBars(holder, title, labels, series);
  figure.append(element("figcaption", `${whole.format(total)} in total`));
}

function numbers(body, pairs) {
  const list = element("dl", "", "numbers");
  for (const [name, number] of pairs) {
    const pair = element("div");
    pair.append(element("dt", name), element("dd", number));
    list.append(pair);
  }
  body.append(list);
}

function percent(part, all) {
  return all ? `${Math.round((1000 * part) / all) / 10}%` : "0%";
}

function empty(body) {
  body.append(element("p", "Nothing in this range.", "empty"));
}

function element(name, text = "", kind = "") {
  const made = document.createElement(name);
  if (text !== "") made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

// --- the page -------------------------------------------------------------------------------------------------------

async function widget(row, title, description, draw) {
  const section = element("section", "", "widget");
  section.dataset.widget = title;
  const body = element("div", "", "body");
  section.append(element("h2", title));
  if (description) section.append(element("p", description, "meant"));
  section.append(body);
  row.append(section);
  try {
    await draw(body);
  } catch (error) {
    if (!(error instanceof Failed) && !(error instanceof TypeError)) throw error;
    body.append(element("p", `Not to be had: ${error.message}`, "error"));
  }
}

async function draw() {
  const turn = (drawing += 1);
  main.setAttribute("aria-busy", "true");
  clearCharts();
  main.replaceChildren();
  const waiting = [];
  for (const { columns } of opened.board?.parameters.rows ?? []) {
    const row = main.appendChild(element("div", "", "row"));
    for (const { component } of columns) {
      const drawer = drawers[component.type] ?? ((body) => body.append(element("p", `The inbox draws no ${component.type}.`, "empty")));
      waiting.push(widget(row, component.title, component.description, (body) => drawer(body, component)));
    }
  }
  const reports = opened.reports.filter((each) => each.type === "funnel" || each.type === "goal");
  if (reports.length) {
    const row = main.appendChild(element("div", "", "row"));
    for (const saved of reports) {
      const kind = saved.type === "funnel" ? "Funnel report" : "Goal report";
      waiting.push(widget(row, `${kind}: ${saved.name}`, "", (body) => report(body, saved)));
    }
  }
  await Promise.all(waiting);
  if (turn === drawing) main.setAttribute("aria-busy", "false");
}

picker.addEventListener("change", () => {
  const address = new URL(location.href);
  address.searchParams.set("date", picker.value);
  history.replaceState(null, "", address);
  draw();
});

try {
  const wanted = new URLSearchParams(location.search).get("date");
  if ([...picker.options].some((option) => option.value === wanted)) picker.value = wanted;
  opened = await open();
  const name = opened.board?.name ?? "Reports";
  document.title = name;
  document.querySelector("#name").textContent = name;
  document.querySelector("#description").textContent = (opened.board?.description ?? "").replace(/\s*\[otel-umami \w+\]$/, "");
  await draw();
} catch (error) {
  problem.textContent = error instanceof Failed ? `There is nothing to show here (${error.message}).` : "The inbox does not answer.";
  problem.hidden = false;
  main.setAttribute("aria-busy", "false");
}
