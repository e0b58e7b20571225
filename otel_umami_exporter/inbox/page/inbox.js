// Asks the inbox twice a second what has arrived, and shows it. All text is set as text, never as HTML.

const EVERY_MS = 500;
const MOST_SHOWN = 200;
const LONGEST_VALUE = 160;
const LABEL_LENGTH = 8;
const SEVERITIES = { lost: "Lost", damaged: "Stored in part", changed: "Changed" };

const byId = (id) => document.getElementById(id);
const list = byId("event-list");
const filter = byId("filter");
const website = new URLSearchParams(location.search).get("website") ?? "";

let epoch = "";
let since = 0;
let fresh = false;
const shown = {};

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function hue(text) {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)) % 360;
  return sum;
}

function clock(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  return at.toDateString() === new Date().toDateString() ? time : `${at.toLocaleDateString()} ${time}`;
}

function chip(event) {
  if (!event.visitor) {
    const nobody = element("span", "chip nobody", "no visitor");
    nobody.title = "sent without an id: Umami tells such visitors apart by address and User-Agent";
    return nobody;
  }
  const made = element("span", "chip", event.visitor.slice(0, LABEL_LENGTH));
  made.title = `visitor ${event.visitor}`;
  made.style.setProperty("--hue", hue(event.visitor));
  return made;
}

function properties(event) {
  const made = element("dl", "properties");
  for (const { key, value } of event.data) {
    const pair = element("div");
    const short = value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE)}…` : value;
    const shownValue = element("dd", "", short);
    shownValue.title = value;
    pair.append(element("dt", "", key), shownValue);
    made.append(pair);
  }
  if (event.more) made.append(element("div", "", `and ${event.more} more`));
  return made;
}

function eventItem(event) {
  const item = element("li", event.name === null ? "view" : "");
  const head = element("div", "event-head");
  head.append(element("span", "event-name", event.name === null ? "page view" : event.name));
  if (event.name === null) head.append(element("span", "path", event.path || "/"));
  head.append(chip(event));
  const time = element("time", "", clock(event.at));
  time.dateTime = event.at;
  time.title = event.at;
  head.append(time);
  item.append(head);
  if (event.data.length) item.append(properties(event));
  const words = [event.name ?? "page view", event.path, event.visitor, event.tag, event.hostname];
  for (const { key, value } of event.data) words.push(key, value, `${key}=${value}`);
  item.dataset.words = words.filter(Boolean).join("\n").toLowerCase();
  return item;
}

function applyFilter() {
  const wanted = filter.value.trim().toLowerCase();
  let visible = 0;
  for (const item of list.children) {
    item.hidden = wanted !== "" && !item.dataset.words.includes(wanted);
    if (!item.hidden) visible += 1;
  }
  const note = byId("filter-note");
  note.hidden = wanted === "";
  note.textContent = `${visible} of the latest ${list.children.length} match`;
}

function problemItem(problem) {
  const item = element("li");
  item.dataset.reason = problem.reason;
  const head = element("div", "problem-head");
  head.append(element("span", "severity", SEVERITIES[problem.severity] ?? problem.severity));
  head.append(element("span", "", problem.event ?? "an event"));
  if (problem.times > 1) head.append(element("span", "times", `${problem.times} times`));
  head.append(element("span", "kept", `Umami keeps ${problem.kept}`));
  item.append(head, element("p", "message", problem.message), element("p", "remedy", problem.remedy));
  return item;
}

function countItem(entry, most) {
  const item = element("li");
  const button = element("button");
  button.type = "button";
  button.title = `Show only ${entry.name}`;
  button.style.setProperty("--share", `${(100 * entry.count) / most}%`);
  button.append(element("span", "", entry.name), element("span", "number", entry.count.toLocaleString()));
  button.addEventListener("click", () => {
    filter.value = filter.value === entry.name ? "" : entry.name;
    applyFilter();
  });
  item.append(button);
  return item;
}

// Rebuild a part of the page only when what it shows has changed: a list under the mouse should keep still.
function whenChanged(name, value, show) {
  const now = JSON.stringify(value);
  if (shown[name] === now) return;
  shown[name] = now;
  show(value);
}

function showTotals(totals) {
  for (const [name, value] of Object.entries(totals)) byId(`total-${name}`).textContent = value.toLocaleString();
  byId("problems-total").classList.toggle("bad", totals.problems > 0);
  byId("hint").hidden = !(totals.events > 0 && totals.views === 0);
}

function showCounts(counts) {
  const most = Math.max(1, ...counts.map((entry) => entry.count));
  byId("count-list").replaceChildren(...counts.map((entry) => countItem(entry, most)));
  byId("no-counts").hidden = counts.length > 0;
}

function showProblems(problems) {
  byId("problem-list").replaceChildren(...problems.map(problemItem));
  byId("problems").hidden = problems.length === 0;
}

function showEvents(events) {
  for (const event of [...events].reverse()) {
    const item = eventItem(event);
    if (fresh) item.classList.add("fresh");
    list.prepend(item);
    since = Math.max(since, event.seq);
  }
  while (list.children.length > MOST_SHOWN) list.lastChild.remove();
  byId("no-events").hidden = list.children.length > 0;
  if (events.length) applyFilter();
}

function show(feed) {
  if (feed.epoch !== epoch) {
    epoch = feed.epoch;
    since = 0;
    fresh = false;
    list.replaceChildren();
  }
  whenChanged("totals", feed.totals, showTotals);
  whenChanged("counts", feed.counts, showCounts);
  whenChanged("problems", feed.problems, showProblems);
  showEvents(feed.events);
  fresh = true;
}

function say(state, text) {
  const status = byId("status");
  status.dataset.state = state;
  status.textContent = text;
}

async function ask() {
  try {
    const answer = await fetch(`/inbox/feed?${new URLSearchParams({ epoch, since, website })}`);
    show(await answer.json());
    say("live", "live");
  } catch {
    say("away", "the inbox does not answer");
  }
  setTimeout(ask, EVERY_MS);
}

byId("scope").hidden = !website;
byId("scope-website").textContent = website;
byId("endpoint").textContent = `UMAMI_ENDPOINT=${location.origin}`;
filter.addEventListener("input", applyFilter);
ask();
