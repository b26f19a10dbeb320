"use strict";

// The timeline's hours become the viewer's, and its days are then counted in the viewer's zone, too.
function byTheViewersDays() {
  for (const time of document.querySelectorAll("time[data-form=hour]")) {
    time.textContent = new Intl.DateTimeFormat(undefined, { timeStyle: "short" }).format(new Date(time.dateTime));
  }
  for (const list of document.querySelectorAll(".timeline")) {
    for (const heading of list.querySelectorAll(".day")) heading.remove();
    let last = "";
    for (const touch of list.querySelectorAll(".touch")) {
      const day = new Intl.DateTimeFormat(undefined, { dateStyle: "full" })
        .format(new Date(touch.querySelector("time").dateTime));
      if (day !== last) {
        const heading = document.createElement("li");
        heading.className = "day";
        heading.textContent = day;
        list.insertBefore(heading, touch);
        last = day;
      }
    }
  }
}

byTheViewersDays();
document.addEventListener("htmx:load", byTheViewersDays);
