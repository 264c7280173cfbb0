// Copy buttons and live numbers. Every page works without this file.
"use strict";

const say = (text) => { document.getElementById("said").textContent = text; };

// The clipboard is for secure pages alone; many mirrors are plain http.
async function copy(source) {
  const text = source.textContent.trim();
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const range = document.createRange();
  range.selectNodeContents(source);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  if (!document.execCommand("copy")) throw new Error("not allowed");
}

for (const button of document.querySelectorAll(".copy")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await copy(button.parentElement.querySelector("code"));
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed: select it";
    }
    say(button.textContent);
    setTimeout(() => { button.textContent = "Copy"; say(""); }, 2000);
  });
}

// "/" goes to the search box, as on crates.io.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  event.preventDefault();
  document.getElementById("q").focus();
});

// Live numbers come while the page is looked at. What is being selected stays.
const live = document.getElementById("live");
let events = null;

function listen() {
  if (document.hidden || events) return;
  events = new EventSource(live.dataset.events);
  events.onmessage = (event) => {
    const selection = getSelection();
    if (selection.isCollapsed || !live.contains(selection.anchorNode)) live.innerHTML = event.data;
  };
  events.onerror = () => {
    if (events.readyState !== EventSource.CLOSED) return; // the browser tries again
    stop();
    setTimeout(listen, 30000);
  };
}

function stop() {
  if (events) events.close();
  events = null;
}

if (live) {
  document.addEventListener("visibilitychange", () => { document.hidden ? stop() : listen(); });
  listen();
}
